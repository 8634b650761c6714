/** A connection whose requests are answered by the test. */
import type { counter, greeter, signup } from './handlers.testkit.ts';
import { type ConnectionOpts, connect } from './index.ts';

export const GREETER: typeof greeter = { name: 'Greeter' };
export const COUNTER: typeof counter = { name: 'Counter' };
export const SIGNUP: typeof signup = { name: 'Signup' };
export const KEY = { idempotencyKey: 'k' };

export type Fetched = (request: Request) => Response | Promise<Response>;
/** A connection whose requests are answered in order; the last answer again and again. */
export function connected(answers: readonly Fetched[], options: Partial<ConnectionOpts> = {}) {
  const requests: Request[] = [];
  const fake = async (url: string, init: RequestInit): Promise<Response> => {
    const request = new Request(url, init);
    requests.push(request);
    const answer = answers[Math.min(requests.length, answers.length) - 1];
    return answer?.(request) ?? Response.json('r');
  };
  const ingress = connect({
    url: 'http://ingress:8080',
    retry: { initialInterval: 1, maxInterval: 1 },
    fetch: fake as unknown as typeof fetch,
    ...options,
  });
  return { ingress, requests };
}
export const ok: Fetched = () => Response.json('r');
export const status =
  (code: number, headers = {}): Fetched =>
  () =>
    new Response('', { status: code, headers });
export const broken: Fetched = () => Promise.reject(new TypeError('fetch failed'));
/** Answers when it is aborted, as `fetch` does. */
export const hanging: Fetched = ({ signal }) =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });
export const cutShort: Fetched = () =>
  new Response(
    new ReadableStream({
      pull: controller => controller.error(new TypeError('terminated')),
    }),
  );
export const failed = (body: object, code = 500, headers: Record<string, string> = {}): Fetched => {
  return () => Response.json(body, { status: code, headers });
};
/** As `send` returns it. */
export const sent = { invocationId: 'inv_1', status: 'Accepted', attachable: true } as const;
