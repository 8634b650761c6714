/**
 * A handler that speaks the protocol by itself, for the operations that the SDK does not offer: attach and output by
 * idempotency key or workflow, signals by number. One command, its answer, the end.
 */

import { contentTypeOf, decodeFrame, decodeFrames, FrameWriter, type MessageInput } from '@holdfast/protocol';
import { service } from '@holdfast/sdk-lambda';

type Target = Pick<
  MessageInput<'AttachInvocationCommand'>,
  'invocationId' | 'idempotentRequestTarget' | 'workflowTarget'
>;
export type Look =
  | { readonly op: 'attach' | 'output'; readonly target: Target }
  /** `signal`: a number, as awakeables have, or a name. */
  | { readonly op: 'signal'; readonly id: string; readonly signal: number | string; readonly value: string };

/** Only for its discovery; what it does is `answerRaw`. */
export const rawService = service({
  name: 'raw',
  handlers: {
    look: async () => {
      throw new Error('assertion failed: the simulated Lambda answers for it');
    },
  },
  options: { journalRetention: 10_000 },
});

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

const COMPLETION_ID = 1;

export function answerRaw(request: Uint8Array): RawAnswer {
  const [, ...entries] = decodeFrames(request).map(decodeFrame);
  const input = entries[0];
  if (input?.name !== 'InputCommand') throw new Error('assertion failed: a journal begins with its input');
  const look = JSON.parse(Buffer.from(input.message.value ?? '').toString()) as Look;
  const frames = new FrameWriter();
  if (!entries.some(({ name }) => name.endsWith('Command') && name !== 'InputCommand')) command(frames, look);
  const answer = entries.find(({ name }) => name.endsWith('Completion'));
  // A cancellation is not looked at.
  if (answer === undefined && look.op !== 'signal') {
    const waits = { waitingCompletions: [COMPLETION_ID], waitingSignals: [], waitingNamedSignals: [] };
    frames.frame('Suspension', waits);
  } else {
    const { value, failure } = (answer?.message ?? {}) as MessageInput<'AttachInvocationCompletion'>;
    const shown = value ?? Buffer.from(JSON.stringify(failure?.message ?? 'nothing'));
    frames.frame('OutputCommand', { value: shown });
    frames.frame('End', {});
  }
  return { status: 200, headers: { 'content-type': contentTypeOf(6) }, body: frames.finish() };
}

function command(frames: FrameWriter, look: Look): void {
  if (look.op === 'signal') {
    const signal = typeof look.signal === 'number' ? { idx: look.signal } : { name: look.signal };
    frames.frame('SendSignalCommand', {
      targetInvocationId: look.id,
      ...signal,
      value: Buffer.from(JSON.stringify(look.value)),
    });
    return;
  }
  const name = look.op === 'attach' ? 'AttachInvocationCommand' : 'GetInvocationOutputCommand';
  frames.frame(name, { ...look.target, resultCompletionId: COMPLETION_ID });
}
