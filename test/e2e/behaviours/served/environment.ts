/** What a function or server of handlers is told by whoever starts it. */
import { FOREIGN_PUBLIC_KEY, IDENTITY_PUBLIC_KEY } from '../../harness/identity.ts';

export const ENDPOINT = 'ENDPOINT';
export const HTTP_TRANSPORT = 'HTTP_TRANSPORT';

/** Of a Lambda function: what it serves. */
export function endpointName(): string {
  const name = process.env[ENDPOINT];
  if (name === undefined) throw new Error(`${ENDPOINT} is not set`);
  return name;
}

/** Whose requests an endpoint accepts. */
export function identityOf(endpoint: string): { readonly identityKeys: string[] } {
  return { identityKeys: [endpoint.startsWith('foreign-') ? FOREIGN_PUBLIC_KEY : IDENTITY_PUBLIC_KEY] };
}
