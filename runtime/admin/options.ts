/** What the admin API is made with. */
import type { Operations } from '../partition/engine.ts';
import type { Clock, Logger } from '../platform/ports.ts';
import type { AllowedHosts } from './host.ts';

export interface AdminOptions {
  readonly engine: Operations;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly version: string;
  /** URL of the ingress, as callers reach it. */
  readonly ingressEndpoint: string;
  /** @default only `localhost` and loopback addresses */
  readonly allowedHosts?: AllowedHosts;
}
