/**
 * The composition root: settings in, a running orchestrator out. Everything is constructed here and nowhere else.
 */
import { createAdmin } from '../admin/admin.ts';
import { createIngress } from '../ingress/ingress.ts';
import { describeFunction } from '../invoker/function-lookup.ts';
import { assertAllowed, parseHttpAddress } from '../invoker/http-endpoint.ts';
import { createHttpTransport } from '../invoker/http-transport.ts';
import { createLambdaClient } from '../invoker/lambda-client.ts';
import { createLambdaTransport } from '../invoker/lambda-transport.ts';
import { createOffload, type Offload } from '../invoker/offload.ts';
import { createRequestIdentity } from '../invoker/request-identity.ts';
import type { RequestIdentity } from '../invoker/transport.ts';
import { createTransports } from '../invoker/transports.ts';
import { openFileLog } from '../log/file-log.ts';
import type { Log } from '../log/log.ts';
import { MemoryLogStorage, openMemoryLog } from '../log/memory-log.ts';
import { createS3Store } from '../objects/s3-store.ts';
import { LocalEngine } from '../partition/local-engine.ts';
import { Partition } from '../partition/partition.ts';
import type { ServiceDefaults } from '../partition/registration.ts';
import { createAddressGuard } from '../platform/address-guard.ts';
import { systemClock } from '../platform/clock.ts';
import { CodedError } from '../platform/error.ts';
import { type HttpServer, listen } from '../platform/http-server.ts';
import type { Logger } from '../platform/ports.ts';
import { systemRandom } from '../platform/random.ts';
import { readTextFile } from '../platform/text-file.ts';
import { systemTimers } from '../platform/timers.ts';
import { openMemoryStore } from '../store/memory-store.ts';
import { openSqliteStore } from '../store/sqlite-store.ts';
import type { Store } from '../store/store.ts';
import { bucketOf, hostRules } from './setting-types.ts';
import type { Settings } from './settings.ts';

export interface ServerOptions {
  readonly settings: Settings;
  /** The environment: AWS endpoints, regions and credentials. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
  /** Nothing can be acknowledged any more: the process must end, and the next one recovers. */
  readonly onFailure: (error: Error) => void;
}

export interface Server {
  readonly ingressUrl: string;
  readonly adminUrl: string;
  readonly partition: Partition;
  /** Finishes what is under way within the stop timeout, stores the state and lets go of the data directory. */
  stop(): Promise<void>;
}

const VERSION = '0.1.0';
const PARTITION = 0;
/** Operators' requests are short; one that is still being answered may end. */
const ADMIN_GRACE_MS = 1000;

/** What has been started, in order: how to take it back when a later step fails. */
type Undo = (() => Promise<void>)[];

export async function startServer(options: ServerOptions): Promise<Server> {
  const undo: Undo = [];
  try {
    return await start(options, undo);
  } catch (error) {
    // Whoever embeds the server may try again, and the directory has to be free for that.
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

async function start(options: ServerOptions, undo: Undo): Promise<Server> {
  const { settings, logger } = options;
  const clock = systemClock;
  const { close, partition, engine } = await startEngine(options, undo);
  const limits = { bodyBytesMax: settings.ingressBodyLimitBytes };
  const ingress = await listen({
    host: settings.ingressHost,
    port: settings.ingressPort,
    handler: createIngress({ engine, logger, clock, limits }),
  });
  undo.push(() => ingress.close(0));
  const ingressUrl = urlOf(ingress);
  const admin = await listen({
    host: settings.adminHost,
    port: settings.adminPort,
    handler: createAdmin({
      engine,
      logger,
      clock,
      version: VERSION,
      ingressEndpoint: ingressUrl,
      allowedHosts: isLoopback(settings.adminHost) ? [] : 'any',
    }),
  });
  const adminUrl = urlOf(admin);
  logger.info('server started', { ingress: ingressUrl, admin: adminUrl, durability: settings.durability });
  return {
    ingressUrl,
    adminUrl,
    partition,
    stop: () => stop(settings, logger, { ingress, admin, partition, close }),
  };
}

interface Engine {
  readonly close: () => Promise<void>;
  readonly partition: Partition;
  readonly engine: LocalEngine;
}

async function startEngine(options: ServerOptions, undo: Undo): Promise<Engine> {
  const { settings, env, logger, onFailure } = options;
  const clock = systemClock;
  const timers = systemTimers(clock);
  const random = systemRandom();
  const client = createLambdaClient({
    clock,
    timers,
    logger,
    env,
    maxConnections: settings.lambdaConcurrency,
  });
  undo.push(() => client.close());
  const identity = requestIdentity(settings, logger);
  const guard = createAddressGuard(hostRules(settings.httpEndpoints) ?? []);
  const http = createHttpTransport({ clock, timers, guard, maxConnections: settings.lambdaConcurrency });
  undo.push(() => http.close());
  const large = openOffload(options);
  undo.push(async () => large?.close());
  const lambda = createLambdaTransport({
    client,
    timers,
    ...(large === undefined ? {} : { offload: large.offload }),
  });
  const transports = createTransports(lambda, http);
  let engine: LocalEngine | undefined;
  // What is reserved ahead of the log keeps completions and timers moving; new work waits for room.
  const onSpaceLow = (isLow: boolean): void => {
    logger.warn(isLow ? 'disk full' : 'disk has room again', { directory: settings.dataDir });
    engine?.refuseNew(isLow ? 'the disk of the log is full' : undefined);
  };
  const log = await openLog(options, onSpaceLow);
  undo.push(() => log.close());
  const store = await openStore(settings);
  undo.push(() => store.close());
  const defaults = serviceDefaults(settings);
  const partition = await Partition.open({
    log,
    store,
    clock,
    timers,
    random,
    logger,
    transports,
    identity,
    eagerStateBytesMax: settings.eagerStateLimitBytes,
    concurrencyLimit: settings.lambdaConcurrency,
    invokeTimeoutMs: settings.invokeTimeoutMs,
    defaults,
    flushIntervalMs: settings.storeFlushIntervalMs,
    onEnded: id => large?.offload.release(id),
    onFailure,
  });
  if (large !== undefined) sweep(large, partition, logger);
  // It closes log and store.
  undo.splice(-2, 2, () => partition.close());
  engine = new LocalEngine({
    partition,
    transports,
    identity,
    clock,
    random,
    defaults,
    protocolVersionMax: settings.protocolVersionMax,
    httpAddress: uri => {
      const address = parseHttpAddress(uri);
      assertAllowed(address, guard);
      return address.uri;
    },
    lookUpFunction: arn => describeFunction(arn, env),
  });
  const close = async (): Promise<void> => {
    await Promise.all([client.close(), http.close(), large?.close()]);
  };
  return { close, partition, engine };
}

function requestIdentity(
  { requestIdentityKeyFile: path }: Settings,
  logger: Logger,
): RequestIdentity | undefined {
  if (path === '') return undefined;
  let pem: string;
  try {
    pem = readTextFile(path);
  } catch (cause) {
    const why = `the file named by requestIdentityKeyFile cannot be read: ${(cause as Error).message}`;
    throw new CodedError('HF_SETTINGS_INVALID', why, { cause });
  }
  const identity = createRequestIdentity(pem, systemClock);
  // What the handlers are to be told.
  logger.info('requests are signed', { publicKey: identity.publicKey });
  return identity;
}

interface LargePayloads {
  readonly offload: Offload;
  close(): Promise<void>;
}

/** Where payloads go that Lambda does not take; undefined: nowhere. */
function openOffload({ settings, env, logger }: ServerOptions): LargePayloads | undefined {
  const place = bucketOf(settings.objectStore);
  if (place === undefined) return undefined;
  const region = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'];
  if (region === undefined) {
    throw new CodedError('HF_SETTINGS_INVALID', 'objectStore needs AWS_REGION, the region of the bucket');
  }
  const clock = systemClock;
  const timers = systemTimers(clock);
  const store = createS3Store({ ...place, region, env, clock, timers, logger });
  const offload = createOffload({ store, timers, logger, random: systemRandom() });
  return {
    offload,
    close: async () => {
      offload.close();
      await store.close();
    },
  };
}

/** What an earlier process has left there. */
function sweep({ offload }: LargePayloads, partition: Partition, logger: Logger): void {
  const isActive = (id: string): boolean => partition.state.get('invocation', id) !== undefined;
  offload.sweep(isActive).then(
    deleted => logger.info('object store swept', { invocations: deleted }),
    // Nothing depends on it; the next start tries again.
    (error: unknown) => logger.warn('object store not swept', { error }),
  );
}

function openLog(
  { settings, onFailure }: ServerOptions,
  onSpaceLow: (isLow: boolean) => void,
): Promise<Log> | Log {
  if (settings.durability === 'memory') {
    return openMemoryLog(new MemoryLogStorage(), {
      onFailure,
      defer: step => systemTimers(systemClock).soon(step),
    });
  }
  return openFileLog({
    directory: `${settings.dataDir}/log`,
    partition: PARTITION,
    segmentBytes: settings.logSegmentSizeBytes,
    random: systemRandom(),
    onFailure,
    onSpaceLow,
  });
}

function openStore(settings: Settings): Promise<Store> | Store {
  if (settings.durability === 'memory') return openMemoryStore();
  return openSqliteStore({ path: `${settings.dataDir}/store.sqlite` });
}

function serviceDefaults(settings: Settings): ServiceDefaults {
  return {
    retryPolicy: {
      initialIntervalMs: settings.retryInitialIntervalMs,
      maxIntervalMs: settings.retryMaxIntervalMs,
      factor: settings.retryFactor,
      maxAttempts: settings.retryMaxAttempts,
      onMaxAttempts: settings.retryOnMaxAttempts,
    },
    idempotencyRetentionMs: settings.idempotencyRetentionMs,
    journalRetentionMs: settings.journalRetentionMs,
    workflowRetentionMs: settings.workflowRetentionMs,
    inactivityTimeoutMs: settings.inactivityTimeoutMs,
    abortTimeoutMs: settings.abortTimeoutMs,
  };
}

interface Running {
  readonly ingress: HttpServer;
  readonly admin: HttpServer;
  readonly partition: Partition;
  /** Connections to handlers. */
  readonly close: () => Promise<void>;
}

/**
 * Callers first, so that nothing new is accepted; then the attempts under way get their chance to be recorded.
 * What does not finish in time is taken up by the next start: an unfinished attempt is only repeated.
 */
async function stop(settings: Settings, logger: Logger, running: Running): Promise<void> {
  logger.info('server stopping', { attempts: running.partition.invoker.active });
  const drained = running.partition.drain(settings.stopTimeoutMs);
  // Nothing is started any more: who still waits when the last attempt has ended would wait in vain.
  await Promise.all([running.ingress.close(settings.stopTimeoutMs, drained), drained]);
  await running.admin.close(ADMIN_GRACE_MS);
  await running.partition.close();
  await running.close();
  logger.info('server stopped');
}

/** A listener that others can reach is named by names we cannot know. */
const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host.startsWith('127.');

const urlOf = ({ host, port }: HttpServer): string =>
  `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
