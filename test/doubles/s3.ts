/**
 * A double of AWS S3 for the real AWS client: path style, objects in memory. It checks the signature and the time of
 * every request and the checksum of every write, and conditional writes truly conflict: of those that run at the same
 * time one wins and the others get 409, later ones 412.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32 } from 'node:zlib';
import { type ReceivedRequest, refusalOf } from './s3-signature.ts';

export interface S3Double {
  readonly url: string;
  /** `bucket/key` to bytes. */
  readonly objects: Map<string, Buffer>;
  /** Method and path of each request. */
  readonly requests: string[];
  /** The next requests are answered with these statuses. */
  readonly failures: number[];
  /** Milliseconds that its clock is ahead of the machine's, for the time of links. */
  aheadMs: number;
  close(): Promise<void>;
}

export interface S3DoubleOptions {
  readonly secrets: Readonly<Record<string, string>>;
  readonly bucket: string;
  /** Keys in one page of a list. @default 1000 */
  readonly pageKeys?: number;
}

interface Call extends ReceivedRequest {
  /** `bucket/key`; the key may be empty. */
  readonly name: string;
  readonly response: ServerResponse;
}

export async function startS3(options: S3DoubleOptions): Promise<S3Double> {
  const server = createServer();
  const double: S3Double = {
    url: '',
    objects: new Map(),
    requests: [],
    failures: [],
    aheadMs: 0,
    async close() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
  const writing = new Set<string>();
  server.on('request', async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const url = new URL(request.url ?? '/', 'http://s3');
    const { method = '' } = request;
    const name = url.pathname.slice(1);
    const call: Call = { method, url, name, headers: request.headers, body: Buffer.concat(chunks), response };
    double.requests.push(`${method} ${url.pathname}`);
    const status = double.failures.shift();
    const refusal = refusalOf(call, options.secrets, Date.now() + double.aheadMs);
    if (status !== undefined) error(response, status, 'InternalError');
    else if (refusal !== undefined) error(response, 403, refusal);
    else if (name.split('/')[0] !== options.bucket) error(response, 404, 'NoSuchBucket');
    else if (method === 'PUT') await put(double, writing, call);
    else if (method === 'GET' && url.searchParams.get('list-type') === '2') list(double, options, call);
    else if (method === 'GET') get(double, call);
    else if (method === 'POST' && url.searchParams.has('delete')) remove(double, options, call);
    else error(response, 501, 'NotImplemented');
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(double, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

async function put({ objects }: S3Double, writing: Set<string>, call: Call): Promise<void> {
  const { name, headers, body, response } = call;
  const sum = headers['x-amz-checksum-crc32'];
  if (sum !== undefined && sum !== crc32Base64(body)) {
    error(response, 400, 'BadDigest');
    return;
  }
  if (headers['if-none-match'] !== '*') objects.set(name, body);
  else {
    if (writing.has(name)) {
      error(response, 409, 'ConditionalRequestConflict');
      return;
    }
    writing.add(name);
    await new Promise(resolve => setImmediate(resolve));
    writing.delete(name);
    if (objects.has(name)) {
      error(response, 412, 'PreconditionFailed');
      return;
    }
    objects.set(name, body);
  }
  response.writeHead(200).end();
}

function get({ objects }: S3Double, { name, response }: Call): void {
  const bytes = objects.get(name);
  if (bytes === undefined) error(response, 404, 'NoSuchKey');
  else response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
}

function list({ objects }: S3Double, { bucket, pageKeys = 1000 }: S3DoubleOptions, call: Call): void {
  const { url, response } = call;
  const prefix = `${bucket}/${url.searchParams.get('prefix') ?? ''}`;
  const after = url.searchParams.get('continuation-token') ?? '';
  const keys = [...objects.keys()].filter(key => key.startsWith(prefix) && key > after).sort();
  const page = keys.slice(0, pageKeys);
  const next = keys.length > page.length ? page.at(-1) : undefined;
  const contents = page.map(key => `<Contents><Key>${key.slice(bucket.length + 1)}</Key></Contents>`);
  const more =
    next === undefined
      ? '<IsTruncated>false</IsTruncated>'
      : `<IsTruncated>true</IsTruncated><NextContinuationToken>${next}</NextContinuationToken>`;
  response.writeHead(200, { 'content-type': 'application/xml' });
  response.end(`<ListBucketResult>${more}${contents.join('')}</ListBucketResult>`);
}

function remove({ objects }: S3Double, { bucket }: S3DoubleOptions, { body, response }: Call): void {
  for (const [, key] of body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)) objects.delete(`${bucket}/${key}`);
  response.writeHead(200, { 'content-type': 'application/xml' }).end('<DeleteResult></DeleteResult>');
}

function error(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(`<Error><Code>${code}</Code><Message>the double says ${code}</Message></Error>`);
}

function crc32Base64(body: Buffer): string {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return sum.toString('base64');
}
