/** What a deployment says about itself, in its own words. */

import { readVector } from '../../../protocol/vectors.testkit.ts';
import { readDiscovery } from '../../../runtime/invoker/discovery.ts';
import type { Manifest } from '../../../runtime/invoker/manifest.ts';
import { CodedError } from '../../../runtime/platform/error.ts';
import { mutateJsonText } from '../mutate-json.ts';
import { demand, refusable, type Target, type Verdict } from '../target.ts';

const HEADERS = Object.assign(Object.create(null) as Record<string, string>, {
  'content-type': 'application/vnd.restate.endpointmanifest.v4+json',
  'x-restate-server': 'fuzz/1',
});
const NAME = /^[A-Za-z_][A-Za-z0-9._-]*$/;

function seeds(): Uint8Array[] {
  const { body } = readVector('lambda-discovery.json')['lambda_response'] as { readonly body: string };
  const recorded = JSON.parse(Buffer.from(body, 'base64').toString()) as {
    readonly services: readonly object[];
  };
  const all = recorded.services.map(service => ({ ...recorded, services: [service] }));
  const handler = {
    name: 'run',
    ty: 'WORKFLOW',
    input: { required: true, contentType: 'application/json', jsonSchema: { type: 'object' } },
    output: { contentType: 'application/json', setContentTypeIfEmpty: false, jsonSchema: true },
    documentation: 'd',
    metadata: { a: 'b' },
    inactivityTimeout: 1,
    abortTimeout: 2,
    journalRetention: 3,
    workflowCompletionRetention: 4,
    enableLazyState: true,
    ingressPrivate: false,
    retryPolicyInitialInterval: 5,
    retryPolicyMaxInterval: 6,
    retryPolicyMaxAttempts: 7,
    retryPolicyExponentiationFactor: 1.5,
    retryPolicyOnMaxAttempts: 'KILL',
  };
  const full = {
    protocolMode: 'REQUEST_RESPONSE',
    minProtocolVersion: 5,
    maxProtocolVersion: 7,
    services: [{ name: 'Wf', ty: 'WORKFLOW', handlers: [handler], metadata: { c: 'd' } }],
  };
  return [recorded, ...all, full].map(each => Buffer.from(JSON.stringify(each)));
}

function pass(body: Uint8Array): Verdict {
  const read = refusable(
    () => readDiscovery({ status: 200, headers: HEADERS, body }, { min: 5, max: 7 }),
    CodedError,
  );
  if ('error' in read) {
    demand(/^META\d{4}$/.test((read.error as CodedError).code), 'refused with a code of something else');
    return 'refused';
  }
  check(read.value);
  return 'accepted';
}

/** What everybody else may rely on. */
function check(manifest: Manifest): void {
  demand(manifest.minProtocolVersion <= manifest.maxProtocolVersion, 'the versions are the wrong way round');
  for (const { name, handlers, metadata } of manifest.services) {
    demand(NAME.test(name) && new Set(handlers.map(each => each.name)).size === handlers.length, 'bad names');
    demand(metadata === undefined || Object.getPrototypeOf(metadata) === null, 'metadata has a prototype');
    for (const { options } of [...handlers]) {
      for (const value of Object.values(options)) {
        demand(
          typeof value !== 'number' || (Number.isSafeInteger(value) && value >= 0),
          'a duration is none',
        );
      }
    }
  }
  // It is stored and shown.
  demand(typeof JSON.stringify(manifest) === 'string', 'it cannot be written');
}

export const createTarget = (): Target => ({ seeds: seeds(), mutate: mutateJsonText, pass });
