/**
 * A Lambda service in virtual time: runs the real SDK's request handler in-process and fails in the ways Lambda
 * does. A function that was invoked runs on whatever becomes of the caller.
 *
 * Invariants: the client port's: `done` is called once, never from within `invoke`, not after `abort`. "Answers
 * twice" is therefore what Lambda does: the same request executed twice, and one of the answers returned.
 */

import { FrameWriter } from '@holdfast/protocol';
import { handleRequest } from '@holdfast/sdk-lambda';
import { decodeInvokeResponse } from '../../runtime/invoker/envelope.ts';
import type { LambdaClient, LambdaRequest, LambdaResult } from '../../runtime/invoker/lambda-client.ts';
import type { Execution, HandlerChecker } from './checkers/handler-checker.ts';
import type { Life } from './checkers/lives.ts';
import type { Faults, LambdaFault } from './faults.ts';
import type { Handlers } from './handlers.ts';
import type { SimRandom } from './random.ts';
import { answerRaw } from './raw.ts';
import type { Scheduler } from './scheduler.ts';
import type { Trace } from './trace.ts';

export interface LambdaOptions {
  readonly scheduler: Scheduler;
  readonly random: SimRandom;
  readonly faults: Faults;
  readonly checker: HandlerChecker;
  readonly trace: Trace;
  readonly handlers: Handlers;
  /** Position of the last durable record. */
  readonly durable: () => number;
  /** The attempt goes out to this address. */
  readonly onSent: (life: Life, arn: string) => void;
  /** The attempt is answered with a part of its frames. */
  readonly onCut: (life: Life, attempt: number) => void;
}

/** One incarnation of the node. */
export interface Caller {
  /** It is alive, and no other one has started since. */
  isLeading(): boolean;
  /** Runs the callback in its process. */
  deliver(callback: () => void): void;
  /** Every answer is left here as well, for a zombie to bring again. */
  onOrphan(orphan: Orphan): void;
}

/** An answer that nobody takes: its caller is dead or has given up, or another answer was taken. */
export interface Orphan {
  readonly life: Life;
  readonly attempt: number;
  readonly seenEntries: number;
  readonly payload: Uint8Array;
}

interface Event {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const failed = (code: string, message: string): LambdaResult => ({ kind: 'failed', code, message });

export class SimLambda {
  readonly #options: LambdaOptions;
  #executions = 0;

  constructor(options: LambdaOptions) {
    this.#options = options;
  }

  client(caller: Caller): LambdaClient {
    return {
      invoke: (request, done) => new Call(this, this.#options, request, done, caller).begin(),
      stats: { connections: 0, active: 0, waiting: 0 },
      close: () => Promise.resolve(),
    };
  }

  /** Runs the function and gives its answer as Lambda returns it. */
  async execute(event: Event, sent: Omit<Execution, 'number'> | undefined): Promise<Uint8Array> {
    const { scheduler, handlers, trace } = this.#options;
    const number = ++this.#executions;
    const execution = { ...sent, number };
    const body = Buffer.from(event.body, 'base64');
    if (event.path.startsWith('/invoke/raw/')) {
      const raw = answerRaw(body);
      return envelope(raw.status, raw.headers, raw.body);
    }
    const request = { path: event.path, headers: event.headers, body, extraArgs: [execution] };
    const answer = await handleRequest(handlers.endpoint, request, { now: () => scheduler.wallMs() });
    trace.add(scheduler.nowMs, `execution ${number} answers ${answer.body.length} bytes`);
    return envelope(answer.status, answer.headers, answer.body);
  }
}

const envelope = (
  statusCode: number,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): Uint8Array =>
  Buffer.from(
    JSON.stringify({
      statusCode,
      headers,
      isBase64Encoded: true,
      body: Buffer.from(body).toString('base64'),
    }),
  );

class Call {
  readonly #lambda: SimLambda;
  readonly #options: LambdaOptions;
  readonly #request: LambdaRequest;
  readonly #done: (result: LambdaResult) => void;
  readonly #caller: Caller;
  readonly #event: Event;
  readonly #life: Life | undefined;
  readonly #attempt: number;
  readonly #sentAt: number;
  readonly #seenEntries: number;
  #isOver = false;

  constructor(
    lambda: SimLambda,
    options: LambdaOptions,
    request: LambdaRequest,
    done: (result: LambdaResult) => void,
    caller: Caller,
  ) {
    this.#lambda = lambda;
    this.#options = options;
    this.#request = request;
    this.#done = done;
    this.#caller = caller;
    this.#event = JSON.parse(Buffer.from(request.payload).toString()) as Event;
    this.#sentAt = caller.isLeading() ? options.durable() : 0;
    const isInvocation = this.#event.path.startsWith('/invoke/');
    const sent = isInvocation ? options.checker.sent(Buffer.from(this.#event.body, 'base64')) : undefined;
    this.#life = sent?.life;
    this.#attempt = sent?.life.attempt ?? 0;
    this.#seenEntries = sent?.knownEntries ?? 0;
    if (sent !== undefined && caller.isLeading()) options.onSent(sent.life, request.arn);
  }

  begin(): { abort(): void } {
    const { random, faults, scheduler, trace } = this.#options;
    const fault = faults.drawForCall();
    if (fault !== undefined) faults.count(fault);
    trace.add(
      scheduler.nowMs,
      `invoke ${this.#life?.id ?? this.#event.path} attempt ${this.#attempt} ${fault ?? ''}`,
    );
    const { timeoutMs } = this.#request;
    this.#later(timeoutMs, 'lambda timeout', () =>
      this.#finish(failed('RT0001', 'simulated: no answer within the timeout')),
    );
    this.#later(random.int(1, 15), `lambda ${fault ?? 'runs'}`, () => {
      if (fault === undefined) this.#runs(answer => this.#answers(answer));
      else this.#strike[fault]();
    });
    return {
      abort: () => {
        this.#isOver = true;
      },
    };
  }

  readonly #strike: { readonly [F in LambdaFault]: () => void } = {
    throttle: () => {
      const retryAfter = this.#flip() ? { retryAfterMs: 200 } : {};
      this.#finish({ kind: 'throttled', message: 'simulated', ...retryAfter });
    },
    errorBefore: () => this.#functionError(),
    errorAfter: () => this.#runs(() => this.#functionError()),
    neverRuns: () => undefined,
    // Long after the caller gave up: a zombie.
    lateAnswer: () =>
      this.#later(this.#options.random.int(0, 60_000), 'stalled function runs', () =>
        this.#runs(answer => this.#answers(answer)),
      ),
    resetAfter: () => this.#runs(() => this.#finish(failed('RT0010', 'simulated: connection reset'))),
    ranTwice: () => {
      this.#runs(() => undefined);
      this.#later(this.#options.random.int(0, 300), 'lambda runs it again', () =>
        this.#runs(answer => this.#answers(answer)),
      );
    },
    truncatedAnswer: () => this.#runs(answer => this.#answers(this.#cut(answer))),
    garbageAnswer: () => this.#runs(answer => this.#answers(this.#garble(answer))),
    cutFrames: () => this.#runs(answer => this.#answers(this.#cutFrames(answer))),
    refused: () => {
      const status = this.#options.random.pick([413, 415, 429, 500, 502, 503, 504]);
      this.#answers(envelope(status, { 'retry-after': '1' }, Buffer.from('{"message":"simulated"}')));
    },
  };

  #sent(): Omit<Execution, 'number'> | undefined {
    if (this.#life === undefined) return undefined;
    return { life: this.#life, sentAt: this.#sentAt, seenEntries: this.#seenEntries };
  }

  #runs(then: (answer: Uint8Array) => void): void {
    this.#lambda.execute(this.#event, this.#sent()).then(answer => {
      this.#later(this.#options.random.int(0, 10), 'lambda answers', () => {
        then(answer);
        this.#leave(answer);
      });
    });
  }

  #answers(payload: Uint8Array): void {
    this.#finish({ kind: 'response', payload });
  }

  #functionError(): void {
    const { random } = this.#options;
    const payload = Buffer.from(
      random.pick([
        '{"errorMessage":"simulated","errorType":"Error","trace":[]}',
        '{"errorMessage":"RequestId: x Error: Runtime exited with error: signal: killed","errorType":"Runtime.ExitError"}',
        '{"errorMessage":"x Task timed out after 3.00 seconds"}',
      ]),
    );
    this.#finish({ kind: 'response', payload, functionError: 'Unhandled' });
  }

  #finish(result: LambdaResult): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#caller.deliver(() => this.#done(result));
  }

  #leave(payload: Uint8Array): void {
    if (this.#life === undefined) return;
    this.#caller.onOrphan({
      life: this.#life,
      attempt: this.#attempt,
      seenEntries: this.#seenEntries,
      payload,
    });
  }

  #cut(answer: Uint8Array): Uint8Array {
    return answer.subarray(0, this.#options.random.int(0, answer.length - 1));
  }

  #garble(answer: Uint8Array): Uint8Array {
    const { random } = this.#options;
    const text = Buffer.from(answer).toString();
    const shapes = [
      'null',
      '{}',
      '[]',
      '{"statusCode":200}',
      text.replace('"body":"', '"body":"*'),
      `${text}}`,
    ];
    return this.#flip() ? random.bytes(random.int(0, 200)) : Buffer.from(random.pick(shapes));
  }

  /** The envelope is whole, what is in it ends early or holds a frame that is none. */
  #cutFrames(answer: Uint8Array): Uint8Array {
    const { random } = this.#options;
    const { statusCode, headers, body } = decodeInvokeResponse(answer);
    if (this.#flip()) {
      if (this.#life !== undefined && this.#caller.isLeading())
        this.#options.onCut(this.#life, this.#attempt);
      return envelope(statusCode, headers, body.subarray(0, random.int(0, Math.max(0, body.length - 1))));
    }
    const frames = new FrameWriter();
    frames.frame('Suspension', {
      waitingCompletions: [random.int(0, 40)],
      waitingSignals: [],
      waitingNamedSignals: [],
    });
    return envelope(statusCode, headers, frames.finish());
  }

  #flip(): boolean {
    return this.#options.random.chance(0.5);
  }

  #later(delayMs: number, name: string, run: () => void): void {
    this.#options.scheduler.after(delayMs, name, run);
  }
}
