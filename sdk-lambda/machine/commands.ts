/**
 * The commands this SDK issues: what each allocates and how it is compared on replay.
 *
 * - `completions` are the fields that receive fresh completion ids, in the order of allocation. A call takes
 *   two, the callee's invocation id before the result; a send takes one; commands without a result none.
 * - `gap` counts the completion ids that it takes without having a field for them: a read of state takes one
 *   however it is answered, so that later ids do not depend on what was known.
 * - `ignored` are the fields that replay does not compare: absolute times differ between attempts by nature, and the
 *   answer of an eager read is what the record says it was.
 * - `nameField` holds the user-visible entry name.
 *
 * Most of it follows from the message table. Adding a verb is its name here and a file in `context/`.
 */
import { type MessageInput, messages } from '@holdfast/protocol';

export type EagerRead = 'GetEagerStateCommand' | 'GetEagerStateKeysCommand';
export type LazyFormOf<N extends EagerRead> = N extends `GetEager${infer What}` ? `GetLazy${What}` : never;

export type CommandName =
  | EagerRead
  | LazyFormOf<EagerRead>
  | 'OutputCommand'
  | 'SleepCommand'
  | 'RunCommand'
  | 'CallCommand'
  | 'OneWayCallCommand'
  | 'AttachInvocationCommand'
  | 'SendSignalCommand'
  | 'CompleteAwakeableCommand'
  | 'SetStateCommand'
  | 'ClearStateCommand'
  | 'ClearAllStateCommand'
  | 'GetPromiseCommand'
  | 'PeekPromiseCommand'
  | 'CompletePromiseCommand';

/** What a verb passes; the machine fills in the completion ids. */
export type CommandInput<N extends CommandName> = Omit<
  MessageInput<N>,
  'resultCompletionId' | 'invocationIdNotificationIdx'
>;

interface CommandRow {
  readonly completions: readonly string[];
  readonly gap: number;
  readonly ignored: readonly string[];
  readonly nameField: string;
}

/** What does not follow from the message. */
const EXCEPTIONS: { readonly [N in CommandName]?: Partial<CommandRow> } = {
  SleepCommand: { ignored: ['wakeUpTime', 'resultCompletionId'] },
  OneWayCallCommand: { ignored: ['invokeTime'] },
  GetEagerStateCommand: { gap: 1, ignored: ['void', 'value'] },
  GetEagerStateKeysCommand: { gap: 1, ignored: ['value'] },
};
const COMPLETION_FIELDS = ['invocationIdNotificationIdx', 'resultCompletionId'];

const rows = new Map<CommandName, CommandRow>();

export function rowOf(name: CommandName): CommandRow {
  let row = rows.get(name);
  if (row === undefined) {
    const { fields } = messages[name];
    row = {
      completions: COMPLETION_FIELDS.filter(field => field in fields),
      gap: 0,
      ignored: [],
      nameField: 'entryName' in fields ? 'entryName' : 'name',
      ...EXCEPTIONS[name],
    };
    rows.set(name, row);
  }
  return row;
}
