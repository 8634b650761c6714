/**
 * Test helper: what user code must observe, given the order of notifications. It is written from the rules alone and
 * shares nothing with the SDK: programs are generators, and after each notification everything is evaluated anew until
 * nothing changes any more.
 *
 * The rules:
 * - One notification at a time. What is there already when something is first awaited counts in the order of the list.
 * - A combination asks its children in their order, and no further ones once it is decided. A mapper runs once.
 * - A signal goes to the promise that was awaited first of those that are still waited for; the next one to the next.
 * - A cancellation waits for the ids of the calls, and what comes after it waits for it. It rejects whatever user code
 *   waits for, and lets the rest be.
 */
import { laneOf, type Mapping, type Step, signalOf, type Tree } from './program.testkit.ts';

export type Outcome =
  | { readonly value: unknown; readonly error?: never }
  | { readonly error: string; readonly isTerminal: boolean };
const failure = (error: string): Outcome => ({ error: `TerminalError: ${error}`, isTerminal: true });
const CANCELLED: Outcome = { error: 'CancelledError: Cancelled', isTerminal: true };
const TIMED_OUT: Outcome = { error: 'TimeoutError: Timeout occurred', isTerminal: true };
const ALL_FAILED: Outcome = { error: 'AggregateError: All promises were rejected', isTerminal: false };

export interface Node {
  readonly kind: Tree['kind'] | 'constant';
  readonly path: string;
  /** Of a mapper that has returned one, what it returned as well. */
  readonly children: Node[];
  readonly to?: Mapping;
  outcome?: Outcome;
  isActive?: boolean;
  /** How many of the children were asked. */
  asked: number;
  hasMapped?: boolean;
  /** What those who await the node itself get: its outcome, or a cancellation that came before it. */
  awaited?: Outcome;
}

/** User code: yields what it waits for, and is given the outcome. */
type Code = Generator<Node | Join, void, Outcome | undefined>;
interface Task {
  readonly code: Code;
  waitsFor?: Node | Join | undefined;
  isOver?: boolean;
}
/** All of these branches, or any. */
interface Join {
  readonly tasks: readonly Task[];
  readonly all: boolean;
}

export type Event =
  | { readonly leaf: string; readonly outcome: Outcome }
  | { readonly signal: string; readonly outcome: Outcome }
  | { readonly cancel: true };

export class Model {
  /** By lane: what was observed, and the steps that were taken. */
  readonly traces = new Map<string, unknown[]>();
  readonly steps = new Map<string, string[]>();
  /** Calls that were cancelled, by their paths. */
  readonly cancelledCalls: string[] = [];
  readonly #main: Task;
  readonly #tasks: Task[] = [];
  readonly #active: Node[] = [];
  readonly #known = new Map<string, Outcome>();
  readonly #untaken = new Map<string, Outcome[]>();
  readonly #signals: Node[] = [];
  readonly #leaves = new Map<string, Node>();
  /** What goes on by itself, one after the other. */
  readonly #later: (() => void)[] = [];
  #calls: string[] = [];
  readonly #queue: Event[] = [];
  readonly #arrived = new Set<string>();

  constructor(program: readonly Step[]) {
    this.#main = this.#start(this.#program(program));
    this.#settleDown();
  }

  get isOver(): boolean {
    return this.#main.isOver === true;
  }

  happens(event: Event): void {
    if ('leaf' in event) this.#arrived.add(event.leaf);
    this.#queue.push(event);
    for (let [next] = this.#queue; next && !this.isOver; [next] = this.#queue) {
      if (!('cancel' in next)) this.#deliver(next);
      else if (this.#calls.every(path => this.#arrived.has(`${path}#id`))) this.#cancel();
      else return;
      this.#queue.shift();
      this.#settleDown();
    }
  }

  #deliver(event: Event): void {
    if ('signal' in event) {
      const taker = this.#signals.find(
        node => signalOf(node.path) === event.signal && this.#isWaitedFor(node),
      );
      if (taker) this.#take(taker, event.outcome);
      else listOf(this.#untaken, event.signal).push(event.outcome);
    } else if ('leaf' in event) {
      if (!this.#known.has(event.leaf)) this.#known.set(event.leaf, event.outcome);
      const leaf = this.#leaves.get(event.leaf);
      if (leaf) leaf.outcome ??= event.outcome;
    }
    this.#evaluateAll();
  }

  #cancel(): void {
    this.cancelledCalls.push(...this.#calls);
    this.#calls = [];
    for (const { waitsFor } of this.#tasks) if (isNode(waitsFor)) waitsFor.awaited = CANCELLED;
  }

  /** Runs user code until it can go no further. */
  #settleDown(): void {
    for (;;) {
      const ready = this.#tasks.find(task => this.#isReady(task));
      const later = ready ? undefined : this.#later.shift();
      if (ready) this.#resume(ready);
      else if (later) later();
      else return;
    }
  }

  #isReady({ waitsFor, isOver }: Task): boolean {
    if (isOver || waitsFor === undefined) return false;
    if (isNode(waitsFor)) return waitsFor.awaited !== undefined;
    const { tasks, all } = waitsFor;
    return all ? tasks.every(task => task.isOver) : tasks.some(task => task.isOver);
  }

  #start(code: Code): Task {
    const task: Task = { code };
    this.#tasks.push(task);
    this.#resume(task);
    return task;
  }

  #resume(task: Task): void {
    const { waitsFor } = task;
    task.waitsFor = undefined;
    const { done, value } = task.code.next(isNode(waitsFor) ? waitsFor.awaited : undefined);
    if (done) {
      task.isOver = true;
      return;
    }
    task.waitsFor = value;
    if (!isNode(value)) return;
    this.#activate(value);
    this.#revive(value);
    if (value.outcome) value.awaited ??= value.outcome;
  }

  // ---- promises

  #activate(node: Node): void {
    if (node.isActive) return;
    node.isActive = true;
    if (node.kind === 'signal') {
      const first = this.#untaken.get(signalOf(node.path))?.shift();
      this.#signals.push(node);
      if (first) this.#take(node, first);
    } else if (isLeaf(node)) {
      this.#leaves.set(node.path, node);
      const known = this.#known.get(node.path);
      if (known) node.outcome = known;
    }
    for (const child of [...node.children]) {
      this.#activate(child);
      node.asked++;
      this.#evaluate(node);
      if (node.outcome) return;
    }
    this.#active.push(node);
    this.#evaluateAll();
  }

  #take(node: Node, outcome: Outcome): void {
    this.#signals.splice(this.#signals.indexOf(node), 1);
    node.outcome = outcome;
    this.#evaluateAll();
  }

  /** Promises that were left behind and are awaited again take what has come meanwhile. */
  #revive(root: Node): void {
    for (const node of signalsIn(root)) {
      const untaken = this.#untaken.get(signalOf(node.path)) ?? [];
      const [first] = untaken;
      if (!first || !this.#signals.includes(node) || !this.#isWaitedFor(node)) continue;
      untaken.shift();
      this.#take(node, first);
    }
  }

  #isWaitedFor(node: Node): boolean {
    const reaches = (from: Node): boolean =>
      from.outcome === undefined && from.isActive === true && (from === node || from.children.some(reaches));
    return this.#tasks.some(
      ({ waitsFor }) => isNode(waitsFor) && waitsFor.awaited === undefined && reaches(waitsFor),
    );
  }

  #evaluateAll(): void {
    for (let changed = true; changed; ) {
      changed = false;
      for (const node of this.#active) {
        if (node.outcome) continue;
        this.#evaluate(node);
        changed ||= node.outcome !== undefined;
      }
    }
    for (const { waitsFor } of this.#tasks)
      if (isNode(waitsFor) && waitsFor.outcome) waitsFor.awaited ??= waitsFor.outcome;
  }

  #evaluate(node: Node): void {
    if (node.outcome) return;
    const outcome = this.#outcomeOf(node);
    if (outcome) node.outcome = outcome;
  }

  #outcomeOf(node: Node): Outcome | undefined {
    const outcomes = node.children.map(({ outcome }, index) => (index < node.asked ? outcome : undefined));
    const settled = outcomes.filter(outcome => outcome !== undefined);
    const isComplete = settled.length === outcomes.length;
    switch (node.kind) {
      case 'all':
        return settled.find(isFailure) ?? (isComplete ? { value: settled.map(valueIn) } : undefined);
      case 'race':
        return settled[0];
      case 'any':
        return settled.find(outcome => !isFailure(outcome)) ?? (isComplete ? ALL_FAILED : undefined);
      case 'allSettled':
        return isComplete ? { value: settled.map(described) } : undefined;
      case 'timeout':
        return outcomes[0] ?? (outcomes[1] && TIMED_OUT);
      case 'map':
        return this.#mapped(node, outcomes);
      default:
        return node.outcome;
    }
  }

  #mapped(node: Node, [source, returned]: readonly (Outcome | undefined)[]): Outcome | undefined {
    if (node.hasMapped) return returned;
    if (!source) return undefined;
    node.hasMapped = true;
    if (isFailure(source) && !source.isTerminal) return source;
    const at = node.path;
    this.#observed(`${at}!`, 'mapped');
    const mapped: Outcome = {
      value: isFailure(source) ? source.error.replace(/^\w+: /, '') : ['mapped', source.value],
    };
    switch (node.to) {
      case 'failure':
        return failure(`mapped ${at}`);
      case 'step': {
        const step = this.#leaf('sleep', `${at}!`);
        node.children.push(step);
        node.asked++;
        this.#activate(step);
        return step.outcome;
      }
      case 'later':
        this.#later.push(() => {
          node.outcome = mapped;
          this.#evaluateAll();
        });
        return undefined;
      case 'afterAStep':
        this.#start(this.#mapsAfterAStep(node, mapped));
        return undefined;
      default:
        return mapped;
    }
  }

  *#mapsAfterAStep(node: Node, mapped: Outcome): Code {
    const outcome = yield this.#leaf('sleep', `${node.path}!`);
    node.outcome = outcome && isFailure(outcome) ? outcome : mapped;
    this.#evaluateAll();
  }

  // ---- programs

  *#program(steps: readonly Step[]): Code {
    yield* this.#branch(steps, '', []);
    // Until nothing else is awaited with it, for what two branches do at one time is in no order.
    for (let count = 0; ; count++) {
      const outcome = yield this.#leaf('sleep', `end${count}`);
      this.#observed(`end${count}`, outcome);
      if (outcome && !isFailure(outcome)) return;
    }
  }

  *#branch(steps: readonly Step[], path: string, inherited: readonly Node[]): Code {
    const kept = [...inherited];
    for (const [index, step] of steps.entries()) {
      const at = `${path}${index}`;
      if ('left' in step) {
        const passed = kept.filter(node => signalsIn(node).length === 0);
        const tasks = [
          this.#start(this.#branch(step.left, `${at}l`, passed)),
          this.#start(this.#branch(step.right, `${at}r`, passed)),
        ];
        yield { tasks, all: step.kind === 'both' };
        continue;
      }
      if (step.kind === 'awaitKept') {
        const node = kept[step.which % Math.max(1, kept.length)] ?? CONSTANT();
        this.#observed(at, yield node);
        continue;
      }
      const node = this.#build(step.what, at, kept);
      if (step.kind === 'keep') kept.push(node);
      if (step.kind === 'await') this.#observed(at, yield node);
    }
  }

  #build(tree: Tree, at: string, kept: readonly Node[], once = { isUsed: false }): Node {
    switch (tree.kind) {
      case 'kept': {
        const node = once.isUsed ? undefined : kept[tree.which % Math.max(1, kept.length)];
        if (node) once.isUsed = true;
        return node ?? this.#leaf('sleep', at);
      }
      case 'run':
      case 'sleep':
      case 'awakeable':
      case 'call':
      case 'signal':
        return this.#leaf(tree.kind, at);
      case 'map': {
        const source = this.#build(tree.of[0], `${at}m`, kept, once);
        return { kind: 'map', path: at, children: [source], asked: 0, to: tree.to };
      }
      case 'timeout': {
        const source = this.#build(tree.of[0], `${at}t`, kept, once);
        return { kind: 'timeout', path: at, children: [source, this.#leaf('sleep', `${at}T!`)], asked: 0 };
      }
      default: {
        const children = tree.of.map((each, i) => this.#build(each, `${at}.${i}`, kept, once));
        return { kind: tree.kind, path: at, children, asked: 0 };
      }
    }
  }

  #leaf(kind: 'sleep' | 'awakeable' | 'call' | 'signal' | 'run', path: string): Node {
    if (kind === 'call') this.#calls.push(path);
    if (kind !== 'awakeable' && kind !== 'signal') listOf(this.steps, laneOf(path)).push(`${kind} ${path}`);
    return { kind, path, children: [], asked: 0 };
  }

  #observed(at: string, what: Outcome | string | undefined): void {
    const shown = typeof what === 'string' ? what : what && shownOf(what);
    listOf(this.traces, laneOf(at)).push([at, shown]);
  }
}

const CONSTANT = (): Node => ({
  kind: 'constant',
  path: '',
  children: [],
  asked: 0,
  outcome: { value: 'none' },
});
const isNode = (what: Node | Join | undefined): what is Node => what !== undefined && 'kind' in what;
const isLeaf = ({ kind }: Node) =>
  kind === 'sleep' || kind === 'run' || kind === 'call' || kind === 'awakeable';
const isFailure = (outcome: Outcome): outcome is Extract<Outcome, { isTerminal: boolean }> =>
  'isTerminal' in outcome;
const valueIn = (outcome: Outcome): unknown => ('value' in outcome ? outcome.value : undefined);
const shownOf = (outcome: Outcome): unknown => (isFailure(outcome) ? outcome.error : outcome.value);
const described = (outcome: Outcome) =>
  isFailure(outcome)
    ? { status: 'rejected', reason: outcome.error }
    : { status: 'fulfilled', value: outcome.value };

function signalsIn(node: Node): Node[] {
  return node.kind === 'signal' ? [node] : node.children.flatMap(signalsIn);
}

export function listOf<T>(lists: Map<string, T[]>, key: string): T[] {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  return list;
}
