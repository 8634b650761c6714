/** One request to a provider, made from within a step. */
import { type Context, TerminalError } from '@holdfast/sdk-lambda';

/**
 * A step whose result was not recorded, because a process died in the middle of it, is made again. The key is
 * the same then, so a provider that honours it acts once.
 */
export async function callProvider<T = unknown>(
  ctx: Context,
  step: string,
  path: string,
  body: unknown,
): Promise<T> {
  const response = await fetch(`${process.env['PROVIDERS_URL']}/${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'idempotency-key': `${ctx.request().id}/${step}`,
      // For the demo, which ends the very process that is serving a request.
      'x-served-by': String(process.pid),
    },
    body: JSON.stringify(body),
  });
  if (response.ok) return (await response.json()) as T;
  const reason = await response.text();
  // Refused: asking again will not help. Any other error is thrown as it is and retried.
  if (response.status === 409) throw new TerminalError(reason);
  throw new Error(`${path} was answered ${response.status}: ${reason}`);
}
