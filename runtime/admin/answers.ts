/**
 * How the admin API answers. Errors of an operation are JSON; what never became an operation (an unknown route, an
 * unreadable body, a malformed id in a path) is plain text or empty, as clients of the Restate admin API expect.
 */
import { gzip } from 'node:zlib';
import { CodedError } from '../platform/error.ts';
import { type HeaderList, type HttpReply, type HttpRequest, headerOf } from '../platform/http-handler.ts';

export interface Answer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: string;
}

/** Thrown where a request turns out not to be acceptable; not an `Error`, because nobody wants its stack. */
export class Refusal {
  readonly answer: Answer;
  constructor(answer: Answer) {
    this.answer = answer;
  }
}

export function empty(status: number): Answer {
  return { status, headers: [], body: '' };
}

export function text(status: number, body: string): Answer {
  return { status, headers: ['content-type', 'text/plain; charset=utf-8'], body };
}

export function json(status: number, body: unknown, headers: HeaderList = []): Answer {
  return { status, headers: ['content-type', 'application/json', ...headers], body: JSON.stringify(body) };
}

export function failure(status: number, message: string, code: string | null = null): Answer {
  return json(status, { message, restate_code: code });
}

export function refuse(status: number, message: string): Refusal {
  return new Refusal(failure(status, message));
}

export function badField(field: string, why: string): Refusal {
  return refuse(400, `The request field '${field}' is invalid: ${why}`);
}

/** What a caller may do about a code tells the status; everything else is ours or the function's fault. */
const CODE_STATUS: Readonly<Record<string, number>> = {
  META0004: 409,
  META0005: 400,
  META0006: 409,
  META0016: 409,
  HF_ENDPOINT_NOT_ALLOWED: 400,
  HF_ENDPOINT_URI: 400,
  HF_LAMBDA_ARN: 400,
  HF_LAMBDA_NOT_FOUND: 400,
  HF_LAMBDA_NOT_ACTIVE: 400,
};

/** The answer to an operation that failed. Anything but a coded error is a bug and ends the process. */
export function failed(error: unknown): Answer {
  if (!(error instanceof CodedError)) throw error;
  return failure(CODE_STATUS[error.code] ?? 500, error.message, error.code);
}

/** Below it a compressed body is no smaller. */
const GZIP_BYTES_MIN = 32;

export function sendAnswer(request: HttpRequest, reply: HttpReply, answer: Answer): void {
  const { status, headers, body } = answer;
  if (body.length < GZIP_BYTES_MIN) {
    reply.send(status, headers, body);
    return;
  }
  const varied = [...headers, 'vary', 'accept-encoding'];
  if (!acceptsGzip(headerOf(request, 'accept-encoding'))) {
    reply.send(status, varied, body);
    return;
  }
  gzip(body, { level: 1 }, (error, compressed) => {
    // Only a lack of memory fails here.
    if (error !== null) throw error;
    reply.send(status, [...varied, 'content-encoding', 'gzip'], compressed);
  });
}

function acceptsGzip(header: string | undefined): boolean {
  return header?.split(',').some(part => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/i.test(part)) === true;
}
