/**
 * One request with one answer, over Lambda or HTTP, and the ways in which it fails.
 *
 * Invariants: the ports': `tell` is called once, never from within `begin`, not after `abort`. "Answers twice" is
 * therefore what a host does: the same request executed twice, and one of the answers returned.
 */

import { encodeFrame } from '@holdfast/protocol';
import type { Exchange, HandlerRequest, HandlerResponse } from '../../runtime/invoker/transport.ts';
import type { LambdaFault } from './faults.ts';
import type { Caller, FunctionHost, Sent } from './function-host.ts';
import type { Site } from './sites.ts';

/** What comes of a call, in the words of no transport. */
export type Reply =
  | { readonly kind: 'answer'; readonly response: HandlerResponse; readonly damage?: 'truncated' | 'garbled' }
  | { readonly kind: 'throttled'; readonly retryAfterMs?: number }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  /** The function broke. */
  | { readonly kind: 'functionError' };

export interface CallParts {
  readonly host: FunctionHost;
  readonly site: Site;
  readonly caller: Caller;
  readonly request: HandlerRequest;
  readonly timeoutMs: number;
  readonly tell: (reply: Reply) => void;
}

export class Call implements Exchange {
  readonly #parts: CallParts;
  readonly #sent: Sent | undefined;
  #isOver = false;

  constructor(parts: CallParts) {
    this.#parts = parts;
    this.#sent = parts.host.sent(parts.request, parts.site, parts.caller);
  }

  begin(): this {
    const { random, faults, scheduler, trace } = this.#parts.host.options;
    const fault = faults.drawForCall();
    if (fault !== undefined) faults.count(fault);
    const name = this.#sent?.life.id ?? this.#parts.request.path;
    trace.add(scheduler.nowMs, `invoke ${name} attempt ${this.#sent?.attempt ?? 0} ${fault ?? ''}`);
    this.#later(this.#parts.timeoutMs, 'call timeout', () =>
      this.#fails('RT0001', 'simulated: no answer within the timeout'),
    );
    this.#later(random.int(1, 15), `call ${fault ?? 'runs'}`, () => {
      if (fault === undefined) this.#runs(response => this.#answers(response));
      else this.#strike[fault]();
    });
    return this;
  }

  abort(): void {
    this.#isOver = true;
  }

  readonly #strike: { readonly [F in LambdaFault]: () => void } = {
    throttle: () => this.#finish({ kind: 'throttled', ...(this.#flip() ? { retryAfterMs: 200 } : {}) }),
    errorBefore: () => this.#finish({ kind: 'functionError' }),
    errorAfter: () => this.#runs(() => this.#finish({ kind: 'functionError' })),
    neverRuns: () => undefined,
    // Long after the caller gave up: a zombie.
    lateAnswer: () =>
      this.#later(this.#parts.host.options.random.int(0, 60_000), 'stalled function runs', () =>
        this.#runs(response => this.#answers(response)),
      ),
    resetAfter: () => this.#runs(() => this.#fails('RT0010', 'simulated: connection reset')),
    ranTwice: () => {
      this.#runs(() => undefined);
      this.#later(this.#parts.host.options.random.int(0, 300), 'the host runs it again', () =>
        this.#runs(response => this.#answers(response)),
      );
    },
    truncatedAnswer: () =>
      this.#runs(response => this.#finish({ kind: 'answer', response, damage: 'truncated' })),
    garbageAnswer: () =>
      this.#runs(response => this.#finish({ kind: 'answer', response, damage: 'garbled' })),
    cutFrames: () => this.#runs(response => this.#answers(this.#cutFrames(response))),
    refused: () => {
      const status = this.#parts.host.options.random.pick([413, 415, 429, 500, 502, 503, 504]);
      const body = Buffer.from('{"message":"simulated"}');
      this.#answers({ status, headers: { 'retry-after': '1' }, body });
    },
  };

  #runs(then: (response: HandlerResponse) => void): void {
    const { host, site, request } = this.#parts;
    host.execute(site, request, this.#sent).then(response => {
      this.#later(host.options.random.int(0, 10), 'call is answered', () => {
        then(response);
        if (this.#sent !== undefined) this.#parts.caller.onOrphan({ ...this.#sent, response, isLive: false });
      });
    });
  }

  #answers(response: HandlerResponse): void {
    this.#finish({ kind: 'answer', response });
  }

  #fails(code: string, message: string): void {
    this.#finish({ kind: 'failed', code, message });
  }

  #finish(reply: Reply): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#parts.caller.deliver(() => this.#parts.tell(reply));
  }

  /** What is around the frames is whole; they end early or one of them is none that makes sense. */
  #cutFrames(response: HandlerResponse): HandlerResponse {
    const { random, onCut } = this.#parts.host.options;
    const { body } = response;
    if (!this.#flip()) return { ...response, body: senselessSuspension(random.int(0, 40)) };
    if (this.#sent !== undefined && this.#parts.caller.isLeading())
      onCut(this.#sent.life, this.#sent.attempt);
    return { ...response, body: body.subarray(0, random.int(0, Math.max(0, body.length - 1))) };
  }

  #flip(): boolean {
    return this.#parts.host.options.random.chance(0.5);
  }

  #later(delayMs: number, name: string, run: () => void): void {
    this.#parts.host.options.scheduler.after(delayMs, name, run);
  }
}

/** On something that may be nothing; a violation from protocol 7 on. */
export const senselessSuspension = (completionId: number): Uint8Array =>
  encodeFrame('Suspension', {
    waitingCompletions: [completionId],
    waitingSignals: [],
    waitingNamedSignals: [],
  });
