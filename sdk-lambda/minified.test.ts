/** Bundled and minified, by esbuild and by terser, a function does the same, and its errors say as much. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  contentTypeOf,
  type DecodedFrame,
  decodeFrame,
  decodeFrames,
  encodeFrame,
  isCommand,
} from '@holdfast/protocol';
import { build } from 'esbuild';
import { minify } from 'terser';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { comparableFrames } from './comparable.testkit.ts';
import type { LambdaEvent, LambdaResponse } from './index.ts';
import { json, requestBody, runCommand, sleep, slept, text } from './journal.testkit.ts';
import { handler } from './minified-app.testkit.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-minified-'));
afterAll(() => rmSync(folder, { recursive: true }));

const eventOf = (scenario: string, entries: readonly Uint8Array[]): LambdaEvent => ({
  path: '/invoke/Shop/run',
  headers: { 'content-type': contentTypeOf(7) },
  body: Buffer.from(requestBody({ input: json(scenario), entries, start: { key: 'k' } })).toString('base64'),
  isBase64Encoded: true,
});
const failed = encodeFrame('RunCompletion', {
  completionId: 1,
  failure: { code: 402, message: 'declined', metadata: [] },
});
const framesOf = ({ body }: LambdaResponse) => decodeFrames(Buffer.from(body, 'base64'));
const decoded = (response: LambdaResponse | undefined): DecodedFrame[] =>
  response === undefined ? [] : framesOf(response).map(decodeFrame);
const commandsOf = (response: LambdaResponse | undefined) =>
  response === undefined ? [] : framesOf(response).filter(({ type }) => isCommand(type));

/** What a first attempt at everything records, and an attempt that finds all of it. */
let events: LambdaEvent[] = [];
let expected: LambdaResponse[] = [];
beforeAll(async () => {
  const recorded = commandsOf(await handler(eventOf('verbs', []), undefined));
  const last = recorded.map(decodeFrame).findLast(({ name }) => name === 'SleepCommand');
  if (last?.name !== 'SleepCommand') throw new Error('assertion: it ends with a sleep');
  events = [
    eventOf('verbs', []),
    eventOf('verbs', [...recorded.map(({ bytes }) => bytes), slept(last.message.resultCompletionId)]),
    eventOf('catches', [runCommand(1, 'charge'), failed]),
    eventOf('charges', [sleep(1)]),
    eventOf('charges', [runCommand(1, 'charge'), sleep(2)]),
    eventOf('nests', []),
  ];
  expected = [];
  for (const event of events) expected.push(await handler(event, undefined));
});

const entryPoint = fileURLToPath(new URL('minified-app.testkit.ts', import.meta.url));
/** Of the function that fails, counted from 1. */
const LINE =
  1 +
  readFileSync(entryPoint, 'utf8')
    .split('\n')
    .findIndex(line => line.startsWith('const chargeCard'));
const bundle = async (isMinified: boolean) => {
  const { outputFiles } = await build({
    entryPoints: [entryPoint],
    outfile: join(folder, 'app.mjs'),
    bundle: true,
    minify: isMinified,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: 'inline',
    sourcesContent: false,
  });
  return outputFiles[0]?.text ?? '';
};
const MINIFIERS = {
  esbuild: () => bundle(true),
  terser: async () => {
    const options = { module: true, toplevel: true, mangle: { toplevel: true } };
    const { code } = await minify(await bundle(false), {
      ...options,
      sourceMap: { content: 'inline', url: 'inline' },
    });
    return code ?? '';
  },
};

async function answers(
  minifier: keyof typeof MINIFIERS,
  flags: readonly string[],
): Promise<LambdaResponse[]> {
  const app = join(folder, `${minifier}.mjs`);
  writeFileSync(app, await MINIFIERS[minifier]());
  const script = `
    import { handler } from ${JSON.stringify(app)};
    const answers = [];
    for (const event of ${JSON.stringify(events)}) answers.push(await handler(event));
    process.stdout.write(JSON.stringify(answers));`;
  const args = [...flags, '--input-type=module', '--eval', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1 << 26 });
  return JSON.parse(stdout) as LambdaResponse[];
}

const errorIn = (response: LambdaResponse | undefined) => {
  const end = decoded(response).at(-1);
  if (end?.name !== 'Error') throw new Error(`expected an error, got ${end?.name}`);
  return end.message;
};
const valueIn = (response: LambdaResponse | undefined) => {
  const output = decoded(response).find(({ name }) => name === 'OutputCommand');
  return JSON.parse(text((output?.message as { value?: Uint8Array } | undefined)?.value));
};
/** With the place left out. */
const wording = (message: string) => message.replace(/ at [^"]*?:\d+:\d+\)?\./, '.');

test.each([
  ['esbuild', '--enable-source-maps'],
  ['esbuild', '--no-enable-source-maps'],
  ['terser', '--enable-source-maps'],
  ['terser', '--no-enable-source-maps'],
] as const)('minified by %s, run with %s', async (minifier, flag) => {
  const got = await answers(minifier, [flag]);
  const isMapped = flag === '--enable-source-maps';
  // Names are mangled; where there is no map, the place is the one in the bundle.
  const place = isMapped
    ? new RegExp(`minified-app\\.testkit\\.ts:${LINE}:\\d+`)
    : new RegExp(`${minifier}\\.mjs:\\d+:\\d+`);

  expect(comparableFrames(commandsOf(got[0]))).toEqual(comparableFrames(commandsOf(expected[0])));
  expect(commandsOf(got[0]).length).toBeGreaterThan(20);
  expect(decoded(got[1])).toEqual(decoded(expected[1]));

  const { stack, ...caught } = valueIn(got[2]);
  expect(caught).toEqual({
    isTerminal: true,
    text: 'TerminalError: declined',
    name: 'TerminalError',
    message: 'declined',
    code: 402,
  });
  expect(stack).toMatch(/^TerminalError: declined\n/);
  expect(stack).toMatch(place);

  for (const [index, says] of [
    [3, 'does run "charge"'],
    [4, 'waits for run "charge"'],
  ] as const) {
    const { message, stacktrace } = errorIn(got[index]);
    expect(message).toContain(`the code now ${says} at `);
    expect(message).toMatch(place);
    expect(wording(message)).toBe(wording(errorIn(expected[index]).message));
    expect(stacktrace).toMatch(place);
  }
  const nested = errorIn(got[5]);
  expect(nested.message).toBe(errorIn(expected[5]).message);
  expect(nested.stacktrace).toMatch(place);
});
