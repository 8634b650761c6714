/**
 * Says how the code departed from its journal, in words that let the author find the line: which command, what
 * was recorded there, what the code did instead.
 */
import { decodeFrame, type Frame, type MessageName } from '@holdfast/protocol';

export interface MismatchSide {
  readonly name: MessageName;
  readonly message: Readonly<Record<string, unknown>>;
}

/** `field` is the first that differs; `issued` is undefined when the code waits or ends instead. */
export function describeMismatch(
  index: number,
  entryIndex: number,
  field: string,
  recordedFrame: Frame,
  issued: MismatchSide | undefined,
): string {
  const recorded = decodeFrame(recordedFrame) as unknown as MismatchSide;
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

function describe({ name, message }: MismatchSide): string {
  const verb = name
    .replace(/Command|Eager|Lazy/g, '')
    .replace(/\B[A-Z]/g, ' $&')
    .toLowerCase();
  const { serviceName, handlerName, key } = message;
  const target =
    serviceName === undefined ? (key === undefined ? '' : show(key)) : `${serviceName}/${handlerName}`;
  const label = message['entryName'] || message['name'];
  return [verb, target, label === undefined || label === '' ? '' : `"${label}"`].filter(Boolean).join(' ');
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
