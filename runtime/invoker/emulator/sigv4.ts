/**
 * Checks AWS Signature Version 4 of a received request, for those who want a client's signing tested.
 * Source: the AWS general reference, "Create a signed AWS API request".
 *
 * Invariant: the signature is over the bytes as received; the body's hash is computed here, never believed.
 */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { AwsError } from './aws-errors.ts';
import type { ApiRequest } from './http.ts';

const SHAPE =
  /^AWS4-HMAC-SHA256 Credential=(?<id>[^/]+)\/(?<scope>(?<date>\d{8})\/(?<region>[^/]+)\/(?<service>[^/]+)\/aws4_request), ?SignedHeaders=(?<signed>[^,]+), ?Signature=(?<signature>[0-9a-f]{64})$/;

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const sha256 = (data: string): string => createHash('sha256').update(data).digest('hex');

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function canonicalQuery(query: string): string {
  return [...new URLSearchParams(query)]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
}

export function verifySignature(request: ApiRequest, secrets: Readonly<Record<string, string>>): void {
  const authorization = request.headers.authorization;
  if (authorization === undefined) {
    throw new AwsError('MissingAuthenticationTokenException', 'Missing Authentication Token');
  }
  const found = SHAPE.exec(authorization)?.groups;
  const secret = secrets[found?.['id'] ?? ''];
  if (found === undefined || secret === undefined) {
    throw new AwsError(
      'UnrecognizedClientException',
      'The security token included in the request is invalid.',
    );
  }
  const { scope = '', date = '', region = '', service = '', signed = '', signature = '' } = found;
  const bodyHash = createHash('sha256');
  for (const chunk of request.chunks) bodyHash.update(chunk);
  const headers = signed.split(';').map(
    name =>
      `${name}:${String(request.headers[name] ?? '')
        .trim()
        .replace(/ +/g, ' ')}\n`,
  );
  const canonical = [
    request.method,
    // Every service but S3 signs the path encoded once more than it is sent.
    request.path.split('/').map(encode).join('/'),
    canonicalQuery(request.query),
    headers.join(''),
    signed,
    bodyHash.digest('hex'),
  ].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', request.headers['x-amz-date'], scope, sha256(canonical)].join('\n');
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, date), region), service), 'aws4_request');
  if (!timingSafeEqual(hmac(key, toSign), Buffer.from(signature, 'hex'))) {
    throw new AwsError(
      'InvalidSignatureException',
      'The request signature we calculated does not match the signature you provided. ' +
        'Check your AWS Secret Access Key and signing method.',
    );
  }
}
