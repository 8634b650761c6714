/** The wire protocol between an orchestrator and handlers: the message table, its codec and the ids. */
export {
  type DecodedFrame,
  decodeFrame,
  decodeFrames,
  decodeMessage,
  encodeFrame,
  type Frame,
  FrameDecoder,
  type FrameLimits,
  FrameWriter,
  nameOfType,
  REQUESTED_ACK,
} from './codec.ts';
export { MAX_ELEMENTS } from './decode.ts';
export { MAX_NESTING } from './encode.ts';
export { ProtocolError, type ProtocolErrorCode } from './error.ts';
export {
  decodeAwakeableId,
  decodeId,
  decodeInvocationId,
  encodeAwakeableId,
  encodeId,
  encodeInvocationId,
  type IdPrefix,
  INVOCATION_ID_BYTES,
} from './ids.ts';
export * from './schema.ts';
