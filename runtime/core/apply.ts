/**
 * The state machine. C1: `apply` depends on the view and the record alone; it is synchronous, reads no clock,
 * draws nothing at random and does no I/O (it is compiled without the types to do so).
 */
import type { Command, CommandOf, CommandRecord } from './command.ts';
import { Draft } from './draft.ts';
import type { Effect, Outcome } from './effect.ts';
import { attempt } from './handlers/attempt.ts';
import { cancel } from './handlers/cancel.ts';
import { initialize } from './handlers/initialize.ts';
import { invoke } from './handlers/invoke.ts';
import { kill } from './handlers/kill.ts';
import { patchState } from './handlers/patch-state.ts';
import { pause } from './handlers/pause.ts';
import { promoteDeployment } from './handlers/promote-deployment.ts';
import { purge, purgeJournal } from './handlers/purge.ts';
import { registerDeployment } from './handlers/register-deployment.ts';
import { removeDeployment } from './handlers/remove-deployment.ts';
import { restartAsNew } from './handlers/restart-as-new.ts';
import { resume } from './handlers/resume.ts';
import { signal } from './handlers/signal.ts';
import { timerFired } from './handlers/timer-fired.ts';
import { updateService } from './handlers/update-service.ts';
import type { TableWrite, View } from './table.ts';

export interface Applied {
  readonly writes: readonly TableWrite[];
  readonly effects: readonly Effect[];
  readonly outcome: Outcome;
}

type Handler<C extends Command> = (draft: Draft, command: C) => Outcome;

const handlers: { readonly [T in Command['type']]: Handler<CommandOf<T>> } = {
  initialize,
  invoke,
  attempt,
  timerFired,
  signal,
  cancel,
  kill,
  pause,
  resume,
  restartAsNew,
  purge,
  purgeJournal,
  patchState,
  registerDeployment,
  promoteDeployment,
  removeDeployment,
  updateService,
};

export function apply(view: View, record: CommandRecord): Applied {
  const draft = new Draft(view, record.at);
  const handle = handlers[record.command.type] as Handler<Command>;
  const outcome = handle(draft, record.command);
  return { writes: draft.finish(), effects: draft.effects, outcome };
}
