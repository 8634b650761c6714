/**
 * Minting of invocation ids. W2: the id of an idempotent invocation is a keyed hash of target and key, so the
 * same request finds the same id without a lookup. The hash is keyed with a secret of the cluster, because the id
 * also protects the invocation's awakeables: it must not follow from a guessed idempotency key.
 */
import { createHash, createHmac } from 'node:crypto';
import { encodeInvocationId } from '@holdfast/protocol';
import type { Minted } from '../core/command.ts';
import type { InvocationId, Target } from '../core/model.ts';
import type { IdSource } from '../format/answer.ts';
import type { Random } from '../platform/ports.ts';

/** 8 bytes of partition key, then 16 that are random or a keyed hash. */
const ID_BYTES = 24;
const PARTITION_KEY_BYTES = 8;

export class Ids implements IdSource {
  private readonly random: Random;
  private readonly secret: Uint8Array;

  constructor(random: Random, secret: Uint8Array) {
    this.random = random;
    this.secret = secret;
  }

  callee(target: Target, idempotencyKey: string | undefined): Minted {
    const bytes = this.random.bytes(ID_BYTES + 8);
    const randomSeed = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(ID_BYTES);
    if (idempotencyKey !== undefined) return { id: this.idempotent(target, idempotencyKey), randomSeed };
    const id = bytes.slice(0, ID_BYTES);
    if (target.key !== '') id.set(partitionKey(target.key));
    return { id: encodeInvocationId(id) as InvocationId, randomSeed };
  }

  idempotent({ service, handler, key }: Target, idempotencyKey: string): InvocationId {
    // A JSON array is an unambiguous encoding of strings that may hold any separator.
    const name = JSON.stringify(['ik', service, key, handler, idempotencyKey]);
    const id = createHmac('sha256', this.secret).update(name).digest().subarray(0, ID_BYTES);
    if (key !== '') id.set(partitionKey(key));
    return encodeInvocationId(id) as InvocationId;
  }
}

/** What a keyed target is placed by: the same for every handler and caller of one key. */
const partitionKey = (key: string): Uint8Array =>
  createHash('sha256').update(key).digest().subarray(0, PARTITION_KEY_BYTES);
