/**
 * The object store in one S3 bucket, under a prefix: the AWS client for reading and writing, links signed here.
 *
 * Writes are conditional (`If-None-Match: *`), so that two writers of one key cannot both believe theirs is there.
 * The AWS client repeats what may be repeated and has timeouts; what still fails is `HF_OBJECT_STORE`.
 *
 * The client is imported at the first use, because loading it costs more than starting the orchestrator.
 */
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import {
  type CredentialSource,
  createCredentialCache,
  credentialsOf,
  currentCredentials,
  type Env,
} from '../platform/aws/credentials.ts';
import { type BucketAddress, createPresigner } from '../platform/aws/presign.ts';
import { CodedError } from '../platform/error.ts';
import type { Clock, Logger, Timers } from '../platform/ports.ts';
import { assertKey, type ObjectStore, objectStoreError } from './object-store.ts';

export interface S3StoreOptions {
  readonly bucket: string;
  /** In front of every key; empty, or with a slash at its end. */
  readonly prefix: string;
  readonly region: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Read for `AWS_ENDPOINT_URL_S3` and `AWS_ENDPOINT_URL`. */
  readonly env: Env;
  /** @default those in `env`, else the AWS SDK's chain for Node */
  readonly credentials?: CredentialSource;
}

/** Writers of one key at the same moment: the loser asks again until the winner is done. */
const CONFLICTS_MAX = 8;
const CONFLICT_DELAY_MS = 20;
/** A link ends with the credentials that signed it, and should last for the 15 minutes that a function may run. */
const RENEW_BEFORE_MS = 25 * 60_000;
/** What S3 deletes in one request. */
const DELETE_MAX = 1000;

export function createS3Store(options: S3StoreOptions): ObjectStore {
  return new S3Store(options);
}

class S3Store implements ObjectStore {
  readonly #options: S3StoreOptions;
  readonly #credentials;
  readonly #presigner;
  #client: Promise<Client> | undefined;
  #closed = false;

  constructor(options: S3StoreOptions) {
    if (options.prefix !== '') assertKey(options.prefix);
    this.#options = options;
    const { env, credentials = credentialsOf(env), clock, logger } = options;
    this.#credentials = createCredentialCache(credentials, { clock, logger, renewBeforeMs: RENEW_BEFORE_MS });
    this.#presigner = createPresigner(addressOf(options));
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const Key = this.#key(key);
    for (let conflicts = 0; ; conflicts++) {
      const refusal = await this.#attempt(`put '${key}' into`, ({ send, PutObject }) =>
        send(new PutObject({ ...this.#bucket, Key, Body: bytes, IfNoneMatch: '*' })).then(
          () => undefined,
          (error: unknown) => refusalOf(error),
        ),
      );
      if (refusal === undefined) return;
      if (refusal === 'exists') {
        const found = await this.get(key, Math.max(bytes.length, 1));
        if (found !== undefined && Buffer.compare(found, bytes) === 0) return;
        // It may have been deleted between the two.
        if (found !== undefined)
          throw objectStoreError(`'${key}' holds other bytes. Give each cluster its own prefix.`);
      }
      if (conflicts === CONFLICTS_MAX) {
        throw objectStoreError(`'${key}' could not be written: others write it at the same time.`);
      }
      await new Promise<void>(resolve => this.#options.timers.set(CONFLICT_DELAY_MS << conflicts, resolve));
    }
  }

  async get(key: string, bytesMax: number): Promise<Uint8Array | undefined> {
    const Key = this.#key(key);
    return this.#attempt(`get '${key}' from`, async ({ send, GetObject }) => {
      try {
        return await collect(key, await send(new GetObject({ ...this.#bucket, Key })), bytesMax);
      } catch (error) {
        if (error instanceof Error && error.name === 'NoSuchKey') return undefined;
        throw error;
      }
    });
  }

  async *list(prefix: string): AsyncGenerator<string> {
    const { prefix: own } = this.#options;
    const Prefix = this.#key(prefix);
    let ContinuationToken: string | undefined;
    do {
      const page = await this.#attempt(`list '${prefix}' of`, ({ send, ListObjects }) =>
        send(
          new ListObjects({ ...this.#bucket, Prefix, ...(ContinuationToken ? { ContinuationToken } : {}) }),
        ),
      );
      for (const { Key } of page.Contents ?? []) if (Key !== undefined) yield Key.slice(own.length);
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
  }

  async removeAll(prefix: string): Promise<void> {
    let batch: string[] = [];
    for await (const key of this.list(prefix)) {
      batch.push(key);
      if (batch.length < DELETE_MAX) continue;
      await this.#remove(batch);
      batch = [];
    }
    if (batch.length > 0) await this.#remove(batch);
  }

  async presignGet(key: string, seconds: number): Promise<string> {
    return this.#presign('GET', key, seconds);
  }

  async presignPut(key: string, seconds: number): Promise<string> {
    return this.#presign('PUT', key, seconds);
  }

  close(): void {
    this.#closed = true;
    void this.#client?.then(({ destroy }) => destroy());
  }

  async #remove(keys: readonly string[]): Promise<void> {
    const Objects = keys.map(key => ({ Key: this.#key(key) }));
    const { Errors } = await this.#attempt('delete from', ({ send, DeleteObjects }) =>
      send(new DeleteObjects({ ...this.#bucket, Delete: { Objects, Quiet: true } })),
    );
    const [first] = Errors ?? [];
    if (first === undefined) return;
    throw this.#failed('delete from', new Error(`${first.Code} for '${first.Key}': ${first.Message}`));
  }

  async #presign(method: 'GET' | 'PUT', key: string, seconds: number): Promise<string> {
    assertKey(key);
    const credentials = this.#credentials.peek() ?? (await currentCredentials(this.#credentials));
    return this.#presigner.presign(
      method,
      this.#options.prefix + key,
      seconds,
      credentials,
      this.#options.clock.now(),
    );
  }

  get #bucket(): { readonly Bucket: string } {
    return { Bucket: this.#options.bucket };
  }

  #key(key: string): string {
    assertKey(key);
    return this.#options.prefix + key;
  }

  async #attempt<T>(what: string, work: (client: Client) => Promise<T>): Promise<T> {
    if (this.#closed) throw objectStoreError('The object store was closed.');
    try {
      this.#client ??= connect(this.#options, () => currentCredentials(this.#credentials));
      return await work(await this.#client);
    } catch (error) {
      throw error instanceof CodedError ? error : this.#failed(what, error);
    }
  }

  #failed(what: string, cause: unknown): CodedError {
    const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    const { bucket, region } = this.#options;
    return objectStoreError(
      `Could not ${what} the bucket '${bucket}' in ${region} (${reason.slice(0, 512)}). Check that it exists, that ` +
        "the orchestrator's role may get, put, list and delete its objects, and that it can be reached.",
      cause,
    );
  }
}

/** What the AWS SDK is used for. */
interface Client {
  readonly send: S3Client['send'];
  readonly destroy: () => void;
  readonly PutObject: typeof import('@aws-sdk/client-s3').PutObjectCommand;
  readonly GetObject: typeof import('@aws-sdk/client-s3').GetObjectCommand;
  readonly ListObjects: typeof import('@aws-sdk/client-s3').ListObjectsV2Command;
  readonly DeleteObjects: typeof import('@aws-sdk/client-s3').DeleteObjectsCommand;
}

async function connect(
  { region, env, bucket }: S3StoreOptions,
  credentials: () => ReturnType<typeof currentCredentials>,
): Promise<Client> {
  const s3 = await import('@aws-sdk/client-s3');
  const endpoint = endpointOverride(env);
  const client = new s3.S3Client({
    region,
    credentials: async () => {
      const { accessKeyId, secretAccessKey, sessionToken } = await credentials();
      return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
    },
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 60_000, throwOnRequestTimeout: true },
    forcePathStyle: isPathStyle(bucket, endpoint),
    ...(endpoint === undefined ? {} : { endpoint }),
  });
  return {
    send: client.send.bind(client),
    destroy: () => client.destroy(),
    PutObject: s3.PutObjectCommand,
    GetObject: s3.GetObjectCommand,
    ListObjects: s3.ListObjectsV2Command,
    DeleteObjects: s3.DeleteObjectsCommand,
  };
}

function endpointOverride(env: Env): string | undefined {
  return env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL'] || undefined;
}

/** A bucket with a dot in its name matches no certificate as a host; others than AWS know no hosts of buckets. */
function isPathStyle(bucket: string, endpoint: string | undefined): boolean {
  return endpoint !== undefined || bucket.includes('.');
}

function addressOf({ bucket, region, env }: S3StoreOptions): BucketAddress {
  const override = endpointOverride(env);
  const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  const inPath = isPathStyle(bucket, override);
  const url = new URL(override ?? `https://${inPath ? '' : `${bucket}.`}s3.${region}.${suffix}`);
  const base = url.pathname.replace(/\/+$/, '');
  return { origin: url.origin, host: url.host, path: inPath ? `${base}/${bucket}/` : `${base}/`, region };
}

/** What S3 answers to a conditional write that has lost; anything else is thrown on. */
function refusalOf(error: unknown): 'exists' | 'conflict' {
  const name = error instanceof Error ? error.name : '';
  if (name === 'PreconditionFailed') return 'exists';
  if (name === 'ConditionalRequestConflict') return 'conflict';
  throw error;
}

async function collect(
  key: string,
  { Body, ContentLength }: GetObjectCommandOutput,
  bytesMax: number,
): Promise<Uint8Array> {
  // In Node it is a stream, whatever else the type allows.
  const stream = Body as AsyncIterable<Uint8Array> & { destroy(): void };
  const chunks: Uint8Array[] = [];
  let length = ContentLength ?? 0;
  if (length <= bytesMax) {
    length = 0;
    for await (const chunk of stream) {
      length += chunk.length;
      if (length > bytesMax) break;
      chunks.push(chunk);
    }
  }
  if (length <= bytesMax) return Buffer.concat(chunks, length);
  stream.destroy();
  throw objectStoreError(`'${key}' has ${length} bytes or more, ${bytesMax} are taken.`);
}
