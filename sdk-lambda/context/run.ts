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
  const serde = options.serde ?? (defaultSerde as Serde<T>);
  const id = attempt.command(RunCommand, { name });
  const command = attempt.machine.lastCommand;
  if (command && !attempt.machine.over) {
    attempt.runs.add({ id, command, closure, serde: serde as Serde<unknown>, retry: options });
  }
  return attempt.leaf<T>(id, valueWith(serde)) as unknown as RestatePromise<T>;
}
