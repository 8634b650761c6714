/**
 * Journal entries as an operator reads them: `entry_type` as in the table `sys_journal`, then what the entry says.
 *
 * Invariants: an entry is bounded, its values are cut to a preview; of headers only the names are shown.
 */
import { decodeFrame, decodeFrames, nameOfType, ProtocolError } from '@holdfast/protocol';
import type { CompletionOf, Entry, Failure, NotificationResult, SignalId } from '../core/model.ts';

type Json = Readonly<Record<string, unknown>>;

const PREVIEW_BYTES = 1024;
const TEXT_SHOWN = 1024;
const KEYS_SHOWN = 100;

export function entryJson(entry: Entry, index: number): Json {
  switch (entry.kind) {
    case 'input':
      return {
        index,
        entry_type: 'Command: Input',
        // Names only: a header may carry what no screen should show.
        headers: entry.headers.map(([name]) => name),
        ...valueJson(entry.body),
      };
    case 'command':
      return { index, ...commandJson(entry.type, entry.frame) };
    case 'completion':
      return {
        index,
        entry_type: `Notification: ${COMPLETION_NAMES[entry.of]}`,
        completion_id: entry.completionId,
        ...resultJson(entry.result),
      };
    case 'signal':
      return {
        index,
        entry_type: 'Notification: Signal',
        ...signalJson(entry.signal),
        ...resultJson(entry.result),
      };
  }
}

const COMPLETION_NAMES = {
  sleep: 'Sleep',
  callId: 'CallInvocationId',
  call: 'Call',
  run: 'Run',
  attach: 'AttachInvocation',
  getOutput: 'GetInvocationOutput',
  getState: 'GetLazyState',
  getStateKeys: 'GetLazyStateKeys',
  getPromise: 'GetPromise',
  peekPromise: 'PeekPromise',
  completePromise: 'CompletePromise',
} as const satisfies Readonly<Record<CompletionOf, string>>;

function signalJson(signal: SignalId): Json {
  return typeof signal === 'number' ? { signal_id: signal } : { signal_name: signal };
}

/** Fields of a command that are shown as they are; what is not listed here is a payload or of no use to a reader. */
const SHOWN_FIELDS: Readonly<Record<string, string>> = {
  resultCompletionId: 'completion_id',
  invocationIdNotificationIdx: 'invocation_id_completion_id',
  wakeUpTime: 'wake_up_time',
  invokeTime: 'invoke_time',
  serviceName: 'service_name',
  handlerName: 'handler_name',
  idempotencyKey: 'idempotency_key',
  targetInvocationId: 'target_invocation_id',
  invocationId: 'target_invocation_id',
  awakeableId: 'awakeable_id',
  idx: 'signal_id',
  serviceKey: 'key',
  key: 'key',
  workflowName: 'service_name',
  workflowKey: 'key',
};
const PAYLOAD_FIELDS = ['value', 'parameter', 'completionValue'];
const FAILURE_FIELDS = ['failure', 'completionFailure'];

function commandJson(type: number, bytes: Uint8Array): Json {
  const name = nameOfType(type);
  if (name === undefined) return { entry_type: `Command: 0x${type.toString(16)}`, size: bytes.byteLength };
  const entryType = `Command: ${name.replace(/Command$/, '')}`;
  let message: Json;
  try {
    const [frame] = decodeFrames(bytes);
    if (frame === undefined) return { entry_type: entryType, size: 0 };
    message = decodeFrame(frame).message as Json;
  } catch (error) {
    // A journal that cannot be displayed is the one an operator most needs to see.
    if (!(error instanceof ProtocolError)) throw error;
    return { entry_type: entryType, size: bytes.byteLength, undecodable: error.message };
  }
  return { entry_type: entryType, ...namesJson(message), ...fieldsJson(message), ...payloadJson(message) };
}

/** `name` is the label that the handler gave, except where a command has a label and a name of something else. */
function namesJson(message: Json): Json {
  const { name, entryName } = message as { readonly name?: string; readonly entryName?: string };
  const label = entryName ?? name ?? '';
  const signal = entryName === undefined ? undefined : name;
  return {
    ...(label === '' ? {} : { name: cut(label) }),
    ...(signal === undefined ? {} : { signal_name: cut(signal) }),
  };
}

function fieldsJson(message: Json): Json {
  const shown: Record<string, unknown> = {};
  // The target of an attach is a message of its own, or an id.
  const targets = [message['idempotentRequestTarget'], message['workflowTarget']] as (Json | undefined)[];
  for (const part of [message, ...targets]) {
    for (const [field, as] of Object.entries(SHOWN_FIELDS)) {
      const value = part?.[field];
      if (value !== undefined && value !== '') shown[as] = typeof value === 'string' ? cut(value) : value;
    }
  }
  const key = message['key'];
  if (key instanceof Uint8Array) shown['key'] = keyText(key);
  return shown;
}

function payloadJson(message: Json): Json {
  const shown: Record<string, unknown> = {};
  for (const field of PAYLOAD_FIELDS) {
    const value = message[field] as Uint8Array | { readonly keys: readonly Uint8Array[] } | undefined;
    if (value instanceof Uint8Array) Object.assign(shown, valueJson(value));
    else if (value !== undefined) Object.assign(shown, stateKeysJson(value.keys.map(keyText)));
  }
  for (const field of FAILURE_FIELDS) {
    const failure = message[field] as Failure | undefined;
    if (failure !== undefined) Object.assign(shown, failureJson(failure));
  }
  return shown;
}

export function resultJson(result: NotificationResult): Json {
  switch (result.kind) {
    case 'success':
      return valueJson(result.value);
    case 'failure':
      return failureJson(result.failure);
    case 'void':
      return {};
    case 'invocationId':
      return { invocation_id: result.id };
    case 'stateKeys':
      return stateKeysJson(result.keys);
  }
}

function failureJson({ code, message }: Failure): Json {
  return { failure: { code, message: cut(message) } };
}

function stateKeysJson(keys: readonly string[]): Json {
  return { state_keys: { size: keys.length, first: keys.slice(0, KEYS_SHOWN).map(cut) } };
}

export const cut = (text: string): string => text.slice(0, TEXT_SHOWN);
const keyText = (key: Uint8Array): string => previewOf(key) ?? `${key.byteLength} bytes`;

/** The size of a value and, if it is text, its beginning. */
function valueJson(value: Uint8Array): Json {
  const preview = previewOf(value);
  return {
    value: {
      size: value.byteLength,
      ...(preview === undefined ? {} : { utf8: preview }),
      ...(preview !== undefined && value.byteLength > PREVIEW_BYTES ? { truncated: true } : {}),
    },
  };
}

function previewOf(value: Uint8Array): string | undefined {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    // `stream` forgives a character that the cut has split.
    return decoder.decode(value.subarray(0, PREVIEW_BYTES), { stream: value.byteLength > PREVIEW_BYTES });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return undefined;
  }
}
