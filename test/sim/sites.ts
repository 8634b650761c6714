/**
 * Where handlers are deployed: the first site stays, the second comes and goes. The seed chooses how each is reached,
 * which versions of the protocol its SDK speaks and, for the second, which services it offers.
 */

import type { Endpoint } from '../../runtime/core/model.ts';
import type { Address } from '../../runtime/partition/engine.ts';
import { addressOf } from '../../runtime/partition/registration.ts';
import type { SimRandom } from './random.ts';

export interface Site {
  /** As the engine's checks of addresses have it. */
  readonly name: string;
  readonly address: Address;
  readonly isBidirectional: boolean;
  readonly maxProtocolVersion: number;
  /** Absent: all. */
  readonly services: readonly string[] | undefined;
}

export type Sites = readonly [first: Site, second: Site];

const LAMBDA = 'arn:aws:lambda:eu-central-1:123456789012:function:simulated:';
/** The first offers all of them. */
const PARTS: readonly (readonly string[] | undefined)[] = [
  undefined,
  ['alpha', 'ledger', 'flow'],
  ['beta', 'vault', 'raw'],
  ['alpha', 'beta', 'watchful'],
];

export function randomSites(random: SimRandom): Sites {
  return [randomSite(random, 1, undefined), randomSite(random, 2, random.pick(PARTS))];
}

const KINDS = { lambda: 3, http1: 1, http2: 0.5, bidi: 5 } as const;

function randomSite(random: SimRandom, number: number, services: Site['services']): Site {
  const kind = random.weighted(KINDS);
  const address: Address =
    kind === 'lambda'
      ? { kind, arn: `${LAMBDA}${number}` }
      : { kind: 'http', uri: `http://site${number}.simulated/base`, http: kind === 'http1' ? 1 : 2 };
  return {
    name: addressOf(address),
    address,
    isBidirectional: kind === 'bidi',
    maxProtocolVersion: random.pick([5, 6, 7, 7, 7]),
    services,
  };
}

export function siteOf(sites: Sites, endpoint: Endpoint): Site {
  const site = sites.find(({ name }) => name === addressOf(endpoint));
  if (site === undefined) throw new Error(`assertion failed: there is no site ${addressOf(endpoint)}`);
  return site;
}
