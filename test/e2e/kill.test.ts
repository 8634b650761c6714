/**
 * Real processes: 50 SIGKILLs of the orchestrator under load. Every acknowledged invocation completes with the
 * right result, none runs a recorded step twice, and what virtual objects have counted is exact.
 *
 * Seen from outside: each step asks the ledger for a number, which becomes its result, and tells the numbers that
 * the steps before it are recorded as. So a step is recorded when the next one begins. It may come several times
 * in a row, when the orchestrator died before the result was recorded, but never after that; and the number that
 * it is recorded as never changes.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Stack, startStack, until } from './harness/index.ts';

const KILLS = 50;
const CLIENTS = 8;
const SEED = 20_261;
/** It takes half a minute on two cores; the rest is for a machine that is busy with other things. */
const TIMEOUT_MS = 120_000;
/** A client that was refused a connection tries again after this long. */
const RETRY_MS = 20;
/** How long the orchestrator lives after it has become ready; 1 in 4 dies while it still recovers. */
const LIFE_MS_MAX = 400;
const RECOVERY_MS_MAX = 300;

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Mark {
  readonly number: number;
  /** The results of the steps before it; so their count is the step. */
  readonly recorded: readonly number[];
}

/** What the steps did, by invocation, in the order in which they did it. */
class Ledger {
  readonly marks = new Map<string, Mark[]>();
  readonly #server: Server;
  #next = 0;

  constructor() {
    this.#server = createServer(async (request, response) => {
      const invocation = (request.url ?? '').slice(1);
      const mark = { number: this.#next++, recorded: (await json(request)) as number[] };
      const marks = this.marks.get(invocation);
      if (marks === undefined) this.marks.set(invocation, [mark]);
      else marks.push(mark);
      response.end(String(mark.number));
    });
  }

  async open(): Promise<string> {
    await new Promise<void>(done => this.#server.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** How many steps each handler of the function has. */
const STEPS = { steps: 4, mixed: 2 } as const;
type Handler = keyof typeof STEPS;

interface Work {
  readonly n: number;
  readonly handler: Handler;
  readonly idempotencyKey: string | undefined;
}

/** Objects that clients add to; handlers send to one more. */
const COUNTERS = 4;
const SENT = 'sent';
/** Adds, of all that is sent. */
const ADDS = 0.3;

/** Sends as fast as it is answered; what breaks is repeated with a key and given up without one. */
class Load {
  readonly acknowledged = new Map<string, Work>();
  /** What each counter has been given, by key: once, as far as clients know. */
  readonly added = new Map<string, number>();
  readonly givenOutTwice: string[] = [];
  /** Sent without a key, and perhaps accepted: the sum of what they may have sent on. */
  uncertain = 0;
  readonly #stack: Stack;
  readonly #random: () => number;
  #stopped = false;
  #count = 0;

  constructor(stack: Stack, random: () => number) {
    this.#stack = stack;
    this.#random = random;
  }

  stop(): void {
    this.#stopped = true;
  }

  async client(): Promise<void> {
    while (!this.#stopped) {
      const n = this.#count++;
      if (this.#random() < ADDS) {
        await this.#add(n);
        continue;
      }
      const handler = this.#random() < 0.7 ? 'steps' : 'mixed';
      const idempotencyKey = this.#random() < 0.5 ? `key-${n}` : undefined;
      const work = { n, handler, idempotencyKey } as const;
      const invocationId = await this.#send(`worker/${handler}`, n, idempotencyKey);
      if (invocationId === undefined) {
        if (handler === 'mixed') this.uncertain += n;
        continue;
      }
      if (this.acknowledged.has(invocationId)) this.givenOutTwice.push(invocationId);
      this.acknowledged.set(invocationId, work);
      if (handler === 'mixed') this.#given(SENT, n);
    }
  }

  /** Repeated until it is accepted: with its key, that is once. */
  async #add(n: number): Promise<void> {
    const key = `counter-${n % COUNTERS}`;
    const handler = this.#random() < 0.2 ? 'addSlowly' : 'add';
    await this.#send(`counter/${key}/${handler}`, n, `key-${n}`);
    this.#given(key, n);
  }

  #given(key: string, n: number): void {
    this.added.set(key, (this.added.get(key) ?? 0) + n);
  }

  async #send(target: string, n: number, idempotencyKey: string | undefined): Promise<string | undefined> {
    for (;;) {
      try {
        const options = idempotencyKey === undefined ? {} : { idempotencyKey };
        return (await this.#stack.ingress.send(target, n, options)).invocationId;
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        await pause(RETRY_MS);
        if (idempotencyKey === undefined) return undefined;
      }
    }
  }
}

interface Kills {
  inRecovery: number;
  underLoad: number;
}

/**
 * Kills and waits for the attempts that the dead process had under way, whose answers nobody hears: one that is
 * slow to begin its step could begin it after a later attempt has recorded it, which no engine could prevent.
 */
async function kill(stack: Stack): Promise<void> {
  await stack.killOrchestrator();
  await until('the environments are idle', () => stack.lambda.environments().every(one => !one.busy));
}

async function killAndRestart(stack: Stack, random: () => number): Promise<Kills> {
  const kills: Kills = { inRecovery: 0, underLoad: 0 };
  while (kills.inRecovery + kills.underLoad < KILLS) {
    await pause(random() * LIFE_MS_MAX);
    await kill(stack);
    kills.underLoad++;
    if (random() < 0.25 && kills.inRecovery + kills.underLoad < KILLS) {
      stack.orchestrator.launch();
      await pause(random() * RECOVERY_MS_MAX);
      await kill(stack);
      kills.inRecovery++;
    }
    await stack.restartOrchestrator();
  }
  return kills;
}

interface Result {
  readonly n: number;
  readonly marks: readonly number[];
}

/** What is wrong with an invocation; `kept` is its result, or what its last step was told. */
function violations(marks: readonly Mark[], kept: readonly number[]): string[] {
  const found: string[] = [];
  let before = 0;
  for (const { recorded } of marks) {
    const step = recorded.length;
    if (step < before) found.push(`step ${step} ran after step ${before} had begun`);
    if (step > before + 1) found.push(`step ${step} began before step ${step - 1} had run`);
    before = step;
    for (const [earlier, number] of recorded.entries()) {
      if (number !== kept[earlier]) {
        found.push(`step ${earlier} was recorded as ${number}, and later as ${kept[earlier]}`);
      }
    }
  }
  for (const [step, number] of kept.entries()) {
    const ran = marks.some(mark => mark.recorded.length === step && mark.number === number);
    if (!ran) found.push(`step ${step} is recorded as ${number}, which it never was given`);
  }
  return found;
}

async function checkResults(stack: Stack, load: Load, ledger: Ledger): Promise<void> {
  const found: string[] = [];
  const results = new Map<string, readonly number[]>();
  for (const [id, { n, handler }] of load.acknowledged) {
    const { status, body } = await stack.ingress.attach<Result>(id);
    if (status !== 200) found.push(`${id} was answered ${status}: ${JSON.stringify(body)}`);
    else if (body.n !== n || body.marks.length !== STEPS[handler]) found.push(`${id}: wrong result`);
    else results.set(id, body.marks);
  }
  // Those too whose acknowledgement never arrived, as far as they have come.
  for (const [id, marks] of ledger.marks) {
    const kept = results.get(id) ?? marks.at(-1)?.recorded ?? [];
    found.push(...violations(marks, kept).map(what => `${id}: ${what}`));
  }
  expect(found).toEqual([]);
}

/** What a counter has; the reading waits its turn behind all that was sent to it. */
const readCounter = async (stack: Stack, key: string): Promise<number> =>
  (await stack.ingress.call<number>(`counter/${key}/add`, 0)).body;

async function checkCounters(stack: Stack, load: Load): Promise<void> {
  for (let i = 0; i < COUNTERS; i++) {
    const key = `counter-${i}`;
    expect({ key, count: await readCounter(stack, key) }).toEqual({ key, count: load.added.get(key) });
  }
  const sent = (await readCounter(stack, SENT)) - (load.added.get(SENT) ?? 0);
  expect(sent).toBeGreaterThanOrEqual(0);
  expect(sent).toBeLessThanOrEqual(load.uncertain);
}

test(
  `${KILLS} SIGKILLs under load: what is acknowledged completes, no recorded step runs twice, and sums are exact`,
  async () => {
    const ledger = new Ledger();
    const stack = await startStack({
      functions: [
        {
          name: 'worker',
          entry: join(import.meta.dirname, 'kill-test-function.ts'),
          timeoutMs: 20_000,
          env: { LEDGER_URL: await ledger.open() },
        },
      ],
      settings: { retryInitialInterval: '50ms', storeFlushInterval: '50ms', logSegmentSize: '1MiB' },
    });
    try {
      // An orderly stop leaves the compiled code behind, and every start after it takes half the time.
      await stack.orchestrator.stop();
      await stack.restartOrchestrator();
      const load = new Load(stack, seeded(SEED));
      const clients = Array.from({ length: CLIENTS }, () => load.client());
      const kills = await killAndRestart(stack, seeded(SEED + 1));
      load.stop();
      await Promise.all(clients);

      expect(load.givenOutTwice).toEqual([]);
      await checkResults(stack, load, ledger);
      await checkCounters(stack, load);
      const repeats = [...ledger.marks.values()].flatMap(marks =>
        marks.filter((mark, i) => mark.recorded.length === marks[i - 1]?.recorded.length),
      ).length;
      // Otherwise it was no load, or the kills hit nothing.
      expect(kills.inRecovery).toBeGreaterThan(0);
      expect(load.acknowledged.size).toBeGreaterThan(2 * KILLS);
      expect(repeats).toBeGreaterThan(0);
    } finally {
      await stack.stop();
      ledger.close();
    }
  },
  TIMEOUT_MS,
);
