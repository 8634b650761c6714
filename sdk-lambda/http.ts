/**
 * Routing of the service protocol's requests, without a server: path and headers in, status and body out. Any
 * prefix is allowed before the last segments, so that a stage or base path does not matter.
 */
import { contentTypeOf, ProtocolError } from '@holdfast/protocol';
import {
  buildManifest,
  MAX_PROTOCOL,
  MIN_PROTOCOL,
  manifestContentType,
  negotiateManifest,
} from './discovery.ts';
import type { Endpoint } from './endpoint.ts';
import { type InvocationPorts, type InvocationRequest, runAttempt } from './invocation.ts';

export interface EndpointRequest {
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
  readonly extraArgs?: unknown[];
}

export interface EndpointResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export const SERVER_NAME = 'holdfast-sdk-lambda/0.1.0';
const INVOCATION_TYPE = /^application\/vnd\.restate\.invocation\.v(\d+)$/;

export async function handleRequest(
  endpoint: Endpoint,
  request: EndpointRequest,
  ports: InvocationPorts,
): Promise<EndpointResponse> {
  const segments = (request.path.split('?', 1)[0] ?? '').split('/').filter(segment => segment !== '');
  const [verb, service, handler] = segments.slice(-3);
  if (verb === 'invoke' && service !== undefined && handler !== undefined) {
    return invoke(endpoint, service, handler, request, ports);
  }
  const last = segments.at(-1);
  if (last === 'discover') return discover(endpoint, request.headers['accept']);
  if (last === 'health') return respond(200, 'text/plain', 'OK');
  return refuse(
    404,
    `no route for ${request.path}; there are /discover, /invoke/{service}/{handler} and /health`,
  );
}

function discover(endpoint: Endpoint, accept: string | undefined): EndpointResponse {
  const version = negotiateManifest(accept);
  if (version === undefined)
    return refuse(415, `unsupported discovery version: accept is ${accept ?? 'missing'}`);
  const result = buildManifest(endpoint.services, endpoint.defaults, version);
  if ('unsupported' in result) {
    return refuse(
      500,
      `the services use "${result.unsupported}", which discovery version ${version} lacks; upgrade the server or remove the option (HF_SDK_DISCOVERY)`,
    );
  }
  return respond(200, manifestContentType(version), JSON.stringify(result.manifest));
}

function invoke(
  endpoint: Endpoint,
  service: string,
  handler: string,
  { headers, body, extraArgs }: EndpointRequest,
  ports: InvocationPorts,
): EndpointResponse | Promise<EndpointResponse> {
  const contentType = headers['content-type'];
  const version = Number(INVOCATION_TYPE.exec(contentType ?? '')?.[1]);
  if (Number.isNaN(version))
    return refuse(415, `not an invocation: content-type is ${contentType ?? 'missing'}`);
  const extra = extraArgs === undefined ? {} : { extraArgs };
  return handleInvocation(endpoint, {
    ...ports,
    ...extra,
    service,
    handler,
    version,
    body,
    attemptHeaders: headers,
  });
}

/** One attempt at an invocation, in process: what simulators and tests call. No transport, no timers. */
export async function handleInvocation(
  endpoint: Endpoint,
  invocation: InvocationRequest,
): Promise<EndpointResponse> {
  const { version } = invocation;
  if (!(version >= MIN_PROTOCOL && version <= MAX_PROTOCOL)) {
    return refuse(415, `invocation version ${version} is outside ${MIN_PROTOCOL} to ${MAX_PROTOCOL}`);
  }
  const service = endpoint.service(invocation.service);
  const handler = service?.handler(invocation.handler, endpoint.defaults);
  if (service === undefined || handler === undefined) {
    return refuse(404, `no handler ${invocation.service}/${invocation.handler} is bound to this endpoint`);
  }
  try {
    const body = await runAttempt(service, handler, invocation);
    return { status: 200, headers: headersOf(contentTypeOf(version)), body };
  } catch (error) {
    if (error instanceof ProtocolError)
      return refuse(500, `the request body does not decode: ${error.message}`);
    throw error;
  }
}

const encoder = new TextEncoder();
const headersOf = (contentType: string) => ({ 'content-type': contentType, 'x-restate-server': SERVER_NAME });
const respond = (status: number, contentType: string, text: string): EndpointResponse => ({
  status,
  headers: headersOf(contentType),
  body: encoder.encode(text),
});
const refuse = (status: number, message: string): EndpointResponse =>
  respond(status, 'application/json', JSON.stringify({ message }));
