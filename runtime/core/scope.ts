/**
 * Scopes and limit keys: how they are written. A scope is a name space of keys and idempotency keys; a limit key, of
 * one or two parts, says within it what limits of running handlers go by.
 */

const PART = /^[a-zA-Z0-9_.-]{1,36}$/;

/** What is wrong with them; undefined: nothing. */
export function scopeProblem(scope: string | undefined, limitKey: string | undefined): string | undefined {
  if (scope !== undefined && !PART.test(scope)) {
    return `a scope is 1 to 36 letters, digits, '_', '.' or '-', not '${scope.slice(0, 50)}'`;
  }
  if (limitKey === undefined) return undefined;
  if (scope === undefined) return 'there is a limit key but no scope';
  const parts = limitKey.split('/');
  if (parts.length <= 2 && parts.every(part => PART.test(part))) return undefined;
  return `a limit key is one or two parts ('a' or 'a/b'), each like a scope, not '${limitKey.slice(0, 80)}'`;
}
