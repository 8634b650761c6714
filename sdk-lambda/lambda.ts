/** The AWS Lambda adapter: the event of an Invoke in, its response out. Clock and base64 come from the platform. */
import { refuseDefinition } from './coded-error.ts';
import { type AnyDefinition, createEndpoint, Endpoint } from './endpoint.ts';
import { handleRequest } from './http.ts';
import type { LoggerTransport } from './logger.ts';
import type { DefaultServiceOptions } from './options.ts';

export interface EndpointOptions {
  readonly services: readonly AnyDefinition[];
  readonly defaultServiceOptions?: DefaultServiceOptions | undefined;
  /** Gets what handlers write to `ctx.console`. */
  readonly logger?: LoggerTransport | undefined;
}

/** The event as the orchestrator sends it. `rawPath` is how API Gateway calls the path. */
export interface LambdaEvent {
  readonly path?: string;
  readonly rawPath?: string;
  readonly httpMethod?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string | null;
  readonly isBase64Encoded?: boolean;
}

export interface LambdaResponse {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly isBase64Encoded: true;
  readonly body: string;
}

export type LambdaHandler = (event: LambdaEvent, context: unknown) => Promise<LambdaResponse>;

/** The function to export as the Lambda handler. */
export function createEndpointHandler({
  services,
  defaultServiceOptions,
  logger,
  ...others
}: EndpointOptions): LambdaHandler {
  // Ignored in silence, the keys that requests are to be verified with would leave them unverified.
  for (const [name, value] of Object.entries(others)) {
    if (value !== undefined) refuseDefinition(`The endpoint has no option "${name}". Remove it.`);
  }
  const target = createEndpoint(services);
  target.defaults = defaultServiceOptions ?? {};
  target.logger = logger;
  return handlerOf(target);
}

export interface LambdaEndpoint {
  bind(definition: AnyDefinition): LambdaEndpoint;
  /** Of all services of this endpoint; theirs and their handlers' own win. */
  defaultServiceOptions(options: DefaultServiceOptions): LambdaEndpoint;
  setLogger(logger: LoggerTransport): LambdaEndpoint;
  handler(): LambdaHandler;
}

/** The same, one service at a time. */
export function endpoint(): LambdaEndpoint {
  const target = new Endpoint();
  const builder: LambdaEndpoint = {
    bind(definition) {
      target.add(definition);
      return builder;
    },
    defaultServiceOptions(options) {
      target.defaults = options;
      return builder;
    },
    setLogger(logger) {
      target.logger = logger;
      return builder;
    },
    handler: () => handlerOf(target),
  };
  return builder;
}

const now = (): number => Date.now();

function handlerOf(target: Endpoint): LambdaHandler {
  return async (event, context) => {
    const request = {
      path: event.path ?? event.rawPath ?? '/',
      headers: event.headers ?? {},
      body: Buffer.from(event.body ?? '', event.isBase64Encoded === true ? 'base64' : 'utf8'),
      extraArgs: [context],
    };
    const { status, headers, body } = await handleRequest(target, request, { now, logger: target.logger });
    return {
      statusCode: status,
      headers,
      isBase64Encoded: true,
      body: Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64'),
    };
  };
}
