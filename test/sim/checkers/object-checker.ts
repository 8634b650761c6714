/**
 * O1: the state of a key is linearizable. Its writes take effect in the order of the log, those of one attempt all or
 * none. What an exclusive handler reads is what was written last; the eager reads of one attempt of a shared handler
 * are one state that the key had while the attempt was under way, its other reads the state when they are recorded.
 * A patch is applied as a whole, when nobody has the key, if the state is still the one it was made for. The state
 * of a workflow is there as long as its run is known.
 */

import { decodeFrame, decodeFrames, type Message, MessageType } from '@holdfast/protocol';
import type { CommandOf } from '../../../runtime/core/command.ts';
import type { Entry, NotificationResult, Target } from '../../../runtime/core/model.ts';
import { instanceKey } from '../../../runtime/core/table.ts';
import { isAlone, isWorkflow } from '../targets.ts';
import type { Report } from '../violation.ts';
import type { KeyChecker } from './key-checker.ts';
import type { Appended } from './life-checker.ts';
import { type Life, type Lives, nameOf } from './lives.ts';
import type { Fact } from './log-checker.ts';
import type { ModelState } from './model-state.ts';

type Content = ReadonlyMap<string, string>;
type Patch = CommandOf<'patchState'>['patch'];

interface Keyed {
  /** What it was since which record, oldest first; never empty. */
  readonly history: { readonly position: number; readonly content: Content }[];
  /** Patches that wait for the holder. */
  patches: Patch[];
}

interface Read {
  readonly life: Life;
  /** Record that started its attempt; this one may start the next. */
  readonly attemptAt: number;
  readonly what: string;
  readonly agrees: (content: Content) => boolean;
}

const EMPTY: Content = new Map();
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

export class ObjectChecker {
  readonly #report: Report;
  readonly #lives: Lives;
  readonly #keys: KeyChecker;
  readonly #objects = new Map<string, Keyed>();
  /** Names of reads that the orchestrator answers, by life and completion id; undefined: all names are asked for. */
  readonly #asked = new Map<string, string | undefined>();
  /** Began with writes in their journals that they have not made: what they read is their own affair. */
  readonly #detached = new Set<Life>();
  /** What the content was that a version named when somebody outside read it. */
  readonly #versions = new Map<string, string>();
  /** Eager reads of a shared handler in this record. */
  #shared: Read[] = [];

  constructor(report: Report, lives: Lives, keys: KeyChecker) {
    this.#report = report;
    this.#lives = lives;
    this.#keys = keys;
  }

  /** Somebody outside was told that this is the state and this its version. */
  seen(of: Pick<Target, 'service' | 'key'>, version: string, content: Content): void {
    const name = `${instanceKey(of)} ${version}`;
    const now = shown(content);
    const before = this.#versions.get(name) ?? now;
    if (before !== now) this.#report('O1', `version ${version} names '${before}' and '${now}'`);
    this.#versions.set(name, now);
    if (now !== shown(this.#now(of))) {
      this.#report(
        'O1',
        `the state of ${instanceKey(of)} is told to be '${now}', it is '${shown(this.#now(of))}'`,
      );
    }
  }

  entry({ life, entry, fact }: Appended): void {
    if (life.kind === 'service') return;
    if (fact.record.command.type === 'restartAsNew') {
      if (entry.kind === 'command' && WRITES.includes(entry.type)) this.#detached.add(life);
      return;
    }
    if (entry.kind === 'command') this.#command(life, entry, fact.position);
    else if (entry.kind === 'completion' && (entry.of === 'getState' || entry.of === 'getStateKeys')) {
      const name = `${nameOf(life)}/${entry.completionId}`;
      if (!this.#asked.has(name)) this.#report('O1', `${name} is answered and did not ask`);
      const key = this.#asked.get(name);
      const now = this.#now(life.target);
      if (!answers(entry.result, key, now)) {
        this.#report('O1', `lazy read ${name} of '${key ?? 'keys'}' is not '${shown(now)}'`);
      }
    }
  }

  /** After its entries; the keys tell of those who gave theirs back. */
  fact(fact: Fact): void {
    this.#checkShared(fact);
    const { command } = fact.record;
    if (command.type === 'patchState') this.#patch(command, fact);
    for (const { table, key, row } of fact.writes) {
      if (table === 'completed' && row === undefined) this.#forget(key, fact);
    }
    for (const effect of fact.effects) {
      if (effect.type !== 'completed') continue;
      if (!fact.writes.some(({ table, key }) => table === 'completed' && key === effect.id)) {
        this.#forget(effect.id, fact);
      }
    }
  }

  /** Its holder has ended: patches that waited come before the next one. */
  released({ target }: Life, { position }: Fact): void {
    const object = this.#object(target);
    for (const patch of object.patches) this.#apply(target, patch, position);
    object.patches = [];
  }

  /** The rows against what was written. */
  check(model: ModelState): void {
    const found = new Map<string, Map<string, string>>();
    for (const [row, { key, value }] of model.scan('state', '')) {
      const name = row.slice(0, row.lastIndexOf('/'));
      const content = found.get(name) ?? new Map<string, string>();
      found.set(name, content.set(key, text(value)));
    }
    for (const name of new Set([...found.keys(), ...this.#objects.keys()])) {
      const is = shown(found.get(name) ?? EMPTY);
      const should = shown(this.#objects.get(name)?.history.at(-1)?.content ?? EMPTY);
      if (is !== should)
        this.#report('O1', `the state of ${name} is '${is}', what was written is '${should}'`);
    }
  }

  content(of: Pick<Target, 'service' | 'key'>): Content {
    return this.#now(of);
  }

  #command(life: Life, entry: Entry & { kind: 'command' }, position: number): void {
    const [frame] = decodeFrames(entry.frame);
    if (frame === undefined) return;
    const decoded = decodeFrame(frame);
    switch (decoded.name) {
      case 'SetStateCommand': {
        const { key, value } = decoded.message;
        this.#write(life, position, content => content.set(text(key), text(value ?? new Uint8Array())));
        return;
      }
      case 'ClearStateCommand':
        this.#write(life, position, content => content.delete(text(decoded.message.key)));
        return;
      case 'ClearAllStateCommand':
        this.#write(life, position, content => content.clear());
        return;
      case 'GetLazyStateCommand':
        this.#asked.set(`${nameOf(life)}/${decoded.message.resultCompletionId}`, text(decoded.message.key));
        return;
      case 'GetLazyStateKeysCommand':
        this.#asked.set(`${nameOf(life)}/${decoded.message.resultCompletionId}`, undefined);
        return;
      case 'GetEagerStateCommand':
        this.#eager(life, eagerRead(life, decoded.message));
        return;
      case 'GetEagerStateKeysCommand': {
        const keys = (decoded.message.value?.keys ?? []).map(text).sort().join();
        this.#eager(life, {
          life,
          attemptAt: life.attemptAt,
          what: `keys '${keys}'`,
          agrees: content => keysOf(content) === keys,
        });
        return;
      }
      default:
    }
  }

  #eager(life: Life, read: Read): void {
    if (this.#detached.has(life)) return;
    if (!isAlone(life.kind)) {
      this.#shared.push(read);
      return;
    }
    const now = this.#now(life.target);
    if (read.agrees(now)) return;
    this.#report('O1', `${nameOf(life)} reads ${read.what}, the state is '${shown(now)}'`);
  }

  #checkShared({ position }: Fact): void {
    const reads = this.#shared;
    this.#shared = [];
    const [first] = reads;
    if (first === undefined) return;
    const { life, attemptAt } = first;
    const { history } = this.#object(life.target);
    const current = history.filter(({ position: since }, index) => {
      const until = history[index + 1]?.position ?? position + 1;
      return since < position && until > attemptAt;
    });
    if (current.some(({ content }) => reads.every(({ agrees }) => agrees(content)))) return;
    const what = reads.map(read => read.what).join(', ');
    const were = current.map(({ content }) => `'${shown(content)}'`).join(', ');
    this.#report('O1', `shared ${nameOf(life)} reads ${what} at record ${position}; the states were ${were}`);
  }

  #patch({ of, patch }: CommandOf<'patchState'>, fact: Fact): void {
    const { service } = of;
    if (this.#keys.holder(of) !== undefined) {
      // More than the row takes are refused.
      if (fact.outcome === 'applied') this.#object(of).patches.push(patch);
      return;
    }
    const applies = (!isWorkflow(service) || this.#hasRun(of)) && this.#apply(of, patch, fact.position);
    if (applies !== (fact.outcome === 'applied')) {
      this.#report('O1', `patch ${fact.position} of ${instanceKey(of)} is ${fact.outcome}, which is wrong`);
    }
  }

  #apply(of: Pick<Target, 'service' | 'key'>, { version, entries }: Patch, position: number): boolean {
    const wanted = version === undefined ? undefined : this.#versions.get(`${instanceKey(of)} ${version}`);
    if (version !== undefined && wanted !== shown(this.#now(of))) return false;
    this.#become(of, position, new Map(entries.map(([key, value]) => [key, text(value)])));
    return true;
  }

  /** Whether the run of this workflow key is known: then its state is kept. */
  #hasRun(of: Pick<Target, 'service' | 'key'>): boolean {
    for (const { id, kind, target } of this.#lives.all()) {
      const isRun = kind === 'run' && target.service === of.service && target.key === of.key;
      if (isRun && this.#lives.isKnown(id)) return true;
    }
    return false;
  }

  #forget(id: string, { position }: Fact): void {
    const life = this.#lives.get(id);
    if (life?.kind === 'run') this.#become(life.target, position, EMPTY);
  }

  #write(life: Life, position: number, change: (content: Map<string, string>) => unknown): void {
    if (!isAlone(life.kind)) this.#report('O1', `${nameOf(life)}, which is ${life.kind}, writes state`);
    const content = new Map(this.#now(life.target));
    change(content);
    this.#become(life.target, position, content);
  }

  #become(of: Pick<Target, 'service' | 'key'>, position: number, content: Content): void {
    const { history } = this.#object(of);
    // What is between two changes of one record was never there.
    if (history.at(-1)?.position === position) history.pop();
    history.push({ position, content });
  }

  #now(of: Pick<Target, 'service' | 'key'>): Content {
    return this.#object(of).history.at(-1)?.content ?? EMPTY;
  }

  #object(of: Pick<Target, 'service' | 'key'>): Keyed {
    const name = instanceKey(of);
    let object = this.#objects.get(name);
    if (object === undefined) {
      object = { history: [{ position: 0, content: EMPTY }], patches: [] };
      this.#objects.set(name, object);
    }
    return object;
  }
}

const WRITES: readonly number[] = [
  MessageType.SetStateCommand,
  MessageType.ClearStateCommand,
  MessageType.ClearAllStateCommand,
];

function eagerRead(life: Life, message: Message<'GetEagerStateCommand'>): Read {
  const key = text(message.key);
  const value = message.value === undefined ? undefined : text(message.value);
  const { attemptAt } = life;
  return { life, attemptAt, what: `${key} = ${value}`, agrees: content => content.get(key) === value };
}

/** `key` undefined: the keys were asked for. */
function answers(result: NotificationResult, key: string | undefined, content: Content): boolean {
  if (key === undefined) {
    return result.kind === 'stateKeys' && [...result.keys].sort().join() === keysOf(content);
  }
  const value = content.get(key);
  if (value === undefined) return result.kind === 'void';
  return result.kind === 'success' && text(result.value) === value;
}

const keysOf = (content: Content): string => [...content.keys()].sort().join();
const shown = (content: Content): string =>
  [...content]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join();
