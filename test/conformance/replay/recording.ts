/**
 * Recorded scenarios in one shape, whichever transport they were recorded on: the calls of clients, and for each
 * request of the server to a handler a conversation, frame by frame in both directions.
 */
import { readdirSync } from 'node:fs';
import { readVector } from '../../../protocol/vectors.testkit.ts';

type Json = { readonly [key: string]: unknown };

export interface ClientCall {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** Absent where it was not recorded. */
  readonly answer?: { readonly status: number; readonly body: string; readonly id: string | undefined };
}

/** One step of a conversation; `end` closes a direction. */
export type Step =
  | { readonly from: 'server' | 'handler'; readonly frame: Uint8Array; readonly name: string }
  | { readonly from: 'server' | 'handler'; readonly end: true };

export interface Conversation {
  /** `/invoke/{service}/{handler}` */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** As it was recorded. */
  readonly invocationId: string;
  readonly answerHeaders: Readonly<Record<string, string>>;
  readonly steps: readonly Step[];
}

export interface Scenario {
  readonly name: string;
  readonly protocolVersion: number;
  readonly transport: 'lambda' | 'bidi' | 'http11';
  readonly calls: readonly ClientCall[];
  readonly conversations: readonly Conversation[];
}

const fromHex = (hex: unknown): Uint8Array => Uint8Array.from(Buffer.from(String(hex), 'hex'));
const list = (value: unknown): readonly Json[] => (value ?? []) as readonly Json[];
const lowered = (headers: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries((headers ?? {}) as Json).map(([name, value]) => [name.toLowerCase(), String(value)]),
  );

function clientCall(json: unknown): ClientCall[] {
  const { request, response } = json as { readonly request?: Json; readonly response?: Json };
  // Those that are summed up in a line are written by hand in `deviations.ts`.
  if (request === undefined || typeof request !== 'object') return [];
  const { method, url, headers, body } = request;
  const call = {
    method: String(method),
    url: String(url),
    headers: Object.entries(lowered(headers)),
    body: text(body),
  };
  if (response === undefined || typeof response !== 'object') return [call];
  const id = lowered(response['headers'])['x-restate-id'];
  return [{ ...call, answer: { status: Number(response['status']), body: text(response['body']), id } }];
}

const text = (body: unknown): string =>
  typeof body === 'string' ? body : body === null || body === undefined ? '' : JSON.stringify(body);

const steps = (from: Step['from'], frames: unknown): Step[] =>
  list(frames).map(each => ({ from, frame: fromHex(each['frame_hex']), name: String(each['name']) }));

function conversation(
  path: unknown,
  request: unknown,
  response: unknown,
  said: readonly Step[],
): Conversation {
  const headers = lowered(request);
  const invocationId = headers['x-restate-invocation-id'] ?? '';
  return { path: String(path), headers, invocationId, answerHeaders: lowered(response), steps: said };
}

/** The answer follows the request. */
function inTurn(
  path: unknown,
  request: unknown,
  response: unknown,
  asked: unknown,
  answered: unknown,
): Conversation {
  const said: Step[] = [
    ...steps('server', asked),
    { from: 'server', end: true },
    ...steps('handler', answered),
    { from: 'handler', end: true },
  ];
  return conversation(path, request, response, said);
}

function lambdaConversation(exchange: Json): Conversation {
  const event = exchange['lambda_event'] as Json;
  const response = exchange['lambda_response'] as Json;
  return inTurn(
    event['path'],
    event['headers'],
    response['headers'],
    exchange['request_frames'],
    exchange['response_frames'],
  );
}

function httpConversation({ request, response }: Json): Conversation {
  const { url, headers, frames } = request as Json;
  const answer = response as Json;
  return inTurn(url, headers, answer['headers'], frames, answer['frames']);
}

function streamConversation(stream: Json): Conversation {
  const headers = stream['request_headers'] as Json;
  const said = list(stream['events']).flatMap((event): Step[] => {
    const from = event['dir'] === 'server->sdk' ? 'server' : 'handler';
    if (event['end_stream'] === true) return [{ from, end: true }];
    return event['frame_hex'] === undefined ? [] : steps(from, [event]);
  });
  return conversation(headers[':path'], headers, stream['response_headers'], said);
}

function scenarioOf(file: string): Scenario {
  const json = readVector(file);
  const name = file.replace('.json', '');
  const streams = list(json['streams']).map(streamConversation);
  const exchanges = list(json['exchanges']).filter(
    ({ request }) => (request as Json)['frames'] !== undefined,
  );
  return {
    name,
    protocolVersion: Number(name[1]),
    transport: streams.length > 0 ? 'bidi' : exchanges.length > 0 ? 'http11' : 'lambda',
    calls: list(json['client_calls']).flatMap(clientCall),
    conversations: [
      ...list(json['lambda_exchanges']).map(lambdaConversation),
      ...streams,
      ...exchanges.map(httpConversation),
    ],
  };
}

const folder = new URL('../../../protocol/vectors/', import.meta.url);

export const scenarios: readonly Scenario[] = readdirSync(folder)
  .filter(file => /^v[567]-.*\.json$/.test(file))
  .sort()
  .map(scenarioOf);
