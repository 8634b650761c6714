/**
 * What the codec and the id functions throw. This package imports nothing, so that it stays small inside a
 * Lambda bundle; hence an error class of its own with the same shape as the runtime's coded errors.
 */

export type ProtocolErrorCode =
  /** Bytes that are no valid protobuf, or contradict the message table. */
  | 'HF_PROTOCOL_MALFORMED'
  /** Messages nested deeper than `MAX_NESTING`. */
  | 'HF_PROTOCOL_NESTING'
  /** A frame above the length limit, or more repeated elements than `MAX_ELEMENTS`. */
  | 'HF_PROTOCOL_TOO_LARGE'
  /** The stream or body ended inside a frame. */
  | 'HF_PROTOCOL_INCOMPLETE'
  /** A frame of a type that is not in the message table. */
  | 'HF_PROTOCOL_UNKNOWN_TYPE'
  /** The encoder was given a value that its field cannot carry. */
  | 'HF_PROTOCOL_VALUE'
  /** Text that is not an id of the expected kind. */
  | 'HF_ID_MALFORMED';

/** The message says what to do; the code has a page in `docs/errors/`. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: ProtocolErrorCode;
  constructor(code: ProtocolErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** `what` has so many of them. The pages of the codes say what to do instead. */
export function assertAtMost(
  max: number,
  count: number,
  what: string,
  of: string,
  code: ProtocolErrorCode,
): void {
  if (count > max) throw new ProtocolError(code, `${of} has ${count} ${what}, above the limit of ${max}.`);
}
