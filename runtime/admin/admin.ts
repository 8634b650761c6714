/**
 * The HTTP API for operators and deployment tools, on a listener of its own. Every route exists unversioned and
 * under `/v2`, `/v3` and `/v4`; unversioned is version 3.
 *
 * Invariant: nothing is read or done for a request whose `Host` or `Origin` is refused.
 */
import type { HttpAnswer, HttpHandler, HttpReply, HttpRequest } from '../platform/http-handler.ts';
import { type Answer, empty, failure, Refusal, sendAnswer, text } from './answers.ts';
import { refusedOrigin } from './host.ts';
import type { AdminOptions } from './options.ts';
import { ROUTES, VERSION_MAX, VERSION_MIN } from './routes.ts';
import { STATE_BODY_BYTES_MAX } from './state.ts';

export type { AdminOptions } from './options.ts';

/** Of the route that needs most; the others refuse earlier. */
export const ADMIN_BODY_BYTES_MAX = STATE_BODY_BYTES_MAX;

const TABLE = ROUTES.map(({ method, path, run }) => ({ method, parts: path.split('/'), run }));

export function createAdmin(options: AdminOptions): HttpHandler {
  const refusals = new RefusalLog(options);
  return {
    bodyBytesMax: ADMIN_BODY_BYTES_MAX,
    handle: (request, reply) => handle(options, refusals, request, reply),
    refuse,
  };
}

const LOG_INTERVAL_MS = 10_000;

/** Refused pages are an attack or a missing setting: worth a line, but not one for each request of a flood. */
class RefusalLog {
  readonly #options: AdminOptions;
  #count = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(options: AdminOptions) {
    this.#options = options;
  }

  add(): void {
    const { clock, logger } = this.#options;
    this.#count += 1;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lastMs < LOG_INTERVAL_MS) return;
    this.#lastMs = nowMs;
    logger.warn('admin refused a foreign host or origin', { refused: this.#count });
  }
}

function refuse(status: number, message: string): HttpAnswer {
  return failure(status, message);
}

function handle(options: AdminOptions, refusals: RefusalLog, request: HttpRequest, reply: HttpReply): void {
  const refused = refusedOrigin(request, options.allowedHosts ?? []);
  if (refused !== undefined) {
    refusals.add();
    sendAnswer(request, reply, failure(403, refused));
    return;
  }
  const done = (answer: Answer): void => sendAnswer(request, reply, answer);
  try {
    dispatch(options, request, done);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    done(error.answer);
  }
}

function dispatch(options: AdminOptions, request: HttpRequest, done: (answer: Answer) => void): void {
  const { segments, version } = unversioned(pathSegments(request.path));
  let status = 404;
  for (const { method, parts, run } of TABLE) {
    const values = match(parts, segments);
    if (values === undefined) continue;
    if (method === request.method) {
      run({ options, request, version, done }, values[0] ?? '', values[1] ?? '');
      return;
    }
    status = 405;
  }
  done(empty(status));
}

function unversioned(segments: string[]): { readonly segments: string[]; readonly version: number } {
  const prefix = /^v(\d{1,9})$/.exec(segments[0] ?? '');
  if (prefix === null) return { segments, version: 3 };
  const version = Number(prefix[1]);
  if (version >= VERSION_MIN && version <= VERSION_MAX) return { segments: segments.slice(1), version };
  const spoken = `versions ${VERSION_MIN} to ${VERSION_MAX}`;
  throw new Refusal(text(400, `this server speaks ${spoken} of the admin API, not version ${version}`));
}

function pathSegments(path: string): string[] {
  try {
    return path.replace(/\/+$/, '').split('/').slice(1).map(decodeURIComponent);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw new Refusal(text(400, 'malformed percent-encoding in the path'));
  }
}

function match(parts: readonly string[], segments: readonly string[]): string[] | undefined {
  if (parts.length !== segments.length) return undefined;
  const values: string[] = [];
  for (const [i, part] of parts.entries()) {
    const segment = segments[i] as string;
    if (part.startsWith('{')) values.push(segment);
    else if (part !== segment) return undefined;
  }
  return values;
}
