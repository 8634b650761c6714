/**
 * Says how the code departed from its journal, in words that let the author find the line: which command, what
 * was recorded there, what the code did instead.
 */
import { EndMessage, type Fields, type Frame, type MessageSpec, readMessage } from '@holdfast/protocol';
import { withPage } from '../coded-error.ts';
import type { Commands } from './commands.ts';

type Values = Readonly<Record<string, unknown>>;

export interface Issued {
  readonly spec: MessageSpec<Fields>;
  readonly message: Values;
}

/** `field` is the first that differs; `issued` is undefined when the code waits or ends instead. */
export function describeMismatch(
  commands: Commands,
  index: number,
  field: string,
  { type, payload }: Frame,
  issued: Issued | undefined,
): string {
  // One that this function does not issue is of a service that was of another kind; nothing of it is read.
  const find = (type: number) =>
    commands.find(([, spec]) => spec.type === type) ?? [`command 0x${type.toString(16)}`, EndMessage];
  const [verb, spec] = find(type);
  const recorded: Values = readMessage(spec, payload);
  const now = issued ? `does ${describe(find(issued.spec.type)[0], issued.message)}` : 'waits or ends there';
  const detail =
    issued && field !== 'type'
      ? ` ${field} was ${show(recorded[field])} and is ${show(issued.message[field])}.`
      : '';
  return withPage(
    `Journal mismatch at command ${index}: ${describe(verb, recorded)} was recorded, and the code now ${now}.${detail}`,
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
