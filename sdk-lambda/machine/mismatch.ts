/**
 * Says how the code departed from its journal, in words that let the author find the line: which command, what
 * was recorded there, what the code did instead and where, and what is often the cause.
 */
import { CANCEL_SIGNAL, EndMessage, type Fields, type MessageSpec, readMessage } from '@holdfast/protocol';
import { withPage } from '../coded-error.ts';
import type { Commands } from './commands.ts';
import type { NotificationId, Recorded } from './machine.ts';

type Values = Readonly<Record<string, unknown>>;

export type Departure =
  /** Another command, or one of which this field is the first that differs. */
  | { readonly field: string; readonly spec: MessageSpec<Fields>; readonly message: Values }
  /** A wait for one of these; the end of the code when there are none. */
  | readonly NotificationId[];

/** `journal` are the recorded commands from 1 on, `frames` those of the user code. */
export function describeMismatch(
  commands: Commands,
  journal: readonly Recorded[],
  index: number,
  does: Departure,
  frames: string,
): string {
  // One that this function does not issue is of a service that was of another kind; nothing of it is read.
  const find = (type: number) =>
    commands.find(([, spec]) => spec.type === type) ?? [`command 0x${type.toString(16)}`, EndMessage];
  const read = ({ type, payload }: Recorded): [string, Values] => {
    const [verb, spec] = find(type);
    return [verb, readMessage(spec, payload)];
  };
  const awaited = (id: NotificationId): string => {
    if (typeof id === 'string') return `signal ${show(id)}`;
    if (id < 0) return id === -CANCEL_SIGNAL ? 'a cancellation' : 'an awakeable';
    const command = journal
      .map(read)
      .find(
        ([, values]) => values['resultCompletionId'] === id || values['invocationIdNotificationIdx'] === id,
      );
    return describe(...(command as [string, Values]));
  };

  const [verb, recorded] = read(journal[index - 1] as Recorded);
  let now = 'ends';
  let detail = '';
  let hint = ' Is a step new, gone, moved, or left to time or chance?';
  if ('spec' in does) {
    const { field, spec, message } = does;
    now = `does ${describe(find(spec.type)[0], message)}`;
    if (field !== 'type') {
      detail = ` ${field} was ${show(recorded[field])} and is ${show(message[field])}.`;
      hint = ' Take it from ctx.run, ctx.date or ctx.rand.';
    }
  } else if (does.length > 0) {
    now = `waits for ${does.slice(0, 3).map(awaited).join(' or ')}`;
  }
  const [place = ''] = frames.split('\n');
  return withPage(
    `Journal mismatch at command ${index}: ${describe(verb, recorded)} was recorded, and the code now ${now}${place && ` ${place.trim()}`}.${detail}${hint}`,
    'HF_SDK_JOURNAL_MISMATCH',
  );
}

function describe(verb: string, { serviceName, handlerName, key, entryName, name }: Values): string {
  const target = serviceName === undefined ? key && show(key) : `${serviceName}/${handlerName}`;
  const label = entryName || name;
  return [verb, target, label && show(label)].filter(Boolean).join(' ');
}

const SHOWN_CHARS_MAX = 100;

/** Bytes are mostly text. */
function show(value: unknown): string {
  const readable = (item: unknown) => (item instanceof Uint8Array ? new TextDecoder().decode(item) : item);
  const text =
    value instanceof Uint8Array
      ? `${readable(value)}`
      : `${JSON.stringify(value, (_key, item) => readable(item))}`;
  return text.slice(0, SHOWN_CHARS_MAX);
}
