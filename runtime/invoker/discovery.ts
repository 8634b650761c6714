/**
 * Asking a deployment what it serves. Everything but the one exchange is pure.
 */

import type { Endpoint } from '../core/model.ts';
import { CodedError } from '../platform/error.ts';
import { sdkErrorMessage } from './classify-response.ts';
import type { HeaderMap } from './envelope.ts';
import { MANIFEST_BYTES_MAX, type Manifest, parseManifest } from './manifest.ts';
import type {
  ExchangeResult,
  HandlerRequest,
  HandlerResponse,
  RequestIdentity,
  Transport,
} from './transport.ts';

/** An SDK answers with the highest version it finds in the list and knows. */
const MANIFEST_TYPES = [1, 2, 3, 4].map(n => `application/vnd.restate.endpointmanifest.v${n}+json`);
export const DISCOVERY_ACCEPT = MANIFEST_TYPES.join(', ');

/** A cold start with a large bundle, and then some. */
const DISCOVERY_TIMEOUT_MS = 60_000;

/** The versions of the service protocol that the orchestrator speaks. */
export interface ProtocolRange {
  readonly min: number;
  readonly max: number;
}

export interface Discovery {
  readonly address: Endpoint;
  /** The deployment's own. */
  readonly headers: HeaderMap;
  readonly identity?: RequestIdentity | undefined;
  readonly protocol: ProtocolRange;
}

/** A manifest, and what the answer says beside it. */
export interface Discovered extends Manifest {
  /** The SDK fetches and leaves bodies that exceed a Lambda payload in the object store. */
  readonly offload?: true;
}

const NOTHING = new Uint8Array();

/**
 * Rejects with META0003 (no answer, or not a good one), META0012 (no common protocol version), META0013 (not a
 * manifest), META0015 (bidirectional streaming asked of Lambda), META0005 (reserved service name).
 */
export async function discover(transport: Transport, discovery: Discovery): Promise<Discovered> {
  const { address, headers, identity, protocol } = discovery;
  const path = '/discover';
  const request: HandlerRequest = {
    method: 'GET',
    path,
    headers: { accept: DISCOVERY_ACCEPT, ...identity?.headersFor(path), ...headers },
    body: NOTHING,
  };
  const limits = { responseBytesMax: MANIFEST_BYTES_MAX, timeoutMs: DISCOVERY_TIMEOUT_MS };
  const result = await new Promise<ExchangeResult>(resolve => transport.exchange(request, limits, resolve));
  const manifest = readDiscovery(answerOf(result), protocol);
  if (address.kind === 'lambda' && manifest.protocolMode === 'BIDI_STREAM') {
    throw new CodedError(
      'META0015',
      `'${address.arn}' asks for bidirectional streaming, which Lambda does not offer. ` +
        "Export the SDK's Lambda handler (request/response mode) from the function.",
    );
  }
  return manifest;
}

function answerOf(result: ExchangeResult): HandlerResponse {
  if (result.kind === 'response') return result;
  if (result.kind === 'throttled') throw unreachable('it is throttled');
  if (result.code === 'RT0012') throw new CodedError('META0013', `Discovery failed: ${result.message}`);
  // What the orchestrator itself refuses, it refuses by its own name.
  if (result.code.startsWith('HF_')) throw new CodedError(result.code, result.message);
  throw unreachable(result.message);
}

/** The manifest in a discovery response, from whichever transport. */
export function readDiscovery(response: HandlerResponse, protocol: ProtocolRange): Discovered {
  const { status, headers, body } = response;
  if (status !== 200) {
    const redirect = status >= 300 && status < 400;
    const reason = redirect
      ? 'redirects are not followed, register where it leads to'
      : sdkErrorMessage(body);
    throw unreachable(`status ${status}${reason === undefined ? '' : `: ${reason}`}`);
  }
  const contentType = headers['content-type'] ?? '';
  if (!MANIFEST_TYPES.includes(contentType)) {
    throw new CodedError(
      'META0013',
      `The discovery response has the content type '${contentType.slice(0, 100)}', which is no endpoint manifest. ` +
        'Is this the handler of a Restate or Holdfast SDK?',
    );
  }
  const manifest = parseManifest(body, headers['x-restate-server']);
  if (pickProtocolVersion(manifest, protocol) === undefined) {
    throw new CodedError(
      'META0012',
      `The deployment speaks service protocol ${manifest.minProtocolVersion} to ${manifest.maxProtocolVersion}, ` +
        `the orchestrator ${protocol.min} to ${protocol.max}. Update the older of the two.`,
    );
  }
  return headers['x-holdfast-offload'] === '1' ? { ...manifest, offload: true } : manifest;
}

/** The highest version that both speak. */
export function pickProtocolVersion(
  sdk: Pick<Manifest, 'minProtocolVersion' | 'maxProtocolVersion'>,
  own: ProtocolRange,
): number | undefined {
  const picked = Math.min(sdk.maxProtocolVersion, own.max);
  return picked >= Math.max(sdk.minProtocolVersion, own.min) ? picked : undefined;
}

function unreachable(reason: string, cause?: unknown): CodedError {
  return new CodedError(
    'META0003',
    `Discovery failed: ${reason.replace(/\.+$/, '')}. The deployment must be deployed, callable and answer /discover.`,
    { cause },
  );
}
