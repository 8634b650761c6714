/** What of a journal a restarted invocation begins with: a prefix, and the results of the commands in it. Pure. */
import { decodeFrame, decodeFrames, MessageType } from '@holdfast/protocol';
import type { KeptJournal } from '../core/command.ts';
import type { Entry } from '../core/model.ts';
import { addCompletionId } from '../core/ops/completion-ids.ts';

export const INPUT_ONLY: KeptJournal = { entries: [0], completionIds: [] };

/**
 * `from` is the index of the last entry to keep. A result may have come later than that: it is kept too, because a
 * command whose result is missing would be waited for in vain. A text: why that range cannot be kept.
 */
export function keptPrefix(journal: Iterable<Entry>, from: number): KeptJournal | string {
  const kept: number[] = [];
  const wanted = new Map<number, number>();
  let completionIds: readonly number[] = [];
  let index = -1;
  for (const entry of journal) {
    index += 1;
    if (index > from && wanted.size === 0) continue;
    if (entry.kind === 'completion') {
      if (!wanted.delete(entry.completionId) && index > from) continue;
    } else if (index > from) continue;
    else if (entry.kind === 'command') {
      const refused = NOT_KEPT[entry.type];
      if (refused !== undefined) return `entry ${index} ${refused}. Keep entries before it.`;
      for (const id of completionsOf(entry.frame)) {
        wanted.set(id, index);
        completionIds = addCompletionId(completionIds, id);
      }
    }
    kept.push(index);
  }
  if (index < from) return `the journal has ${index + 1} entries, so the last one is ${index}`;
  const [open] = wanted.values();
  if (open !== undefined) return `the command at entry ${open} has no result. Keep entries before it.`;
  return { entries: kept, completionIds };
}

const WRITES_STATE =
  'writes state: the handler would take that for the state of its key, which others may have changed since';
/** Commands that a restart cannot begin with. */
const NOT_KEPT: Readonly<Record<number, string>> = {
  [MessageType.OutputCommand]: 'is the output: nothing would be left to run',
  [MessageType.SetStateCommand]: WRITES_STATE,
  [MessageType.ClearStateCommand]: WRITES_STATE,
  [MessageType.ClearAllStateCommand]: WRITES_STATE,
};

/** The ids that a command claims; the handler chose them. */
function completionsOf(bytes: Uint8Array): readonly number[] {
  const [frame] = decodeFrames(bytes);
  if (frame === undefined) throw new Error('assertion failed: a command has a frame');
  const message = decodeFrame(frame).message as {
    readonly resultCompletionId?: number;
    readonly invocationIdNotificationIdx?: number;
  };
  return [message.invocationIdNotificationIdx, message.resultCompletionId].filter(
    id => id !== undefined && id > 0,
  ) as number[];
}
