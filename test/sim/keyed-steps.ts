/** What programs do with the data of their key: state and promises. */

import { TerminalError, type WorkflowContext, type WorkflowSharedContext } from '@holdfast/sdk-lambda';
import type { Step, StepOf } from './programs.ts';

/** State and promises; what is written tells the steps apart, and follows from the seed. */
export async function keyedStep(
  context: WorkflowContext,
  path: string,
  step: StepOf<'keys' | 'set' | 'clear' | 'clearAll' | 'peek' | 'settle'>,
): Promise<string> {
  switch (step.kind) {
    case 'keys':
      return (await context.stateKeys()).join();
    case 'set': {
      const value = `${path}:${context.rand.random()}${'x'.repeat(step.length)}`;
      context.set(step.name, value);
      return value;
    }
    case 'clear':
      context.clear(step.name);
      return 'cleared';
    case 'clearAll':
      context.clearAll();
      return 'cleared all';
    case 'peek':
      return String(await context.promise<string>(step.name).peek());
    case 'settle': {
      const value = `${path}:${context.rand.random()}`;
      return settle(context, step.name, value, step.reject);
    }
    default:
      return step satisfies never;
  }
}

/** Says whether this was the completion that counts. */
export async function settle(
  context: WorkflowSharedContext,
  name: string,
  value: string,
  reject: boolean,
): Promise<string> {
  const promise = context.promise<string>(name);
  try {
    await (reject ? promise.reject(value) : promise.resolve(value));
    return 'settled';
  } catch (error) {
    if (error instanceof TerminalError && error.message.includes('already completed')) return 'was settled';
    throw error;
  }
}

export function readsState(step: Step): boolean {
  if (step.kind === 'combine') return step.parts.some(readsState);
  return (
    step.kind === 'get' || step.kind === 'keys' || (step.kind === 'orTimeout' && step.part.kind === 'get')
  );
}
