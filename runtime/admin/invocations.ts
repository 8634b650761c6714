/**
 * What an operator does to one invocation or, in a batch, to many. One row of `OPERATIONS` is one operation: its
 * two routes, its documentation and the status of every outcome follow from it.
 *
 * Invariant: a batch that is not acceptable as a whole does nothing.
 */
import { decodeInvocationId, ProtocolError } from '@holdfast/protocol';
import type { Outcome } from '../core/effect.ts';
import type { InvocationId } from '../core/model.ts';
import type { DeploymentChoice, Operations, RestartOutcome } from '../partition/engine.ts';
import type { HttpRequest } from '../platform/http-handler.ts';
import { type Answer, badField, empty, failure, json, type Refusal, refuse } from './answers.ts';
import { fieldOf, onlyFields, readBody, unreadable } from './body.ts';
import { isDeploymentId } from './deployment-id.ts';
import { badParameter, queryParameter } from './query.ts';

type Done = (answer: Answer) => void;

type RestartKind = Exclude<RestartOutcome['kind'], 'refused'>;
type What = Outcome | RestartKind;

/** What became of an operation. */
interface Finding {
  readonly what: What;
  readonly reason?: string;
  readonly restarted?: InvocationId;
}

interface Choices {
  readonly deployment: DeploymentChoice;
  readonly from: number;
}
type ChoiceName = keyof Choices;

export interface InvocationOperation {
  readonly summary: string;
  /** The choices it takes and what holds without them. */
  readonly choices: Partial<Choices>;
  readonly statuses: Readonly<Partial<Record<What, number>>>;
  readonly run: (
    engine: Operations,
    id: InvocationId,
    choices: Choices,
    done: (finding: Finding) => void,
  ) => void;
}

type Simple = 'cancel' | 'kill' | 'pause' | 'purge' | 'purgeJournal';
const simple =
  (verb: Simple): InvocationOperation['run'] =>
  (engine, id, _, done) =>
    engine[verb](id, what => done({ what }));

const BAD_DEPLOYMENT = { unknownDeployment: 400, incompatibleDeployment: 400 };

export const OPERATIONS = {
  cancel: {
    summary: 'Asks an invocation to unwind: 202 its handler was told, 200 it had not begun and has ended',
    choices: {},
    statuses: { applied: 202, ended: 200, unknown: 404, alreadyCompleted: 409 },
    run: simple('cancel'),
  },
  kill: {
    summary: 'Ends an invocation, and all that it called or sent to, without asking its handler',
    choices: {},
    statuses: { ended: 200, unknown: 404, alreadyCompleted: 409 },
    run: simple('kill'),
  },
  pause: {
    summary: 'Pauses an invocation when its attempt under way has ended: 202 it will be, 200 it is already',
    choices: {},
    statuses: { applied: 202, alreadyPaused: 200, unknown: 404, alreadyCompleted: 409, notRunning: 409 },
    run: simple('pause'),
  },
  resume: {
    summary: 'Goes on with a paused invocation, or a waiting one on another deployment, with fresh retries',
    choices: { deployment: 'keep' },
    statuses: {
      applied: 200,
      ...BAD_DEPLOYMENT,
      unknown: 404,
      alreadyCompleted: 409,
      notPaused: 409,
      notStarted: 425,
    },
    run: (engine, id, { deployment }, done) => engine.resume(id, deployment, what => done({ what })),
  },
  'restart-as-new': {
    summary: 'Runs a completed invocation once more, under a new id, optionally keeping what its journal has',
    choices: { deployment: 'latest', from: 0 },
    statuses: {
      restarted: 200,
      ...BAD_DEPLOYMENT,
      badRange: 400,
      unknown: 404,
      notCompleted: 409,
      unknownTarget: 409,
      journalGone: 410,
      isWorkflow: 422,
      oldProtocol: 422,
      notStarted: 425,
    },
    run: (engine, id, choices, done) => engine.restartAsNew({ id, ...choices }, r => done(ofRestart(r))),
  },
  purge: {
    summary: 'Forgets a completed invocation: result, journal and, of a workflow, its state and promises',
    choices: {},
    statuses: { applied: 200, unknown: 404, notCompleted: 409 },
    run: simple('purge'),
  },
  'purge-journal': {
    summary: 'Forgets the journal of a completed invocation and keeps its result',
    choices: {},
    statuses: { applied: 200, unknown: 404, notCompleted: 409 },
    run: simple('purgeJournal'),
  },
} as const satisfies Readonly<Record<string, InvocationOperation>>;

export type OperationName = keyof typeof OPERATIONS;

function ofRestart(outcome: RestartOutcome): Finding {
  switch (outcome.kind) {
    case 'restarted':
      return { what: 'restarted', restarted: outcome.id };
    case 'refused':
      return { what: outcome.outcome };
    case 'badRange':
      return { what: 'badRange', reason: outcome.reason };
    case 'oldProtocol':
      return { what: 'oldProtocol' };
  }
}

const NOT_ENDED = 'has not ended yet: wait for its end, or cancel or kill it first';

/** What is the matter, to follow "the invocation '…'", and what may be done about it. */
const REASONS: Readonly<Partial<Record<What, string>>> = {
  alreadyCompleted: 'has already completed: there is nothing to do, restart-as-new runs it once more',
  notRunning: 'is not running, it waits and so costs nothing: pause what runs, cancel or kill this one',
  notPaused: 'is running: pause it first to move it to another deployment',
  notStarted:
    'has not started yet, it waits for its time or its key: it starts by itself; cancel it to end it',
  notCompleted: NOT_ENDED,
  unknownTarget: 'cannot run again: no deployment offers its handler any more; register one that does',
  journalGone: 'has no input to run with any more: its journal was purged, or its retention has passed',
  isWorkflow: 'is the run of a workflow, which runs once a key: purge it and run the workflow again',
  oldProtocol:
    'began before protocol version 6, so nothing of its journal can be kept: restart it with from=0',
  unknownDeployment:
    'cannot run there: no such deployment, or none that has its handler; see GET /deployments',
  incompatibleDeployment:
    'cannot run there: the deployment does not speak the protocol version of its journal; ' +
    'choose one with the SDK version that it began with',
};

function explain(id: string, { what, reason }: Finding): string {
  if (what === 'unknown') return noInvocation(id);
  if (what === 'badRange') return `the invocation '${id}' cannot be restarted from there: ${reason}`;
  const why = REASONS[what];
  if (why === undefined) throw new Error(`assertion failed: no text for ${what}`);
  return `the invocation '${id}' ${why}`;
}

function statusOf(operation: InvocationOperation, { what }: Finding): number {
  const status = operation.statuses[what];
  if (status === undefined) throw new Error(`assertion failed: ${operation.summary}: ${what}`);
  return status;
}

const isSuccess = (status: number): boolean => status < 300;

export function parseInvocationId(id: string, field = 'invocation_id'): InvocationId {
  try {
    decodeInvocationId(id);
    return id as InvocationId;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw badField(field, error.message);
  }
}

const noInvocation = (id: string): string =>
  `no invocation '${id}': it never was, or its retention has passed`;

export function unknownInvocation(id: string): Answer {
  return failure(404, noInvocation(id));
}

export function operate(
  engine: Operations,
  name: OperationName,
  id: string,
  request: HttpRequest,
  done: Done,
): void {
  const operation: InvocationOperation = OPERATIONS[name];
  const invocation = parseInvocationId(id);
  const choices = readChoices(operation, choice => queryParameter(request.query, choice), badParameter);
  operation.run(engine, invocation, choices, finding => {
    const status = statusOf(operation, finding);
    if (!isSuccess(status)) done(failure(status, explain(id, finding)));
    else if (finding.restarted === undefined) done(empty(status));
    else done(json(status, { new_invocation_id: finding.restarted }));
  });
}

function readChoices(
  { choices }: InvocationOperation,
  given: (name: ChoiceName) => unknown,
  bad: (name: string, why: string) => Refusal,
): Choices {
  const { deployment = 'keep', from = 0 } = choices;
  return {
    deployment:
      choices.deployment === undefined ? deployment : readDeployment(given('deployment') ?? deployment, bad),
    from: choices.from === undefined ? from : readFrom(given('from') ?? from, bad),
  };
}

function readDeployment(value: unknown, bad: (name: string, why: string) => Refusal): DeploymentChoice {
  if (value === 'keep' || value === 'latest') return value;
  if (typeof value === 'string' && isDeploymentId(value)) return value;
  throw bad('deployment', "it is neither 'keep' nor 'latest' nor the id of a deployment (dp_…)");
}

function readFrom(value: unknown, bad: (name: string, why: string) => Refusal): number {
  const from = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  if (typeof from === 'number' && Number.isSafeInteger(from) && from >= 0) return from;
  throw bad('from', 'it is not the index of a journal entry');
}

/** The older form: answers when the request is durable and does not tell what became of it. */
export function terminateInvocation(engine: Operations, id: string, request: HttpRequest, done: Done): void {
  const mode = queryParameter(request.query, 'mode') ?? 'cancel';
  if (mode !== 'cancel' && mode !== 'kill' && mode !== 'purge') {
    throw badParameter('mode', "it is not 'cancel', 'kill' or 'purge'");
  }
  engine[mode](parseInvocationId(id), () => done(empty(202)));
}

const BATCH_MAX = 1000;

/** Tells for each invocation, once and in the order asked for, whether it succeeded. */
export function operateOnMany(
  engine: Operations,
  name: OperationName,
  request: HttpRequest,
  done: Done,
): void {
  const operation: InvocationOperation = OPERATIONS[name];
  const body = readBody(request);
  const names = Object.keys(operation.choices) as ChoiceName[];
  onlyFields(body, ['invocation_ids', ...names]);
  const ids = readIds(fieldOf(body, 'invocation_ids'));
  const given = (choice: ChoiceName) => fieldOf(body, choice) ?? queryParameter(request.query, choice);
  const choices = readChoices(operation, given, badField);
  const findings = new Map<InvocationId, Finding | undefined>(ids.map(id => [id, undefined]));
  let missing = findings.size;
  const answer = () => done(json(200, batchJson(operation, findings)));
  if (missing === 0) answer();
  for (const id of [...findings.keys()]) {
    operation.run(engine, id, choices, finding => {
      findings.set(id, finding);
      missing -= 1;
      if (missing === 0) answer();
    });
  }
}

function batchJson(
  operation: InvocationOperation,
  findings: ReadonlyMap<InvocationId, Finding | undefined>,
): Readonly<Record<string, unknown>> {
  const succeeded: (InvocationId | Restarted)[] = [];
  const failed: { readonly invocation_id: InvocationId; readonly error: string }[] = [];
  for (const [id, finding] of findings) {
    if (finding === undefined) throw new Error(`assertion failed: nothing became of ${id}`);
    const { restarted } = finding;
    if (restarted !== undefined) succeeded.push({ old_invocation_id: id, new_invocation_id: restarted });
    else if (isSuccess(statusOf(operation, finding))) succeeded.push(id);
    else failed.push({ invocation_id: id, error: explain(id, finding) });
  }
  return { succeeded, failed };
}

interface Restarted {
  readonly old_invocation_id: InvocationId;
  readonly new_invocation_id: InvocationId;
}

function readIds(value: unknown): readonly InvocationId[] {
  if (!Array.isArray(value)) throw unreadable('it has no list "invocation_ids"');
  if (value.length > BATCH_MAX) {
    throw refuse(400, `${value.length} invocation_ids are too many: send at most ${BATCH_MAX} at a time`);
  }
  return value.map((id: unknown) => {
    if (typeof id !== 'string') throw unreadable('"invocation_ids" holds something other than strings');
    return parseInvocationId(id, 'invocation_ids');
  });
}
