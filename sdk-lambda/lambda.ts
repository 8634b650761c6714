/** The AWS Lambda adapter: the event of an Invoke in, its response out. Clock and base64 come from the platform. */
import { SdkUsageError } from './coded-error.ts';
import { type AnyDefinition, createEndpoint, Endpoint } from './endpoint.ts';
import { handleRequest } from './http.ts';

export interface EndpointOptions {
  readonly services: readonly AnyDefinition[];
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
export function createEndpointHandler({ services, ...others }: EndpointOptions): LambdaHandler {
  // Ignored in silence, the keys that requests are to be verified with would leave them unverified.
  for (const [name, value] of Object.entries(others)) {
    if (value === undefined) continue;
    throw new SdkUsageError('HF_SDK_DEFINITION', `The endpoint has no option "${name}". Remove it.`);
  }
  return handlerOf(createEndpoint(services));
}

export interface LambdaEndpoint {
  bind(definition: AnyDefinition): LambdaEndpoint;
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
    const { status, headers, body } = await handleRequest(target, request, { now });
    return {
      statusCode: status,
      headers,
      isBase64Encoded: true,
      body: Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64'),
    };
  };
}
