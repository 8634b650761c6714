/**
 * What a handler answers, into the whole engine: a partition that applies it, goes on for a while with a handler that
 * does as it should, and now and then is opened anew from its log alone. Nothing that a handler says may stop a
 * partition, and everything that was recorded must be readable again.
 */
import { decodeFrames, FrameWriter, ProtocolError } from '@holdfast/protocol';
import type { InvocationId } from '../../../runtime/core/model.ts';
import { manifestFor } from '../../conformance/replay/manifest.ts';
import { type HandlerCall, Orchestrator, settled } from '../../conformance/replay/orchestrator.ts';
import { scenarios } from '../../conformance/replay/recording.ts';
import { mutateFrames } from '../mutate-frames.ts';
import { demand, refusable, type Target, type Verdict } from '../target.ts';

const JSON_TYPE = [['content-type', 'application/json']] as const;
const START_MS = 1_795_195_000_000;
/** Passes of one orchestrator before it is thrown away. */
const PASSES = 200;
const CALLS_MAX = 12;
const TIMERS_MAX = 6;

const KINDS = [
  { protocolVersionMax: 5, transport: 'lambda', address: 'lambda' },
  { protocolVersionMax: 6, transport: 'lambda', address: 'lambda' },
  { protocolVersionMax: 7, transport: 'lambda', address: 'lambda' },
  { protocolVersionMax: 6, transport: 'bidi', address: 'http2' },
  { protocolVersionMax: 7, transport: 'bidi', address: 'http2' },
] as const;
type Kind = (typeof KINDS)[number];

/** Every role that a handler can have; each on a key of its own, or the one before would keep it. */
const TARGETS = [
  () => '/Svc/echo',
  (n: number) => `/Obj/k${n}/add`,
  (n: number) => `/Obj/k${n}/peek`,
  (n: number) => `/Lazy/k${n}/add`,
  (n: number) => `/Wf/k${n}/run`,
  (n: number) => `/Wf/k${n}/approve`,
] as const;

const seeds = (): Uint8Array[] =>
  scenarios.flatMap(({ conversations }) =>
    conversations.map(({ steps }) => {
      const said = steps.flatMap(step => (step.from === 'handler' && 'frame' in step ? [step.frame] : []));
      return Uint8Array.from(Buffer.concat(said));
    }),
  );

const wellBehaved = (() => {
  const frames = new FrameWriter();
  frames.frame('OutputCommand', { value: Buffer.from('1') });
  frames.frame('End', {});
  return Uint8Array.from(frames.finish());
})();

function respond({ request, done, events }: HandlerCall, body: Uint8Array, cutAt: number): void {
  const headers = Object.assign(Object.create(null) as Record<string, string>, {
    'content-type': request.headers['content-type'] ?? '',
  });
  if (done !== undefined) done({ kind: 'response', status: 200, headers, body });
  else {
    events?.onHead(200, headers);
    events?.onData(body.subarray(0, cutAt));
    events?.onData(body.subarray(cutAt));
  }
}

class World {
  readonly #orchestrator: Orchestrator;
  #passes = 0;

  constructor({ protocolVersionMax, transport, address }: Kind) {
    const manifest = manifestFor(transport);
    this.#orchestrator = new Orchestrator({ startMs: START_MS, protocolVersionMax, manifest, address });
  }

  open(): Promise<void> {
    return this.#orchestrator.open();
  }

  async pass(body: Uint8Array, pick: number): Promise<Verdict> {
    const orchestrator = this.#orchestrator;
    const target = TARGETS[pick % TARGETS.length] ?? TARGETS[0];
    const sent = await orchestrator.ask('POST', `${target(this.#passes++)}/send`, JSON_TYPE, '1').answered;
    demand(sent.status === 202, `not accepted: ${sent.status} ${sent.body}`);
    const { invocationId: id } = JSON.parse(sent.body) as { readonly invocationId: InvocationId };
    await settled();
    const call = orchestrator.calls.shift();
    demand(call !== undefined, 'no handler is called');
    checkRequest(call);
    respond(call, body, pick % (body.length + 1));
    await settled();
    if (call.events !== undefined) call.events.onEnd({ kind: 'ended' });
    await settled();
    const failure = failureOf(orchestrator, id);
    await this.#goOn();
    await new Promise<void>(resolve => orchestrator.engine.kill(id, () => resolve()));
    await settled();
    orchestrator.calls.length = 0;
    const [broken] = orchestrator.failures;
    if (broken !== undefined) throw broken;
    if (failure !== undefined) {
      demand(/^(RT\d{4}|HF_[A-Z_]+)$/.test(failure), `a failure without a code: ${failure}`);
      return 'refused';
    }
    return 'accepted';
  }

  /** What it has started or resumed is answered as it should be, and some time passes. */
  async #goOn(): Promise<void> {
    const { calls } = this.#orchestrator;
    let answered = 0;
    for (let timers = 0; timers < TIMERS_MAX; timers++) {
      for (let call = calls.shift(); call !== undefined && answered < CALLS_MAX; call = calls.shift()) {
        answered += 1;
        if (call.aborted) continue;
        checkRequest(call);
        respond(call, wellBehaved, 1);
        call.events?.onEnd({ kind: 'ended' });
        await settled();
      }
      if (!(await this.#orchestrator.passToNextTimer(120_000))) return;
    }
  }

  get isUsedUp(): boolean {
    return this.#passes >= PASSES;
  }

  /** Whatever it has recorded is read again, and it serves. */
  async end(): Promise<void> {
    await this.#orchestrator.reopen();
    await settled();
    const [broken] = this.#orchestrator.failures;
    if (broken !== undefined) throw broken;
    const sent = await this.#orchestrator.ask('POST', '/Svc/echo/send', JSON_TYPE, '1').answered;
    demand(sent.status === 202, `after it was opened again it answers ${sent.status}`);
    await this.#orchestrator.close();
  }
}

/** What goes to a handler decodes, whatever came from one. */
function checkRequest({ written }: HandlerCall): void {
  const frames = refusable(() => decodeFrames(Buffer.concat(written)), ProtocolError);
  demand('value' in frames && frames.value.length >= 2, 'a request that does not decode');
}

function failureOf(orchestrator: Orchestrator, id: InvocationId): string | undefined {
  const found = orchestrator.engine.invocation(id);
  return found?.lastFailure?.code;
}

export function createTarget(): Target {
  const worlds: (World | undefined)[] = KINDS.map(() => undefined);
  const pass = async (body: Uint8Array): Promise<Verdict> => {
    const pick = body.reduce((sum, byte) => (sum * 31 + byte) >>> 0, body.length);
    const index = pick % KINDS.length;
    let world = worlds[index];
    if (world === undefined) {
      world = new World(KINDS[index] as Kind);
      worlds[index] = world;
      await world.open();
    }
    try {
      const verdict = await world.pass(body, Math.floor(pick / KINDS.length));
      if (world.isUsedUp) {
        worlds[index] = undefined;
        await world.end();
      }
      return verdict;
    } catch (error) {
      worlds[index] = undefined;
      throw error;
    }
  };
  return { seeds: seeds(), mutate: mutateFrames, pass, coverageInputs: 256 };
}
