/**
 * The port between an attempt and the function or server that its handler runs in: one for Lambda, HTTP/1.1 and
 * HTTP/2. A transport moves bytes and says what went wrong with them; what an answer means is decided above.
 *
 * Invariants: a request is sent at most once; `done` and `onEnd` are called exactly once, never from within the call
 * that began the exchange, and not at all after `abort`; what goes wrong outside comes back as a value with a code,
 * never as an exception; no more of an answer is held than the limits allow.
 */
import type { Endpoint } from '../core/model.ts';
import type { HeaderMap } from './envelope.ts';

export interface HandlerRequest {
  readonly method: 'GET' | 'POST';
  /** `/discover` or `/invoke/{service}/{handler}`; the transport puts the deployment's own path before it. */
  readonly path: string;
  /** Names in lower case: content type, ids, request identity, the deployment's own. */
  readonly headers: HeaderMap;
  readonly body: Uint8Array;
  /** The invocation it is for, which what is stored for it belongs to. Absent for discoveries. */
  readonly invocationId?: string;
}

/** Lets handlers verify who calls them. Source: wire specification, section 7. */
export interface RequestIdentity {
  /** For a request of this path, and of this key of an object or workflow. */
  headersFor(path: string, key?: string): HeaderMap;
}

export interface ExchangeLimits {
  /** Of the answer, after decompression. More: RT0019. */
  readonly responseBytesMax: number;
  /** HTTP: the longest silence. Lambda: the longest wait for the answer. Longer: RT0001. */
  readonly timeoutMs: number;
}

export interface HandlerResponse {
  readonly status: number;
  /** Names in lower case; no prototype. */
  readonly headers: HeaderMap;
  /** Decompressed. */
  readonly body: Uint8Array;
}

/** There is no answer. */
export interface TransportFailure {
  readonly kind: 'failed';
  /** RT…, or HF_… where the orchestrator is at fault. */
  readonly code: string;
  readonly message: string;
  /** The host asked to wait so long. */
  readonly retryAfterMs?: number;
  /** The same request would fail the same way. */
  readonly deterministic?: boolean;
  /** Where it happened in the function. */
  readonly stack?: string;
}

export type ExchangeResult =
  | ({ readonly kind: 'response' } & HandlerResponse)
  | TransportFailure
  /** There was no room for it: it counts as not having been sent. */
  | { readonly kind: 'throttled'; readonly retryAfterMs?: number };

export interface Exchange {
  abort(): void;
}

export interface StreamEvents {
  /** Before any data. */
  onHead(status: number, headers: HeaderMap): void;
  onData(chunk: Uint8Array): void;
  /** The peer has closed its side in order, or there is no more of it. */
  onEnd(end: { readonly kind: 'ended' } | TransportFailure): void;
  /** What was written has been taken, after `write` returned false. */
  onDrain(): void;
}

/** A request whose body goes on, and an answer that comes meanwhile. */
export interface Stream extends Exchange {
  /** False: the peer reads too slowly, nothing should be written until `onDrain`. */
  write(bytes: Uint8Array): boolean;
  /** Closes the side of the request. */
  end(): void;
  /** Stops and starts reading, so that the peer is slowed down by flow control. */
  pause(): void;
  resume(): void;
}

export interface Transport {
  exchange(request: HandlerRequest, limits: ExchangeLimits, done: (result: ExchangeResult) => void): Exchange;
  /** `request.body` is the beginning. Only transports of bidirectional deployments have it. */
  stream?(request: HandlerRequest, events: StreamEvents): Stream;
}

/** The transports of all deployments; connections and credentials are shared where they can be. */
export interface Transports {
  of(endpoint: Endpoint): Transport;
}
