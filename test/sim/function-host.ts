/**
 * The processes that handlers run in: the real SDK's code in-process, or a handler that speaks the protocol by
 * itself. What was asked of a function runs on whatever becomes of the caller.
 */

import { handleRequest } from '@holdfast/sdk-lambda';
import type { HeaderMap } from '../../runtime/invoker/envelope.ts';
import type { HandlerRequest, HandlerResponse } from '../../runtime/invoker/transport.ts';
import { type EndpointResponse, type Opened, openRequest } from '../../sdk-lambda/http.ts';
import type { TimeLimit } from '../../sdk-lambda/invocation.ts';
import type { Execution, HandlerChecker } from './checkers/handler-checker.ts';
import type { LiveChecker } from './checkers/live-checker.ts';
import { type Life, nameOf } from './checkers/lives.ts';
import type { Faults } from './faults.ts';
import type { Handlers } from './handlers.ts';
import type { SimRandom } from './random.ts';
import { answerRaw, type RawMode } from './raw.ts';
import type { Scheduler } from './scheduler.ts';
import type { Site } from './sites.ts';
import type { Trace } from './trace.ts';

export interface FunctionOptions {
  readonly scheduler: Scheduler;
  readonly random: SimRandom;
  readonly faults: Faults;
  readonly checker: HandlerChecker;
  readonly live: LiveChecker;
  readonly trace: Trace;
  readonly handlers: Handlers;
  /** Position of the last durable record. */
  readonly durable: () => number;
  /** How many attempts wait for a slot there. */
  readonly queued: (address: string) => number;
  /** The attempt goes out to this address. */
  readonly onSent: (life: Life, address: string) => void;
  /** The attempt is answered with a part of its frames. */
  readonly onCut: (life: Life, attempt: number) => void;
}

/** One incarnation of the node. */
export interface Caller {
  /** It is alive, and no other one has started since. */
  isLeading(): boolean;
  /** Runs the callback in its process. */
  deliver(callback: () => void): void;
  /** Called if it dies before the returned function is called. */
  onDown(tell: () => void): () => void;
  /** Every answer is left here as well, for a zombie to bring again. */
  onOrphan(orphan: Orphan): void;
}

/** An answer that nobody takes: its caller is dead or has given up, or another answer was taken. */
export interface Orphan {
  readonly life: Life;
  readonly attempt: number;
  readonly seenEntries: number;
  readonly version: number;
  readonly response: HandlerResponse;
  /** Without a terminator it is a part. */
  readonly isLive: boolean;
}

/** What an attempt was sent with, as far as it is one. */
export interface Sent extends Omit<Execution, 'number'> {
  readonly attempt: number;
  readonly version: number;
}

export class FunctionHost {
  readonly options: FunctionOptions;
  #executions = 0;
  /** Raw handlers that have run. */
  readonly #executed = new Set<string>();

  constructor(options: FunctionOptions) {
    this.options = options;
  }

  /** A request goes out, to whatever end. */
  sent({ path, headers, body }: HandlerRequest, site: Site, caller: Caller): Sent | undefined {
    if (!path.startsWith('/invoke/')) return undefined;
    const { checker, durable, onSent } = this.options;
    const version = versionOf(headers);
    const found = checker.sent(body, version);
    if (found === undefined) return undefined;
    const { life, knownEntries } = found;
    const isLeading = caller.isLeading();
    if (isLeading) onSent(life, site.name);
    const sentAt = isLeading ? durable() : 0;
    return { life, attempt: life.attempt, sentAt, seenEntries: knownEntries, version };
  }

  execution(sent: Sent): Execution {
    return { ...sent, number: ++this.#executions };
  }

  /** Runs the function and gives its whole answer. */
  async execute(site: Site, request: HandlerRequest, sent: Sent | undefined): Promise<HandlerResponse> {
    const { scheduler, handlers, trace } = this.options;
    const { path, headers, body } = request;
    if (sent !== undefined && isRaw(path)) return answerRaw(body, this.rawMode(sent));
    if (sent === undefined) return this.discovery(site, request);
    const execution = this.execution(sent);
    const answer = await handleRequest(
      handlers.endpoint,
      { path, headers, body, extraArgs: [execution] },
      { now: () => scheduler.wallMs(), timeLimit: this.#timeLimit() },
    );
    trace.add(scheduler.nowMs, `execution ${execution.number} answers ${answer.body.length} bytes`);
    return answer;
  }

  /** Some functions have little time. */
  #timeLimit(): TimeLimit | undefined {
    const { scheduler, random, faults } = this.options;
    if (!random.chance(0.1)) return undefined;
    const ms = random.int(10, 1500);
    return {
      until: scheduler.wallMs() + ms,
      totalMs: ms,
      onTimeout(callback) {
        const timer = scheduler.after(ms, 'time is up', () => {
          faults.count('timeUp');
          callback();
        });
        return () => {
          timer.run = undefined;
        };
      },
    };
  }

  rawMode({ life, version }: Sent): RawMode {
    const name = nameOf(life);
    const isFirst = !this.#executed.has(name);
    this.#executed.add(name);
    return { version, isFirst };
  }

  /** A request that is not only for a whole answer. */
  open(
    site: Site,
    { path, headers }: Pick<HandlerRequest, 'path' | 'headers'>,
  ): Promise<EndpointResponse | Opened> {
    const { scheduler, handlers } = this.options;
    const traits = { protocolMode: site.isBidirectional ? 'BIDI_STREAM' : 'REQUEST_RESPONSE' } as const;
    return openRequest(handlers.endpoint, { path, headers }, traits, () => scheduler.wallMs());
  }

  /** As if the SDK of the site were older and had been given some of the services. */
  async discovery(site: Site, request: HandlerRequest): Promise<HandlerResponse> {
    const opened = await this.open(site, request);
    if (!('status' in opened)) throw new Error(`assertion failed: ${request.path} is no discovery`);
    const manifest = JSON.parse(Buffer.from(opened.body).toString());
    const services = (manifest.services as { readonly name: string }[]).filter(
      ({ name }) => site.services?.includes(name) ?? true,
    );
    const changed = { ...manifest, services, maxProtocolVersion: site.maxProtocolVersion };
    return { ...opened, body: Buffer.from(JSON.stringify(changed)) };
  }
}

export const isRaw = (path: string): boolean => path.startsWith('/invoke/raw/');

const versionOf = (headers: HeaderMap): number =>
  Number(/\.v(\d+)$/.exec(headers['content-type'] ?? '')?.[1] ?? 0);
