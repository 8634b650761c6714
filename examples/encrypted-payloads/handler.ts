import {
  createEndpointHandler,
  handlers,
  type InvocationId,
  type ObjectContext,
  type ObjectSharedContext,
  object,
  type WorkflowContext,
  type WorkflowSharedContext,
  workflow,
} from '@holdfast/sdk-lambda';
import { aesGcmCodec } from '@holdfast/sdk-lambda/aes-gcm';

interface Chart {
  notes: string[];
}

/** Notes about a patient. State, and so its values, is in the orchestrator; what they say is not. */
export const patient = object({
  name: 'patient',
  handlers: {
    note: async (ctx: ObjectContext<Chart>, note: string): Promise<number> => {
      const notes = [...((await ctx.get('notes')) ?? []), note];
      ctx.set('notes', notes);
      return notes.length;
    },
    notes: handlers.object.shared(
      async (ctx: ObjectSharedContext<Chart>): Promise<string[]> => (await ctx.get('notes')) ?? [],
    ),
  },
});

interface Waiting {
  readonly invocation: InvocationId;
  readonly opinion: string;
}

/** One run for each question: looks into it, and waits for a consent, an opinion and a signature. */
export const consultation = workflow({
  name: 'consultation',
  handlers: {
    run: async (ctx: WorkflowContext, question: string): Promise<string> => {
      const analysis = await ctx.run('analyse', () => `analysis of ${question}`);
      await ctx.objectClient(patient, ctx.key).note(analysis);
      const opinion = ctx.awakeable<string>();
      ctx.set<Waiting>('waiting', { invocation: ctx.request().id, opinion: opinion.id });
      const consent = await ctx.promise<string>('consent');
      return [analysis, consent, await opinion.promise, await ctx.signal<string>('signature')].join('; ');
    },
    consent: async (ctx: WorkflowSharedContext, words: string): Promise<void> => {
      await ctx.promise<string>('consent').resolve(words);
    },
    /** Whether somebody was waiting for it. */
    opine: async (ctx: WorkflowSharedContext, words: string): Promise<boolean> => {
      const waiting = await ctx.get<Waiting>('waiting');
      if (waiting === null) return false;
      ctx.resolveAwakeable(waiting.opinion, words);
      ctx.invocation(waiting.invocation).signal('signature').resolve(`signed: ${words}`);
      return true;
    },
  },
});

interface Keyring {
  readonly current: string;
  /** In base64. */
  readonly keys: Readonly<Record<string, string>>;
}

/** In production `text` comes from Secrets Manager or is decrypted with KMS: the provider may wait for it. */
export function codecOf(text: string | undefined) {
  if (text === undefined) throw new Error('the environment variable PAYLOAD_KEYS is not set');
  const { current, keys }: Keyring = JSON.parse(text);
  const bytes = Object.entries(keys).map(([id, base64]) => [id, Buffer.from(base64, 'base64')]);
  return aesGcmCodec({ current, keys: Object.fromEntries(bytes) });
}

export const handler = createEndpointHandler({
  services: [patient, consultation],
  journalValueCodecProvider: async () => codecOf(process.env['PAYLOAD_KEYS']),
});
