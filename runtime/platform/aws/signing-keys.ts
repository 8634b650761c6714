/**
 * The keys that signatures are made with: one per credential, day, region and service. Those of the current
 * credential and day are kept.
 */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { AwsCredentials } from './sigv4.ts';

export class SigningKeys {
  readonly #service: string;
  #credentials: AwsCredentials | null = null;
  #date = '';
  readonly #byRegion = new Map<string, KeyObject>();

  constructor(service: string) {
    this.#service = service;
  }

  get(credentials: AwsCredentials, date: string, region: string): KeyObject {
    // Identity suffices: a refreshed credential is a new object.
    if (credentials !== this.#credentials || date !== this.#date) {
      this.#byRegion.clear();
      this.#credentials = credentials;
      this.#date = date;
    }
    let key = this.#byRegion.get(region);
    if (key === undefined) {
      // A key object costs an eighth of what a raw key costs at each HMAC.
      key = createSecretKey(deriveKey(credentials.secretAccessKey, [date, region, this.#service]));
      this.#byRegion.set(region, key);
    }
    return key;
  }
}

function deriveKey(secret: string, parts: readonly string[]): Buffer {
  let key: string | Buffer = `AWS4${secret}`;
  for (const part of parts) key = createHmac('sha256', key).update(part).digest();
  return createHmac('sha256', key).update('aws4_request').digest();
}
