/**
 * One invocation and its journal, for an operator and for a timeline on a screen. Field names are those of the
 * SQL tables `sys_invocation` and `sys_journal` where these have the column.
 *
 * Invariant: an answer is bounded. Values are cut to a preview (see `journal-entry.ts`), journals to a page, what an
 * invocation waits for to its beginning.
 */
import { nameOfType } from '@holdfast/protocol';
import { leavesOf } from '../core/future.ts';
import type {
  CompletedInvocation,
  Future,
  Invocation,
  RecordedFailure,
  Role,
  SignalId,
  Target,
} from '../core/model.ts';
import type { Operations } from '../partition/engine.ts';
import type { HttpRequest } from '../platform/http-handler.ts';
import { formatInstantNanos } from '../platform/rfc3339.ts';
import { type Answer, json } from './answers.ts';
import { parseInvocationId, unknownInvocation } from './invocations.ts';
import { cut, entryJson, resultJson } from './journal-entry.ts';
import { numberParameter } from './query.ts';

type Json = Readonly<Record<string, unknown>>;

const PAGE_DEFAULT = 200;
const PAGE_MAX = 1000;
/** A handler may wait for as many things as its journal holds, where they all are. */
const WAITS_SHOWN = 1000;
const STACK_SHOWN = 8192;

/** As the tables of the Restate server name them: `pending` waits for the key of its object. */
const STATUS_NAMES = {
  scheduled: 'scheduled',
  queued: 'pending',
  running: 'running',
  backingOff: 'backing-off',
  suspended: 'suspended',
  paused: 'paused',
} as const;

const ROLES: Readonly<Record<Role, Json>> = {
  service: { target_service_ty: 'service' },
  exclusive: { target_service_ty: 'virtual_object', target_handler_ty: 'exclusive' },
  shared: { target_service_ty: 'virtual_object', target_handler_ty: 'shared' },
  workflow: { target_service_ty: 'workflow', target_handler_ty: 'workflow' },
  workflowShared: { target_service_ty: 'workflow', target_handler_ty: 'shared' },
};

export function describeInvocation(engine: Operations, id: string, nowMs: number): Answer {
  const invocation = engine.invocation(parseInvocationId(id));
  if (invocation === undefined) return unknownInvocation(id);
  return json(200, {
    id: invocation.id,
    target: targetText(invocation.target),
    target_service_name: invocation.target.service,
    ...ROLES[invocation.role],
    // An object may have the empty string for a key.
    ...(invocation.role === 'service' ? {} : { target_service_key: invocation.target.key }),
    target_handler_name: invocation.target.handler,
    ...sourceJson(invocation),
    ...(invocation.target.scope === undefined ? {} : { scope: invocation.target.scope }),
    ...(invocation.limitKey === undefined ? {} : { limit_key: invocation.limitKey }),
    ...(invocation.idempotencyKey === undefined ? {} : { idempotency_key: invocation.idempotencyKey }),
    created_at: formatInstantNanos(invocation.createdAt),
    ...('state' in invocation ? liveJson(engine, invocation, nowMs) : completedJson(invocation)),
    attempt: invocation.attempt,
    journal_size: invocation.entries,
    ...(invocation.lastFailure === undefined ? {} : { last_failure: failureJson(invocation.lastFailure) }),
  });
}

function sourceJson({ source }: Invocation | CompletedInvocation): Json {
  switch (source.kind) {
    case 'ingress':
      return { invoked_by: 'ingress' };
    case 'invocation':
      return {
        invoked_by: 'service',
        invoked_by_id: source.id,
        invoked_by_service_name: source.target.service,
        invoked_by_target: targetText(source.target),
      };
    case 'restart':
      return { invoked_by: 'restart_as_new', restarted_from: source.id };
  }
}

function liveJson(engine: Operations, invocation: Invocation, nowMs: number): Json {
  const { state, pinned, target } = invocation;
  return {
    status: STATUS_NAMES[state.status],
    modified_at: formatInstantNanos(invocation.modifiedAt),
    age_ms: Math.max(0, nowMs - invocation.createdAt),
    ...(pinned === undefined
      ? {}
      : { pinned_deployment_id: pinned.deployment, pinned_service_protocol_version: pinned.protocolVersion }),
    ...(state.status === 'queued' ? { key_held_by: engine.holder(target) } : {}),
    ...(state.status === 'running' && state.pausing ? { pausing: true } : {}),
    ...(state.status === 'scheduled' ? { scheduled_start_at: formatInstantNanos(state.startAt) } : {}),
    ...(state.status === 'backingOff' ? { next_retry_at: formatInstantNanos(state.retryAt) } : {}),
    ...(state.status === 'suspended'
      ? {
          ...waitsOf(state.awaiting),
        }
      : {}),
    retry_count: invocation.failures.counted,
    journal_commands_size: invocation.commands,
    pending: invocation.pending
      .slice(0, WAITS_SHOWN)
      .map(({ of, completionId }) => ({ type: of, completion_id: completionId })),
    pending_size: invocation.pending.length,
  };
}

/** Everything that is waited for, of whatever tree. */
function waitsOf(awaiting: Future): Json {
  const completions: number[] = [];
  const signals: SignalId[] = [];
  for (const leaf of leavesOf(awaiting)) {
    if (typeof leaf === 'number') completions.push(leaf);
    else signals.push(leaf.signal);
    if (completions.length + signals.length === WAITS_SHOWN) break;
  }
  return { suspended_waiting_for_completions: completions, suspended_waiting_for_signals: signals };
}

function completedJson(invocation: CompletedInvocation): Json {
  return {
    status: 'completed',
    completed_at: formatInstantNanos(invocation.completedAt),
    expires_at: formatInstantNanos(invocation.expiresAt),
    ...(invocation.journalExpiresAt === undefined
      ? {}
      : { journal_expires_at: formatInstantNanos(invocation.journalExpiresAt) }),
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
    message: cut(failure.message),
    ...(failure.stack === undefined ? {} : { stacktrace: failure.stack.slice(0, STACK_SHOWN) }),
    ...(command?.index === undefined ? {} : { related_command_index: command.index }),
    ...(command?.name === undefined ? {} : { related_command_name: cut(command.name) }),
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

function targetText({ service, key, handler }: Target): string {
  return key === '' ? `${service}/${handler}` : `${service}/${key}/${handler}`;
}
