/**
 * Code written for the client of the Restate SDK compiles and does the same after a change of import: the same requests,
 * byte for byte but for the case of header names, and the same results.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Answer } from './official-calls.testkit.ts';
import { rows } from './official-style.testkit.ts';

const here = import.meta.dirname;
const modules = join(here, '../../node_modules');
const FILES = ['official-style.testkit.ts', 'official-calls.testkit.ts', 'handlers.testkit.ts'];
const OFFICIAL = {
  "'./index.ts'": "'@restatedev/restate-sdk-clients'",
  "'../index.ts'": "'@restatedev/restate-sdk'",
};

let folder: string;
let server: Server;
let url: string;
let officialRows: typeof rows;

/** What arrived, and what is answered next. */
let arrived: unknown[] = [];
let answers: readonly Answer[] = [];

/** Of the connection and of the runtime's `fetch`, the same for both. */
const NOT_OURS = [
  'host',
  'connection',
  'accept',
  'accept-language',
  'accept-encoding',
  'sec-fetch-mode',
  'user-agent',
];
const SENT = '{"invocationId":"inv_1abc","status":"Accepted"}';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'clients-'));
  symlinkSync(modules, join(folder, 'node_modules'));
  for (const file of FILES) {
    let text = readFileSync(join(here, file), 'utf8');
    for (const [ours, theirs] of Object.entries(OFFICIAL)) text = text.replaceAll(ours, theirs);
    expect(text).not.toContain('index.ts');
    writeFileSync(join(folder, file), text);
  }
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  ({ rows: officialRows } = await import(join(folder, FILES[0] ?? '')));

  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const headers = Object.entries(request.headers).filter(([name]) => !NOT_OURS.includes(name));
    const { method, url: path = '' } = request;
    arrived.push({
      method,
      path,
      headers: Object.fromEntries(headers.sort()),
      body: Buffer.concat(chunks).toString('hex'),
    });
    const [next = {}, ...rest] = answers;
    answers = rest;
    const { status = 200, headers: own, body = /\/send\b/.test(path) ? SENT : '"R"' } = next;
    if (next.hangs) return;
    response.writeHead(status, { 'x-restate-id': 'inv_1abc', 'content-type': 'application/json', ...own });
    response.end(body);
  });
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

async function played(row: (typeof rows)[number]) {
  arrived = [];
  answers = row.answers ?? [];
  const result = await row.play(url);
  return { result, requests: arrived };
}

test.for(rows.map(({ name }, index) => ({ name, index })))('$name', async ({ index }) => {
  const [ours, theirs] = [rows[index], officialRows[index]];
  if (ours === undefined || theirs === undefined) throw new Error('the rows are not the same');
  const expected = await played(theirs);
  expect(await played(ours)).toEqual(expected);
  expect(answers).toEqual([]);
});

test('it compiles with both', () => {
  const tsc = join(modules, '.bin/tsc');
  const options = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--allowImportingTsExtensions',
    '--skipLibCheck',
  ];
  const target = ['--module', 'nodenext', '--target', 'es2024', '--types', 'node'];
  for (const at of [here, folder])
    execFileSync(tsc, [...options, ...target, join(at, FILES[0] ?? '')], { stdio: 'pipe', cwd: folder });
});
