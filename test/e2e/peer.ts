/**
 * The table of behaviours once more, on the Restate server: what our SDK's handlers do there.
 *
 *     node test/e2e/peer.ts [part of a row's name]
 *
 * Each row runs for both SDKs. Where both differ from the table, the servers differ, and the row is listed as such;
 * where ours alone does, it is a failure. The server is installed on demand outside the workspace. Not part of
 * `npm test`.
 */
import { join } from 'node:path';
import { register, startRestate } from '../bench/processes.ts';
import { NOTES_DIR, Notes } from './behaviours/notes.ts';
import { Play, type Row } from './behaviours/play.ts';
import { ROWS } from './behaviours/rows/index.ts';
import { SDK_NAMES, type SdkName } from './behaviours/sdk.ts';
import { versionedFunctions } from './behaviours/versions.ts';
import {
  AdminClient,
  IngressClient,
  type InvocationStatus,
  type InvocationView,
  type JournalEntry,
  type Stack,
} from './harness/index.ts';
import { startLambda } from './harness/lambda.ts';
import { tempDir } from './harness/processes.ts';

const VERSION = '1.7.12';
const SERVED = ['official', 'holdfast', 'official-keyed', 'holdfast-keyed'];
const ROWS_AT_ONCE = 8;
const ROW_TIMEOUT_MS = 20_000;
const PAUSE_MS = 250;

/** The parts of our admin API that the rows use, in terms of the peer's SQL. */
class PeerAdmin extends AdminClient {
  readonly #notes: Notes;
  constructor(url: string, notes: Notes) {
    super(url);
    this.#notes = notes;
  }

  override async invocation(id: string): Promise<InvocationView | undefined> {
    const [row] = await this.#query(`SELECT * FROM sys_invocation WHERE id = '${id}'`);
    if (row === undefined) return undefined;
    const text = (name: string): string => String(row[name] ?? '');
    return {
      id,
      target: text('target'),
      status: text('status').replace(/^ready$/, 'running') as InvocationStatus,
      created_at: text('created_at'),
      // It does not say how many attempts there were.
      attempt: this.#notes.count(id, 'attempt'),
      journal_size: Number(row['journal_size'] ?? 0),
      ...(await this.#lastFailure(id)),
      ...pick(
        row,
        'invoked_by',
        'invoked_by_id',
        'pinned_deployment_id',
        'restarted_from',
        'completion_result',
        'completed_at',
      ),
    };
  }

  async #lastFailure(id: string): Promise<object> {
    const [event] = await this.#query(
      `SELECT event_json FROM sys_journal_events WHERE id = '${id}' AND event_type = 'TransientError' ` +
        'ORDER BY appended_at DESC LIMIT 1',
    );
    if (event === undefined) return {};
    const failure = JSON.parse(String(event['event_json'])) as Record<string, unknown>;
    const { error_code: status, error_message: message, restate_doc_error_code: error_code } = failure;
    // It says neither how many attempts there were nor which one this was: of those that failed it was the last.
    return { last_failure: { message, status, ...(error_code === undefined ? {} : { error_code }) } };
  }

  override async journal(id: string): Promise<readonly JournalEntry[]> {
    const rows = await this.#query(
      `SELECT index, entry_type, name, entry_json FROM sys_journal WHERE id = '${id}' ORDER BY index`,
    );
    return rows.map(({ index, entry_type, name, entry_json }) => ({
      index: Number(index),
      entry_type: String(entry_type),
      ...(typeof name === 'string' && name !== '' ? { name } : {}),
      ...entryFields(String(entry_type), String(entry_json ?? '{}')),
    }));
  }

  async #query(query: string): Promise<Record<string, unknown>[]> {
    const response = await fetch(`${this.url}/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ query }),
    });
    if (!response.ok) throw new Error(`${query}: ${response.status} ${await response.text()}`);
    return ((await response.json()) as { rows: Record<string, unknown>[] }).rows;
  }
}

const pick = (row: Record<string, unknown>, ...names: readonly string[]): object =>
  Object.fromEntries(names.filter(name => row[name] !== undefined).map(name => [name, row[name]]));

/** Fields that the rows look at, wherever the peer's JSON of an entry has them. */
function entryFields(type: string, json: string): object {
  const found: Record<string, unknown> = {};
  JSON.parse(json, (key, value) => {
    const isCallee = key === 'invocation_id' && type === 'Notification: CallInvocationId';
    if (isCallee || ((key === 'wake_up_time' || key === 'invoke_time') && value !== 0)) found[key] = value;
    return value;
  });
  return found;
}

interface Outcome {
  readonly row: string;
  readonly sdk: SdkName;
  readonly error: string | undefined;
}

async function play(row: Row, play: Play, sdk: SdkName): Promise<Outcome> {
  const late = AbortSignal.timeout(ROW_TIMEOUT_MS);
  const timeout = new Promise<never>((_, reject) => {
    late.addEventListener('abort', () => reject(new Error(`not within ${ROW_TIMEOUT_MS} ms`)));
  });
  try {
    await Promise.race([row.play(play), timeout]);
    return { row: row.name, sdk, error: undefined };
  } catch (error) {
    return { row: row.name, sdk, error: describe(error) };
  }
}

/** With both values in full, where it compares two. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { actual, expected } = error as { actual?: unknown; expected?: unknown };
  const line = /behaviours\/rows\/\S+?:\d+/.exec(error.stack ?? '')?.[0] ?? '';
  if (actual === undefined && expected === undefined) return `${error.message} ${line}`;
  return `${error.message} ${line}\n  is       ${JSON.stringify(actual)}\n  expected ${JSON.stringify(expected)}`;
}

async function playAll(stack: Stack, notes: Notes, rows: readonly Row[]): Promise<readonly Outcome[]> {
  const left = rows.flatMap(row => SDK_NAMES.map(sdk => ({ row, sdk }))).values();
  const outcomes: Outcome[] = [];
  const player = async (): Promise<void> => {
    for (const { row, sdk } of left) {
      const options = { stack, notes, sdk, row: row.name, crash: undefined, pauseMs: PAUSE_MS };
      outcomes.push(await play(row, new Play(options), sdk));
    }
  };
  await Promise.all(Array.from({ length: ROWS_AT_ONCE }, player));
  return outcomes;
}

/** Prints the table; whether nothing failed. */
function report(rows: readonly Row[], outcomes: readonly Outcome[]): boolean {
  const counts = { passed: 0, differs: 0, failed: 0 };
  const of = (row: Row, sdk: SdkName) => outcomes.find(one => one.row === row.name && one.sdk === sdk)?.error;
  for (const row of rows) {
    const [ours, theirs] = [of(row, 'Holdfast'), of(row, 'Official')];
    const verdict = ours === undefined ? 'passed' : theirs === undefined ? 'failed' : 'differs';
    counts[verdict]++;
    console.log(`${verdict.padEnd(8)} ${row.name}`);
    if (ours !== undefined) console.log(ours.replaceAll(/^/gm, '           '));
    else if (theirs !== undefined)
      console.log(`           (but with the official SDK: ${theirs.split('\n', 1)[0]})`);
  }
  console.log(`\n${counts.differs} where the server differs, whatever the SDK`);
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0;
}

async function main(filter: string): Promise<boolean> {
  const rows = ROWS.filter(
    ({ name, oursOnly }) => !oursOnly && filter.split('|').some(part => name.includes(part)),
  );
  const dir = tempDir('holdfast-peer');
  const notes = new Notes(dir.path);
  const file = (name: string): string => join(import.meta.dirname, 'behaviours', name);
  const env = { [NOTES_DIR]: dir.path };
  const lateServices = SDK_NAMES.map(sdk => `${sdk}Late`);
  const lambda = await startLambda(
    [
      ...SERVED.map(name => ({ name, entry: file(`${name}.ts`), env, timeoutMs: 30_000 })),
      ...versionedFunctions(file, env, [false]),
      ...lateServices.map(name => ({ name, entry: file('late.ts'), env: { SERVICE: name } })),
    ],
    { kind: 'inProcess', dataDir: join(dir.path, 'lambda') },
  );
  const restate = await startRestate(lambda.url, VERSION);
  try {
    const admin = new PeerAdmin(restate.admin, notes);
    const stack = {
      ingress: new IngressClient(restate.ingress),
      admin,
      register: async (name: string) => admin.register(await lambda.versionArn(name)),
    };
    for (const name of SERVED) await register(restate, await lambda.versionArn(name));
    // Rows that look at processes are of the killed variant, which is not played here.
    return report(rows, await playAll(stack as unknown as Stack, notes, rows));
  } finally {
    await restate.stop();
    await lambda.stop();
    dir.remove();
  }
}

process.exit((await main(process.argv[2] ?? '')) ? 0 : 1);
