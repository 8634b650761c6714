/**
 * How a row of the table is played: invoke over HTTP, look at it through the admin API, crash the orchestrator if
 * the variant says so, compare what came out.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'vitest';
import {
  type AdminClient,
  HttpError,
  type HttpHandlers,
  type IngressClient,
  type InvocationStatus,
  type InvocationView,
  type JournalEntry,
  until,
} from '../harness/index.ts';
import { type Condition, type SdkName, servicesOf, type Variant } from './dimensions.ts';
import type { Notes } from './notes.ts';

const RESULT_TIMEOUT_MS = 15_000;
/** A connected handler that has sent nothing for so long waits for something. */
const QUIET_MS = 120;

/** Attempts by the way in which they are made. */
export interface Attempts {
  /** Of request and response: every wait ends one. */
  readonly answered: number;
  /** The same on protocol 7, where it differs: what completes nothing wakes nobody. */
  readonly v7?: number;
  /** On a stream: one, and another one after each failure. @default 1 */
  readonly streamed?: number;
  /** Of request and response with lazy state, where every read is a wait. @default not compared */
  readonly lazy?: number;
}

export const attempts = (answered: number, rest: Omit<Attempts, 'answered'>): Attempts => ({
  answered,
  ...rest,
});

export interface Expected {
  /** Of the handler; a function looks at it itself. */
  readonly result?: unknown;
  readonly failure?: { code: number; message: string; metadata?: Record<string, string> };
  /** Requests that reached the handler. Not compared after a crash, which repeats the ones under way. */
  readonly attempts?: number | Attempts;
  /** Entries by type, notifications with a plus: `Input Run +Run Output`. */
  readonly journal?: string;
}

interface Timed extends JournalEntry {
  readonly wake_up_time?: number;
  readonly invoke_time?: number;
}

/** One invocation. */
export class Run {
  readonly id: string;
  readonly #play: Play;
  constructor(play: Play, id: string) {
    this.#play = play;
    this.id = id;
  }

  async view(): Promise<InvocationView> {
    const view = await this.#play.stack.admin.invocation(this.id);
    if (view === undefined) throw new Error(`there is no invocation ${this.id}`);
    return view;
  }

  async until(status: InvocationStatus): Promise<void> {
    let last: InvocationStatus | undefined;
    await until(`${this.id} ${status}`, async () => {
      // The peer shows an invocation a moment later than the journal of whoever called it.
      last = (await this.#play.stack.admin.invocation(this.id))?.status;
      if (last === 'completed' && status !== 'completed') throw new Error(`${this.id} has ended already`);
      return last === status;
    });
  }

  /**
   * Until it has come to where it waits for something, in its `attempt`-th attempt at the earliest. On a stream it
   * waits connected, so that nothing tells but that it has begun and is quiet.
   */
  async waits(attempt = 1): Promise<void> {
    const streams = this.#play.variant.transport === 'http2';
    if (!streams) {
      if (attempt > 1) {
        await until(`attempt ${attempt} of ${this.id}`, async () => (await this.view()).attempt >= attempt);
      }
      return this.until('suspended');
    }
    await until(`${this.id} waits`, async () => {
      const before = await this.#play.stack.admin.invocation(this.id);
      if (before === undefined) return false;
      if (before.status === 'completed') throw new Error(`${this.id} has ended already`);
      if (before.status !== 'running' || this.count('attempt') === 0) return false;
      await pause(QUIET_MS);
      const after = await this.view();
      return after.status === 'running' && after.journal_size === before.journal_size;
    });
  }

  note(what: string): Promise<string> {
    return until(`note ${what} of ${this.id}`, () => this.#play.notes.read(this.id, what));
  }

  count(what: string): number {
    return this.#play.notes.count(this.id, what);
  }

  async journal(): Promise<string> {
    const entries = await this.#play.stack.admin.journal(this.id);
    return entries
      .map(({ entry_type }) => entry_type.replace('Command: ', '').replace('Notification: ', '+'))
      .join(' ');
  }

  /** When its first sleep, or delayed send, is due: what was recorded, in Unix milliseconds. */
  async dueAt(): Promise<number> {
    const entries: readonly Timed[] = await this.#play.stack.admin.journal(this.id);
    const due = entries
      .map(entry => entry.wake_up_time ?? entry.invoke_time)
      .find(time => time !== undefined);
    if (due === undefined) throw new Error(`${this.id} has no sleep and no delayed send`);
    return due;
  }

  /** Ids of the invocations it called or sent to, in order. */
  async children(): Promise<Run[]> {
    const entries = await this.#play.stack.admin.journal(this.id);
    return entries.flatMap(({ invocation_id }) =>
      invocation_id === undefined ? [] : [new Run(this.#play, invocation_id)],
    );
  }
}

/** What rows see of a whole system. */
export interface Played {
  readonly ingress: IngressClient;
  readonly admin: AdminClient;
  /** Registers what is served by this name; the id of the deployment. */
  register(endpoint: string): Promise<string>;
  /** Names of what is in the object store on behalf of an invocation. */
  objects(invocationId: string): readonly string[];
  /** A server over HTTP that serves `<sdk>Mortal` alone, registered. */
  mortal(sdk: SdkName): Promise<Pick<HttpHandlers, 'kill' | 'restart'>>;
}

export interface PlayOptions {
  readonly stack: Played;
  readonly notes: Notes;
  readonly variant: Variant;
  readonly row: string;
  /** Undefined: the orchestrator lives on. */
  readonly crash: (() => Promise<void>) | undefined;
  /** How long handlers wait where a row lets them wait. */
  readonly pauseMs: number;
}

export class Play {
  readonly stack: Played;
  readonly notes: Notes;
  readonly variant: Variant;
  readonly sdk: SdkName;
  /** Prefix of the names of the services. */
  readonly services: string;
  readonly pauseMs: number;
  readonly killed: boolean;
  readonly #row: string;
  readonly #crash: (() => Promise<void>) | undefined;

  constructor({ stack, notes, variant, row, crash, pauseMs }: PlayOptions) {
    this.stack = stack;
    this.notes = notes;
    this.variant = variant;
    this.sdk = variant.sdk;
    this.services = servicesOf(variant);
    this.pauseMs = pauseMs;
    this.killed = variant.killed;
    this.#row = row;
    this.#crash = crash;
  }

  /** Of a handler of the main service, or `Object/key/handler` of another one of the SDK. */
  target(handler: string): string {
    return handler.includes('/') ? `${this.services}${handler}` : `${this.services}/${handler}`;
  }

  /** Unique over rows and variants. */
  key(label = 'key'): string {
    const { transport, version } = this.variant;
    const variant = `${this.services}-${transport}-${version}-${this.killed ? 'killed' : 'plain'}`;
    return `${variant}-${this.#row}-${label}`.replaceAll(/[^\w-]/g, '_');
  }

  /** As many as are expected here; undefined: any number. */
  attempts(expected: number | Attempts): number | undefined {
    const { transport, version, state } = this.variant;
    const given = typeof expected === 'number' ? { answered: expected } : expected;
    if (transport === 'http2') return given.streamed ?? Math.min(given.answered, 1);
    if (state === 'lazy') return given.lazy;
    return version >= 7 ? (given.v7 ?? given.answered) : given.answered;
  }

  /** Here the orchestrator is killed, if this is the variant in which it is, and started again. */
  interrupt(): Promise<void> {
    return this.#crash === undefined ? Promise.resolve() : this.#crash();
  }

  async send(
    handler: string,
    input?: unknown,
    options: { delayMs?: number; idempotencyKey?: string } = {},
  ): Promise<Run> {
    const { invocationId } = await this.stack.ingress.send(this.target(handler), input, options);
    return new Run(this, invocationId);
  }

  run(id: string): Run {
    return new Run(this, id);
  }

  /** The result over the connection that asked for it. */
  async call(handler: string, input: unknown, expected: Expected): Promise<Run> {
    const signal = AbortSignal.timeout(RESULT_TIMEOUT_MS);
    const answer = await this.stack.ingress.call(this.target(handler), input, { signal });
    checkAnswer(answer, expected);
    const run = new Run(this, answer.id ?? '');
    await this.#check(run, expected);
    return run;
  }

  /** The result for whoever asks later. */
  async expect(run: Run, expected: Expected): Promise<void> {
    checkAnswer(await this.attach(run), expected);
    await this.#check(run, expected);
  }

  attach(run: Run) {
    return this.stack.ingress.attach(run.id, AbortSignal.timeout(RESULT_TIMEOUT_MS));
  }

  async #check(run: Run, { attempts: given, journal }: Expected): Promise<void> {
    if (journal !== undefined) expect(await run.journal()).toBe(journal);
    const count = given === undefined || this.killed ? undefined : this.attempts(given);
    if (count === undefined) return;
    const { attempt, last_failure } = await run.view();
    const failed = last_failure === undefined ? '' : `, of which one failed: ${JSON.stringify(last_failure)}`;
    const seen = { handler: run.count('attempt'), admin: attempt };
    expect(seen, `attempts${failed}`).toEqual({ handler: count, admin: count });
  }

  /** An operation of the admin API on an invocation; its status. */
  async operate(run: Run, operation: string): Promise<number> {
    return (await this.admin('PATCH', `invocations/${run.id}/${operation}`)).status;
  }

  /** A new invocation with the input of a completed one. */
  async restart(run: Run, query = ''): Promise<Run> {
    const { status, body } = await this.admin('PATCH', `invocations/${run.id}/restart-as-new${query}`);
    expect({ status, body }).toMatchObject({ status: 200 });
    return this.run((body as { new_invocation_id: string }).new_invocation_id);
  }

  /** A request to the admin API; JSON both ways. */
  admin(method: string, path: string, body?: unknown): Promise<HttpAnswer> {
    return request(`${this.stack.admin.url}/${path}`, method, body);
  }

  /** A request to the ingress; JSON both ways. */
  ingress(method: string, path: string, body?: unknown): Promise<HttpAnswer> {
    return request(`${this.stack.ingress.url}/${path}`, method, body);
  }
}

export interface HttpAnswer {
  readonly status: number;
  /** Of JSON its value, else its text. */
  readonly body: unknown;
}

async function request(url: string, method: string, body: unknown): Promise<HttpAnswer> {
  const json = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(url, { method, ...(body === undefined ? {} : json) });
  const text = await response.text();
  const isJson = (response.headers.get('content-type') ?? '').includes('json') && text !== '';
  return { status: response.status, body: isJson ? JSON.parse(text) : text };
}

function checkAnswer(answer: { status: number; body: unknown }, { result, failure }: Expected): void {
  if (failure !== undefined) {
    expect(answer).toMatchObject({ status: failure.code, body: { ...failure, source: 'invocation' } });
    return;
  }
  expect({ status: answer.status, body: answer.status === 200 ? '' : answer.body }).toEqual({
    status: 200,
    body: '',
  });
  if (typeof result === 'function') result(answer.body);
  else expect(answer.body).toEqual(result);
}

export interface Row {
  readonly name: string;
  /** Whether it calls `interrupt`, which makes it a row of the killed variant too. */
  readonly killable: boolean;
  /** It is about what only this orchestrator has, so that there is nothing to compare. */
  readonly oursOnly?: boolean;
  /** Whether it is played with lazy state too. */
  readonly usesState?: boolean;
  /** Where it exists: all of them must hold. */
  readonly conditions?: readonly Condition[];
  readonly play: (t: Play) => Promise<void>;
}

export const oursOnly = (row: Row): Row => ({ ...row, oursOnly: true });
export const usesState = (row: Row): Row => ({ ...row, usesState: true });
export const only = (condition: Condition, row: Row): Row => ({
  ...row,
  conditions: [...(row.conditions ?? []), condition],
});

/** A handler's input. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly unknown[]
  | { readonly [name: string]: unknown };

type Of<T> = T | ((t: Play) => T);
const of = <T>(value: Of<T>, t: Play): T =>
  typeof value === 'function' ? (value as (t: Play) => T)(t) : value;

export interface SimpleRow {
  readonly name: string;
  readonly handler: Of<string>;
  readonly input?: Of<Json>;
  /** Where it stays until it has waited `pauseMs` or `drive` moves it on; there the orchestrator is killed. */
  readonly waits?: InvocationStatus;
  readonly drive?: (t: Play, run: Run) => Promise<void>;
  readonly expected: Of<Expected>;
  readonly after?: (t: Play, run: Run) => Promise<void>;
}

/** One invocation, one result. */
export function simple(row: SimpleRow): Row {
  const { name, waits, drive, after } = row;
  return {
    name,
    killable: waits !== undefined,
    play: async t => {
      const handler = of(row.handler, t);
      const input = row.input === undefined ? undefined : of(row.input, t);
      const expected = of(row.expected, t);
      if (waits === undefined) {
        const run = await t.call(handler, input, expected);
        await after?.(t, run);
        return;
      }
      const run = await t.send(handler, input);
      if (t.killed || drive !== undefined) await (waits === 'suspended' ? run.waits() : run.until(waits));
      await t.interrupt();
      await drive?.(t, run);
      await t.expect(run, expected);
      await after?.(t, run);
    },
  };
}

/** Anything else. */
export const story = (name: string, play: (t: Play) => Promise<void>): Row => ({
  name,
  killable: false,
  play,
});
export const interruptedStory = (name: string, play: (t: Play) => Promise<void>): Row => ({
  name,
  killable: true,
  play,
});

/** What an operation was refused with. */
export async function refusal(operation: Promise<unknown>): Promise<{ status: number; body: string }> {
  try {
    await operation;
  } catch (error) {
    if (error instanceof HttpError) return { status: error.status, body: error.body };
    throw error;
  }
  throw new Error('it was not refused');
}
