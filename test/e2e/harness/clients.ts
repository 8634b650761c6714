/** Small typed clients of the ingress and admin HTTP APIs, for tests and the demo. */

/** An answer that is no success. `code` is the HTTP status. */
export class HttpError extends Error {
  readonly status: number;
  readonly body: string;
  constructor(method: string, url: string, status: number, body: string) {
    super(`${method} ${url} was answered ${status}: ${body}`);
    this.status = status;
    this.body = body;
  }
}

export interface CallOptions {
  readonly idempotencyKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface CallAnswer<T> {
  readonly status: number;
  /** The invocation, when the answer names it. */
  readonly id: string | undefined;
  /** Result of the handler, or the error object. */
  readonly body: T;
}

export interface SendAnswer {
  readonly invocationId: string;
  readonly status: 'Accepted' | 'PreviouslyAccepted';
}

async function parsed(response: Response): Promise<unknown> {
  const text = await response.text();
  if (text === '') return undefined;
  return (response.headers.get('content-type') ?? '').includes('json') ? JSON.parse(text) : text;
}

async function succeeded(method: string, url: string, response: Response): Promise<unknown> {
  if (!response.ok) throw new HttpError(method, url, response.status, await response.text());
  return parsed(response);
}

const jsonBody = (input: unknown): { headers?: Record<string, string>; body?: string } =>
  input === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(input) };

/**
 * Callers' side. A target is `service/handler`. Rejects with fetch's TypeError when the connection breaks, as
 * it does when the orchestrator is killed; with an idempotency key the call may then be repeated.
 */
export class IngressClient {
  readonly url: string;
  constructor(url: string) {
    this.url = url;
  }

  /** Waits for the result; resolves whatever the status. */
  async call<T = unknown>(
    target: string,
    input?: unknown,
    options: CallOptions = {},
  ): Promise<CallAnswer<T>> {
    const response = await this.#post(`restate/call/${target}`, input, options);
    const id = response.headers.get('x-restate-id') ?? undefined;
    return { status: response.status, id, body: (await parsed(response)) as T };
  }

  /** Resolves when the invocation is accepted, which is durable. */
  async send(
    target: string,
    input?: unknown,
    { delayMs, ...options }: CallOptions & { readonly delayMs?: number } = {},
  ): Promise<SendAnswer> {
    const path = `restate/send/${target}${delayMs === undefined ? '' : `?delay=${delayMs}ms`}`;
    return (await succeeded('POST', path, await this.#post(path, input, options))) as SendAnswer;
  }

  /** The result of an invocation, waiting for it; resolves whatever the status. */
  async attach<T = unknown>(id: string, signal?: AbortSignal): Promise<CallAnswer<T>> {
    const response = await fetch(`${this.url}/restate/attach/${id}`, signal === undefined ? {} : { signal });
    return { status: response.status, id, body: (await parsed(response)) as T };
  }

  async resolveAwakeable(id: string, value?: unknown): Promise<void> {
    const path = `restate/awakeables/${id}/resolve`;
    await succeeded('POST', path, await this.#post(path, value ?? null, {}));
  }

  async rejectAwakeable(id: string, reason: string): Promise<void> {
    const path = `restate/awakeables/${id}/reject`;
    const headers = { 'content-type': 'text/plain' };
    const response = await fetch(`${this.url}/${path}`, { method: 'POST', headers, body: reason });
    await succeeded('POST', path, response);
  }

  #post(path: string, input: unknown, { idempotencyKey, headers, signal }: CallOptions): Promise<Response> {
    const body = jsonBody(input);
    return fetch(`${this.url}/${path}`, {
      method: 'POST',
      ...body,
      headers: {
        ...body.headers,
        ...headers,
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      },
      ...(signal === undefined ? {} : { signal }),
    });
  }
}

export type InvocationStatus =
  | 'scheduled'
  /** Waits for the key of its object. */
  | 'pending'
  | 'running'
  | 'backing-off'
  | 'suspended'
  | 'paused'
  | 'completed';

/** `GET /invocations/{id}`; more fields are there than are listed. */
export interface InvocationView {
  readonly id: string;
  readonly target: string;
  readonly status: InvocationStatus;
  readonly created_at: string;
  readonly completed_at?: string;
  readonly completion_result?: 'success' | 'failure';
  readonly attempt: number;
  readonly journal_size: number;
  readonly pinned_deployment_id?: string;
  readonly invoked_by_id?: string;
  readonly failure?: { readonly code: number; readonly message: string };
  readonly value?: PreviewedValue;
  readonly last_failure?: { readonly message: string; readonly error_code?: string };
}

export interface PreviewedValue {
  readonly size: number;
  readonly utf8?: string;
  readonly truncated?: boolean;
}

/** `entry_type` is like `Command: Run` or `Notification: Run`. */
export interface JournalEntry {
  readonly index: number;
  readonly entry_type: string;
  readonly name?: string;
  readonly completion_id?: number;
  readonly invocation_id?: string;
  readonly invocation_id_completion_id?: number;
  readonly service_name?: string;
  readonly handler_name?: string;
  readonly value?: PreviewedValue;
  readonly failure?: { readonly code: number; readonly message: string };
}

/** A deployment as `POST /deployments` takes it. */
export type Registration =
  | { readonly arn: string }
  | { readonly uri: string; readonly use_http_11?: boolean };

/** Operators' side. */
export class AdminClient {
  readonly url: string;
  constructor(url: string) {
    this.url = url;
  }

  /** A function by its ARN, or what else the API takes; the id of the deployment. */
  async register(what: string | Registration): Promise<string> {
    const body = typeof what === 'string' ? { arn: what } : what;
    const response = await fetch(`${this.url}/deployments`, { method: 'POST', ...jsonBody(body) });
    return ((await succeeded('POST', 'deployments', response)) as { id: string }).id;
  }

  /** Undefined if there is none, or none any more. */
  async invocation(id: string): Promise<InvocationView | undefined> {
    const path = `invocations/${id}`;
    const response = await fetch(`${this.url}/${path}`);
    if (response.status === 404) {
      await response.body?.cancel();
      return undefined;
    }
    return (await succeeded('GET', path, response)) as InvocationView;
  }

  /** All entries, in order. */
  async journal(id: string): Promise<readonly JournalEntry[]> {
    const entries: JournalEntry[] = [];
    for (let from: number | undefined = 0; from !== undefined; ) {
      const path = `invocations/${id}/journal?from=${from}&limit=1000`;
      const page = (await succeeded('GET', path, await fetch(`${this.url}/${path}`))) as {
        entries: JournalEntry[];
        next?: number;
      };
      entries.push(...page.entries);
      from = page.next;
    }
    return entries;
  }

  async cancel(id: string): Promise<void> {
    await this.#patch(`invocations/${id}/cancel`);
  }

  async kill(id: string): Promise<void> {
    await this.#patch(`invocations/${id}/kill`);
  }

  async #patch(path: string): Promise<void> {
    await succeeded('PATCH', path, await fetch(`${this.url}/${path}`, { method: 'PATCH' }));
  }
}
