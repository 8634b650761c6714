/**
 * Says how the code departed from its journal, in words that let the author find the line: which command, what
 * was recorded there, what the code did instead.
 */
import { decodeFrame, type Frame, MessageType } from '@holdfast/protocol';
import { type CommandName, commands } from './commands.ts';

export interface MismatchSide {
  readonly type: number;
  readonly message: Readonly<Record<string, unknown>>;
}

const nameOfType = new Map<number, CommandName>(
  (Object.keys(commands) as CommandName[]).map(name => [MessageType[name], name]),
);

/** `field` is the first that differs; `issued` is undefined when the code waits or ends instead. */
export function describeMismatch(
  index: number,
  entryIndex: number,
  field: string,
  recordedFrame: Frame,
  issued: MismatchSide | undefined,
): string {
  const recorded: MismatchSide = {
    type: recordedFrame.type,
    message: decodeFrame(recordedFrame).message as unknown as Readonly<Record<string, unknown>>,
  };
  const detail =
    issued === undefined || field === 'type'
      ? ''
      : ` They differ in ${field}: ${show(recorded.message[field])} before, ${show(issued.message[field])} now.`;
  return (
    `Journal mismatch at command ${index} (journal entry ${entryIndex}): an earlier attempt recorded ` +
    `${describe(recorded)}, but the code now ${issued === undefined ? 'waits or ends there' : `does ${describe(issued)}`}.` +
    `${detail} The code must take the same steps for the same results; see docs/errors/HF_SDK_JOURNAL_MISMATCH.md.`
  );
}

function describe({ type, message }: MismatchSide): string {
  const name = nameOfType.get(type);
  const verb = name === undefined ? `a command of type 0x${type.toString(16)}` : commands[name].verb;
  const { serviceName, handlerName } = message;
  const target = typeof serviceName === 'string' ? ` ${serviceName}/${String(handlerName)}` : '';
  const label = message[name === undefined ? 'name' : commands[name].nameField];
  return `${verb}${target}${typeof label === 'string' && label !== '' ? ` "${label}"` : ''}`;
}

const SHOWN_CHARS_MAX = 100;

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text =
    value instanceof Uint8Array
      ? new TextDecoder().decode(value)
      : JSON.stringify(value, (_key, item) =>
          item instanceof Uint8Array ? new TextDecoder().decode(item) : item,
        );
  return text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text;
}
