/**
 * Credentials of roles that deployments were registered with, one cache per role and external id.
 *
 * Invariants: those of the credential cache, so a role is assumed by one call of STS at a time, ahead of the expiry
 * of what it has; a role that cannot be assumed keeps nothing waiting but its own calls; the number of roles that are
 * held is bounded.
 */
import {
  type CredentialCache,
  type CredentialSource,
  createCredentialCache,
  currentCredentials,
  type Env,
} from '../platform/aws/credentials.ts';
import { CodedError } from '../platform/error.ts';
import type { Clock, Logger } from '../platform/ports.ts';

export interface AssumedRole {
  readonly arn: string;
  /** Without it a role that asks for one cannot be assumed (the confused deputy). */
  readonly externalId?: string;
}

export interface RoleOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Read for `AWS_ENDPOINT_URL_STS` and `AWS_ENDPOINT_URL`. */
  readonly env: Env;
}

const ROLES_MAX = 1000;

export interface Roles<T> {
  /** What `make` made of the role's credentials; `region` is that of the first call. */
  get(role: AssumedRole, region: string): T;
}

/** `own`: the credentials that roles are assumed with. */
export function createRoles<T>(
  own: CredentialCache,
  options: RoleOptions,
  make: (cache: CredentialCache) => T,
): Roles<T> {
  const held = new Map<string, T>();
  return {
    get(role, region) {
      // Neither an ARN nor an external id has a blank.
      const id = `${role.arn} ${role.externalId ?? ''}`;
      let found = held.get(id);
      if (found === undefined) {
        const source = sourceOf(role, region, own, options);
        found = make(createCredentialCache(source, { ...options, failed: cause => notAssumed(role, cause) }));
        // Deployments come and go; those still in use assume their roles once more.
        if (held.size >= ROLES_MAX) held.clear();
        held.set(id, found);
      }
      return found;
    },
  };
}

function sourceOf(
  role: AssumedRole,
  region: string,
  own: CredentialCache,
  { clock, env }: RoleOptions,
): CredentialSource {
  const endpoint = env['AWS_ENDPOINT_URL_STS'] || env['AWS_ENDPOINT_URL'];
  return async () => {
    const { fromTemporaryCredentials } = await import('@aws-sdk/credential-providers');
    // A provider of its own each time, because the session is named for when it began.
    const provider = fromTemporaryCredentials({
      masterCredentials: () => identityOf(own),
      params: {
        RoleArn: role.arn,
        RoleSessionName: `holdfast-${Math.floor(clock.now() / 1000)}`,
        ...(role.externalId === undefined ? {} : { ExternalId: role.externalId }),
      },
      clientConfig: {
        region,
        maxAttempts: 2,
        // One request an hour: no connection is kept for it.
        requestHandler: {
          connectionTimeout: 5_000,
          requestTimeout: 10_000,
          throwOnRequestTimeout: true,
          httpAgent: { keepAlive: false },
          httpsAgent: { keepAlive: false },
        },
        ...(endpoint ? { endpoint } : {}),
      },
    });
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = await provider();
    return { accessKeyId, secretAccessKey, sessionToken, expiresAtMs: expiration?.getTime() };
  };
}

interface Identity {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

async function identityOf(cache: CredentialCache): Promise<Identity> {
  const { accessKeyId, secretAccessKey, sessionToken } = await currentCredentials(cache);
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

function notAssumed(role: AssumedRole, cause: unknown): CodedError {
  // Without credentials of our own it is not the role that is at fault.
  if (cause instanceof CodedError) return cause;
  const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  const external =
    role.externalId === undefined ? 'no external id' : 'the external id it was registered with';
  return new CodedError(
    'HF_ASSUME_ROLE',
    `The role '${role.arn}' could not be assumed with ${external} (${reason.slice(0, 512)}). Its trust policy must ` +
      "allow sts:AssumeRole for the orchestrator's role, whose own policy must allow it as well.",
    { cause },
  );
}
