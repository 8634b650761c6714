/**
 * The HTTP API for callers: invoke handlers, wait for and read results, complete awakeables. Administration is
 * not here: its routes are unknown services on this port.
 */
import type { Invocations } from '../partition/engine.ts';
import {
  type HttpAnswer,
  type HttpHandler,
  type HttpReply,
  type HttpRequest,
  headerOf,
} from '../platform/http-handler.ts';
import type { Clock, Logger } from '../platform/ports.ts';
import { ingressError, Refusal, sendPreflight, sendRefusal } from './answers.ts';
import { Held } from './held.ts';
import type { Call } from './operations.ts';
import { pathSegments } from './request.ts';
import { route } from './routes.ts';

export interface IngressLimits {
  /** @default 10_000 requests that wait for an answer; more get 429. */
  readonly maxHeld?: number;
  /** @default 32 MiB of request body; more gets 413. */
  readonly bodyBytesMax?: number;
  /** @default 256 MiB of bodies that the engine has and that are not durable yet; more get 429. */
  readonly heldBytesMax?: number;
}

export interface IngressOptions {
  readonly engine: Invocations;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly limits?: IngressLimits;
}

const MAX_HELD = 10_000;
const BODY_BYTES_MAX = 32 * 1024 * 1024;
const HELD_BYTES_MAX = 256 * 1024 * 1024;

export function createIngress(options: IngressOptions): HttpHandler {
  return new Ingress(options);
}

class Ingress implements HttpHandler {
  readonly bodyBytesMax: number;
  readonly #engine: Invocations;
  readonly #held: Held;

  constructor({ engine, logger, clock, limits }: IngressOptions) {
    this.bodyBytesMax = limits?.bodyBytesMax ?? BODY_BYTES_MAX;
    this.#engine = engine;
    const max = limits?.maxHeld ?? MAX_HELD;
    const bytesMax = limits?.heldBytesMax ?? HELD_BYTES_MAX;
    this.#held = new Held({ max, bytesMax }, clock, logger);
  }

  handle(request: HttpRequest, reply: HttpReply): void {
    const origin = headerOf(request, 'origin');
    const call: Call = { engine: this.#engine, held: this.#held, request, reply, origin };
    if (request.method === 'OPTIONS') {
      sendPreflight(
        call,
        headerOf(request, 'access-control-request-method'),
        headerOf(request, 'access-control-request-headers'),
      );
      return;
    }
    try {
      route(call, pathSegments(request.path));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      sendRefusal(call, error);
    }
  }

  refuse(status: number, message: string): HttpAnswer {
    const [headers, body] = ingressError(status, message);
    return { status, headers, body };
  }
}
