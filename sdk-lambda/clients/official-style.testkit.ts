/** Code as it is written for the client of the Restate SDK: codecs, failures and what does not compile. */
import {
  type ConnectionOpts,
  defaultShouldRetry,
  HttpCallError,
  type Ingress,
  type RetryFailure,
  type RetryPolicy,
  rpc,
} from './index.ts';
import { at, COUNTER, callRows, GREETER, KEY, type Row, SIGNUP } from './official-calls.testkit.ts';

const retry: RetryPolicy = { initialInterval: { milliseconds: 1 }, maxInterval: 2, maxAttempts: 3 };

const codec = {
  encode: (bytes: Uint8Array) => Uint8Array.from([88, ...bytes]),
  decode: async (bytes: Uint8Array) => bytes.subarray(1),
};
const coded = (url: string) => at(url, { journalValueCodec: codec });
const codecs: readonly Row[] = [
  {
    name: 'a codec, both ways',
    answers: [{ body: 'X"in"' }],
    play: url => coded(url).serviceClient(GREETER).greet('x'),
  },
  {
    name: 'a codec and nothing',
    answers: [{ body: 'X' }],
    play: url => coded(url).serviceClient(GREETER).tick(),
  },
  { name: 'a codec and a send', play: url => coded(url).serviceSendClient(GREETER).greet('x') },
  { name: 'a codec and an awakeable', play: url => coded(url).resolveAwakeable('sign_1abc', 1) },
  { name: 'a codec and a reason', play: url => coded(url).rejectAwakeable('sign_1abc', 'why') },
  {
    name: 'a codec and a workflow',
    answers: [{ body: 'X1' }, { body: 'X2' }],
    async play(url) {
      const workflow = coded(url).workflowClient(SIGNUP, 'k');
      return [await workflow.workflowAttach(), await workflow.workflowOutput()];
    },
  },
];

/** What is thrown, as far as both clients agree on it. */
const caught = async (promise: PromiseLike<unknown>) => {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof HttpCallError) return [error.status, error.responseText];
    const { name } = error as Error;
    return name;
  }
};
const failing = (url: string, more?: Omit<ConnectionOpts, 'url'>) => ({
  once: () => caught(at(url, more).serviceClient(GREETER).greet('x')),
  keyed: () => caught(at(url, more).serviceClient(GREETER).greet('x', rpc.opts(KEY))),
});
const body = '{"code":410,"message":"gone","source":"invocation"}';
const terminal = { 'x-restate-error-source': 'invocation' };

const failures: readonly Row[] = [
  { name: 'an error', answers: [{ status: 410, body }], play: url => failing(url).once() },
  { name: 'an error without a body', answers: [{ status: 404, body: '' }], play: url => failing(url).once() },
  { name: 'an answer that is no JSON', answers: [{ body: '<html>' }], play: url => failing(url).once() },
  {
    name: 'aborted before',
    play: url =>
      caught(
        at(url)
          .serviceClient(GREETER)
          .greet('x', rpc.opts({ signal: AbortSignal.abort() })),
      ),
  },
  {
    name: 'a timeout',
    answers: [{ hangs: true }],
    play: url =>
      caught(
        at(url)
          .serviceClient(GREETER)
          .greet('x', rpc.opts({ timeout: 50 })),
      ),
  },
  {
    name: 'aborted while it waits',
    answers: [{ hangs: true }],
    play(url) {
      const { signal } = new AbortController();
      const aborting = AbortSignal.any([signal, AbortSignal.timeout(50)]);
      return caught(
        at(url)
          .workflowClient(SIGNUP, 'k')
          .workflowAttach(rpc.opts({ signal: aborting })),
      );
    },
  },
  { name: 'no retries', answers: [{ status: 503 }], play: url => failing(url, { retry: false }).keyed() },
  {
    name: 'retries, counted',
    answers: [{ status: 503, headers: { 'retry-after': '0' } }, { status: 429 }],
    play: url => failing(url, { retry }).keyed(),
  },
  {
    name: 'no retries without a key',
    answers: [{ status: 503 }],
    play: url => failing(url, { retry }).once(),
  },
  {
    name: 'retries end',
    answers: [{ status: 504 }, { status: 504 }, { status: 504 }],
    play: url => failing(url, { retry }).keyed(),
  },
  {
    name: 'no retries of a terminal error',
    answers: [{ status: 503, body, headers: terminal }],
    play: url => failing(url, { retry }).keyed(),
  },
  {
    name: 'retries of what a workflow is asked',
    answers: [{ status: 502 }, {}, { status: 408 }, {}, { status: 425 }, { status: 470 }],
    async play(url) {
      const workflow = at(url, { retry }).workflowClient(SIGNUP, 'k');
      await workflow.workflowSubmit('x');
      await workflow.workflowAttach();
      return (await workflow.workflowOutput()).ready;
    },
  },
  {
    name: 'retries of a result',
    answers: [{ status: 503 }],
    play: url =>
      at(url, { retry }).result<number>({ invocationId: 'inv_1', status: 'Accepted', attachable: true }),
  },
  {
    name: 'retries as one likes',
    answers: [{ status: 400, body: 'b' }, { status: 503 }],
    async play(url) {
      const seen: unknown[] = [];
      const shouldRetry = (failure: RetryFailure, attempt: number): boolean => {
        seen.push(attempt, failure.kind === 'network' ? failure.error : [failure.status, failure.body]);
        return defaultShouldRetry(failure) || (failure.kind === 'response' && failure.status === 400);
      };
      return [await failing(url, { retry: { ...retry, shouldRetry } }).keyed(), seen];
    },
  },
];

export const rows = [...callRows, ...codecs, ...failures];

/** Does not compile with either client. Never called. */
export function wrong(ingress: Ingress): readonly unknown[] {
  return [
    // @ts-expect-error the input is a string
    () => ingress.serviceClient(GREETER).greet(1),
    // @ts-expect-error there is no such handler
    () => ingress.serviceClient(GREETER).missing(),
    // @ts-expect-error the input is missing
    () => ingress.objectClient(COUNTER, 'k').add(),
    // @ts-expect-error an object has a key
    () => ingress.objectClient(COUNTER),
    // @ts-expect-error the run is submitted
    () => ingress.workflowClient(SIGNUP, 'k').run('x'),
    // @ts-expect-error the input is a string
    () => ingress.workflowClient(SIGNUP, 'k').workflowSubmit(1),
    // @ts-expect-error options of a send
    () => ingress.serviceClient(GREETER).greet('x', { delay: 5 }),
    // @ts-expect-error a scope of a scope
    () => ingress.scope('a').scope('b'),
  ];
}
