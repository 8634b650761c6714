/** The wire protocol between an orchestrator and handlers: the message table, its codec and the ids. */
export {
  decodeFrames,
  type Frame,
  FrameDecoder,
  FrameWriter as SpecFrameWriter,
  REQUESTED_ACK,
  readMessage,
  scratchFrame,
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
export {
  type DecodedFrame,
  decodeFrame,
  decodeMessage,
  encodeFrame,
  type Message,
  type MessageInput,
  type MessageName,
  MessageType,
  messages,
  NamedFrameWriter as FrameWriter,
  nameOfType,
} from './named.ts';
export { EMPTY } from './plan.ts';
export * from './schema.ts';
