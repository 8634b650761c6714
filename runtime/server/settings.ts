/**
 * Every setting of the orchestrator. The environment variables, the type of `Settings`, the checks and the guide
 * (`docs/guides/settings.md`) follow from this table.
 */

import { readSettings, type SettingSources, type SettingsOf, type SettingTable } from './settings-reader.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 86_400 * SECOND;
const MIB = 2 ** 20;

export const SETTINGS = {
  dataDir: {
    type: { kind: 'path' },
    default: '.holdfast',
    doc: 'Directory of the log and the store. One orchestrator per directory.',
  },
  durability: {
    type: { kind: 'enum', values: ['memory', 'volume'] },
    default: 'volume',
    doc: 'What an acknowledgement survives: `memory` nothing, `volume` a crash of process or host.',
  },
  ingressHost: {
    type: { kind: 'host' },
    default: '127.0.0.1',
    doc: 'Address callers reach. Anything but loopback opens it to the network.',
  },
  ingressPort: { type: { kind: 'port' }, default: 8080, doc: 'Port for callers.' },
  adminHost: {
    type: { kind: 'host' },
    default: '127.0.0.1',
    doc: 'Address operators reach. Anything but loopback opens it to the network.',
  },
  adminPort: { type: { kind: 'port' }, default: 9070, doc: 'Port for operators.' },
  ingressBodyLimit: {
    // A request is one record of the log, headers and all, and a record is at most 64 MiB.
    type: { kind: 'bytes', min: 1024, max: 60 * MIB },
    default: '32MiB',
    doc: 'A larger request body is refused with status 413.',
  },
  logLevel: {
    type: { kind: 'enum', values: ['debug', 'info', 'warn', 'error'] },
    default: 'info',
    doc: 'Events below it are not written.',
  },
  logFormat: {
    type: { kind: 'enum', values: ['json', 'pretty'] },
    default: 'json',
    doc: 'Lines of JSON, or lines for a terminal.',
  },
  logSegmentSize: {
    type: { kind: 'bytes', min: MIB, max: 1024 * MIB },
    default: '64MiB',
    doc: 'Size of a file of the durable log, reserved when it is begun.',
  },
  storeFlushInterval: {
    type: { kind: 'duration', min: 10, max: 10 * MINUTE },
    default: '1s',
    doc: 'How often changed rows are written to the store. Longer: fewer writes, a longer restart.',
  },
  lambdaConcurrency: {
    type: { kind: 'integer', min: 1, max: 100_000 },
    default: 1000,
    doc: 'Invoke calls under way at once, for each deployment on Lambda.',
  },
  objectStore: {
    type: { kind: 's3' },
    default: '',
    doc: 'Where requests and answers beyond what Lambda takes go meanwhile, in the region of AWS_REGION. One prefix per orchestrator.',
  },
  httpEndpoints: {
    type: { kind: 'hosts' },
    default: '',
    doc: 'Hosts that deployments over HTTP may have. Without any, only Lambda functions can be registered.',
  },
  requestIdentityKeyFile: {
    type: { kind: 'path', optional: true },
    default: '',
    doc: 'PEM file with a PKCS#8 Ed25519 private key. With it, every request to a handler is signed.',
  },
  protocolVersionMax: {
    type: { kind: 'integer', min: 5, max: 7 },
    default: 7,
    doc: 'Newest version of the service protocol to agree on with deployments that are registered from now on.',
  },
  invokeTimeout: {
    type: { kind: 'duration', min: SECOND, max: DAY },
    default: '15m 30s',
    doc: 'An attempt that takes longer has failed. Default: what Lambda allows a function, and some slack.',
  },
  eagerStateLimit: {
    // What is left of Lambda's 6 MB is a further limit, applied where a request is made.
    type: { kind: 'bytes', min: 0, max: 32 * MIB },
    default: '4MiB',
    doc: 'State of an object or workflow sent along with each attempt. What exceeds it is read when it is asked for.',
  },
  inactivityTimeout: {
    type: { kind: 'duration', min: 0, max: DAY },
    default: '1m',
    doc: 'A handler over a bidirectional stream that neither sends nor gets anything for so long is suspended. Default for services that say nothing.',
  },
  abortTimeout: {
    type: { kind: 'duration', min: 0, max: DAY },
    default: '10m',
    doc: 'An attempt over HTTP that sends nothing for so long, while only its answer is awaited, has failed. Default for services that say nothing.',
  },
  retryInitialInterval: {
    type: { kind: 'duration', min: 1, max: DAY },
    default: '500ms',
    doc: 'Default retry policy: wait before the first retry.',
  },
  retryFactor: {
    type: { kind: 'number', min: 1, max: 100 },
    default: 2,
    doc: 'Default retry policy: each wait is the one before times this.',
  },
  retryMaxInterval: {
    type: { kind: 'duration', min: 1, max: 365 * DAY },
    default: '60s',
    doc: 'Default retry policy: the longest wait. Not below `retryInitialInterval`.',
  },
  retryMaxAttempts: {
    type: { kind: 'integer', min: 1 },
    default: 70,
    doc: 'Default retry policy: attempts, the first included.',
  },
  retryOnMaxAttempts: {
    type: { kind: 'enum', values: ['pause', 'kill'] },
    default: 'pause',
    doc: 'Default retry policy: what becomes of the invocation after the last attempt.',
  },
  idempotencyRetention: {
    type: { kind: 'duration', max: 3650 * DAY },
    default: '24h',
    doc: 'How long the result of an invocation with an idempotency key is kept.',
  },
  workflowRetention: {
    type: { kind: 'duration', max: 3650 * DAY },
    default: '24h',
    doc: 'How long the result, state and promises of a finished workflow are kept.',
  },
  journalRetention: {
    type: { kind: 'duration', max: 3650 * DAY },
    default: '24h',
    doc: 'How long the journal of a finished invocation is kept.',
  },
  stopTimeout: {
    type: { kind: 'duration', max: 10 * MINUTE },
    default: '20s',
    doc: 'How long a stop waits for requests and attempts under way. Keep it below what the platform waits.',
  },
} as const satisfies SettingTable;

export type Settings = SettingsOf<typeof SETTINGS>;

/** Throws `HF_SETTINGS_INVALID`. The caller reads the file that `--config` or `HOLDFAST_CONFIG` names. */
export function loadSettings(sources: SettingSources): Settings {
  return readSettings(SETTINGS, sources, contradictions);
}

function contradictions(settings: Settings): string[] {
  const found: string[] = [];
  if (settings.retryMaxIntervalMs < settings.retryInitialIntervalMs) {
    found.push('retryMaxInterval is shorter than retryInitialInterval');
  }
  const samePort = settings.ingressPort !== 0 && settings.ingressPort === settings.adminPort;
  if (samePort && settings.ingressHost === settings.adminHost) {
    found.push(`ingressPort and adminPort are both ${settings.adminPort}; callers and operators need two`);
  }
  return found;
}
