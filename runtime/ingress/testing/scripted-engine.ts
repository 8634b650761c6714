/**
 * Test support: an engine whose next answers a test writes down, and which remembers what it was asked. Shared by
 * the tests and the benchmark of the HTTP APIs; the real engine has its own.
 */
import { encodeInvocationId } from '@holdfast/protocol';
import type { Outcome } from '../../core/effect.ts';
import type {
  HandlerMetadata,
  InvocationId,
  Keyed,
  NotificationResult,
  ServiceMetadata,
  SignalId,
  Target,
} from '../../core/model.ts';
import type {
  Invocations,
  InvokeOutcome,
  InvokeRequest,
  OutputState,
  Reply,
  ResolvedHandler,
} from '../../partition/engine.ts';
import type { HeaderList, HttpHandler, HttpReply, HttpRequest } from '../../platform/http-handler.ts';

export const ID = encodeInvocationId(new Uint8Array(24).fill(7)) as InvocationId;

export function handlerMetadata(name: string, more: Partial<HandlerMetadata> = {}): HandlerMetadata {
  return {
    name,
    public: true,
    input: { required: false, contentType: 'application/json' },
    output: { contentType: 'application/json', setContentTypeIfEmpty: false },
    ...more,
  };
}

export function serviceMetadata(
  name: string,
  handlers: readonly HandlerMetadata[],
  more: Partial<ServiceMetadata> = {},
): ServiceMetadata {
  return {
    name,
    type: 'service',
    revision: 1,
    public: true,
    idempotencyRetentionMs: 86_400_000,
    journalRetentionMs: 86_400_000,
    workflowRetentionMs: 86_400_000,
    inactivityTimeoutMs: 60_000,
    abortTimeoutMs: 20_000,
    enableLazyState: false,
    retryPolicy: {
      initialIntervalMs: 500,
      maxIntervalMs: 60_000,
      factor: 2,
      maxAttempts: 70,
      onMaxAttempts: 'pause',
    },
    handlers,
    ...more,
  };
}

export class ScriptedEngine implements Invocations {
  readonly invoked: InvokeRequest[] = [];
  readonly signals: (readonly [InvocationId, SignalId, NotificationResult])[] = [];
  readonly idempotent: (readonly [Target, string])[] = [];
  readonly workflows: Keyed[] = [];
  readonly waiters = new Set<(reply: Reply) => void>();
  outcome: InvokeOutcome = { kind: 'accepted', id: ID };
  /** What waiting and reading find. */
  state: OutputState = { kind: 'pending' };
  /** The id that follows from an idempotency key or a workflow key. */
  idIs: InvocationId = ID;
  /** Holds back the callbacks of writes until `flush`. */
  deferred: (() => void)[] | undefined;
  readonly #services: ReadonlyMap<string, ServiceMetadata>;

  constructor(services: readonly ServiceMetadata[]) {
    this.#services = new Map(services.map(service => [service.name, service]));
  }

  service(name: string): ServiceMetadata | undefined {
    return this.#services.get(name);
  }
  serviceNames(): readonly string[] {
    return [...this.#services.keys()].sort();
  }
  resolve(serviceName: string, handlerName: string): ResolvedHandler | undefined {
    const service = this.#services.get(serviceName);
    const handler = service?.handlers.find(candidate => candidate.name === handlerName);
    if (service === undefined || handler === undefined) return undefined;
    return { service, handler };
  }
  invoke(request: InvokeRequest, done: (outcome: InvokeOutcome) => void): void {
    this.invoked.push(request);
    this.#later(() => done(this.outcome));
  }
  idempotentId(target: Target, idempotencyKey: string): InvocationId {
    this.idempotent.push([target, idempotencyKey]);
    return this.idIs;
  }
  workflowId(of: Keyed): InvocationId {
    this.workflows.push(of);
    return this.idIs;
  }
  awaitResult(_id: InvocationId, done: (reply: Reply) => void): (() => void) | undefined {
    if (this.state.kind === 'unknown') return undefined;
    if (this.state.kind === 'done') {
      done(this.state.reply);
      return () => {};
    }
    this.waiters.add(done);
    return () => this.waiters.delete(done);
  }
  output(): OutputState {
    return this.state;
  }
  signal(
    id: InvocationId,
    signal: SignalId,
    result: NotificationResult,
    done: (outcome: Outcome) => void,
  ): void {
    this.signals.push([id, signal, result]);
    this.#later(() => done('unknown'));
  }

  end(reply: Reply): void {
    for (const waiter of this.waiters) {
      this.waiters.delete(waiter);
      waiter(reply);
    }
  }
  flush(): void {
    for (const callback of this.deferred?.splice(0) ?? []) callback();
  }
  #later(callback: () => void): void {
    if (this.deferred === undefined) callback();
    else this.deferred.push(callback);
  }
}

export interface Sent {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** One request to a handler, without a socket. `sent` is the answer once there is one. */
export class Exchange implements HttpRequest, HttpReply {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: readonly (readonly [string, string])[];
  sent: Sent | undefined;
  readonly answered: Promise<Sent>;
  #answer: (sent: Sent) => void = () => {};
  #body: Uint8Array;
  #onClose: (() => void) | undefined;

  constructor(
    handler: HttpHandler,
    method: string,
    url: string,
    headers: readonly (readonly [string, string])[] = [],
    body: Uint8Array | string = '',
  ) {
    this.method = method;
    const [path = '', ...query] = url.split('?');
    this.path = path;
    this.query = query.join('?');
    this.headers = headers;
    this.#body = typeof body === 'string' ? new TextEncoder().encode(body) : body;
    this.answered = new Promise(resolve => {
      this.#answer = resolve;
    });
    handler.handle(this, this);
  }

  takeBody(): Uint8Array {
    return this.#body;
  }
  onClose(listener: () => void): void {
    this.#onClose = listener;
  }
  close(): void {
    this.#onClose?.();
  }
  send(status: number, headers: HeaderList, body: Uint8Array | string = ''): void {
    if (this.sent !== undefined) throw new Error('answered twice');
    const found: Record<string, string> = {};
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] as string;
      if (name in found) throw new Error(`two headers ${name}`);
      found[name] = headers[i + 1] as string;
    }
    const text = typeof body === 'string' ? body : new TextDecoder().decode(body);
    found['content-length'] = String(Buffer.byteLength(text));
    this.sent = { status, headers: found, body: text };
    this.#answer(this.sent);
  }
}
