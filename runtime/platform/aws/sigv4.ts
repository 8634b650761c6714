/**
 * AWS Signature Version 4 for one kind of request: `POST` to a Lambda function, no query string.
 *
 * What does not change between calls is computed once: the signing key per (credential, date, region), the
 * canonical path per function, the date stamp per second. What is left per call is two SHA-256 and one HMAC.
 * The headers that are signed are exactly those of `SIGNED_HEADERS`; names are in order, as the algorithm wants.
 *
 * Source: AWS, "Create a signed AWS API request". The tests compare the result with `@smithy/signature-v4`.
 */

import { createHmac, hash } from 'node:crypto';
import { SigningKeys } from './signing-keys.ts';

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** Unix milliseconds after which AWS refuses them. */
  readonly expiresAtMs?: number | undefined;
}

/** The parts of a request that are the same for every call of one function. */
export interface SigningTarget {
  /** As the `host` header carries it, so with a port that is not the scheme's own. */
  readonly host: string;
  /** The path as sent; already percent-encoded once. */
  readonly path: string;
  /** `canonicalPath(path)`, computed once. */
  readonly canonicalPath: string;
  readonly region: string;
}

export const CONTENT_TYPE = 'application/octet-stream';

const SIGNED_HEADERS = 'content-type;host;x-amz-date';
const SIGNED_HEADERS_WITH_TOKEN = 'content-type;host;x-amz-date;x-amz-security-token';
const ALGORITHM = 'AWS4-HMAC-SHA256';
const SERVICE = 'lambda';

export interface Signer {
  /** The headers of the request, names and values in turns, `authorization` among them. */
  sign(target: SigningTarget, body: Uint8Array, credentials: AwsCredentials, nowMs: number): string[];
}

export function createSigner(): Signer {
  const keys = new SigningKeys(SERVICE);
  let stampSecond = -1;
  let stamp = '';
  return {
    sign(target, body, credentials, nowMs) {
      const second = Math.floor(nowMs / 1000);
      if (second !== stampSecond) {
        stampSecond = second;
        stamp = amzDate(second);
      }
      const date = stamp.slice(0, 8);
      const token = credentials.sessionToken;
      const names = token === undefined ? SIGNED_HEADERS : SIGNED_HEADERS_WITH_TOKEN;
      const tokenLine = token === undefined ? '' : `x-amz-security-token:${token}\n`;
      const canonicalRequest =
        `POST\n${target.canonicalPath}\n\ncontent-type:${CONTENT_TYPE}\nhost:${target.host}\n` +
        `x-amz-date:${stamp}\n${tokenLine}\n${names}\n${hash('sha256', body, 'hex')}`;
      const scope = `${date}/${target.region}/${SERVICE}/aws4_request`;
      const stringToSign = `${ALGORITHM}\n${stamp}\n${scope}\n${hash('sha256', canonicalRequest, 'hex')}`;
      const key = keys.get(credentials, date, target.region);
      const signature = createHmac('sha256', key).update(stringToSign).digest('hex');
      const authorization =
        `${ALGORITHM} Credential=${credentials.accessKeyId}/${scope}, ` +
        `SignedHeaders=${names}, Signature=${signature}`;
      const headers = ['host', target.host, 'content-type', CONTENT_TYPE, 'x-amz-date', stamp];
      if (token !== undefined) headers.push('x-amz-security-token', token);
      headers.push('authorization', authorization);
      return headers;
    },
  };
}

/** The path with each segment percent-encoded once more, which every service except S3 wants. */
export function canonicalPath(path: string): string {
  return path.split('/').map(encodeSegment).join('/');
}

/** RFC 3986: everything but letters, digits and `-_.~`. */
export function encodeSegment(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** `20260131T235959Z`. By arithmetic (days to civil date), so that no clock-reading type is needed here. */
export function amzDate(unixSecond: number): string {
  const days = Math.floor(unixSecond / 86_400);
  const second = unixSecond - days * 86_400;
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const time = [Math.floor(second / 3600), Math.floor(second / 60) % 60, second % 60];
  return `${String(year).padStart(4, '0')}${two(month)}${two(day)}T${time.map(two).join('')}Z`;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
