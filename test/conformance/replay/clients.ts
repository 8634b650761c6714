/**
 * The clients of a replay: they make the recorded calls, each when something recorded follows from it, and what they
 * are answered is put next to what was recorded.
 */
import { decodeFrame, decodeFrames } from '@holdfast/protocol';
import type { KnownIds } from './known-ids.ts';
import { type Orchestrator, settled } from './orchestrator.ts';
import type { ClientCall, Conversation } from './recording.ts';

/** The recorded clients looked at a status with it; there is no SQL here yet. */
const QUERY = '/query';

type Steps = Conversation['steps'];
type Asked = ReturnType<Orchestrator['ask']>;

export interface ClientsOptions {
  readonly calls: readonly ClientCall[];
  readonly conversations: readonly Conversation[];
  readonly ids: KnownIds;
  readonly orchestrator: Orchestrator;
  /** Whether our server has begun it. */
  readonly hasBegun: (conversation: Conversation) => boolean;
}

export class Clients {
  readonly #options: ClientsOptions;
  readonly #calls: readonly ClientCall[];
  readonly #ids: KnownIds;
  readonly #asked = new Map<ClientCall, Asked>();

  constructor(options: ClientsOptions) {
    this.#options = options;
    this.#calls = options.calls;
    this.#ids = options.ids;
  }

  /** The client's call that this conversation comes from, and before it those that only look. */
  askFor({ path, invocationId, steps }: Conversation): boolean {
    const target = path.replace('/invoke/', '').split('/');
    const isIt = (call: ClientCall): boolean => {
      if (this.#asked.has(call) || call.method !== 'POST') return false;
      const id = call.answer?.id;
      if (id !== undefined && id !== invocationId) return false;
      const segments = (call.url.split('?')[0] ?? '').split('/');
      if (segments.at(-1) === 'send' && segments.at(-2) !== target[0]) segments.pop();
      return segments.includes(target[0] ?? '') && segments.at(-1) === target[1];
    };
    const call = this.#calls.find(isIt);
    if (call === undefined) {
      if (this.#isCalledByHandler(invocationId)) return false;
      this.#ask(clientOf(path, steps), steps);
      return true;
    }
    for (const earlier of this.#calls.slice(0, this.#calls.indexOf(call))) {
      if (!this.#asked.has(earlier) && this.#onlyLooks(earlier)) this.#ask(earlier, undefined);
    }
    this.#ask(call, steps);
    return true;
  }

  #isCalledByHandler(invocationId: string): boolean {
    const said = this.#options.conversations.flatMap(({ steps }) => steps);
    return said.some(
      step =>
        'frame' in step &&
        step.name.startsWith('CallInvocationId') &&
        textOf(step.frame).includes(invocationId),
    );
  }

  /** It starts no conversation and changes nothing that one depends on. */
  #onlyLooks(call: ClientCall): boolean {
    if (!this.#ids.knows(call.url + call.body) || call.url === QUERY) return false;
    if (/\/(cancel|kill|resume|resolve|reject)$/.test(call.url)) return false;
    const started = this.#options.conversations.find(each => each.invocationId === call.answer?.id);
    return started === undefined || this.#options.hasBegun(started);
  }

  /** A call that resolves, rejects or cancels what is there. */
  askSignal(): boolean {
    return this.#askFirst(/\/(resolve|reject|cancel)$/);
  }

  askResume(): boolean {
    return this.#askFirst(/\/resume$/);
  }

  #askFirst(pattern: RegExp): boolean {
    const call = this.#calls.find(
      each => !this.#asked.has(each) && pattern.test(each.url) && this.#ids.knows(each.url + each.body),
    );
    if (call === undefined || (call.url.includes('/Wf/') && !call.url.includes('awakeables'))) return false;
    this.#ask(call, undefined);
    return true;
  }

  #ask(call: ClientCall, steps: Steps | undefined): void {
    const headers = steps === undefined ? call.headers : headersOf(call, steps);
    const { method, url, body } = call;
    const asked = this.#options.orchestrator.ask(
      method,
      this.#ids.toOurs(url),
      headers,
      this.#ids.toOurs(body),
    );
    this.#asked.set(call, asked);
    void asked.answered.then(({ body: answer }) => {
      const [ours] = /inv_1[0-9A-Za-z]{33}/.exec(answer) ?? [];
      const recorded =
        call.answer?.status === 202 ? (call.answer.id ?? invocationIn(call.answer.body)) : undefined;
      if (ours !== undefined && recorded !== undefined) this.#ids.pair(recorded, ours);
    });
  }

  /** Those that nothing recorded follows from. */
  async askRest(): Promise<void> {
    for (const call of this.#calls) {
      if (this.#asked.has(call) || call.url === QUERY) continue;
      this.#ask(call, undefined);
      await settled();
    }
    await settled();
  }

  /** `[ours, recorded]` of every call whose answer was recorded. */
  answers(): (readonly [object, object])[] {
    return this.#calls.flatMap(call => this.#answerOf(call));
  }

  #answerOf(call: ClientCall): (readonly [object, object])[] {
    const sent = this.#asked.get(call)?.sent;
    if (call.answer === undefined || call.url === QUERY) return [];
    const { status, body, id } = call.answer;
    const recorded = { url: call.url, status, id: id ?? 'any', body: bodyOf(body) };
    if (sent === undefined) return [[{ url: call.url, status: 'no answer' }, recorded]];
    const ours = {
      url: call.url,
      status: sent.status,
      id: id === undefined ? 'any' : this.#ids.toRecorded(sent.headers['x-restate-id'] ?? 'none'),
      body: bodyOf(this.#ids.toRecorded(sent.body)),
    };
    return [[ours, recorded]];
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const invocationIn = (text: string): string | undefined => /inv_1[0-9A-Za-z]{33}/.exec(text)?.[0];
/** Texts of refusals are our own. */
function bodyOf(body: string): unknown {
  if (!body.startsWith('{')) return body;
  const json = JSON.parse(body) as { readonly source?: string };
  return json.source === 'ingress' ? { ...json, message: 'any' } : json;
}

/** The input frame says which headers the client sent, more of them than the call does. */
function headersOf(call: Pick<ClientCall, 'headers'>, steps: Steps): ClientCall['headers'] {
  const seen = inputOf(steps).headers.filter(([name]) => name !== 'x-restate-ingress-path');
  return [...seen, ...call.headers.filter(([name]) => name === 'idempotency-key')];
}

function inputOf(steps: Steps) {
  for (const step of steps) {
    const [frame] = 'frame' in step ? decodeFrames(step.frame) : [];
    const decoded = frame === undefined ? undefined : decodeFrame(frame);
    if (decoded?.name !== 'InputCommand') continue;
    const { headers, value = new Uint8Array() } = decoded.message;
    return { headers: headers.map(({ key, value: text }) => [key, text] as const), value };
  }
  throw new Error('a conversation without input');
}

/** A client's call that was not recorded itself, from the input that it became. */
function clientOf(path: string, steps: Steps): ClientCall {
  const { headers, value } = inputOf(steps);
  const url = headers.find(([name]) => name === 'x-restate-ingress-path')?.[1];
  return { method: 'POST', url: url ?? path.replace('/invoke', ''), headers, body: textOf(value) };
}
