/**
 * Keeps web pages away from the admin API, which has no credential of its own on a developer's machine. A page
 * can point its own name at 127.0.0.1 (DNS rebinding) or post here from another origin; both name themselves, in
 * `Host` and `Origin`.
 *
 * Invariant: a request from a page of another origin never reaches an operation, whatever the address; where
 * hosts are checked, neither does one for a name that is not ours.
 */
import { type HttpRequest, headerOf } from '../platform/http-handler.ts';

/** Names beside the loopback ones; `any`: the listener is not on a loopback address, so names are not checked. */
export type AllowedHosts = readonly string[] | 'any';

/** Why the request is refused, if it is. */
export function refusedOrigin(request: HttpRequest, allowed: AllowedHosts): string | undefined {
  const host = headerOf(request, 'host');
  if (allowed !== 'any' && !isOurs(host, allowed)) {
    return `the host '${(host ?? '').slice(0, 100)}' is not allowed here: use localhost, or configure it as an allowed host`;
  }
  const origin = headerOf(request, 'origin');
  if (origin !== undefined && authorityOf(origin) !== host?.toLowerCase()) {
    return 'the admin API does not answer pages of another origin';
  }
  return undefined;
}

function isOurs(host: string | undefined, allowed: readonly string[]): boolean {
  const name = nameOf(host ?? '');
  return (
    name === 'localhost' ||
    name === '[::1]' ||
    /^127(\.\d{1,3}){3}$/.test(name) ||
    allowed.some(candidate => candidate.toLowerCase() === name)
  );
}

/** `Host` without its port, in lower case; empty if it is no host. */
function nameOf(host: string): string {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]/@]+)(:\d{1,5})?$/i.exec(host);
  return match?.[1]?.toLowerCase() ?? '';
}

/** `host[:port]` of an origin; `null` and anything else that is no web origin is nobody's own. */
function authorityOf(origin: string): string | undefined {
  return /^https?:\/\/([^/?#@]+)$/i.exec(origin)?.[1]?.toLowerCase();
}
