/**
 * One invocation and its journal, for an operator and for a timeline on a screen. Field names are those of the
 * SQL tables `sys_invocation` and `sys_journal` where these have the column.
 *
 * Invariant: an answer is bounded. Values are cut to a preview, journals to a page.
 */
import { decodeFrame, decodeFrames, nameOfType, ProtocolError } from '@holdfast/protocol';
import type {
  CompletedInvocation,
  Entry,
  Invocation,
  NotificationResult,
  RecordedFailure,
  Result,
  SignalId,
  Target,
} from '../core/model.ts';
import type { Operations } from '../partition/engine.ts';
import type { HttpRequest } from '../platform/http-handler.ts';
import { formatInstantNanos } from '../platform/rfc3339.ts';
import { type Answer, json } from './answers.ts';
import { parseInvocationId, unknownInvocation } from './invocations.ts';
import { numberParameter } from './query.ts';

type Json = Readonly<Record<string, unknown>>;

const PREVIEW_BYTES = 1024;
const PAGE_DEFAULT = 200;
const PAGE_MAX = 1000;

const STATUS_NAMES = {
  scheduled: 'scheduled',
  running: 'running',
  backingOff: 'backing-off',
  suspended: 'suspended',
  paused: 'paused',
} as const;

export function describeInvocation(engine: Operations, id: string, nowMs: number): Answer {
  const invocation = engine.invocation(parseInvocationId(id));
  if (invocation === undefined) return unknownInvocation(id);
  return json(200, {
    id: invocation.id,
    target: targetText(invocation.target),
    target_service_name: invocation.target.service,
    ...(invocation.target.key === '' ? {} : { target_service_key: invocation.target.key }),
    target_handler_name: invocation.target.handler,
    ...sourceJson(invocation),
    ...(invocation.idempotencyKey === undefined ? {} : { idempotency_key: invocation.idempotencyKey }),
    created_at: formatInstantNanos(invocation.createdAt),
    ...('state' in invocation ? liveJson(invocation, nowMs) : completedJson(invocation)),
    attempt: invocation.attempt,
    journal_size: invocation.entries,
    ...(invocation.lastFailure === undefined ? {} : { last_failure: failureJson(invocation.lastFailure) }),
  });
}

function sourceJson({ source }: Invocation | CompletedInvocation): Json {
  return source.kind === 'ingress'
    ? { invoked_by: 'ingress' }
    : { invoked_by: 'service', invoked_by_id: source.id, invoked_by_target: targetText(source.target) };
}

function liveJson(invocation: Invocation, nowMs: number): Json {
  const { state, pinned } = invocation;
  return {
    status: STATUS_NAMES[state.status],
    modified_at: formatInstantNanos(invocation.modifiedAt),
    age_ms: Math.max(0, nowMs - invocation.createdAt),
    ...(pinned === undefined
      ? {}
      : { pinned_deployment_id: pinned.deployment, pinned_service_protocol_version: pinned.protocolVersion }),
    ...(state.status === 'scheduled' ? { scheduled_start_at: formatInstantNanos(state.startAt) } : {}),
    ...(state.status === 'backingOff' ? { next_retry_at: formatInstantNanos(state.retryAt) } : {}),
    ...(state.status === 'suspended'
      ? {
          suspended_waiting_for_completions: state.awaiting.completions,
          suspended_waiting_for_signals: state.awaiting.signals,
        }
      : {}),
    retry_count: invocation.failures.counted,
    journal_commands_size: invocation.commands,
    pending: invocation.pending.map(({ of, completionId }) => ({ type: of, completion_id: completionId })),
  };
}

function completedJson(invocation: CompletedInvocation): Json {
  return {
    status: 'completed',
    completed_at: formatInstantNanos(invocation.completedAt),
    expires_at: formatInstantNanos(invocation.expiresAt),
    age_ms: Math.max(0, invocation.completedAt - invocation.createdAt),
    ...(invocation.deployment === undefined ? {} : { pinned_deployment_id: invocation.deployment }),
    ...(invocation.protocolVersion === undefined
      ? {}
      : { pinned_service_protocol_version: invocation.protocolVersion }),
    completion_result: invocation.result.kind,
    ...resultJson(invocation.result),
  };
}

function failureJson(failure: RecordedFailure): Json {
  const command = failure.relatedCommand;
  return {
    at: formatInstantNanos(failure.at),
    attempt: failure.attempt,
    error_code: failure.code,
    status: failure.status,
    message: failure.message,
    ...(failure.stack === undefined ? {} : { stacktrace: failure.stack }),
    ...(command?.index === undefined ? {} : { related_command_index: command.index }),
    ...(command?.name === undefined ? {} : { related_command_name: command.name }),
    ...(command?.type === undefined
      ? {}
      : { related_command_type: nameOfType(command.type) ?? command.type }),
  };
}

/** A page of the journal: `from` is an index, `limit` a number of entries; `next` is the following page's `from`. */
export function describeJournal(engine: Operations, id: string, request: HttpRequest): Answer {
  const invocationId = parseInvocationId(id);
  const from = numberParameter(request.query, 'from', Number.MAX_SAFE_INTEGER) ?? 0;
  const limit = numberParameter(request.query, 'limit', PAGE_MAX) ?? PAGE_DEFAULT;
  if (engine.invocation(invocationId) === undefined) return unknownInvocation(id);
  const journal = engine.journal(invocationId);
  const entries = journal.slice(from, from + limit).map((entry, i) => entryJson(entry, from + i));
  const next = from + entries.length;
  return json(200, {
    id,
    size: journal.length,
    entries,
    ...(entries.length > 0 && next < journal.length ? { next } : {}),
  });
}

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
} as const;

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
  const shown: Record<string, unknown> = { entry_type: entryType };
  const label = message['entryName'] ?? message['name'];
  if (typeof label === 'string' && label !== '') shown['name'] = label;
  for (const [field, as] of Object.entries(SHOWN_FIELDS)) {
    const value = message[field];
    if (value !== undefined && value !== '') shown[as] = value;
  }
  const key = message['key'];
  if (key instanceof Uint8Array) shown['key'] = previewOf(key) ?? `${key.byteLength} bytes`;
  else if (key !== undefined && key !== '') shown['key'] = key;
  for (const field of PAYLOAD_FIELDS) {
    const value = message[field];
    if (value instanceof Uint8Array) Object.assign(shown, valueJson(value));
  }
  for (const field of FAILURE_FIELDS) {
    const failure = message[field] as { code: number; message: string } | undefined;
    if (failure !== undefined) shown['failure'] = { code: failure.code, message: failure.message };
  }
  return shown;
}

function resultJson(result: NotificationResult | Result): Json {
  switch (result.kind) {
    case 'success':
      return valueJson(result.value);
    case 'failure':
      return { failure: { code: result.failure.code, message: result.failure.message } };
    case 'void':
      return {};
    case 'invocationId':
      return { invocation_id: result.id };
  }
}

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

function targetText({ service, key, handler }: Target): string {
  return key === '' ? `${service}/${handler}` : `${service}/${key}/${handler}`;
}
