/** Applies commands and writes down what came of them: commands in, rows and effects out. */
import { apply } from '../apply.ts';
import type { Command, Op } from '../command.ts';
import type { Effect, Outcome } from '../effect.ts';
import type { DurablePromise, Future, Invocation, NotificationResult } from '../model.ts';
import type { TableName, TableWrite } from '../table.ts';
import { register, text } from './commands.ts';
import { deployment, MemoryView } from './memory-view.ts';

export type Step = Command | { readonly at: number; readonly command: Command } | { readonly fire: number };

/** The transcript of its steps after the registration of `dp_one`, which offers all three kinds of service. */
export interface Scenario {
  /** Whether `dp_one` keeps what has ended; see `deployment`. */
  readonly kept?: boolean;
  readonly steps: readonly Step[];
}
export type Scenarios = Readonly<Record<string, Scenario>>;

export const SERVICES = ['Svc', 'Obj', 'Wf'];

export function play({ kept = false, steps }: Scenario): Transcript {
  const transcript = new Transcript();
  const one = deployment('one', { kept, services: SERVICES });
  transcript.do(register(one), { quiet: true });
  for (const step of steps) {
    if ('type' in step) transcript.do(step);
    else if ('command' in step) transcript.do(step.command, { at: step.at });
    else transcript.fire(step.fire);
  }
  return transcript;
}

export class Transcript {
  readonly view = new MemoryView();
  readonly outcomes: Outcome[] = [];
  private readonly lines: string[] = [];
  private now = 0;

  do(command: Command, options: { at?: number; quiet?: boolean } = {}): void {
    this.now = Math.max(this.now, options.at ?? this.now);
    const { writes, effects, outcome } = apply(this.view, { at: this.now, command });
    this.view.commit(writes);
    this.outcomes.push(outcome);
    if (options.quiet) return;
    this.lines.push(`${this.now} ${describe(command)} => ${outcome}`);
    for (const write of writes) this.lines.push(`      ${describeWrite(write)}`);
    for (const effect of effects) this.lines.push(`    ! ${describeEffect(effect)}`);
  }

  /** Fires every timer that is due at `at`, in order. */
  fire(at: number): void {
    for (const timer of this.view.keys('timer')) {
      if (Number(timer.slice(0, 16)) <= at) this.do({ type: 'timerFired', timer }, { at });
    }
  }

  toString(): string {
    return `${this.lines.join('\n')}\n`;
  }
}

function describe(command: Command): string {
  switch (command.type) {
    case 'invoke': {
      const { service, key, handler } = command.target;
      return `invoke ${command.minted.id} ${key === '' ? service : `${service}/${key}`}/${handler}`;
    }
    case 'attempt': {
      const did = command.ops.map(describeOp).join(', ');
      return `attempt ${command.id} #${command.attempt} saw ${command.seenEntries}: [${did}] ${describeEnd(command.end)}`;
    }
    case 'timerFired':
      return `timerFired ${command.timer}`;
    case 'signal':
      return `signal ${command.id} ${command.signal} ${describeResult(command.result)}`;
    case 'resume':
      return `resume ${command.id}${command.deployment === undefined ? '' : ` on ${command.deployment}`}`;
    case 'restartAsNew': {
      const on = command.deployment === undefined ? '' : ` on ${command.deployment}`;
      return `restartAsNew ${command.id} as ${command.minted.id} with [${command.kept.entries.join(', ')}]${on}`;
    }
    case 'patchState': {
      const { version, entries } = command.patch;
      const state = entries.map(([key, value]) => `${key} "${text(value)}"`).join(', ');
      const guard = version === undefined ? '' : ` at version ${version}`;
      return `patchState ${command.of.service}/${command.of.key} {${state}}${guard}`;
    }
    case 'registerDeployment':
      return `registerDeployment ${command.deployment.id}`;
    case 'updateService':
      return `updateService ${command.service.name} of ${command.deployment}`;
    case 'initialize':
      return 'initialize';
    default:
      return `${command.type} ${command.id}`;
  }
}

function describeOp(op: Op): string {
  const name = 'key' in op ? ` ${op.key}` : 'name' in op ? ` ${op.name}` : '';
  return 'completionId' in op ? `${op.op}${name} ${op.completionId}` : `${op.op}${name}`;
}

function describeEnd(end: Extract<Command, { type: 'attempt' }>['end']): string {
  if (end.kind === 'completed') return 'completed';
  if (end.kind === 'goesOn') return 'and goes on';
  if (end.kind === 'suspended') return `awaits ${describeFuture(end.awaiting)}`;
  return `failed "${end.failure.message}", ${end.after.kind}`;
}

/** `[…]` is any of them. */
function describeFuture({ combinator, completions, signals, nested }: Future): string {
  const children = [...completions, ...signals.map(s => `signal ${s}`), ...nested.map(describeFuture)];
  return `${combinator === 'any' ? '' : combinator}[${children.join(', ')}]`;
}

function describeResult(result: NotificationResult): string {
  switch (result.kind) {
    case 'success':
      return `"${text(result.value)}"`;
    case 'failure':
      return `failure ${result.failure.code} ${result.failure.message}`;
    case 'invocationId':
      return result.id;
    case 'stateKeys':
      return `keys [${result.keys.join(', ')}]`;
    default:
      return result.kind;
  }
}

type RowOf<N extends TableName> = NonNullable<Extract<TableWrite, { table: N }>['row']>;

/** How a row is told; a table that has none is told by its key. */
const ROWS: { readonly [N in TableName]?: (row: RowOf<N>) => string } = {
  invocation: ({ state, attempt, entries, pending, listeners, retryCount, pinned, lastFailure }) => {
    const waits = pending.map(({ of, completionId }) => `${of} ${completionId}`).join(', ');
    return [
      `${describeStatus(state)} #${attempt} entries ${entries}`,
      waits === '' ? '' : ` pending ${waits}`,
      listeners.length === 0 ? '' : ` awaited by ${listeners.map(describeListener).join(', ')}`,
      retryCount === 0 ? '' : ` retries ${retryCount}`,
      pinned === undefined || pinned.deployment === 'dp_one' ? '' : ` on ${pinned.deployment}`,
      // Tests fail attempts with RT0007; any other code is the core's refusal.
      state.status !== 'backingOff' || lastFailure?.code === 'RT0007' ? '' : ` refused ${lastFailure?.code}`,
    ].join('');
  },
  completed: ({ result, expiresAt, entries }) =>
    `${describeResult(result)} until ${expiresAt}, entries ${entries}`,
  journal: ({ entries }) => entries.map(describeEntry).join(' | '),
  service: ({ deployment, revision, patched }) =>
    `-> ${deployment} revision ${revision}${patched === undefined ? '' : ' patched'}`,
  instance: ({ holder, first, last, patches, run }) =>
    [
      `holder ${holder ?? 'none'}`,
      first === undefined ? '' : `, queue ${first} to ${last}`,
      patches.length === 0 ? '' : `, ${patches.length} patches`,
      run === undefined ? '' : `, run ${run}`,
    ].join(''),
  state: ({ value }) => `= "${text(value)}"`,
  promise: ({ result, listeners, timer }) => {
    if (result !== undefined)
      return `= ${describeResult(result)}${timer === undefined ? '' : ` until ${timer}`}`;
    return `awaited by ${listeners.map(describeListener).join(', ')}`;
  },
};

const describeListener = ({ caller, completionId }: DurablePromise['listeners'][number]): string =>
  `${caller} ${completionId}`;

function describeStatus(state: Invocation['state']): string {
  if (state.status === 'running') return state.pausing ? 'running, to pause' : 'running';
  // One of V5 and V6 never changes.
  if (state.status === 'suspended' && state.awaiting.combinator !== 'any')
    return `suspended on ${describeFuture(state.awaiting)}`;
  if (state.status !== 'queued') return state.status;
  const { previous, next } = state;
  return `queued${previous === undefined ? '' : ` behind ${previous}`}${next === undefined ? '' : ` before ${next}`}`;
}

function describeEntry(entry: RowOf<'journal'>['entries'][number]): string {
  if (entry.kind === 'completion') return `${entry.of} ${entry.completionId} ${describeResult(entry.result)}`;
  if (entry.kind === 'signal') return `signal ${entry.signal} ${describeResult(entry.result)}`;
  return entry.kind === 'command' ? `0x${entry.type.toString(16).padStart(4, '0')}` : 'input';
}

function describeWrite({ table, key, row }: TableWrite): string {
  const head = `${table} ${key}`;
  if (row === undefined) return `${head} deleted`;
  const tell = ROWS[table] as ((row: unknown) => string) | undefined;
  return tell === undefined ? head : `${head} ${tell(row)}`;
}

function describeEffect(effect: Effect): string {
  switch (effect.type) {
    case 'armTimer':
      return `armTimer ${effect.timer}`;
    case 'completed':
      return `completed ${effect.id} ${describeResult(effect.result)}`;
    case 'attemptChanged':
      return `attemptChanged ${effect.id} #${effect.attempt} from ${effect.first} with ${effect.entries.length}`;
    default:
      return `${effect.type} ${effect.id} #${effect.attempt}`;
  }
}
