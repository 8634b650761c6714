/**
 * The one table of the commands this SDK issues: what each allocates and how it is compared on replay.
 *
 * - `verb` is the word for it in error messages.
 * - `completions` are the fields that receive fresh completion ids, in the order of allocation. A call takes
 *   two, the callee's invocation id before the result; a send takes one; commands without a result none.
 * - `ignored` are the fields that replay does not compare: absolute times differ between attempts by nature.
 * - `nameField` holds the user-visible entry name.
 *
 * Adding a verb is a row here and a file in `context/`.
 */
import type { MessageInput } from '@holdfast/protocol';

interface CommandRow {
  readonly verb: string;
  readonly completions: readonly string[];
  readonly ignored: readonly string[];
  readonly nameField: string;
}

const NONE: readonly string[] = [];
const row = (verb: string, options: Partial<CommandRow> = {}): CommandRow => ({
  verb,
  completions: NONE,
  ignored: NONE,
  nameField: 'name',
  ...options,
});

export const commands = {
  OutputCommand: row('output'),
  SleepCommand: row('sleep', {
    completions: ['resultCompletionId'],
    ignored: ['wakeUpTime', 'resultCompletionId'],
  }),
  RunCommand: row('run', { completions: ['resultCompletionId'] }),
  CallCommand: row('call', { completions: ['invocationIdNotificationIdx', 'resultCompletionId'] }),
  OneWayCallCommand: row('send', {
    completions: ['invocationIdNotificationIdx'],
    ignored: ['invokeTime'],
  }),
  AttachInvocationCommand: row('attach', { completions: ['resultCompletionId'] }),
  SendSignalCommand: row('send signal', { nameField: 'entryName' }),
  CompleteAwakeableCommand: row('complete awakeable'),
} as const;

export type CommandName = keyof typeof commands;

/** What a verb passes; the machine fills in the completion ids. */
export type CommandInput<N extends CommandName> = Omit<
  MessageInput<N>,
  'resultCompletionId' | 'invocationIdNotificationIdx'
>;
