/**
 * Test helper: what the answers of two SDKs to one request have in common. Every byte counts, but in frames with
 * absolute times, stack traces, wording of an SDK's own or sets in them, which are compared without these.
 */
import { type DecodedFrame, decodeFrame, decodeFrames, type Frame } from '@holdfast/protocol';

export function comparable({ body }: { readonly body: string }): readonly unknown[] {
  return comparableFrames(decodeFrames(Buffer.from(body, 'base64')));
}

export const comparableFrames = (frames: readonly Frame[]): readonly unknown[] =>
  frames.map(frame => withoutTimes(decodeFrame(frame)) ?? hexOf(frame));

const hexOf = ({ bytes }: Frame): string => Buffer.from(bytes).toString('hex');

/** Undefined for frames of which every byte counts. */
function withoutTimes({ name, message }: DecodedFrame): object | undefined {
  const byNumber = (ids: readonly number[]) => [...ids].sort((a, b) => a - b);
  switch (name) {
    case 'SleepCommand':
      return { frame: name, ...message, wakeUpTime: 'then' };
    case 'OneWayCallCommand':
      return { frame: name, ...message, invokeTime: message.invokeTime === 0 ? 'now' : 'then' };
    case 'Error':
      return {
        frame: name,
        ...message,
        stacktrace: '',
        message: message.code === 570 ? '' : message.message,
      };
    case 'Suspension':
      // The lists are sets. What protocol 7 has in their place is compared as bytes.
      if (message.awaitingOn !== undefined) return undefined;
      return {
        frame: name,
        ...message,
        waitingCompletions: byNumber(message.waitingCompletions),
        waitingSignals: byNumber(message.waitingSignals),
      };
    default:
      return undefined;
  }
}
