/**
 * Requests to handlers behind AWS Lambda: into the envelope, through the client, out of the envelope; compressed in
 * both directions where the SDK can, and through an object store where they are too large.
 *
 * Invariants: those of the port. What an endpoint does not use costs its calls nothing: one that neither compresses
 * nor offloads is encoded and sent within the call of `exchange`.
 */
import { ErrorMessage } from '@holdfast/protocol';
import type { Endpoint } from '../core/model.ts';
import { CodedError } from '../platform/error.ts';
import type { Timers } from '../platform/ports.ts';
import { compress, decompress } from '../platform/zstd.ts';
import { classifyFunctionError } from './aws-error.ts';
import {
  decodeInvokeResponse,
  type EventRequest,
  encodeEvent,
  eventBytes,
  type HeaderMap,
} from './envelope.ts';
import {
  type LambdaCall,
  type LambdaClient,
  type LambdaRequest,
  type LambdaResult,
  PAYLOAD_BYTES_MAX,
} from './lambda-client.ts';
import {
  type AnswerSlot,
  BODY_BYTES_HEADER,
  BODY_HEADER,
  BODY_SHA256_HEADER,
  OFFLOADED_BYTES_MAX,
  type Offload,
  UPLOAD_HEADER,
} from './offload.ts';
import type {
  Exchange,
  ExchangeLimits,
  ExchangeResult,
  HandlerRequest,
  HandlerResponse,
  Transport,
  TransportFailure,
} from './transport.ts';

export type LambdaAddress = Extract<Endpoint, { readonly kind: 'lambda' }>;

export interface LambdaTransportOptions {
  readonly client: Pick<LambdaClient, 'invoke'>;
  readonly timers: Pick<Timers, 'soon'>;
  /** Requests of this size and above are compressed, where the SDK takes it. @default 4 MiB, which is also the most */
  readonly compressFromBytes?: number;
  /** Of the object store, if there is one. */
  readonly offload?: Offload;
}

export interface LambdaTransports {
  of(endpoint: LambdaAddress): Transport;
}

const COMPRESS_FROM_BYTES = 4 * 1024 * 1024;
/** Bodies up to here fit with any headers that a deployment may have, and need not be measured. */
const FITTING_BYTES = 4 * 1024 * 1024;
const ZSTD_OFFER = { 'accept-encoding': 'zstd' };
const ZSTD_USED = { 'content-encoding': 'zstd' };

export function createLambdaTransport(options: LambdaTransportOptions): LambdaTransports {
  return {
    of: endpoint => ({
      exchange: (request, limits, done) => {
        const exchange = new LambdaExchange(options, endpoint, request, limits, done);
        exchange.begin();
        return exchange;
      },
    }),
  };
}

class LambdaExchange implements Exchange {
  readonly #options: LambdaTransportOptions;
  readonly #endpoint: LambdaAddress;
  readonly #request: HandlerRequest;
  readonly #limits: ExchangeLimits;
  readonly #done: (result: ExchangeResult) => void;
  #call: LambdaCall | null = null;
  #slot: AnswerSlot | undefined;
  /** The request went through the object store. */
  #isPacked = false;
  #over = false;

  constructor(
    options: LambdaTransportOptions,
    endpoint: LambdaAddress,
    request: HandlerRequest,
    limits: ExchangeLimits,
    done: (result: ExchangeResult) => void,
  ) {
    this.#options = options;
    this.#endpoint = endpoint;
    this.#request = request;
    this.#limits = limits;
    this.#done = done;
  }

  abort(): void {
    this.#end();
    this.#call?.abort();
  }

  begin(): void {
    const { method, headers, body, invocationId } = this.#request;
    const { compression, offload } = this.#endpoint;
    // A discovery is sent before anyone knows what the SDK can do, and its answer is small.
    if (method === 'GET') {
      this.#send(this.#request);
      return;
    }
    const event = {
      ...this.#request,
      headers: compression === undefined ? headers : { ...headers, ...ZSTD_OFFER },
    };
    const { compressFromBytes = COMPRESS_FROM_BYTES } = this.#options;
    const isOffloading =
      offload === true && this.#options.offload !== undefined && invocationId !== undefined;
    const isCompressing =
      compression !== undefined && body.length >= Math.min(compressFromBytes, FITTING_BYTES);
    if (isOffloading || isCompressing) this.#sendPrepared(event, isCompressing);
    else this.#send(event);
  }

  #sendPrepared(event: EventRequest, isCompressing: boolean): void {
    this.#prepare(event, isCompressing).then(
      prepared => {
        if (!this.#over) this.#send(prepared);
      },
      (error: unknown) => this.#finish(failureOf(error)),
    );
  }

  /** Compressed if it is large, in parts if it is still too large. */
  async #prepare(plain: EventRequest, isCompressing: boolean): Promise<EventRequest> {
    const { invocationId = '' } = this.#request;
    const offload = this.#endpoint.offload === true ? this.#options.offload : undefined;
    let headers = plain.headers;
    if (offload !== undefined) {
      this.#slot = await offload.slot(invocationId);
      headers = { ...headers, [UPLOAD_HEADER]: this.#slot.url };
    }
    let event: EventRequest = { ...plain, headers };
    if (isCompressing) {
      const body = await new Promise<Uint8Array>(resolve => compress(plain.body, resolve));
      event = { ...plain, headers: { ...headers, ...ZSTD_USED }, body };
    }
    if (offload === undefined || this.#over || bytesIfLarge(event) <= PAYLOAD_BYTES_MAX) return event;
    if (plain.body.length > OFFLOADED_BYTES_MAX) return event;
    this.#isPacked = true;
    const body = await offload.pack(invocationId, plain.body);
    return { ...plain, headers: { ...headers, [BODY_HEADER]: 'parts' }, body };
  }

  #send(event: EventRequest): void {
    const { arn, assumeRole } = this.#endpoint;
    const bytes = bytesIfLarge(event);
    if (bytes > PAYLOAD_BYTES_MAX) {
      const failure = tooLarge(this.#request.body.length, bytes, wayOut(this.#endpoint, this.#slot));
      this.#options.timers.soon(() => this.#finish(failure));
      return;
    }
    const request: LambdaRequest = {
      arn,
      payload: encodeEvent(event),
      timeoutMs: this.#limits.timeoutMs,
      ...(assumeRole === undefined ? undefined : { assumeRole }),
    };
    this.#call = this.#options.client.invoke(request, result => this.#receive(interpret(arn, result)));
  }

  #receive(result: ExchangeResult): void {
    if (result.kind !== 'response') this.#finish(result);
    else if (result.headers[BODY_SHA256_HEADER] !== undefined) this.#collect(result);
    else this.#open(result);
  }

  /** The answer is where it could be left. */
  #collect(response: HandlerResponse): void {
    const { offload } = this.#options;
    const slot = this.#slot;
    if (offload === undefined || slot === undefined) {
      const message = 'The answer was left in an object store, which was not offered for it.';
      this.#finish({ kind: 'failed', code: 'RT0012', message });
      return;
    }
    offload.collect(slot, response.headers, this.#limits.responseBytesMax).then(
      body => {
        const headers = without(response.headers, [BODY_SHA256_HEADER, BODY_BYTES_HEADER]);
        if (!this.#over) this.#open({ ...response, headers, body });
      },
      (error: unknown) => this.#finish(failureOf(error)),
    );
  }

  #open(response: HandlerResponse): void {
    // Asked for or not. Other encodings are for whoever reads the head to refuse.
    if (response.headers['content-encoding'] === 'zstd') this.#decompress(response);
    else this.#finish({ kind: 'response', ...response });
  }

  #decompress({ status, headers, body }: HandlerResponse): void {
    decompress(body, this.#limits.responseBytesMax, result => {
      if (result.kind === 'tooLarge') this.#finish(answerTooLarge(result.message));
      else if (result.kind === 'corrupt') this.#finish(answerCorrupt(result.message));
      else {
        const plain = without(headers, ['content-encoding']);
        this.#finish({ kind: 'response', status, headers: plain, body: result.bytes });
      }
    });
  }

  #finish(result: ExchangeResult): void {
    if (this.#over) return;
    const { responseBytesMax } = this.#limits;
    if (result.kind === 'response' && result.body.length > responseBytesMax) {
      this.#finish(answerTooLarge(`it has ${result.body.length} bytes, the limit is ${responseBytesMax}`));
      return;
    }
    if (result.kind === 'failed') this.#end();
    else this.#over = true;
    if (this.#isPacked && result.kind === 'response' && isRefusal(result)) this.#forget();
    this.#done(result);
  }

  /** It may be that a stored part was not found: by a rule of the bucket, or by whoever cleaned up. */
  #forget(): void {
    this.#options.offload?.forget(this.#request.invocationId ?? '');
  }

  /** Without an answer: the function may have left one, or may still do so. */
  #end(): void {
    this.#over = true;
    if (this.#slot !== undefined) this.#options.offload?.suspect(this.#slot.invocationId);
  }
}

/** What the client's result is to an attempt. Pure. */
function interpret(arn: string, result: LambdaResult): ExchangeResult {
  // Failures and throttles are those of the port already.
  if (result.kind !== 'response') return result;
  const { functionError, payload } = result;
  if (functionError !== undefined) return classifyFunctionError(arn, functionError, payload);
  try {
    const { statusCode: status, headers, body } = decodeInvokeResponse(payload);
    return { kind: 'response', status, headers, body };
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return { kind: 'failed', code: error.code, message: error.message };
  }
}

/** An answer without progress: an error status, or a failure and nothing before it. */
const isRefusal = ({ status, body }: HandlerResponse): boolean =>
  status < 200 ||
  status > 299 ||
  (body.length > 1 && Buffer.from(body.buffer, body.byteOffset).readUInt16BE() === ErrorMessage.type);

/** The length of an event that may be too long; 0 of others. */
function bytesIfLarge(event: EventRequest): number {
  return event.body.length > FITTING_BYTES ? eventBytes(event) : 0;
}

function without(headers: HeaderMap, names: readonly string[]): HeaderMap {
  const rest: Record<string, string> = Object.create(null);
  for (const name of Object.keys(headers)) if (!names.includes(name)) rest[name] = headers[name] ?? '';
  return rest;
}

/** Of compression and the object store; anything else is a fault of the program. */
function failureOf(error: unknown): TransportFailure {
  if (!(error instanceof CodedError)) throw error;
  const { code, message } = error;
  // What is too large once will be so again.
  return { kind: 'failed', code, message, ...(code === 'RT0019' ? { deterministic: true } : undefined) };
}

function tooLarge(journalBytes: number, bytes: number, advice: string): TransportFailure {
  const message =
    `The journal of ${journalBytes} bytes takes ${bytes} bytes as a Lambda request, the limit is ` +
    `${PAYLOAD_BYTES_MAX}. ${advice}.`;
  return { kind: 'failed', code: 'HF_JOURNAL_TOO_LARGE', message, deterministic: true };
}

function wayOut({ offload }: LambdaAddress, slot: AnswerSlot | undefined): string {
  if (slot !== undefined) {
    return `Through the object store it may have ${OFFLOADED_BYTES_MAX}. Keep large values outside and pass references`;
  }
  return offload === true
    ? 'Give the orchestrator an object store (setting objectStore), which such journals then travel through'
    : 'Keep large values outside and pass references, or use an SDK that takes journals through an object store';
}

function answerTooLarge(what: string): TransportFailure {
  const message = `The answer is too large: ${what}. Keep large results outside and return references.`;
  return { kind: 'failed', code: 'RT0019', message, deterministic: true };
}

function answerCorrupt(what: string): TransportFailure {
  return { kind: 'failed', code: 'RT0012', message: `The answer cannot be decompressed: ${what}.` };
}
