/**
 * The addresses of HTTP deployments, and the list of hosts that they may have. Pure.
 *
 * Invariants: an address has a scheme, a host, a port and a path and nothing else, so that no credentials end up
 * in logs and rows; the host is as the URL parser writes it (lower case, punycode, `0x7f.1` as 127.0.0.1), and
 * what is compared with the list is what is connected to.
 */
import { type AddressGuard, type HostRule, NOT_ALLOWED, parseRange } from '../platform/address-guard.ts';
import { CodedError } from '../platform/error.ts';

export interface HttpAddress {
  /** Without a slash at its end. */
  readonly uri: string;
  /** Scheme, host and port. */
  readonly origin: string;
  /** A name, or a literal address without brackets. */
  readonly host: string;
  readonly secure: boolean;
  /** What comes before the path of every request: empty, or with a slash at its beginning and none at its end. */
  readonly prefix: string;
}

const URI_CHARS_MAX = 2048;

/** Throws `HF_ENDPOINT_URI` with what is wrong. */
export function parseHttpAddress(text: string): HttpAddress {
  if (text.length > URI_CHARS_MAX) throw malformed(text, `it is longer than ${URI_CHARS_MAX} characters`);
  if (!/^https?:\/\//i.test(text)) throw malformed(text, 'it does not start with http:// or https://');
  // The URL parser would drop or turn them; a reader of the deployment would see another address than it has.
  if (/[\s\\\p{Cc}]/u.test(text))
    throw malformed(text, 'it contains spaces, control characters or backslashes');
  const url = URL.parse(text);
  if (url === null) throw malformed(text, 'it is not a valid URL');
  if (url.username !== '' || url.password !== '' || /^[^/]*\/\/[^/]*@/.test(text)) {
    throw malformed(text, 'it contains a user name or password; use additional headers');
  }
  if (text.includes('?')) throw malformed(text, 'it has a query');
  if (text.includes('#')) throw malformed(text, 'it has a fragment');
  if (url.port === '0') throw malformed(text, 'its port is 0');
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname.replace(/\.$/, '');
  if (host === '' || host.endsWith('.')) throw malformed(text, 'its host is malformed');
  const authority = url.hostname.startsWith('[') ? url.hostname : host;
  const origin = `${url.protocol}//${authority}${url.port === '' ? '' : `:${url.port}`}`;
  const prefix = url.pathname.replace(/\/+$/, '');
  return { uri: origin + prefix, origin, host, secure: url.protocol === 'https:', prefix };
}

/** Throws `HF_ENDPOINT_NOT_ALLOWED`. What the host resolves to is judged later, whenever it is connected to. */
export function assertAllowed(address: HttpAddress, guard: AddressGuard): void {
  const refusal = guard.refuseHost(address.host);
  if (refusal !== undefined) throw new CodedError(NOT_ALLOWED, `${refusal}.`);
}

/** What an entry of the setting `httpEndpoints` may be; ends the sentence "accepted: ...". */
export const HTTP_ENDPOINTS_ACCEPTED =
  'hosts (handlers.internal, *.handlers.internal, localhost), addresses (10.0.0.7, fd00::7) and ranges (10.0.0.0/8)';

const NAME = /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/;

/** One entry of the setting `httpEndpoints`, or undefined. */
export function parseHostRule(entry: string): HostRule | undefined {
  const text = entry.toLowerCase();
  if (text === 'localhost') return { kind: 'local' };
  const range = parseRange(text.replace(/^\[(.*)\]$/, '$1'));
  if (range !== undefined) return { kind: 'range', range };
  const wild = text.startsWith('*.');
  const name = hostName(wild ? text.slice(2) : text);
  if (name === undefined || name === 'localhost') return undefined;
  return wild ? { kind: 'suffix', suffix: `.${name}` } : { kind: 'name', name };
}

/** As the URL parser writes it; undefined for what it takes for a number or cannot take at all. */
function hostName(text: string): string | undefined {
  if (/[/\\?#@:[\]\s]/.test(text)) return undefined;
  const name = URL.parse(`http://${text}/`)?.hostname.replace(/\.$/, '');
  return name !== undefined && NAME.test(name) && parseRange(name) === undefined ? name : undefined;
}

function malformed(text: string, reason: string): CodedError {
  // What may be a password is not repeated.
  const shown = text.replace(/\/\/[^/]*@/, '//').slice(0, 200);
  return new CodedError('HF_ENDPOINT_URI', `'${shown}' is not the address of a deployment: ${reason}.`);
}
