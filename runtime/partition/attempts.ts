/**
 * Attempts, between the state and the invoker: what goes out when there is room for it, and which record an answer
 * becomes. C6: an answer is proposed whole, or, when it is not acceptable, as a failed attempt without entries.
 */
import { checkAttempt } from '../core/check.ts';
import type { AfterFailure, AttemptEnd, CommandOf, Op } from '../core/command.ts';
import type { Effect } from '../core/effect.ts';
import type {
  AttemptFailure,
  Deployment,
  Invocation,
  InvocationId,
  RetryPolicy,
  StateEntry,
} from '../core/model.ts';
import { type Handler, handlerIn } from '../core/registry.ts';
import type { Answer, AnswerEnd } from '../format/answer.ts';
import {
  type AttemptRequest,
  type EndedAttempt,
  encodeAttempt,
  type FailedAttempt,
} from '../invoker/attempt.ts';
import type { Invoker, LiveOptions } from '../invoker/invoker.ts';
import { nextStep } from '../invoker/retry.ts';
import type { RequestIdentity, Transports } from '../invoker/transport.ts';
import type { Clock, Logger, Random } from '../platform/ports.ts';
import type { ServiceDefaults } from './registration.ts';
import { journalOf, type State, stateOf } from './state.ts';

export interface AttemptsOptions {
  readonly state: State;
  readonly invoker: Invoker;
  readonly transports: Transports;
  readonly identity: RequestIdentity | undefined;
  readonly propose: (command: CommandOf<'attempt'>, done?: () => void) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly defaults: ServiceDefaults;
  /** State sent along with an attempt; the rest of a larger one is read by the handler when it asks. */
  readonly eagerStateBytesMax: number;
  /** Longest wait for the answer of a Lambda function. */
  readonly invokeTimeoutMs: number;
}

/** The invocation as its attempt was started. */
type Started = Pick<Invocation, 'id' | 'attempt' | 'randomSeed'>;

type Ended = FailedAttempt & Pick<Extract<AnswerEnd, { kind: 'failed' }>, 'behavior'>;

/** What a handler may ask for in place of a retry (V7). */
const BEHAVIORS = { pause: { kind: 'pause' }, fail: { kind: 'kill' } } as const;

const attemptCommand = (
  { id, attempt, randomSeed }: Started,
  seenEntries: number,
  ops: readonly Op[],
  end: AttemptEnd,
): CommandOf<'attempt'> => ({ type: 'attempt', id, attempt, randomSeed, seenEntries, ops, end });

const isPausing = (inv: Invocation | undefined): boolean =>
  inv?.state.status === 'running' && inv.state.pausing;

export class Attempts {
  private readonly options: AttemptsOptions;

  constructor(options: AttemptsOptions) {
    this.options = options;
  }

  start(id: InvocationId, attempt: number): void {
    const inv = this.options.state.get('invocation', id);
    if (inv === undefined || inv.attempt !== attempt || inv.state.status !== 'running') return;
    const deployment = inv.pinned && this.options.state.get('deployment', inv.pinned.deployment);
    if (inv.pinned === undefined || deployment === undefined) {
      // One that was never pinned finds the deployment that is registered next; one that lost its own does not.
      const isLost = inv.pinned !== undefined;
      const message = isLost
        ? `the deployment ${inv.pinned?.deployment} was removed; resume it with deployment=latest`
        : `${inv.target.service} has no deployment (any more); register one that has it`;
      this.ended(
        inv,
        { kind: 'failed', failure: { code: 'RT0011', status: 500, message }, deterministic: isLost },
        inv.entries,
      );
      return;
    }
    const { endpoint } = deployment;
    const { inactivityTimeoutMs, abortTimeoutMs } = this.timeouts(inv);
    const isLive = endpoint.kind === 'http' && endpoint.bidirectional && inactivityTimeoutMs > 0;
    this.options.invoker.start({
      id,
      attempt,
      address: endpoint.kind === 'lambda' ? endpoint.arn : endpoint.uri,
      transport: this.options.transports.of(endpoint),
      flow: inv.target.service,
      protocolVersion: inv.pinned.protocolVersion,
      timeoutMs: endpoint.kind === 'lambda' ? this.options.invokeTimeoutMs : abortTimeoutMs,
      ...(isLive ? { live: this.live(inv, inactivityTimeoutMs) } : {}),
      encode: () => this.encode(id, attempt, deployment),
      done: (outcome, seenEntries) => this.ended(inv, outcome, seenEntries),
    });
  }

  /** What a live attempt has to hear of; the others find it in their next journal. */
  changed({ id, attempt, first, entries }: Extract<Effect, { type: 'attemptChanged' }>): void {
    const { invoker, state } = this.options;
    invoker.journaled(id, attempt, first, entries);
    if (isPausing(state.get('invocation', id))) invoker.closeInput(id, attempt);
  }

  private live(started: Started, inactivityTimeoutMs: number): LiveOptions {
    return {
      inactivityTimeoutMs,
      isToEnd: () => isPausing(this.options.state.get('invocation', started.id)),
      part: (answer, done) => this.part(started, answer, done),
    };
  }

  /** A part of a live answer, recorded before the next one is looked at. */
  private part(started: Started, { ops }: Answer, done: (goesOn: boolean) => void): void {
    const { state, propose } = this.options;
    const inv = this.current(started);
    if (inv === undefined) {
      done(false);
      return;
    }
    // Should it be refused, what came while it ran may be a cancellation that the handler has not looked at.
    const command = attemptCommand(started, 0, ops, { kind: 'goesOn' });
    const rejected = checkAttempt({ read: (table, key) => state.get(table, key) }, inv, command);
    if (rejected === undefined) {
      propose(command, () => done(this.current(started) !== undefined));
    } else {
      const end = this.failed(inv, this.rejection(rejected));
      propose(attemptCommand(started, 0, [], end), () => done(false));
    }
  }

  /** As long as this is its attempt. */
  private current({ id, attempt, randomSeed }: Started): Invocation | undefined {
    const inv = this.options.state.get('invocation', id);
    if (inv?.attempt !== attempt || inv.randomSeed !== randomSeed) return undefined;
    return inv.state.status === 'running' ? inv : undefined;
  }

  private timeouts(inv: Invocation): {
    readonly inactivityTimeoutMs: number;
    readonly abortTimeoutMs: number;
  } {
    const { defaults } = this.options;
    const { service, handler } = this.handlerOf(inv) ?? {};
    return {
      inactivityTimeoutMs:
        handler?.inactivityTimeoutMs ?? service?.inactivityTimeoutMs ?? defaults.inactivityTimeoutMs,
      abortTimeoutMs: handler?.abortTimeoutMs ?? service?.abortTimeoutMs ?? defaults.abortTimeoutMs,
    };
  }

  /**
   * Undefined when it has been killed: one record may end many invocations, and while its effects are performed one
   * after the other, the first place to become free is offered to the next in the queue.
   */
  private encode(id: InvocationId, attempt: number, deployment: Deployment): AttemptRequest | undefined {
    const inv = this.options.state.get('invocation', id);
    if (inv === undefined || inv.attempt !== attempt) return undefined;
    const request = {
      inv,
      deployment,
      journal: journalOf(this.options.state, id),
      state: this.eagerState(inv),
      nowMs: this.options.clock.now(),
      identity: this.options.identity,
    };
    return encodeAttempt(request, this.options.eagerStateBytesMax);
  }

  /** Undefined: the handler reads its state by itself, or has none. */
  private eagerState(inv: Invocation): Iterable<StateEntry> | undefined {
    if (inv.role === 'service') return undefined;
    const found = this.handlerOf(inv);
    if (found?.handler.enableLazyState ?? found?.service.enableLazyState) return undefined;
    return stateOf(this.options.state, inv.target);
  }

  private ended(started: Started, outcome: EndedAttempt, seenEntries: number): void {
    const inv = this.current(started);
    if (inv === undefined) return;
    const command = (ops: readonly Op[], end: AttemptEnd) => attemptCommand(started, seenEntries, ops, end);
    if (outcome.kind === 'failed') {
      this.options.propose(command([], this.failed(inv, outcome)));
      return;
    }
    const { ops, end } = outcome.answer;
    // C6: an answer that breaks off between two frames is not whole, and none of it is applied.
    const proposed = command(end.kind === 'missing' ? [] : ops, this.decide(inv, end));
    const rejected = checkAttempt(
      { read: (table, key) => this.options.state.get(table, key) },
      inv,
      proposed,
    );
    if (rejected === undefined) this.options.propose(proposed);
    else this.options.propose(command([], this.failed(inv, this.rejection(rejected))));
  }

  private rejection(failure: AttemptFailure): FailedAttempt {
    return { failure, deterministic: failure.code === 'HF_JOURNAL_TOO_LONG' };
  }

  private decide(inv: Invocation, end: AnswerEnd): AttemptEnd {
    if (end.kind === 'completed' || end.kind === 'suspended') return end;
    if (end.kind === 'failed') return this.failed(inv, end);
    const failure = {
      code: 'RT0007',
      status: 500,
      message: 'The handler stopped in the middle of its answer.',
    };
    return this.failed(inv, { failure });
  }

  private failed(inv: Invocation, error: Ended): AttemptEnd {
    const after: AfterFailure =
      error.behavior === undefined
        ? nextStep(this.retryPolicy(inv), inv.failures, error, this.options.random.float())
        : BEHAVIORS[error.behavior];
    this.logFailure(inv, error.failure, after);
    return { kind: 'failed', failure: error.failure, after };
  }

  private logFailure(inv: Invocation, failure: AttemptFailure, after: AfterFailure): void {
    const { service, handler } = inv.target;
    const frame = /^ *at (.*)$/m.exec(failure.stack ?? '')?.[1];
    this.options.logger.warn('attempt failed', {
      invocation: inv.id,
      target: `${service}/${handler}`,
      attempt: inv.attempt,
      code: failure.code,
      message: failure.message,
      ...(frame === undefined ? {} : { at: frame }),
      next: after.kind,
      ...(after.kind === 'retry' ? { delayMs: after.delayMs } : {}),
    });
  }

  private retryPolicy(inv: Invocation): RetryPolicy {
    const { retryPolicy } = this.options.defaults;
    const found = this.handlerOf(inv);
    return found === undefined ? retryPolicy : { ...found.service.retryPolicy, ...found.handler.retryPolicy };
  }

  private handlerOf({ pinned, target }: Invocation): Handler | undefined {
    return (
      pinned &&
      handlerIn({ read: this.options.state.get.bind(this.options.state) }, pinned.deployment, target)
    );
  }
}
