/**
 * The Local Lambda as a process: `node main.ts settings.json` (or `-` for standard input). Prints one line of
 * JSON when it is ready, `{ url, functions: [{ name, arn, version, versionArn }] }`, and one for each rebuild;
 * ends on SIGINT and SIGTERM. Each function is published at the start, so that there is a qualified ARN to
 * register.
 */

import { readFileSync } from 'node:fs';
import { CodedError } from '../../platform/error.ts';
import { fileLog, type LogSink, startLocalLambda } from './local-lambda.ts';
import { parseSettings } from './settings.ts';

const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

async function main(path: string | undefined): Promise<void> {
  if (path === undefined) {
    throw new CodedError('HF_LOCAL_LAMBDA_SETTINGS', 'name the settings file: main.ts <settings.json>');
  }
  const { logDir, ...settings } = parseSettings(read(path));
  const files = logDir === undefined ? undefined : fileLog(logDir);
  const toStderr: LogSink = ({ functionName, text }) => process.stderr.write(`${functionName} ${text}`);
  const lambda = await startLocalLambda({
    ...settings,
    log: files?.sink ?? toStderr,
    onRebuilt: rebuilt => say({ rebuilt }),
  });
  const functions = await Promise.all(
    settings.functions.map(async ({ name }) => {
      const { version, arn } = await lambda.publish(name);
      return { name, arn: lambda.arn(name), version, versionArn: arn };
    }),
  );
  const stop = async (): Promise<void> => {
    await lambda.close();
    files?.close();
    process.exit(0);
  };
  process.once('SIGINT', () => void stop());
  process.once('SIGTERM', () => void stop());
  say({ url: lambda.url, functions });
}

function read(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (error) {
    const problem = `cannot read the settings file: ${(error as Error).message}`;
    throw new CodedError('HF_LOCAL_LAMBDA_SETTINGS', problem, { cause: error });
  }
}

try {
  await main(process.argv[2]);
} catch (error) {
  if (!(error instanceof CodedError)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exit(1);
}
