/**
 * Routing of the service protocol's requests, without a server: path and headers in, status and body out. Any
 * prefix is allowed before the last segments, so that a stage or base path does not matter.
 *
 * Invariant: what may run user code, or tells what is deployed, is past the check of the request's identity before
 * anything else of it is looked at.
 */
import { contentTypeOf, ErrorMessage, ProtocolError, scratchFrame } from '@holdfast/protocol';
import { withPage } from './coded-error.ts';
import type { Definition, HandlerDefinition } from './definitions.ts';
import {
  type AdapterTraits,
  buildManifest,
  manifestContentType,
  negotiateManifest,
  VERSIONS,
} from './discovery.ts';
import type { Endpoint } from './endpoint.ts';
import { asError } from './errors.ts';
import {
  type AttemptRequest,
  type InvocationPorts,
  type InvocationRequest,
  runAttempt,
  undecodableMessage,
} from './invocation.ts';
import { USER_ERROR } from './machine/failure.ts';

/** A request without its body. */
export interface EndpointRequestHead {
  /** Ends in `/invoke/<service>/<handler>`, `/discover` or `/health`. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** A request of the server. */
export interface EndpointRequest extends EndpointRequestHead {
  /** A Start message and the journal; empty for a discovery. */
  readonly body: Uint8Array;
  /** As of `Request.extraArgs`. */
  readonly extraArgs?: unknown[];
}

/** The answer to it. */
export interface EndpointResponse {
  /** Of HTTP. */
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Frames of the protocol, or the manifest; text when the status is an error. */
  readonly body: Uint8Array;
}

/** A request that may go on to its body. */
export interface Opened {
  readonly service: Definition;
  readonly handler: HandlerDefinition;
  readonly version: number;
}

const SERVER_NAME = 'holdfast-sdk-lambda/0.1.0';
/** The last segments of a path. */
const ROUTE = /^[^?]*?\/(invoke\/([^/?]+)\/([^/?]+)|discover|health)\/*(?:\?|$)/;
const REQUEST_RESPONSE: AdapterTraits = { protocolMode: 'REQUEST_RESPONSE' };

/** A whole request. For simulators, tests and adapters that have it at once. */
export async function handleRequest(
  endpoint: Endpoint,
  { body, extraArgs, ...head }: EndpointRequest,
  ports: InvocationPorts,
): Promise<EndpointResponse> {
  const opened = await openRequest(endpoint, head, REQUEST_RESPONSE, ports.now);
  if ('status' in opened) return opened;
  return answer(opened, {
    ...ports,
    body,
    attemptHeaders: head.headers,
    ...(extraArgs === undefined ? {} : { extraArgs }),
  });
}

/** What a request asks for, or the answer to it when it asks for no attempt or is refused. Its body is not needed. */
export async function openRequest(
  endpoint: Endpoint,
  { path, headers }: EndpointRequestHead,
  traits: AdapterTraits,
  now: () => number,
): Promise<EndpointResponse | Opened> {
  const [, route, service, handler] = ROUTE.exec(`/${path}`) ?? [];
  if (!route) return refuse(404, `no route for ${path}`);
  if (route === 'health') return respond(200, 'text/plain', 'OK');
  const refusal = await endpoint.verify?.(headers, `/${route}`, now());
  if (refusal) return refuse(401, withPage(`${refusal}.`, 'HF_SDK_IDENTITY'));
  return service && handler
    ? find(endpoint, service, handler, headers['content-type'])
    : discover(endpoint, headers['accept'], traits);
}

function discover(
  endpoint: Endpoint,
  accept: string | string[] | undefined,
  traits: AdapterTraits,
): EndpointResponse {
  const version = negotiateManifest(String(accept));
  if (!version) return refuse(415, `unsupported accept: ${accept}`);
  const manifest = buildManifest(endpoint.services.values(), endpoint.defaults, version, traits);
  if (typeof manifest === 'string')
    return refuse(500, withPage(`Discovery version ${version} has no "${manifest}".`, 'HF_SDK_DISCOVERY'));
  return respond(200, manifestContentType(version), JSON.stringify(manifest), traits.headers);
}

async function find(
  endpoint: Endpoint,
  serviceName: string,
  handlerName: string,
  contentType: string | string[] | undefined,
): Promise<EndpointResponse | Opened> {
  const version = VERSIONS.find(known => contentType === contentTypeOf(known));
  if (!version) return refuse(415, `unsupported content-type: ${contentType}`);
  const service = endpoint.service(serviceName);
  const handler = service?.handler(handlerName, endpoint.defaults);
  if (!service || !handler) return refuse(404, `no handler ${serviceName}/${handlerName}`);
  try {
    return { service, handler: { ...handler, codec: await endpoint.codec?.() }, version };
  } catch (error) {
    return failure(version, asError(error).message);
  }
}

/** One attempt at an invocation, in process: what simulators and tests call. No transport, no timers. */
export async function handleInvocation(
  endpoint: Endpoint,
  invocation: InvocationRequest,
): Promise<EndpointResponse> {
  const found = await find(
    endpoint,
    invocation.service,
    invocation.handler,
    contentTypeOf(invocation.version),
  );
  return 'status' in found ? found : answer(found, invocation);
}

export async function answer(
  { service, handler, version }: Opened,
  invocation: AttemptRequest,
): Promise<EndpointResponse> {
  try {
    const body = await runAttempt(service, handler, version, invocation);
    return { status: 200, headers: answerHeaders(version), body };
  } catch (error) {
    if (error instanceof ProtocolError) return refuse(500, undecodableMessage(error));
    throw error;
  }
}

const encoder = new TextEncoder();
const headersOf = (contentType: string) => ({ 'content-type': contentType, 'x-restate-server': SERVER_NAME });
export const answerHeaders = (version: number): Readonly<Record<string, string>> =>
  headersOf(contentTypeOf(version));
const respond = (
  status: number,
  contentType: string,
  text: string,
  more?: AdapterTraits['headers'],
): EndpointResponse => ({
  status,
  headers: { ...headersOf(contentType), ...more },
  body: encoder.encode(text),
});
/** A failed attempt: what refuses the request itself would pause its invocation after a few times. */
export const failure = (version: number, message: string, code = USER_ERROR): EndpointResponse => ({
  status: 200,
  headers: answerHeaders(version),
  body: scratchFrame(ErrorMessage, { code, message }).slice(),
});
export const refuse = (status: number, message: string): EndpointResponse =>
  respond(status, 'application/json', JSON.stringify({ message }));
