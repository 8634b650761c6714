/**
 * A recorded scenario with the roles divided anew: the handler's side of every conversation and the clients are those
 * of the recording, the server is ours. What ours writes to handlers and answers to clients is collected next to what
 * was recorded.
 *
 * Which conversation goes on next is taken from the recording only where the outcome depends on it: within a
 * conversation everything is in order, between two of different invocations either may be first. Something is made
 * to happen only when nothing goes on by itself, and then what the next recorded frame needs: a client's call, a
 * signal from outside, or time.
 */
import { decodeFrame, decodeFrames } from '@holdfast/protocol';
import { Clients } from './clients.ts';
import { comparable } from './comparable.ts';
import { type Deviation, expected } from './deviations.ts';
import { KnownIds } from './known-ids.ts';
import { manifestFor } from './manifest.ts';
import { type HandlerCall, Orchestrator, settled } from './orchestrator.ts';
import type { Conversation, Scenario } from './recording.ts';

export interface Outcome {
  /** Per conversation: `[ours, recorded]`, frame by frame. */
  readonly said: readonly (readonly [ours: object, recorded: object])[];
  /** Per client call, likewise. */
  readonly answers: readonly (readonly [ours: object, recorded: object])[];
  /** Requests and frames to handlers that nobody has recorded. */
  readonly unexpected: readonly string[];
}

interface Open {
  readonly recorded: Conversation;
  readonly call: HandlerCall;
  /** Of `recorded.steps`. */
  at: number;
  /** Frames of ours that have been compared. */
  compared: number;
}

const TIMERS_MAX = 400;
const WAIT_MS_MAX = 24 * 3_600_000;

export class Replay {
  readonly #scenario: Scenario;
  readonly #deviation: Partial<Deviation>;
  readonly #ids = new KnownIds();
  readonly #orchestrator: Orchestrator;
  readonly #open = new Map<Conversation, Open>();
  readonly #taken = new Set<HandlerCall>();
  readonly #clients: Clients;
  readonly #said: (readonly [object, object])[] = [];

  constructor(scenario: Scenario, deviation: Partial<Deviation>) {
    this.#scenario = scenario;
    this.#deviation = deviation;
    this.#orchestrator = new Orchestrator({
      startMs: startOf(scenario),
      protocolVersionMax: scenario.protocolVersion,
      manifest: manifestFor(scenario.transport),
      address: scenario.transport === 'lambda' ? 'lambda' : scenario.transport === 'bidi' ? 'http2' : 'http1',
    });
    this.#clients = new Clients({
      calls: deviation.calls ?? scenario.calls,
      conversations: scenario.conversations,
      ids: this.#ids,
      orchestrator: this.#orchestrator,
      hasBegun: conversation => this.#open.has(conversation),
    });
  }

  async run(): Promise<Outcome> {
    await this.#orchestrator.open();
    for (const step of this.#deviation.before ?? []) await this.#prepare(step);
    await this.#play();
    await this.#clients.askRest();
    const outcome = {
      said: this.#said,
      answers: this.#clients.answers(),
      unexpected: this.#unexpected(),
    };
    if (this.#orchestrator.failures.length > 0) throw this.#orchestrator.failures[0];
    await this.#orchestrator.close();
    return outcome;
  }

  #unexpected(): string[] {
    const requests = this.#orchestrator.calls.filter(each => !this.#taken.has(each));
    const surplus = [...this.#open.values()].flatMap(({ call, compared, recorded }) =>
      decodeFrames(Buffer.concat(call.written))
        .slice(compared)
        .map(frame => `${decodeFrame(frame).name} to ${recorded.path}`),
    );
    return [...requests.map(({ request }) => request.path), ...surplus];
  }

  /** Until every conversation is over. */
  async #play(): Promise<void> {
    const conversations = ordered(this.#scenario.conversations, this.#deviation.order);
    for (const index of this.#deviation.together ?? []) {
      this.#clients.askFor(this.#scenario.conversations[index] as Conversation);
    }
    for (;;) {
      await settled();
      if (conversations.some(each => this.#advance(each))) continue;
      const stuck = conversations.find(each => (this.#open.get(each)?.at ?? 0) < each.steps.length);
      if (stuck === undefined) return;
      await this.#provoke(stuck);
    }
  }

  /** Takes the next steps of a conversation that need nothing else; false: there are none. */
  #advance(recorded: Conversation): boolean {
    const open = this.#open.get(recorded) ?? this.#match(recorded);
    if (open === undefined) return false;
    const before = open.at;
    for (; open.at < recorded.steps.length; open.at++) {
      const step = recorded.steps[open.at];
      if (step === undefined) break;
      if (step.from === 'handler') {
        this.#handlerSays(open);
        open.at += 1;
        return true;
      }
      if ('end' in step) {
        if (!open.call.ended && !this.#isSilentEnd(open)) break;
      } else if (!this.#compareNext(open, step.frame)) break;
    }
    return open.at > before;
  }

  /** After the last word of the handler, whether our side is closed is nobody's business. */
  #isSilentEnd({ recorded, at }: Open): boolean {
    return !recorded.steps.slice(at).some(step => 'frame' in step);
  }

  /** The oldest request of ours that may be it. */
  #match(recorded: Conversation): Open | undefined {
    const ours = this.#ids.oursOf(recorded.invocationId);
    const call = this.#orchestrator.calls.find(each => {
      if (this.#taken.has(each) || each.request.path !== recorded.path) return false;
      const id = idOf(each);
      return ours === undefined ? !this.#ids.hasOurs(id) : id === ours;
    });
    if (call === undefined) return undefined;
    this.#taken.add(call);
    this.#ids.pair(recorded.invocationId, idOf(call));
    const names = ['content-type', 'accept', 'x-restate-service-key'];
    this.#said.push([pick(call.request.headers, names), pick(recorded.headers, names)]);
    const open = { recorded, call, at: 0, compared: 0 };
    this.#open.set(recorded, open);
    return open;
  }

  #compareNext(open: Open, frame: Uint8Array): boolean {
    const frames = decodeFrames(Buffer.concat(open.call.written));
    const ours = frames[open.compared];
    if (ours === undefined) return false;
    open.compared += 1;
    this.#learn(ours.bytes, frame);
    const recorded = expected(comparable(frame), this.#scenario.protocolVersion);
    this.#said.push([comparable(this.#ids.bytesToRecorded(ours.bytes)), recorded]);
    return true;
  }

  /** A notification may name an invocation that has not been seen yet. */
  #learn(ours: Uint8Array, recorded: Uint8Array): void {
    const [a, b] = [ours, recorded].map(bytes => {
      const [frame] = decodeFrames(bytes);
      const decoded = frame === undefined ? undefined : decodeFrame(frame);
      return decoded?.name === 'CallInvocationIdCompletion' ? decoded.message.invocationId : undefined;
    });
    if (a !== undefined && b !== undefined) this.#ids.pair(b, a);
  }

  /** What the handler says next; over request and response all of it at once. */
  #handlerSays(open: Open): void {
    const { recorded, call } = open;
    const status = 200;
    const headers = Object.assign(Object.create(null) as Record<string, string>, recorded.answerHeaders);
    if (call.done !== undefined) {
      const frames = recorded.steps.slice(open.at).flatMap(step => ('frame' in step ? [step.frame] : []));
      open.at = recorded.steps.length - 1;
      call.done({ kind: 'response', status, headers, body: this.#ids.bytesToOurs(Buffer.concat(frames)) });
      return;
    }
    const first = !recorded.steps.slice(0, open.at).some(step => step.from === 'handler');
    if (first) call.events?.onHead(status, headers);
    const step = recorded.steps[open.at];
    if (step === undefined || 'end' in step) call.events?.onEnd({ kind: 'ended' });
    else call.events?.onData(this.#ids.bytesToOurs(step.frame));
  }

  async #provoke(stuck: Conversation): Promise<void> {
    const open = this.#open.get(stuck);
    const due = open === undefined ? this.#firstNews(stuck) : nameOf(stuck.steps[open.at]);
    if (due === 'start' && this.#clients.askFor(stuck)) return;
    if (due === 'SignalNotification' && this.#clients.askSignal()) return;
    if (due === 'retry' && this.#clients.askResume()) return;
    for (let timers = 0; timers < TIMERS_MAX; timers++) {
      if (!(await this.#orchestrator.passToNextTimer(WAIT_MS_MAX))) break;
      if (this.#orchestrator.calls.some(each => !this.#taken.has(each)) || this.#anythingNew()) return;
    }
    throw new Error(
      `${this.#scenario.name}: ours never says ${due} to ${stuck.path} (${stuck.invocationId})`,
    );
  }

  #anythingNew(): boolean {
    return [...this.#open.values()].some(
      ({ call, compared }) => decodeFrames(Buffer.concat(call.written)).length > compared || call.ended,
    );
  }

  /** What a request that has not come is waiting for: what its journal has over that of the one before. */
  #firstNews(stuck: Conversation): string {
    const { conversations } = this.#scenario;
    const before = conversations
      .slice(0, conversations.indexOf(stuck))
      .findLast(each => each.invocationId === stuck.invocationId);
    if (before === undefined) return 'start';
    if (nameOf(before.steps.findLast(step => 'frame' in step)) === 'Error') return 'retry';
    return nameOf(stuck.steps.findLast(step => step.from === 'server' && 'frame' in step));
  }

  /** A call that was made before the recording begins, and what its handler answered. */
  async #prepare({ call, answer }: NonNullable<Deviation['before']>[number]): Promise<void> {
    this.#orchestrator.ask(call.method, call.url, call.headers, call.body);
    await settled();
    const made = this.#orchestrator.calls.find(each => !this.#taken.has(each));
    if (made === undefined) throw new Error('what comes before the recording did not reach a handler');
    this.#taken.add(made);
    const headers = { 'content-type': made.request.headers['content-type'] ?? '' };
    made.done?.({ kind: 'response', status: 200, headers, body: answer });
    await settled();
  }
}

function ordered(
  conversations: readonly Conversation[],
  order: readonly number[] | undefined,
): readonly Conversation[] {
  return order?.map(index => conversations[index] as Conversation) ?? conversations;
}

const idOf = ({ request }: HandlerCall): string => request.headers['x-restate-invocation-id'] ?? '';
const nameOf = (step: Conversation['steps'][number] | undefined): string =>
  step === undefined ? 'nothing' : 'end' in step ? 'end' : step.name;

function pick(headers: Readonly<Record<string, string>>, names: readonly string[]): object {
  return Object.fromEntries(names.map(name => [name, headers[name]]));
}

/** Before the first of the times that are written in the recording, as absolute times are. */
function startOf({ conversations }: Scenario): number {
  let earliest = Number.POSITIVE_INFINITY;
  for (const { steps, path } of conversations) {
    for (const step of steps) {
      const [frame] = 'frame' in step && step.from === 'handler' ? decodeFrames(step.frame) : [];
      const decoded = frame === undefined ? undefined : decodeFrame(frame);
      if (decoded?.name === 'SleepCommand') {
        const sleepMs = path.endsWith('longsleep') ? 3_600_000 : 0;
        earliest = Math.min(earliest, decoded.message.wakeUpTime - sleepMs);
      }
      if (decoded?.name === 'OneWayCallCommand' && decoded.message.invokeTime > 0) {
        earliest = Math.min(earliest, decoded.message.invokeTime);
      }
    }
  }
  // Shorter than the inactivity timeout, so that it is the sleep that ends first.
  return Number.isFinite(earliest) ? earliest - 1_500 : 1_795_000_000_000;
}
