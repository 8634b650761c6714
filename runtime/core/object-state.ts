/** The state of one key of a virtual object or workflow. */
import type { Draft } from './draft.ts';
import type { Keyed, StateEntry, StatePatch } from './model.ts';
import { stateKey, statePrefix } from './table.ts';

export function setState(draft: Draft, of: Keyed, key: string, value: Uint8Array): void {
  draft.put('state', stateKey(of, key), { key, value });
}

export function clearState(draft: Draft, of: Keyed): void {
  for (const [row] of draft.scan('state', statePrefix(of))) draft.put('state', row, undefined);
}

/** False: the state is not of the wanted version any more, and nothing changes. */
export function replaceState(draft: Draft, of: Keyed, { version, entries }: StatePatch): boolean {
  if (version !== undefined) {
    const current = [...draft.scan('state', statePrefix(of))].map(
      ([, { key, value }]) => [key, value] as const,
    );
    if (stateVersion(current) !== version) return false;
  }
  clearState(draft, of);
  for (const [key, value] of entries) setState(draft, of, key, value);
  return true;
}

/**
 * Names the content of a state, in the order of its table: 16 hex digits of two 32-bit FNV-1a hashes. It guards a
 * person's edit against a handler that ran meanwhile, not against an adversary.
 */
export function stateVersion(entries: readonly StateEntry[]): string {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  const add = (byte: number): void => {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte, 0x85ebca6b) ^ (b >>> 13);
  };
  const addLength = (length: number): void => {
    for (let shift = 0; shift < 32; shift += 8) add((length >>> shift) & 0xff);
  };
  for (const [key, value] of entries) {
    addLength(key.length);
    for (let i = 0; i < key.length; i++) {
      add(key.charCodeAt(i) & 0xff);
      add(key.charCodeAt(i) >>> 8);
    }
    addLength(value.length);
    for (const byte of value) add(byte);
  }
  return hex(a) + hex(b);
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
