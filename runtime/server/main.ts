/**
 * `node runtime/server/main.ts [--config FILE]`: the orchestrator as a process. It needs a directory to write to,
 * and AWS credentials only when it first calls a function.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { systemClock } from '../platform/clock.ts';
import { CodedError } from '../platform/error.ts';
import { createLogger } from '../platform/logger.ts';
import type { Logger } from '../platform/ports.ts';
import { startServer } from './server.ts';
import { loadSettings, type Settings } from './settings.ts';

/** Nothing durable was lost: the next start recovers from the log. */
const EXIT_FAILED = 1;
/** Bad arguments or settings: starting again will not help. */
const EXIT_USAGE = 2;

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const why = `the settings file named by --config or HOLDFAST_CONFIG cannot be read: ${(cause as Error).message}`;
    throw new CodedError('HF_SETTINGS_INVALID', why, { cause });
  }
}

function readSettings(): Settings {
  const { values } = parseArgs({ options: { config: { type: 'string' } } });
  const path = values.config ?? process.env['HOLDFAST_CONFIG'];
  if (path === undefined) return loadSettings({ env: process.env });
  return loadSettings({ file: readFile(path), env: process.env });
}

function fail(logger: Logger, error: Error): never {
  logger.error('server failed', { error });
  process.exit(EXIT_FAILED);
}

let settings: Settings;
try {
  settings = readSettings();
} catch (error) {
  const code = error instanceof CodedError ? `${error.code}: ` : '';
  console.error(`${code}${error instanceof Error ? error.message : String(error)}`);
  if (code === '') console.error('usage: node runtime/server/main.ts [--config FILE]');
  process.exit(EXIT_USAGE);
}

const logger = createLogger({ level: settings.logLevel, style: settings.logFormat, clock: systemClock });
// A broken assertion may have left memory in any state; the log has not, so the next start is right.
process.on('uncaughtException', error => fail(logger, error));

const starting = startServer({ settings, env: process.env, logger, onFailure: error => fail(logger, error) });
let stopping = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, async () => {
    // Whoever asks twice does not want to wait; what is unfinished is taken up by the next start.
    if (stopping) process.exit(EXIT_FAILED);
    stopping = true;
    await (await starting).stop();
    process.exit(0);
  });
}
await starting.catch(error => fail(logger, error));
