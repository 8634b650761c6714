/** An HTTP/1.1 request as text: damage to it, and its parts for handlers that are called without a socket. */
import type { SimRandom } from '../../sim/random.ts';
import { concat, mutateBytes } from '../mutate-bytes.ts';
import { mutateJsonText, parsed } from '../mutate-json.ts';

const CRLF2 = Buffer.from('\r\n\r\n');
const PIECES = [
  '%2F',
  '%',
  '%ZZ',
  '%00',
  '%c3%28',
  '%ed%a0%80',
  '//',
  '/../',
  '?delay=1h',
  '?delay=PT1S',
  '&delay=-1',
  '?force=true',
  'send',
  'attach',
  'output',
  'resolve',
  'a'.repeat(1100),
  'restate',
  'call',
  'scope',
  'awakeables',
  'invocation',
  'workflow',
  'v4',
  'v0',
  '__proto__',
  'é',
] as const;
const HEADERS = [
  'idempotency-key: k',
  'idempotency-key: ',
  'idempotency-key: é',
  'content-type: application/json',
  'content-type: a/b; c="',
  'x-restate-limit-key: a/b',
  'x-restate-ingress-path: /x',
  'content-encoding: gzip',
  'transfer-encoding: chunked',
  'expect: 100-continue',
  'origin: http://evil.example',
  'host: evil.example',
  'content-length: 3',
  'content-length: -1',
  'connection: upgrade',
] as const;
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'TRACE', 'X'] as const;

function divide(input: Uint8Array): { readonly head: string; readonly body: Uint8Array } {
  const buffer = Buffer.from(input.buffer, input.byteOffset, input.length);
  const at = buffer.indexOf(CRLF2);
  if (at < 0) return { head: buffer.toString('latin1'), body: new Uint8Array() };
  return { head: buffer.toString('latin1', 0, at), body: buffer.subarray(at + CRLF2.length) };
}

function join(head: string, body: Uint8Array, fits: boolean): Uint8Array {
  const length = `content-length: ${body.length}`;
  const fitting = fits ? head.replace(/content-length: [^\r]*/i, length) : head;
  return concat(Buffer.from(fitting, 'latin1'), CRLF2, body);
}

function changePath(random: SimRandom, path: string): string {
  const segments = path.split('/');
  const i = random.int(0, segments.length - 1);
  const how = random.int(0, 4);
  if (how === 0) segments.splice(i, 1);
  else if (how === 1) segments.splice(i, 0, random.pick(PIECES));
  else if (how === 2) segments[i] = random.pick(PIECES);
  else if (how === 3) segments[i] = `${segments[i]}${random.pick(PIECES)}`;
  else segments.push(...segments.slice(i));
  return segments.join('/');
}

export function mutateHttp(random: SimRandom, input: Uint8Array, other: Uint8Array): Uint8Array {
  if (random.chance(0.1)) return mutateBytes(random, input, other);
  const { head, body } = divide(input);
  const fits = random.chance(0.9);
  const [line = '', ...headers] = head.split('\r\n');
  const [method = '', path = '', protocol = ''] = line.split(' ');
  const theirs = divide(other);
  const how = random.int(0, 9);
  if (how < 3)
    return join([`${method} ${changePath(random, path)} ${protocol}`, ...headers].join('\r\n'), body, fits);
  if (how === 3)
    return join([`${random.pick(METHODS)} ${path} ${protocol}`, ...headers].join('\r\n'), body, fits);
  if (how === 4) return join([line, ...headers, random.pick(HEADERS)].join('\r\n'), body, fits);
  if (how === 5) {
    const changed = Buffer.from(
      mutateBytes(random, Buffer.from(head, 'latin1'), Buffer.from(theirs.head, 'latin1')),
    );
    return join(changed.toString('latin1'), body, fits);
  }
  if (how === 6) return join(head, theirs.body, fits);
  const mutate = parsed(body) === undefined ? mutateBytes : mutateJsonText;
  return join(head, mutate(random, body, theirs.body), fits);
}

export interface RequestParts {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
}

/** What a listener would hand on; undefined: it would refuse the request itself. */
export function requestParts(input: Uint8Array): RequestParts | undefined {
  const { head, body } = divide(input);
  const [line = '', ...lines] = head.split('\r\n');
  const [method = '', url = '', protocol, ...more] = line.split(' ');
  if (protocol !== 'HTTP/1.1' || more.length > 0 || !/^[A-Z]+$/.test(method) || !url.startsWith('/'))
    return undefined;
  if ([...line].some(char => char < ' ' || char === '\u007f')) return undefined;
  const headers: (readonly [string, string])[] = [];
  for (const each of lines) {
    const found = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/.exec(each);
    if (found === null) return undefined;
    headers.push([(found[1] as string).toLowerCase(), found[2] as string]);
  }
  return { method, url, headers, body };
}
