/**
 * An answer that is no success.
 *
 * Its body says who failed, and not its status: a handler may fail with any code. Headers say it too, but a browser hides
 * them from pages of other origins.
 */

interface ErrorBody {
  readonly code?: number;
  readonly message?: string;
  readonly source?: 'invocation' | 'ingress';
  readonly metadata?: Record<string, string>;
}

/**
 * The request was answered with an error. A request that was not answered rejects with a TypeError that names it;
 * one that took too long or was aborted with a DOMException named `TimeoutError` or `AbortError`.
 */
export class HttpCallError extends Error {
  override readonly name = 'HttpCallError';
  /** HTTP status. */
  declare readonly status: number;
  /** Body of the answer, as it came. */
  declare readonly responseText: string;
  /** Body of the answer if it is a JSON object; otherwise an empty one. */
  declare readonly body: Readonly<Record<string, unknown>>;
  /** Code of the failure. The same as `status` but for codes that HTTP cannot carry, which have status 500. */
  declare readonly code: number;
  /**
   * `invocation`: the handler ended with a terminal error, or was cancelled or killed. `ingress`: the server refused the
   * request. Undefined: somebody in between answered, or a Restate server before 1.7.
   */
  declare readonly source: 'invocation' | 'ingress' | undefined;
  /** Of the terminal error. */
  declare readonly metadata: Record<string, string> | undefined;
  /** If the server says it. A page of another origin sees it only if the server exposes `x-restate-id`. */
  declare readonly invocationId: string | undefined;

  constructor(status: number, responseText: string, message: string, headers?: Headers) {
    super(message);
    this.status = status;
    this.responseText = responseText;
    const body = bodyOf(responseText);
    this.body = body as typeof this.body;
    this.code = body.code ?? status;
    this.source =
      body.source ?? ((headers?.get('x-restate-error-source') as typeof this.source) || undefined);
    this.metadata = body.metadata;
    this.invocationId = headers?.get('x-restate-id') ?? undefined;
  }

  /** Whether this is how the invocation ended: to repeat it with its idempotency key, or to attach, gives the same. */
  get terminal(): boolean {
    return this.source === 'invocation';
  }
}

interface ErrorAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body?: string;
}

/** With a short message, however long the page that a proxy answered. */
export function errorOf(request: string, { status, headers, body = '' }: ErrorAnswer): HttpCallError {
  const why = bodyOf(body).message ?? body.slice(0, 200);
  return new HttpCallError(status, body, `${request} was answered ${status}${why && `: ${why}`}`, headers);
}

function bodyOf(text: string): ErrorBody {
  try {
    return Object(JSON.parse(text));
  } catch {
    // A proxy answers in HTML, or nothing.
    return {};
  }
}
