/** Operators, who act on what they see at random times, whether it is wise or not. */

import type { Outcome } from '../../runtime/core/effect.ts';
import type { Entry, InvocationId, Result, StateEntry } from '../../runtime/core/model.ts';
import type { DeploymentChoice } from '../../runtime/partition/engine.ts';
import type { LocalEngine } from '../../runtime/partition/local-engine.ts';
import { addressOf } from '../../runtime/partition/registration.ts';
import { CodedError } from '../../runtime/platform/error.ts';
import type { Clients, ClientsParts } from './clients.ts';
import type { Sites } from './sites.ts';
import { objectKey } from './tasks.ts';

export interface OperatorsParts extends ClientsParts {
  readonly clients: Clients;
  /** The first stays, the second comes and goes. */
  readonly sites: Sites;
}

const DEEDS = {
  cancel: 5,
  kill: 2.5,
  pause: 4,
  cancelAndPause: 6,
  resume: 4,
  restart: 5,
  purge: 2,
  purgeJournal: 1.5,
  patch: 6,
  update: 1.5,
  deploy: 3,
  promote: 1.5,
  remove: 1.5,
  output: 3,
  signal: 2,
} as const;
type Deed = keyof typeof DEEDS;
/** What does not take back recorded work. */
const FOR_PROGRAMS = { cancel: 5, kill: 1.5, pause: 2, cancelAndPause: 1, resume: 2 } as const;

const encoder = new TextEncoder();
const json = (value: string): Uint8Array => encoder.encode(JSON.stringify(value));

export class Operators {
  readonly #parts: OperatorsParts;
  /** Versions that were seen, by object. */
  readonly #versions = new Map<string, string[]>();

  constructor(parts: OperatorsParts) {
    this.#parts = parts;
  }

  begin(durationMs: number, deedsMax: number, isForPrograms: boolean): void {
    const { random, scheduler } = this.#parts;
    const weights: Readonly<Partial<Record<Deed, number>>> = isForPrograms ? FOR_PROGRAMS : DEEDS;
    for (let deeds = random.int(0, deedsMax); deeds > 0; deeds--) {
      scheduler.after(random.float() * durationMs, 'operator acts', () => {
        const deed = random.weighted(weights as Record<Deed, number>);
        const engine = this.#parts.node()?.engine;
        if (engine !== undefined) this.#deeds[deed](engine);
      });
    }
  }

  /** Resumes all that is paused, where its deployment is, or else on the newest. */
  resumeAll(): void {
    const { checkers, node } = this.#parts;
    const engine = node()?.engine;
    for (const { id, state, pinned } of checkers.model.rows('invocation')) {
      if (state.status !== 'paused' && state.status !== 'backingOff') continue;
      const isThere = pinned !== undefined && checkers.deployments.registered.includes(pinned.deployment);
      if (engine === undefined || (state.status === 'backingOff' && isThere)) continue;
      this.#resume(engine, id, isThere ? 'keep' : 'latest', true);
    }
  }

  readonly #deeds: { readonly [D in Deed]: (engine: LocalEngine) => void } = {
    cancel: engine => this.#withActive('cancel', (id, done) => engine.cancel(id, done)),
    kill: engine => this.#withActive('kill', (id, done) => engine.kill(id, done)),
    pause: engine => this.#withActive('operatorPause', (id, done) => engine.pause(id, done)),
    /** Two requests at once, in either order. */
    cancelAndPause: engine => {
      const id = this.#failing('running') ?? this.#active();
      const isCancelledFirst = this.#parts.random.chance(0.7);
      if (isCancelledFirst) this.#with('cancel', id, (of, done) => engine.cancel(of, done));
      this.#with('operatorPause', id, (of, done) => engine.pause(of, done));
      if (!isCancelledFirst) this.#with('cancel', id, (of, done) => engine.cancel(of, done));
    },
    resume: engine => {
      const id = this.#active();
      if (id !== undefined) this.#resume(engine, id, this.#choice());
    },
    restart: engine => this.#restart(engine),
    purge: engine => this.#withCompleted('purge', (id, done) => engine.purge(id, done)),
    purgeJournal: engine => this.#withCompleted('purgeJournal', (id, done) => engine.purgeJournal(id, done)),
    patch: engine => {
      const of = {
        service: this.#parts.random.pick(['ledger', 'ledger', 'vault', 'flow']),
        // Often where a crowd is.
        key: this.#parts.random.chance(0.6) ? 'd0.1' : objectKey(this.#parts.random),
      };
      for (let times = this.#parts.random.pick([1, 1, 2, 3]); times > 0; times--) this.#patch(engine, of);
    },
    update: engine => this.#update(engine),
    deploy: engine => this.#change('deploy', engine.register({ address: this.#parts.sites[1].address })),
    promote: engine => {
      const id = this.#pick(engine.deployments().map(deployment => deployment.id));
      if (id !== undefined) this.#change('promote', engine.promoteDeployment(id, true));
    },
    remove: engine => {
      const { name } = this.#parts.sites[1];
      const second = engine.deployments().find(({ endpoint }) => addressOf(endpoint) === name);
      if (second !== undefined) this.#change('remove', engine.removeDeployment(second.id, true));
    },
    output: engine => {
      const id = this.#pick([...this.#parts.clients.accepted]);
      const output = id === undefined ? undefined : engine.output(id);
      if (output?.kind === 'done') {
        this.#parts.checkers.lives.told(output.reply.id, output.reply.result, 'output');
      }
    },
    signal: engine => {
      const signal = this.#parts.random.pick(['s', 't', 17, 18]);
      const result: Result = { kind: 'success', value: json('from an operator') };
      this.#withActive('operatorSignal', (id, done) => engine.signal(id, signal, result, done));
    },
  };

  /** `isLast`: an operator who cannot move it ends it. */
  #resume(engine: LocalEngine, id: InvocationId, choice: DeploymentChoice, isLast = false): void {
    const { checkers, faults } = this.#parts;
    const life = checkers.lives.lives.get(id);
    const { deployments } = checkers;
    const before = { pin: life && deployments.pinOf(life), newest: life && deployments.newestOf(life) };
    this.#note(`resume on ${choice}`, id);
    engine.resume(id, choice, outcome => {
      // Its own is gone, and the newest does not speak the version of its journal: nothing else is left to do.
      if (outcome === 'incompatibleDeployment' && isLast) engine.kill(id, () => undefined);
      if (outcome !== 'applied' || life === undefined) return;
      faults.count('resume');
      if (before.pin !== deployments.pinOf(life)) faults.count('resumeElsewhere');
      // Removed meanwhile, or never pinned: it runs where the newest is.
      if (before.pin !== undefined) deployments.resumed(life, choice, before);
    });
  }

  #restart(engine: LocalEngine): void {
    const { random, checkers, clients, faults } = this.#parts;
    const id = this.#completed();
    if (id === undefined) return;
    const journal = engine.journal(id);
    const from =
      isRepeatable(engine, id, journal) && random.chance(0.7) ? random.int(0, journal.length - 1) : 0;
    this.#note(`restart from ${from}`, id);
    engine.restartAsNew({ id, from, deployment: this.#choice() }, outcome => {
      if (outcome.kind !== 'restarted') return;
      clients.accepted.add(outcome.id);
      faults.count(from > 0 ? 'restartFromPrefix' : 'restart');
      if (checkers.lives.lives.get(outcome.id) === undefined) {
        this.#parts.report('P1', `${outcome.id} was restarted and is not in the log`);
      }
    });
  }

  #patch(engine: LocalEngine, of: { readonly service: string; readonly key: string }): void {
    const { random, checkers, faults } = this.#parts;
    const { version, entries } = engine.state(of);
    checkers.objects.seen(
      of,
      version,
      new Map(entries.map(([key, value]) => [key, Buffer.from(value).toString()])),
    );
    const name = `${of.service}/${of.key}`;
    const versions = [...(this.#versions.get(name) ?? []), version];
    this.#versions.set(name, versions);
    const wanted = random.pick([undefined, version, random.pick(versions)]);
    const patch: StateEntry[] = ['a', 'b', 'e']
      .filter(() => random.chance(0.5))
      .map(key => [key, json(`patched ${random.int(0, 9)}`)]);
    this.#note(`patch of version ${wanted}`, name);
    const holder = checkers.keys.holder(of);
    const request = { of, ...(wanted === undefined ? {} : { version: wanted }), entries: patch };
    engine.patchState(request, outcome => {
      if (outcome === 'applied') faults.count(holder === undefined ? 'patch' : 'patchUnderHolder');
    });
  }

  #update(engine: LocalEngine): void {
    const { random } = this.#parts;
    const name = random.pick(['alpha', 'beta', 'ledger', 'vault', 'flow']);
    const ms = () => random.int(1000, 20_000);
    const change = random.pick([
      { journalRetentionMs: random.pick([0, ms()]) },
      { idempotencyRetentionMs: random.pick([0, ms()]), workflowRetentionMs: random.pick([0, ms()]) },
      { inactivityTimeoutMs: random.pick([0, 50, 2000]), abortTimeoutMs: random.pick([2000, 4000]) },
      { retryPolicy: { maxAttempts: random.int(3, 9), initialIntervalMs: random.int(10, 100) } },
    ]);
    this.#change('update', engine.updateService(name, change));
  }

  /** A change of deployments or services, which takes a while and may fail. */
  #change(deed: string, change: Promise<unknown>): void {
    const { faults } = this.#parts;
    this.#note(deed, '');
    change.then(
      changed => {
        if (changed !== undefined && changed !== 'unknown') faults.count(deed);
      },
      (error: unknown) => {
        // A fault struck the discovery, or it would break callers.
        if (!(error instanceof CodedError)) throw error;
      },
    );
  }

  #withActive(deed: string, act: (id: InvocationId, done: (outcome: Outcome) => void) => void): void {
    this.#with(deed, this.#active(), act);
  }

  #withCompleted(deed: string, act: (id: InvocationId, done: (outcome: Outcome) => void) => void): void {
    this.#with(deed, this.#completed(), act);
  }

  #with(
    deed: string,
    id: InvocationId | undefined,
    act: (id: InvocationId, done: (outcome: Outcome) => void) => void,
  ): void {
    if (id === undefined) return;
    this.#note(deed, id);
    act(id, outcome => {
      if (outcome === 'applied' || outcome === 'ended') this.#parts.faults.count(deed);
    });
  }

  #active(): InvocationId | undefined {
    const { random, checkers } = this.#parts;
    const failing = random.chance(0.35) ? this.#failing(undefined) : undefined;
    if (failing !== undefined) return failing;
    const rows = [...checkers.model.rows('invocation')];
    const running = rows.filter(({ state }) => state.status === 'running');
    const active = (running.length > 0 && random.chance(0.3) ? running : rows).map(({ id }) => id);
    return this.#pick(random.chance(0.85) ? active : [...this.#parts.clients.accepted]);
  }

  /** What has failed most; people look at that first. */
  #failing(status: 'running' | undefined): InvocationId | undefined {
    const rows = [...this.#parts.checkers.model.rows('invocation')]
      .filter(({ state, failures }) => failures.counted > 0 && (status ?? state.status) === state.status)
      .toSorted((a, b) => b.failures.counted - a.failures.counted);
    return rows[0]?.id;
  }

  #completed(): InvocationId | undefined {
    const completed = [...this.#parts.checkers.model.rows('completed')].map(({ id }) => id);
    return this.#pick(this.#parts.random.chance(0.95) ? completed : [...this.#parts.clients.accepted]);
  }

  #choice(): DeploymentChoice {
    const named = this.#pick(this.#parts.checkers.deployments.registered);
    return this.#parts.random.pick(['keep', 'latest', (named ?? 'keep') as DeploymentChoice]);
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from.length === 0 ? undefined : this.#parts.random.pick(from);
  }

  #note(deed: string, what: string): void {
    this.#parts.trace.add(this.#parts.scheduler.nowMs, `operator: ${deed} ${what}`);
  }
}

/**
 * Whether a prefix of its journal may be replayed under another id: the counters would add to what they have read
 * before, and an awakeable's id, which a handler was sent, follows from the invocation's.
 */
function isRepeatable(engine: LocalEngine, id: InvocationId, [input]: readonly Entry[]): boolean {
  const service = engine.invocation(id)?.target.service;
  if (input?.kind !== 'input' || service === 'tally' || service === 'saga') return false;
  return !Buffer.from(input.body).toString().includes('"by":"handler"');
}
