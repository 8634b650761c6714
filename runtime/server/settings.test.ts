import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CodedError } from '../platform/error.ts';
import { parseSetting, type RawValue, type SettingType } from './setting-types.ts';
import { loadSettings, SETTINGS } from './settings.ts';
import { settingsGuide } from './settings-guide.ts';
import { readSettings, type SettingSources } from './settings-reader.ts';

function problemsOf(load: () => unknown): string {
  try {
    load();
  } catch (error) {
    if (error instanceof CodedError && error.code === 'HF_SETTINGS_INVALID') return error.message;
    throw error;
  }
  return 'none';
}

test('the defaults', () => {
  expect(loadSettings({ env: { HOME: '/root', HOLDFAST_CONFIG: 'x.json' } })).toEqual({
    dataDir: '.holdfast',
    durability: 'volume',
    ingressHost: '127.0.0.1',
    ingressPort: 8080,
    adminHost: '127.0.0.1',
    adminPort: 9070,
    ingressBodyLimitBytes: 33_554_432,
    logLevel: 'info',
    logFormat: 'json',
    logSegmentSizeBytes: 67_108_864,
    storeFlushIntervalMs: 1000,
    lambdaConcurrency: 1000,
    objectStore: '',
    httpEndpoints: '',
    requestIdentityKeyFile: '',
    protocolVersionMax: 7,
    invokeTimeoutMs: 930_000,
    inactivityTimeoutMs: 60_000,
    abortTimeoutMs: 600_000,
    eagerStateLimitBytes: 4 * 1024 * 1024,
    retryInitialIntervalMs: 500,
    retryFactor: 2,
    retryMaxIntervalMs: 60_000,
    retryMaxAttempts: 70,
    retryOnMaxAttempts: 'pause',
    idempotencyRetentionMs: 86_400_000,
    workflowRetentionMs: 86_400_000,
    journalRetentionMs: 86_400_000,
    stopTimeoutMs: 20_000,
  });
});

test('the environment overrides the file, the file the defaults', () => {
  const file = JSON.stringify({ ingressPort: 1, adminPort: 2, stopTimeout: 'PT5S', logSegmentSize: 1048576 });
  expect(loadSettings({ file, env: { HOLDFAST_INGRESS_PORT: '0' } })).toMatchObject({
    ingressPort: 0,
    adminPort: 2,
    stopTimeoutMs: 5000,
    logSegmentSizeBytes: 1_048_576,
    dataDir: '.holdfast',
  });
});

test.each<[problem: string, sources: SettingSources]>([
  [
    'ingressPort (environment variable HOLDFAST_INGRESS_PORT) is "http"; accepted: a port from 0 to 65535, where 0 takes a free one',
    { env: { HOLDFAST_INGRESS_PORT: 'http' } },
  ],
  ['ingressPort (settings file) is 65536; accepted: a port', { env: {}, file: '{"ingressPort": 65536}' }],
  ['stopTimeout (settings file) is 5; accepted: a duration such as', { env: {}, file: '{"stopTimeout": 5}' }],
  ['dataDir (settings file) is ["a"]; accepted', { env: {}, file: '{"dataDir": ["a"]}' }],
  ['dataDir (settings file) is null; leave it out', { env: {}, file: '{"dataDir": null}' }],
  [
    'HOLDFAST_DATA_DIR) is ""; accepted: a path',
    { env: { HOLDFAST_DATA_DIR: '' }, file: '{"dataDir": "a"}' },
  ],
  [
    'the settings file has "ingresPort", which is no setting; did you mean ingressPort?',
    { env: {}, file: '{"ingresPort": 1}' },
  ],
  ['the settings file has "frobnicate", which is no setting', { env: {}, file: '{"frobnicate": 1}' }],
  ['the settings file has "__proto__", which', { env: {}, file: '{"__proto__": {"ingressPort": 1}}' }],
  [
    'environment variable HOLDFAST_DATADIR is no setting; did you mean HOLDFAST_DATA_DIR?',
    { env: { HOLDFAST_DATADIR: 'x' } },
  ],
  ['the settings file is not JSON', { env: {}, file: '{"ingressPort": 1' }],
  ['the settings file is JSON, but not an object', { env: {}, file: '[]' }],
  [
    'retryMaxInterval is shorter than retryInitialInterval',
    { env: { HOLDFAST_RETRY_MAX_INTERVAL: '100ms' } },
  ],
  ['ingressPort and adminPort are both 9070', { env: { HOLDFAST_INGRESS_PORT: '9070' } }],
])('%s', (problem, sources) => {
  expect(problemsOf(() => loadSettings(sources))).toContain(problem);
});

test('all problems are reported at once', () => {
  const env = { HOLDFAST_LOG_LEVEL: 'loud', HOLDFAST_DURABILITY: 'disk', HOLDFAST_X: '1' };
  expect(problemsOf(() => loadSettings({ env }))).toMatch(/HOLDFAST_X.*\n.*durability.*\n.*logLevel/);
});

test('the value of a secret is not shown, wherever it came from', () => {
  const table = { key: { type: { kind: 'url' }, default: 'http://a', doc: '', secret: true } } as const;
  const shown = [
    problemsOf(() => readSettings(table, { env: { HOLDFAST_KEY: 'marker' } })),
    problemsOf(() => readSettings(table, { env: {}, file: '{"key": "marker"}' })),
    problemsOf(() => readSettings(table, { env: {}, file: '{"key": "marker" marker' })),
  ].join('\n');
  expect(shown).toContain('key (settings file) is a value that is not shown; accepted: an http');
  expect(shown).not.toContain('marker');
});

const types: readonly [SettingType, RawValue, RawValue | undefined][] = [
  [{ kind: 'port' }, '443', 443],
  [{ kind: 'port' }, '-1', undefined],
  [{ kind: 'port' }, '80.5', undefined],
  [{ kind: 'integer', min: 1 }, '0', undefined],
  [{ kind: 'integer' }, '0x10', undefined],
  [{ kind: 'integer' }, -1, undefined],
  [{ kind: 'number' }, '1.5', 1.5],
  [{ kind: 'number' }, 'NaN', undefined],
  [{ kind: 'number' }, true, undefined],
  [{ kind: 'bytes' }, '32MiB', 33_554_432],
  [{ kind: 'bytes' }, '64 MB', 64_000_000],
  [{ kind: 'bytes' }, '1gib', 1_073_741_824],
  [{ kind: 'bytes' }, '12', 12],
  [{ kind: 'bytes' }, 12.5, undefined],
  [{ kind: 'bytes' }, '12 M', undefined],
  [{ kind: 'bytes', max: 10 }, '11', undefined],
  [{ kind: 'duration', min: 10 }, '9ms', undefined],
  [{ kind: 'duration' }, '60 sec', 60_000],
  [{ kind: 'boolean' }, 'true', true],
  [{ kind: 'boolean' }, false, false],
  [{ kind: 'boolean' }, '1', undefined],
  [{ kind: 'enum', values: ['a'] }, 'A', undefined],
  [{ kind: 'host' }, '::1', '::1'],
  [{ kind: 'host' }, '0.0.0.0', '0.0.0.0'],
  [{ kind: 'host' }, 'ip-10-0-0-1.ec2.internal', 'ip-10-0-0-1.ec2.internal'],
  [{ kind: 'host' }, 'localhost:80', undefined],
  [{ kind: 'host' }, '-a', undefined],
  [{ kind: 'host' }, '256.0.0.1', undefined],
  [{ kind: 'host' }, '1::2::3', undefined],
  [{ kind: 'url' }, 'https://a/b', 'https://a/b'],
  [{ kind: 'url' }, 'ftp://a', undefined],
  [{ kind: 'url' }, 'http://user:pw@a', undefined],
  [{ kind: 'path' }, '', undefined],
  [{ kind: 'path', optional: true }, '', ''],
  [{ kind: 'path', optional: true }, 'a\0b', undefined],
  [{ kind: 'hosts' }, '', ''],
  [
    { kind: 'hosts' },
    'a.internal, *.b.internal,10.0.0.0/8,localhost',
    'a.internal, *.b.internal,10.0.0.0/8,localhost',
  ],
  [{ kind: 'hosts' }, 'http://a', undefined],
  [{ kind: 'hosts' }, 'a.internal, *', undefined],
  [{ kind: 'hosts' }, 7, undefined],
  [{ kind: 's3' }, '', ''],
  [{ kind: 's3' }, 's3://bucket/a/b', 's3://bucket/a/b'],
  [{ kind: 's3' }, 's3://b', undefined],
  [{ kind: 's3' }, 'https://bucket', undefined],
  [{ kind: 's3' }, 's3://bucket/a?b', undefined],
];

test.each(types)('%j reads %j as %j', (type, raw, value) => {
  expect(parseSetting(type, raw)).toBe(value);
});

test('the guide shows the table', () => {
  const path = join(import.meta.dirname, '../../docs/guides/settings.md');
  const guide = settingsGuide(SETTINGS);
  if (process.env['UPDATE_GUIDE'] === '1') writeFileSync(path, guide);
  expect(readFileSync(path, 'utf8')).toBe(guide);
});
