/** `run`: a closure whose result is journaled. */
import { RunCommand } from '@holdfast/protocol';
import type { Attempt } from '../attempt.ts';
import { type RestatePromise, valueWith } from '../promise.ts';
import type { Serde } from '../serde.ts';
import type { RunAction, RunOptions } from './context.ts';

export function run<T>(
  attempt: Attempt,
  defaultSerde: Serde<unknown>,
  name: string,
  closure: RunAction<T>,
  options: RunOptions<T> = {},
): RestatePromise<T> {
  const { serde: given = defaultSerde as Serde<T>, batched = false, expectedDuration = 0 } = options;
  const expectedMs = attempt.millisOf(expectedDuration);
  const id = attempt.command(RunCommand, { name });
  const { lastCommand: command, start } = attempt.machine;
  const serde = attempt.coded(given, () => ['run', start.debugId, id]);
  if (command && !attempt.machine.over) {
    const untyped = serde as Serde<unknown>;
    attempt.runs.add({ id, command, closure, serde: untyped, batched, expectedMs, retry: options });
  }
  return attempt.leaf<T>(id, valueWith(serde)) as unknown as RestatePromise<T>;
}
