/**
 * AWS credentials for the hot path: there at once when they are there, never awaited twice.
 *
 * Invariants: `peek` is synchronous and does no I/O; credentials are renewed in the background from some minutes
 * before they expire, and the old ones serve until then; at most one renewal runs at a time, one a minute;
 * after a failed one the next starts no sooner than `RETRY_MS` later, so that a broken metadata service is not
 * flooded by the calls that wait for it.
 */

import { CodedError } from '../error.ts';
import type { Clock, Logger } from '../ports.ts';
import type { AwsCredentials } from './sigv4.ts';

/** Variables by name, of the process or of whoever stands for it. */
export type Env = Readonly<Record<string, string | undefined>>;

export type CredentialSource = () => Promise<AwsCredentials>;

export interface CredentialCache {
  /** Credentials that have not expired, or undefined: then `load`. */
  peek(): AwsCredentials | undefined;
  /** Calls back, in a later turn, with credentials or the error of `failed`. */
  load(done: (result: AwsCredentials | CodedError) => void): void;
  /** AWS refused these: renew them before the next call. */
  refused(credentials: AwsCredentials): void;
}

export interface CredentialCacheOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** What a source that fails means. @default `HF_AWS_CREDENTIALS` */
  readonly failed?: (cause: unknown) => CodedError;
  /** How long before they expire new ones are asked for. @default 5 minutes */
  readonly renewBeforeMs?: number;
}

const RENEW_BEFORE_MS = 5 * 60_000;
const RETRY_MS = 5_000;
/** A source may have none that last longer yet. */
const RENEW_AGAIN_MS = 60_000;

export function createCredentialCache(
  source: CredentialSource,
  options: CredentialCacheOptions,
): CredentialCache {
  const { clock, logger, failed = notLoaded, renewBeforeMs = RENEW_BEFORE_MS } = options;
  let current: AwsCredentials | undefined;
  let running = false;
  let failure: CodedError | undefined;
  let retryAtMs = 0;
  let renewAtMs = 0;
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
      renewAtMs = clock.monotonicMs() + RENEW_AGAIN_MS;
    }
    const callbacks = waiting;
    waiting = [];
    for (const callback of callbacks) callback(result);
  }

  function renew(): void {
    if (running || (failure !== undefined && clock.monotonicMs() < retryAtMs)) return;
    running = true;
    source().then(finish, (error: unknown) => finish(failed(error)));
  }

  return {
    peek() {
      const expiresAtMs = current?.expiresAtMs;
      if (expiresAtMs === undefined) return current;
      const leftMs = expiresAtMs - clock.now();
      if (leftMs < renewBeforeMs && clock.monotonicMs() >= renewAtMs) renew();
      return leftMs > 0 ? current : undefined;
    },
    load(done) {
      renew();
      if (running) waiting.push(done);
      else queueMicrotask(() => done(failure ?? failed('no renewal is running')));
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

/** Those that are there, else those that a renewal brings; rejects with the error of `failed`. */
export function currentCredentials(cache: CredentialCache): Promise<AwsCredentials> {
  const current = cache.peek();
  if (current !== undefined) return Promise.resolve(current);
  return new Promise((resolve, reject) => {
    cache.load(result => (result instanceof CodedError ? reject(result) : resolve(result)));
  });
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
  let provider: ((options: { readonly forceRefresh: true }) => Promise<ChainIdentity>) | undefined;
  return async () => {
    // Loaded at the first use: importing it costs more than starting everything else.
    const { fromNodeProviderChain } = await import('@aws-sdk/credential-providers');
    provider ??= fromNodeProviderChain();
    // It is asked when new ones are wanted only, and would first give out those that it remembers.
    const identity = await provider({ forceRefresh: true });
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
