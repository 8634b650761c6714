/** Checks signature version 4 as S3 has it, in the header or in the query of a link. Nothing of it is shared with the code under test. */
import { createHash, createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

export interface ReceivedRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

const HEADER =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
/** How far the clock of a client may be off. */
const SKEW_MS = 15 * 60_000;

interface Claim {
  readonly id: string;
  readonly scope: string;
  readonly signed: string;
  readonly signature: string;
  readonly stamp: string;
  readonly bodyHash: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

/** The code of the error that it deserves. */
export function refusalOf(
  request: ReceivedRequest,
  secrets: Readonly<Record<string, string>>,
  nowMs: number,
): string | undefined {
  const claim = request.url.searchParams.has('X-Amz-Signature') ? linkClaim(request) : headerClaim(request);
  const secret = secrets[claim?.id ?? ''];
  if (claim === undefined || secret === undefined) return 'InvalidAccessKeyId';
  if (nowMs < claim.fromMs || nowMs > claim.untilMs) return 'AccessDenied';
  const key = [...claim.scope.split('/')].reduce<string | Buffer>(
    (last, part) => hmac(last, part),
    `AWS4${secret}`,
  );
  const toSign = ['AWS4-HMAC-SHA256', claim.stamp, claim.scope, sha256(canonical(request, claim))].join('\n');
  return hmac(key, toSign).toString('hex') === claim.signature ? undefined : 'SignatureDoesNotMatch';
}

function linkClaim({ url }: ReceivedRequest): Claim {
  const get = (name: string) => url.searchParams.get(`X-Amz-${name}`) ?? '';
  const [id = '', ...scope] = get('Credential').split('/');
  const fromMs = timeOf(get('Date'));
  return {
    id,
    scope: scope.join('/'),
    signed: get('SignedHeaders'),
    signature: get('Signature'),
    stamp: get('Date'),
    bodyHash: 'UNSIGNED-PAYLOAD',
    fromMs,
    untilMs: fromMs + Number(get('Expires')) * 1000,
  };
}

function headerClaim({ headers, body }: ReceivedRequest): Claim | undefined {
  const [, id, scope, signed, signature] = HEADER.exec(headers.authorization ?? '') ?? [];
  const stamp = String(headers['x-amz-date']);
  const bodyHash = String(headers['x-amz-content-sha256']);
  if (id === undefined || scope === undefined || signed === undefined || signature === undefined)
    return undefined;
  if (bodyHash !== 'UNSIGNED-PAYLOAD' && bodyHash !== sha256(body)) return undefined;
  // The double's clock is set ahead for links; those who hold credentials have clocks of their own.
  const limits = { fromMs: Number.NEGATIVE_INFINITY, untilMs: Number.POSITIVE_INFINITY };
  if (Math.abs(timeOf(stamp) - Date.now()) > SKEW_MS) return undefined;
  return { id, scope, signed, signature, stamp, bodyHash, ...limits };
}

function canonical({ method, url, headers }: ReceivedRequest, { signed, bodyHash }: Claim): string {
  const query = [...url.searchParams]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort();
  const lines = signed.split(';').map(name => `${name}:${String(headers[name] ?? '').trim()}\n`);
  return [method, url.pathname, query.join('&'), lines.join(''), signed, bodyHash].join('\n');
}

function timeOf(stamp: string): number {
  return Date.parse(stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}
