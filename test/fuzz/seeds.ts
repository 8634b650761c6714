/** Seeds out of the recorded traffic. */
import { readFileSync } from 'node:fs';
import { capturedBodies, capturedFrames, readVector } from '../../protocol/vectors.testkit.ts';

type Json = { readonly [key: string]: unknown };

/** Bodies of both directions, and every captured frame by itself. */
export const bodies = (): Uint8Array[] =>
  distinct([...capturedBodies.map(({ body }) => body), ...capturedFrames.map(({ bytes }) => bytes)]);

/** The events and answers of Lambda, as JSON. */
export function envelopes(which: 'lambda_event' | 'lambda_response'): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const file of new Set(capturedBodies.map(body => body.file))) {
    for (const exchange of (readVector(file)['lambda_exchanges'] ?? []) as readonly Json[]) {
      if (exchange[which] !== undefined) found.push(Buffer.from(JSON.stringify(exchange[which])));
    }
  }
  found.push(Buffer.from(JSON.stringify(readVector('lambda-discovery.json')[which])));
  return distinct(found);
}

interface CapturedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | { readonly data: readonly number[] } | null;
}

/** The recorded calls of an HTTP API as HTTP/1.1 text. */
export function httpRequests(file: string): Uint8Array[] {
  const json = JSON.parse(readFileSync(new URL(`../../runtime/${file}`, import.meta.url), 'utf8')) as unknown;
  return distinct([...requestsIn(json)].map(httpText));
}

function* requestsIn(json: unknown): Generator<CapturedRequest> {
  if (typeof json !== 'object' || json === null) return;
  const { method, url } = json as Partial<CapturedRequest>;
  if (typeof method === 'string' && typeof url === 'string') yield json as CapturedRequest;
  else for (const member of Object.values(json)) yield* requestsIn(member);
}

function httpText({ method, url, headers, body }: CapturedRequest): Uint8Array {
  const bytes = typeof body === 'object' ? Buffer.from(body?.data ?? []) : Buffer.from(body);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `${method} ${url} HTTP/1.1\r\nhost: localhost\r\n${lines.join('')}content-length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), bytes]);
}

function distinct(inputs: readonly Uint8Array[]): Uint8Array[] {
  const known = new Map(inputs.map(input => [Buffer.from(input).toString('latin1'), input]));
  return [...known.values()].filter(({ length }) => length < 32 * 1024);
}
