/** The Restate server's admin API in the shape of ours, as far as the rows use it: what has no route is asked in SQL. */
import type { Notes } from '../e2e/behaviours/notes.ts';
import {
  AdminClient,
  type InvocationStatus,
  type InvocationView,
  type JournalEntry,
} from '../e2e/harness/index.ts';

/** The parts of our admin API that the rows use, in terms of the peer's SQL. */
export class PeerAdmin extends AdminClient {
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
