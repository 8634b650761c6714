/**
 * Links to objects of one S3 bucket that need no credentials to follow: signature version 4 in the query string.
 *
 * What does not change between links is computed once, as for calls: the signing key, the encoded session token, the
 * stamp of the second. What is left is one SHA-256 and one HMAC. Keys are of characters that need no encoding.
 *
 * Source: AWS, "Authenticating Requests: Using Query Parameters". The tests compare with `@smithy/signature-v4`.
 */
import { createHmac, hash } from 'node:crypto';
import { SigningKeys } from './signing-keys.ts';
import { type AwsCredentials, amzDate, encodeSegment } from './sigv4.ts';

export interface BucketAddress {
  readonly origin: string;
  /** As the `host` header carries it. */
  readonly host: string;
  /** In front of keys: `/`, or `/bucket/` where the bucket is part of the path. */
  readonly path: string;
  readonly region: string;
}

export interface Presigner {
  presign(
    method: 'GET' | 'PUT',
    key: string,
    seconds: number,
    credentials: AwsCredentials,
    nowMs: number,
  ): string;
}

/** A week, which is the longest that S3 takes. */
const LINK_SECONDS_MAX = 7 * 86_400;

const PLAIN_KEY = /^[A-Za-z0-9_.~/-]+$/;
const SERVICE = 's3';

export function createPresigner(bucket: BucketAddress): Presigner {
  const { origin, host, path, region } = bucket;
  const keys = new SigningKeys(SERVICE);
  let stampSecond = -1;
  let stamp = '';
  let tokenOf: AwsCredentials | null = null;
  let token = '';
  return {
    presign(method, key, seconds, credentials, nowMs) {
      if (!PLAIN_KEY.test(key)) throw new Error(`'${key}' has characters that are not signed as they are`);
      if (seconds < 1 || seconds > LINK_SECONDS_MAX) throw new Error(`a link for ${seconds} s`);
      const second = Math.floor(nowMs / 1000);
      if (second !== stampSecond) {
        stampSecond = second;
        stamp = amzDate(second);
      }
      if (credentials !== tokenOf) {
        tokenOf = credentials;
        token = tokenParameter(credentials.sessionToken);
      }
      const date = stamp.slice(0, 8);
      const scope = `${date}/${region}/${SERVICE}/aws4_request`;
      // In the order of the algorithm, which is that of their names.
      const query =
        `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${credentials.accessKeyId}%2F` +
        `${date}%2F${region}%2F${SERVICE}%2Faws4_request&X-Amz-Date=${stamp}&X-Amz-Expires=${seconds}${token}` +
        '&X-Amz-SignedHeaders=host';
      const canonicalRequest = `${method}\n${path}${key}\n${query}\nhost:${host}\n\nhost\nUNSIGNED-PAYLOAD`;
      const stringToSign = `AWS4-HMAC-SHA256\n${stamp}\n${scope}\n${hash('sha256', canonicalRequest, 'hex')}`;
      const signature = createHmac('sha256', keys.get(credentials, date, region))
        .update(stringToSign)
        .digest('hex');
      return `${origin}${path}${key}?${query}&X-Amz-Signature=${signature}`;
    },
  };
}

function tokenParameter(token: string | undefined): string {
  return token === undefined ? '' : `&X-Amz-Security-Token=${encodeSegment(token)}`;
}
