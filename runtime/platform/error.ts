/**
 * An operating error: something outside the program went wrong and somebody can do something about it. The
 * message says what to do; the code has a page in `docs/errors/`. Programmer errors are assertions instead.
 */
export class CodedError extends Error {
  override readonly name = 'CodedError';
  /** `HF_…` for ours, `RT…` and `META…` for those of the service protocol. */
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
