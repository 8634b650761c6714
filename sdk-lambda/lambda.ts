/**
 * The AWS Lambda adapter: the event of an Invoke in, its response out. Clock and base64 come from the platform.
 *
 * Invariant: nothing is made of a body, and no URL of a request is looked at, before the request's identity is known.
 */
import { EMPTY } from '@holdfast/protocol';
import { withPage } from './coded-error.ts';
import type { AdapterTraits } from './discovery.ts';
import {
  builderOf,
  type Endpoint,
  type EndpointBuilder,
  type EndpointOptions,
  endpointOf,
} from './endpoint.ts';
import { asError } from './errors.ts';
import { answer, type EndpointResponse, failure, openRequest } from './http.ts';
import type { TimeLimit } from './invocation.ts';
import { REQUEST_BYTES_MAX } from './limits.ts';
import { joinParts, upload } from './offload.ts';

/** The event as the orchestrator sends it. `rawPath` is how API Gateway calls the path. */
export interface LambdaEvent {
  /** Ends in `/invoke/<service>/<handler>`, `/discover` or `/health`. */
  readonly path?: string;
  /** The same, from API Gateway and function URLs. */
  readonly rawPath?: string;
  /** Not looked at. */
  readonly httpMethod?: string;
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** The request's. */
  readonly body?: string | null;
  /** Whether `body` is base64 and not text. @default false */
  readonly isBase64Encoded?: boolean;
}

/** The answer, as API Gateway and function URLs take it too. */
export interface LambdaResponse {
  /** Of HTTP. */
  readonly statusCode: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of `body`. */
  readonly isBase64Encoded: true;
  /** Base64. */
  readonly body: string;
}

/** What Lambda calls, with its context. */
export type LambdaHandler = (event: LambdaEvent, context: unknown) => Promise<LambdaResponse>;

/** The function to export as the Lambda handler. */
export const createEndpointHandler = (options: EndpointOptions): LambdaHandler =>
  handlerOf(endpointOf(options));

/** What `endpoint` returns. */
export interface LambdaEndpoint extends EndpointBuilder<LambdaEndpoint> {
  /** The function to export, of all services that are bound by the time of a request. */
  handler(): LambdaHandler;
}

/** The same, one service at a time. */
export const endpoint = (): LambdaEndpoint => builderOf(target => ({ handler: () => handlerOf(target) }));

/** Loaded by those who use it: a cold start would wait for it longer than for half of the SDK. */
const zlib = () => process.getBuiltinModule('node:zlib');
const TRAITS: AdapterTraits = {
  protocolMode: 'REQUEST_RESPONSE',
  get lambdaCompression() {
    // Node has it since 22.15.
    return 'zstdDecompressSync' in zlib() ? 'zstd' : undefined;
  },
  headers: { 'x-holdfast-offload': '1' },
};
/** Below it, compression is not worth its time. */
const COMPRESSED_ABOVE_BYTES = 3 * 1024 * 1024;
/** Lambda takes 6 MB of response: this in base64, and what is around it. */
const BODY_BYTES_MAX = 4_500_000;

const now = (): number => Date.now();

/** Of the function's time, what is kept for the answer. */
const RESERVE_MS_MAX = 1000;
const RESERVE_PART = 0.1;

/** Undefined outside of Lambda, in tests that pass no context. */
function timeLimitOf(context: unknown): TimeLimit | undefined {
  const left = (
    context as { getRemainingTimeInMillis?: () => number } | undefined
  )?.getRemainingTimeInMillis?.();
  // Mocks say anything; timers take 31 bits.
  if (!(left && left > 0 && left < 2 ** 31)) return undefined;
  const usable = left - Math.min(RESERVE_MS_MAX, left * RESERVE_PART);
  const until = now() + usable;
  return {
    until,
    totalMs: usable,
    onTimeout(callback) {
      const timers = [0, (left - usable) / 2].map(ms =>
        setTimeout(callback, Math.max(0, until - now() + ms)),
      );
      return () => {
        for (const timer of timers) clearTimeout(timer);
      };
    },
  };
}

function handlerOf(target: Endpoint): LambdaHandler {
  return async (event, context) => {
    const timeLimit = timeLimitOf(context);
    const headers = event.headers ?? {};
    const path = event.path ?? event.rawPath ?? '/';
    const opened = await openRequest(target, { path, headers }, TRAITS, now);
    if ('status' in opened) return envelope(opened);
    // What a body in either direction throws is about what is outside: bytes that do not decode, an object store.
    const failed = (error: unknown) =>
      failure(
        opened.version,
        withPage(`A body was not moved: ${asError(error).message}.`, 'HF_SDK_TRANSFER'),
      );
    const body = await bodyOf(event, headers).catch(failed);
    if ('status' in body) return envelope(body);
    const extraArgs = [context];
    const attempt = { now, logger: target.logger, body, attemptHeaders: headers, extraArgs, timeLimit };
    const response = await answer(opened, attempt);
    return envelope(await fitting(response, headers, opened.version).catch(failed));
  };
}

type Headers = NonNullable<LambdaEvent['headers']>;

async function bodyOf({ body, isBase64Encoded }: LambdaEvent, headers: Headers): Promise<Uint8Array> {
  let bytes: Uint8Array = Buffer.from(body ?? '', isBase64Encoded ? 'base64' : 'utf8');
  const encoding = headers['content-encoding'];
  if (encoding) {
    const decode = encoding === 'zstd' && zlib().zstdDecompressSync;
    if (!decode) throw new Error(`this function cannot decode ${encoding}`);
    bytes = decode(bytes, { maxOutputLength: REQUEST_BYTES_MAX });
  }
  return headers['x-holdfast-body'] === 'parts' ? joinParts(bytes) : bytes;
}

/** A large answer as Lambda can carry it, or a failure of the attempt that says why it cannot. */
const PAYLOAD_TOO_LARGE = 413;

async function fitting(
  response: EndpointResponse,
  headers: Headers,
  version: number,
): Promise<EndpointResponse> {
  const { body } = response;
  const replaced = (by: Uint8Array, told: Readonly<Record<string, string>>) => ({
    ...response,
    headers: { ...response.headers, ...told },
    body: by,
  });
  if (body.length <= COMPRESSED_ABOVE_BYTES) return response;
  const compressed = headers['accept-encoding']?.includes('zstd') && zlib().zstdCompressSync?.(body);
  if (compressed && compressed.length <= BODY_BYTES_MAX)
    return replaced(compressed, { 'content-encoding': 'zstd' });
  if (body.length <= BODY_BYTES_MAX) return response;
  const url = headers['x-holdfast-upload'];
  if (url) return replaced(EMPTY, await upload(url, body));
  return failure(
    version,
    withPage(`The answer has ${body.length} bytes; Lambda takes 6 MB in base64.`, 'HF_SDK_TOO_LARGE'),
    PAYLOAD_TOO_LARGE,
  );
}

const envelope = ({ status, headers, body }: EndpointResponse): LambdaResponse => ({
  statusCode: status,
  headers,
  isBase64Encoded: true,
  body: Buffer.from(body).toString('base64'),
});
