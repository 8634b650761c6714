/**
 * Code as it is written for the client of the Restate SDK: what succeeds. parity.test.ts compiles and runs it twice: as it
 * is, and with the imports changed to the official packages.
 */

import type { counter, greeter, Plain, signup, sweep } from './handlers.testkit.ts';
import {
  type ConnectionOpts,
  connect,
  type Ingress,
  type IngressCallOptions,
  type IngressClient,
  type IngressSendOptions,
  Opts,
  type Output,
  rpc,
  type ScopedIngress,
  type Send,
  SendOpts,
  type Serde,
  type Service,
  serde,
  type WorkflowSubmission,
} from './index.ts';

type Greeter = typeof greeter;
type Counter = typeof counter;
type Signup = typeof signup;
type Sweep = typeof sweep;

export const GREETER: Greeter = { name: 'Greeter' };
export const COUNTER: Counter = { name: 'Counter' };
export const SIGNUP: Signup = { name: 'Signup' };
const SWEEP: Sweep = { name: 'Sweep' };

const upper: Serde<string> = {
  contentType: 'text/upper',
  serialize: value => new TextEncoder().encode(value.toUpperCase()),
  deserialize: data => new TextDecoder().decode(data).toLowerCase(),
};

/** What the server answers, in order; then 200 with `"r"`, or what a send is answered. */
export interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** Never answered. */
  readonly hangs?: boolean;
}
export interface Row {
  readonly name: string;
  readonly play: (url: string) => PromiseLike<unknown>;
  readonly answers?: readonly Answer[];
}

export const KEY = { idempotencyKey: 'k1' };
export const at = (url: string, more?: Omit<ConnectionOpts, 'url'>): Ingress => connect({ url, ...more });

const calls: readonly Row[] = [
  {
    name: 'call',
    async play(url) {
      const greeting: string = await at(url).serviceClient<Greeter>({ name: 'Greeter' }).greet('Ada ☕');
      return greeting.length;
    },
  },
  { name: 'call with an object', play: url => at(url).serviceClient(GREETER).order({ id: 'a', cents: 5 }) },
  { name: 'call without input', play: url => at(url).serviceClient(GREETER).tick() },
  {
    name: 'call without input, with options',
    play: url =>
      at(url)
        .serviceClient(GREETER)
        .tick(rpc.opts({ headers: { 'x-a': '1' } })),
  },
  {
    name: 'call of a plain interface',
    async play(url) {
      const client: IngressClient<Service<Plain>> = at(url).serviceClient<Plain>({ name: 'Plain' });
      const n: number = await client.twice(2);
      return [n, await client.nothing()];
    },
  },
  {
    name: 'call with every option',
    play: url =>
      at(url, { headers: { 'x-tenant': 't', 'x-both': 'connection' } })
        .scope('acme')
        .serviceClient(GREETER)
        .greet(
          'x',
          rpc.opts({
            idempotencyKey: 'k1',
            limitKey: 'a/b',
            headers: { 'x-both': 'call', 'x-own': 'yes' },
            input: upper,
            output: upper,
            timeout: 10_000,
          }),
        ),
  },
  {
    name: 'options from the classes',
    async play(url) {
      const options: IngressCallOptions<string, string> = {};
      options.idempotencyKey = 'k2';
      const opts = Opts.from(options);
      const seen: string | undefined = opts.opts.idempotencyKey;
      return [seen, await at(url).serviceClient(GREETER).greet('x', opts)];
    },
  },
  {
    name: 'bytes',
    play: url =>
      at(url)
        .serviceClient(GREETER)
        .bytes(
          new Uint8Array([0, 255]),
          Opts.from<Uint8Array, Uint8Array>({ input: serde.binary, output: serde.binary }),
        ),
  },
  {
    name: 'no type of content without one',
    play: url =>
      at(url)
        .serviceClient(GREETER)
        .tick(rpc.opts({ input: serde.empty })),
  },
  {
    name: 'a serde for the connection',
    play: url => at(url, { serde: upper }).serviceClient(GREETER).greet('x'),
  },
  {
    name: 'a serde of the request before that of the connection',
    play: url =>
      at(url, { serde: upper })
        .serviceClient(GREETER)
        .greet('x', rpc.opts({ input: serde.json, output: serde.json })),
  },
  {
    name: 'a key of an object that must be encoded',
    play: url => at(url).objectClient<Counter>({ name: 'Counter' }, "a/b ☕?#%'()*!").add(2),
  },
  { name: 'a shared handler', play: url => at(url).objectClient(COUNTER, 'k').get() },
  { name: 'an empty answer', answers: [{ body: '' }], play: url => at(url).serviceClient(GREETER).tick() },
  {
    name: 'by name',
    play: url => at(url).call({ service: 'Greeter', handler: 'greet', parameter: { a: 1 } }),
  },
  {
    name: 'by name, with everything',
    play: url =>
      at(url).call<string, string>({
        service: 'Counter',
        handler: 'add',
        key: 'k/1',
        scope: 's',
        parameter: 'p',
        opts: rpc.opts<string, string>({ ...KEY, input: upper, output: serde.json }),
      }),
  },
  {
    name: 'by name, bytes',
    async play(url) {
      const bytes: Uint8Array = await at(url).call({
        service: 'Greeter',
        handler: 'bytes',
        parameter: new Uint8Array([1]),
        opts: Opts.from<Uint8Array, Uint8Array>({ input: serde.binary, output: serde.binary }),
      });
      return [...bytes];
    },
  },
  {
    name: 'a fetch of one’s own',
    async play(url) {
      const asked: unknown[] = [];
      const mine: typeof fetch = (input, init) => {
        asked.push(init?.method);
        return fetch(input, init);
      };
      return [await at(url, { fetch: mine }).serviceClient(GREETER).greet('x'), asked];
    },
  },
];

const sends: readonly Row[] = [
  {
    name: 'send',
    async play(url) {
      const sent: Send<string> = await at(url).serviceSendClient(GREETER).greet('x');
      const status: 'Accepted' | 'PreviouslyAccepted' = sent.status;
      return { ...sent, status };
    },
  },
  {
    name: 'send with a key',
    play: url => at(url).serviceSendClient(GREETER).greet('x', rpc.sendOpts(KEY)),
  },
  {
    name: 'send, later',
    async play(url) {
      const options: IngressSendOptions<number> = { delay: { minutes: 1, seconds: 1.5 } };
      const opts = SendOpts.from(options);
      return [opts.delay(), await at(url).objectSendClient(COUNTER, 'a b').add(1, opts)];
    },
  },
  {
    name: 'send, at once',
    play: url =>
      at(url)
        .serviceSendClient(GREETER)
        .tick(rpc.sendOpts({ delay: 0 })),
  },
  {
    name: 'send by name',
    async play(url) {
      const sent: Send = await at(url).send({
        service: 'Greeter',
        handler: 'greet',
        parameter: 'x',
        opts: rpc.sendOpts({ delay: 7 }),
      });
      return sent;
    },
  },
  {
    name: 'the result of a send',
    async play(url) {
      const ingress = at(url);
      const sent = await ingress.serviceSendClient(GREETER).order({ id: 'a', cents: 1 }, rpc.sendOpts(KEY));
      const result: { paid: boolean } = await ingress.result(sent);
      return [result, await ingress.result<string>(sent as Send, upper)];
    },
  },
  {
    name: 'send in a scope',
    async play(url) {
      const scoped: ScopedIngress = at(url).scope('t1');
      return scoped.objectSendClient(COUNTER, 'k').add(1, rpc.sendOpts({ delay: 1, limitKey: 'a' }));
    },
  },
];

const workflows: readonly Row[] = [
  {
    name: 'submit',
    async play(url) {
      const submitted: WorkflowSubmission<number> = await at(url)
        .workflowClient<Signup>({ name: 'Signup' }, 'k 1')
        .workflowSubmit('a@b', rpc.sendOpts({ delay: 10 }));
      const result: number = await at(url).result(submitted);
      return [submitted, result];
    },
  },
  { name: 'submit without input', play: url => at(url).workflowClient(SWEEP, 'k').workflowSubmit() },
  {
    name: 'attach',
    async play(url) {
      const workflow = at(url).workflowClient(SIGNUP, 'k/1');
      const length: number = await workflow.workflowAttach();
      return [length, await workflow.workflowAttach(rpc.opts({ output: serde.json, timeout: 10_000 }))];
    },
  },
  {
    name: 'output',
    async play(url) {
      const output: Output<number> = await at(url).workflowClient(SIGNUP, 'k').workflowOutput();
      return output.ready ? output.result : undefined;
    },
  },
  {
    name: 'output, not ready',
    answers: [{ status: 470, body: '{"code":470}' }],
    async play(url) {
      const output = await at(url).workflowClient(SIGNUP, 'k').workflowOutput();
      const read = async () => output.result;
      return [output.ready, await read().then(String, () => 'throws')];
    },
  },
  { name: 'its shared handlers', play: url => at(url).workflowClient(SIGNUP, 'k').click('s') },
  {
    name: 'submit in a scope',
    play: url => at(url).scope('s').workflowClient(SIGNUP, 'k').workflowSubmit('x'),
  },
];

const awakeables: readonly Row[] = [
  { name: 'resolve', play: url => at(url).resolveAwakeable('sign_1abc', { ok: true }) },
  { name: 'resolve with nothing', play: url => at(url).resolveAwakeable('sign_1abc') },
  { name: 'resolve with a serde', play: url => at(url).resolveAwakeable('sign_1abc', 'x', upper) },
  {
    name: 'reject',
    play: url => at(url, { headers: { 'x-tenant': 't' } }).rejectAwakeable('sign_1abc', 'why ☕'),
  },
];

export const callRows = [...calls, ...sends, ...workflows, ...awakeables];
