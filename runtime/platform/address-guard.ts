/**
 * Which hosts and addresses the orchestrator may call: whoever can register a deployment must not be able to aim
 * it at what only the orchestrator can reach (server-side request forgery).
 *
 * Invariants: a host is called only if a rule allows it; every address is judged in the lookup of the very
 * connection that is made, so that what was checked is what is connected to (a name cannot be bound anew in
 * between); an IPv6 address is also judged by every IPv4 address that it stands for; no rule opens link-local,
 * metadata, unspecified, multicast or broadcast addresses; a name reaches this machine only if it is `localhost`.
 *
 * Sockets do not look up literal addresses, so `refuseHost` has to be asked before each connection as well.
 */
import { lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { CodedError } from './error.ts';

export interface AddressRange {
  /** 4 or 16 bytes. */
  readonly bytes: Uint8Array;
  readonly prefixBits: number;
}

export type HostRule =
  /** Lower case, no dot at its end. */
  | { readonly kind: 'name'; readonly name: string }
  /** Starts with a dot: every name that ends with it. */
  | { readonly kind: 'suffix'; readonly suffix: string }
  /** Literal addresses within. */
  | { readonly kind: 'range'; readonly range: AddressRange }
  /** `localhost` and literal loopback addresses. */
  | { readonly kind: 'local' };

export interface AddressGuard {
  /** Why a host must not be called: a name, or a literal address without brackets, as the URL parser writes it. */
  refuseHost(host: string): string | undefined;
  /** Why `address`, which `host` resolved to, must not be called. */
  refuseAddress(host: string, address: string): string | undefined;
  /** For sockets: resolves, and leaves out what is refused; `HF_ENDPOINT_NOT_ALLOWED` if that is everything. */
  readonly lookup: LookupFunction;
}

export const NOT_ALLOWED = 'HF_ENDPOINT_NOT_ALLOWED';

/** `resolve` is for tests; by default the system's, which is what sockets use. */
export function createAddressGuard(
  rules: readonly HostRule[],
  resolve: typeof systemLookup = systemLookup,
): AddressGuard {
  const guard: AddressGuard = {
    refuseHost(host) {
      const address = parseAddress(host);
      // Before the rules: whoever asks is not to be sent to write one that would not help.
      if (address !== undefined && judge(address).kind === 'never') return refuseAddress(host, host);
      if (!rules.some(rule => allows(rule, host, address))) {
        const entry = address !== undefined && judge(address).kind === 'loopback' ? 'localhost' : host;
        return `'${host}' is not among the hosts that may be called: add '${entry}' to the setting httpEndpoints`;
      }
      return address === undefined ? undefined : guard.refuseAddress(host, host);
    },
    refuseAddress: refuseAddress,
    lookup(host, options, callback) {
      resolve(host, { ...options, all: true }, (error, addresses) => {
        if (error !== null) return callback(error, '');
        const refusals: string[] = [];
        const allowed = addresses.filter(({ address }) => {
          const refusal = refuseAddress(host, address);
          if (refusal !== undefined) refusals.push(refusal);
          return refusal === undefined;
        });
        const [first] = allowed;
        if (first === undefined) callback(new CodedError(NOT_ALLOWED, `${refusals.join('; ')}.`), '');
        else if (options.all === true) callback(null, allowed);
        else callback(null, first.address, first.family);
      });
    },
  };
  return guard;
}

function allows(rule: HostRule, host: string, address: Uint8Array | undefined): boolean {
  switch (rule.kind) {
    case 'name':
      return host === rule.name;
    case 'suffix':
      return address === undefined && host.endsWith(rule.suffix);
    case 'local':
      return host === 'localhost' || (address !== undefined && judge(address).kind === 'loopback');
    case 'range':
      if (address === undefined || !within(address, rule.range)) return false;
      // 0.0.0.0/0 says "the network", not "this machine": loopback is opened only by what means nothing else.
      return judge(address).kind !== 'loopback' || judge(rule.range.bytes).kind === 'loopback';
    default:
      return rule satisfies never;
  }
}

function refuseAddress(host: string, address: string): string | undefined {
  const bytes = parseAddress(address);
  const is = host === address ? `'${host}' is` : `'${host}' resolves to ${address},`;
  // An address with a zone, for one: it is link-local.
  if (bytes === undefined) return `${is} no address that can be judged`;
  const { kind, what } = judge(bytes);
  if (kind === 'never') return `${is} ${what}; such addresses are never called`;
  const local = host === 'localhost' || host === address;
  if (kind === 'loopback' && !local) {
    return `${is} an address of this machine, which only 'localhost' and literal addresses may name`;
  }
  if (kind === 'other' && host === 'localhost') return `${is} not an address of this machine`;
  return undefined;
}

interface Verdict {
  readonly kind: 'never' | 'loopback' | 'other';
  readonly what?: string;
}

const NEVER: readonly (readonly [string, string])[] = [
  ['0.0.0.0/8', 'unspecified'],
  ['169.254.0.0/16', 'link-local (instance and task metadata)'],
  ['100.100.100.200/32', 'a metadata address'],
  ['168.63.129.16/32', 'a metadata address'],
  ['192.0.0.192/32', 'a metadata address'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved or broadcast'],
  ['::/128', 'unspecified'],
  ['fe80::/10', 'link-local'],
  ['ff00::/8', 'multicast'],
  ['fd00:ec2::/32', 'a metadata address'],
  ['fd20:ce::254/128', 'a metadata address'],
  ['2001::/32', 'a Teredo tunnel'],
  ['64:ff9b:1::/48', 'a translation prefix whose IPv4 address cannot be told'],
];

/** Where an IPv6 address that begins so carries an IPv4 address. */
const EMBEDDED: readonly (readonly [string, number])[] = [
  ['::/96', 12],
  ['::ffff:0:0/96', 12],
  ['::ffff:0:0:0/96', 12],
  ['64:ff9b::/96', 12],
  ['2002::/16', 2],
];

const NEVER_RANGES = NEVER.map(([text, what]) => ({ range: rangeOf(text), what }));
const EMBEDDED_RANGES = EMBEDDED.map(([text, at]) => ({ range: rangeOf(text), at }));
const LOOPBACK_RANGES = ['127.0.0.0/8', '::1/128'].map(rangeOf);
const OTHER: Verdict = { kind: 'other' };

function judge(address: Uint8Array): Verdict {
  if (LOOPBACK_RANGES.some(range => within(address, range))) return { kind: 'loopback' };
  for (const { range, what } of NEVER_RANGES) if (within(address, range)) return { kind: 'never', what };
  if (address.length === 4) return OTHER;
  for (const { range, at } of EMBEDDED_RANGES) {
    if (within(address, range)) return judge(address.subarray(at, at + 4));
  }
  // ISATAP: any prefix, then 0:5efe and the IPv4 address.
  const isatap = address[10] === 0x5e && address[11] === 0xfe && ((address[8] ?? 0) & 0xfd) === 0;
  return isatap && address[9] === 0 ? judge(address.subarray(12)) : OTHER;
}

function within(address: Uint8Array, { bytes, prefixBits }: AddressRange): boolean {
  if (address.length !== bytes.length) return false;
  for (let bit = 0; bit < prefixBits; bit += 8) {
    const mask = prefixBits - bit >= 8 ? 0xff : (0xff << (8 - (prefixBits - bit))) & 0xff;
    if ((((address[bit >> 3] ?? 0) ^ (bytes[bit >> 3] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

/** `address` or `address/bits`, or undefined. Bits after the prefix must be zero: 10.1.2.3/8 is a mistake. */
export function parseRange(text: string): AddressRange | undefined {
  const [address = '', bits, ...more] = text.split('/');
  const bytes = parseAddress(address);
  if (bytes === undefined || more.length > 0) return undefined;
  if (bits === undefined) return { bytes, prefixBits: bytes.length * 8 };
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > bytes.length * 8) return undefined;
  const prefixBits = Number(bits);
  const rest = bytes.map((byte, i) => byte & (0xff >> Math.min(8, Math.max(0, prefixBits - i * 8))));
  return rest.every(byte => byte === 0) ? { bytes, prefixBits } : undefined;
}

function rangeOf(text: string): AddressRange {
  const range = parseRange(text);
  if (range === undefined) throw new Error(`${text} is no range of addresses`);
  return range;
}

/** The 4 or 16 bytes of a plain literal address; undefined for names, odd spellings and zones. */
export function parseAddress(text: string): Uint8Array | undefined {
  const family = isIP(text);
  if (family === 0 || text.includes('%')) return undefined;
  if (family === 4) return Uint8Array.from(text.split('.'), Number);
  // A dotted end is two groups.
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const groups = dotted === null ? text : `${dotted[1]}${hexPair(dotted, 2)}:${hexPair(dotted, 4)}`;
  const [head = '', tail] = groups.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const bytes = new Uint8Array(16);
  const put = (group: string, index: number): void => {
    const value = Number.parseInt(group, 16);
    bytes[index * 2] = value >> 8;
    bytes[index * 2 + 1] = value & 0xff;
  };
  for (const [i, group] of front.entries()) put(group, i);
  for (const [i, group] of back.entries()) put(group, 8 - back.length + i);
  return bytes;
}

function hexPair(match: RegExpExecArray, at: number): string {
  return (Number(match[at]) * 256 + Number(match[at + 1])).toString(16);
}
