/**
 * AWS credentials for the hot path: there at once when they are there, never awaited twice.
 *
 * Invariants: `peek` is synchronous and does no I/O; credentials are renewed in the background from
 * `RENEW_BEFORE_MS` before they expire, and the old ones serve until then; at most one renewal runs at a time;
 * after a failed one the next starts no sooner than `RETRY_MS` later, so that a broken metadata service is not
 * flooded by the calls that wait for it.
 */

import { CodedError } from '../platform/error.ts';
import type { Clock, Logger } from '../platform/ports.ts';
import type { Env } from './lambda-arn.ts';
import type { AwsCredentials } from './sigv4.ts';

export type CredentialSource = () => Promise<AwsCredentials>;

export interface CredentialCache {
  /** Credentials that have not expired, or undefined: then `load`. */
  peek(): AwsCredentials | undefined;
  /** Calls back, in a later turn, with credentials or `HF_AWS_CREDENTIALS`. */
  load(done: (result: AwsCredentials | CodedError) => void): void;
  /** AWS refused these: renew them before the next call. */
  refused(credentials: AwsCredentials): void;
}

const RENEW_BEFORE_MS = 5 * 60_000;
const RETRY_MS = 5_000;

export function createCredentialCache(
  source: CredentialSource,
  ports: { readonly clock: Clock; readonly logger: Logger },
): CredentialCache {
  const { clock, logger } = ports;
  let current: AwsCredentials | undefined;
  let running = false;
  let failure: CodedError | undefined;
  let retryAtMs = 0;
  let waiting: ((result: AwsCredentials | CodedError) => void)[] = [];

  function finish(result: AwsCredentials | CodedError): void {
    running = false;
    if (result instanceof CodedError) {
      failure = result;
      retryAtMs = clock.monotonicMs() + RETRY_MS;
      logger.warn('aws credentials not loaded', { code: result.code, message: result.message });
    } else {
      failure = undefined;
      current = result;
    }
    const callbacks = waiting;
    waiting = [];
    for (const callback of callbacks) callback(result);
  }

  function renew(): void {
    if (running || (failure !== undefined && clock.monotonicMs() < retryAtMs)) return;
    running = true;
    source().then(finish, (error: unknown) => finish(notLoaded(error)));
  }

  return {
    peek() {
      const expiresAtMs = current?.expiresAtMs;
      if (expiresAtMs === undefined) return current;
      const leftMs = expiresAtMs - clock.now();
      if (leftMs < RENEW_BEFORE_MS) renew();
      return leftMs > 0 ? current : undefined;
    },
    load(done) {
      renew();
      if (running) waiting.push(done);
      else queueMicrotask(() => done(failure ?? notLoaded('no renewal is running')));
    },
    refused(credentials) {
      // Another call may have had them replaced already.
      if (credentials === current) {
        current = undefined;
        renew();
      }
    },
  };
}

/**
 * The credentials that `env` holds, which come first in the standard chain, or the rest of that chain. Read here, so
 * that a server that is handed an environment uses that one and not its process's.
 */
export function credentialsOf(env: Env): CredentialSource {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId || !secretAccessKey) return nodeProviderChain();
  const sessionToken = env['AWS_SESSION_TOKEN'];
  return () => Promise.resolve({ accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) });
}

/** The standard chain of AWS: environment, profile, SSO, web identity, container and instance metadata. */
export function nodeProviderChain(): CredentialSource {
  let provider: (() => Promise<ChainIdentity>) | undefined;
  return async () => {
    // Loaded at the first use: importing it costs more than starting everything else.
    const { fromNodeProviderChain } = await import('@aws-sdk/credential-providers');
    provider ??= fromNodeProviderChain();
    const identity = await provider();
    return {
      accessKeyId: identity.accessKeyId,
      secretAccessKey: identity.secretAccessKey,
      sessionToken: identity.sessionToken,
      expiresAtMs: identity.expiration?.getTime(),
    };
  };
}

interface ChainIdentity {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

function notLoaded(cause: unknown): CodedError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CodedError(
    'HF_AWS_CREDENTIALS',
    `No AWS credentials could be loaded (${reason}). Give the orchestrator a task role, or set a profile or ` +
      'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
    { cause },
  );
}
