/** The context's console: the real one, prefixed with where the line comes from, and silent on replay. */
import type { Machine } from '../machine/machine.ts';

const PREFIXED = new Set(['log', 'info', 'warn', 'error', 'debug', 'trace']);

export function createConsole(base: Console, machine: Machine, label: string): Console {
  return new Proxy(base, {
    get(target, property, receiver) {
      const member: unknown = Reflect.get(target, property, receiver);
      if (typeof member !== 'function') return member;
      const prefix = typeof property === 'string' && PREFIXED.has(property) ? [label] : [];
      return (...args: unknown[]) =>
        machine.replaying ? undefined : member.apply(target, [...prefix, ...args]);
    },
  });
}
