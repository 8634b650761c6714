/**
 * Asking a deployment what it serves. Everything but the one call is pure, and `readDiscovery` serves HTTP
 * endpoints as well.
 */

import { CodedError } from '../platform/error.ts';
import { classifyFunctionError } from './aws-error.ts';
import { sdkErrorMessage } from './classify-response.ts';
import {
  decodeInvokeResponse,
  encodeDiscoveryEvent,
  type HeaderMap,
  type InvokeResponse,
} from './envelope.ts';
import type { LambdaClient, LambdaResult } from './lambda-client.ts';
import { type Manifest, parseManifest } from './manifest.ts';

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

export interface LambdaDiscovery {
  readonly arn: string;
  readonly protocol: ProtocolRange;
  /** Of the deployment, or of request identity. */
  readonly headers?: HeaderMap;
}

/**
 * Rejects with META0003 (no answer, or not a good one), META0012 (no common protocol version), META0013 (not a
 * manifest), META0015 (bidirectional streaming asked of Lambda), META0005 (reserved service name).
 */
export async function discoverLambda(client: LambdaClient, discovery: LambdaDiscovery): Promise<Manifest> {
  const { arn, headers, protocol } = discovery;
  const request = {
    arn,
    payload: encodeDiscoveryEvent(DISCOVERY_ACCEPT, headers),
    timeoutMs: DISCOVERY_TIMEOUT_MS,
  };
  const result = await new Promise<LambdaResult>(resolve => client.invoke(request, resolve));
  const manifest = readDiscovery(decodeResult(arn, result), protocol);
  if (manifest.protocolMode === 'BIDI_STREAM') {
    throw new CodedError(
      'META0015',
      `'${arn}' asks for bidirectional streaming, which Lambda does not offer. ` +
        "Export the SDK's Lambda handler (request/response mode) from the function.",
    );
  }
  return manifest;
}

function decodeResult(arn: string, result: LambdaResult): InvokeResponse {
  if (result.kind !== 'response') throw unreachable(result.message, result);
  if (result.functionError !== undefined) {
    throw unreachable(classifyFunctionError(arn, result.functionError, result.payload).message, result);
  }
  try {
    return decodeInvokeResponse(result.payload);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    throw new CodedError('META0013', `Discovery of '${arn}' failed: ${error.message}`, { cause: error });
  }
}

/** The manifest in a discovery response, from whichever transport. */
export function readDiscovery(response: InvokeResponse, protocol: ProtocolRange): Manifest {
  const { statusCode, headers, body } = response;
  if (statusCode !== 200) {
    const reason = sdkErrorMessage(body);
    throw unreachable(`status ${statusCode}${reason === undefined ? '' : `: ${reason}`}`);
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
  return manifest;
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
