/**
 * Minting of invocation ids. W2: the id of an idempotent invocation is a keyed hash of target and key, so the
 * same request finds the same id without a lookup. The hash is keyed with a secret of the cluster, because the id
 * also protects the invocation's awakeables: it must not follow from a guessed idempotency key.
 */
import { createHmac, hash } from 'node:crypto';
import { encodeInvocationId } from '@holdfast/protocol';
import type { Minted } from '../core/command.ts';
import type { InvocationId, Keyed, Target } from '../core/model.ts';
import type { IdSource } from '../format/answer.ts';
import type { Random } from '../platform/ports.ts';

/** 8 bytes of partition key, then 16 that are random or a keyed hash. */
const ID_BYTES = 24;
const PARTITION_KEY_BYTES = 8;

export class Ids implements IdSource {
  private readonly random: Random;
  private readonly secret: Uint8Array;
  private readonly isRun: (target: Target) => boolean;

  /** `isRun`: whether this is the handler of a workflow that runs once per key. */
  constructor(random: Random, secret: Uint8Array, isRun: (target: Target) => boolean) {
    this.random = random;
    this.secret = secret;
    this.isRun = isRun;
  }

  callee(target: Target, idempotencyKey: string | undefined): Minted {
    const bytes = this.random.bytes(ID_BYTES + 8);
    const randomSeed = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(ID_BYTES);
    if (this.isRun(target)) {
      return { id: this.workflow(target), randomSeed, deterministic: true };
    }
    if (idempotencyKey !== undefined) {
      return { id: this.idempotent(target, idempotencyKey), randomSeed, deterministic: true };
    }
    return this.fresh(target, bytes, randomSeed);
  }

  /** For an invocation that no request can mean. */
  again(target: Target, seed?: bigint): Minted {
    const bytes = this.random.bytes(ID_BYTES + 8);
    return this.fresh(
      target,
      bytes,
      seed ?? new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(ID_BYTES),
    );
  }

  private fresh({ key }: Target, bytes: Uint8Array, randomSeed: bigint): Minted {
    const id = bytes.slice(0, ID_BYTES);
    if (key !== '') id.set(partitionKey(key));
    return { id: encodeInvocationId(id) as InvocationId, randomSeed, deterministic: false };
  }

  idempotent(target: Target, idempotencyKey: string): InvocationId {
    return this.keyed('ik', target, [target.handler, idempotencyKey]);
  }

  /** Of the run of a workflow key. */
  workflow(of: Keyed): InvocationId {
    return this.keyed('wf', of, []);
  }

  private keyed(kind: 'ik' | 'wf', { service, key, scope }: Keyed, rest: readonly string[]): InvocationId {
    // A JSON array is an unambiguous encoding of strings that may hold any separator.
    const name = JSON.stringify([kind, service, key, ...rest, ...(scope === undefined ? [] : [{ scope }])]);
    const id = createHmac('sha256', this.secret).update(name).digest().subarray(0, ID_BYTES);
    if (key !== '') id.set(partitionKey(key));
    return encodeInvocationId(id) as InvocationId;
  }
}

/** What a keyed target is placed by: the same for every handler and caller of one key. */
const partitionKey = (key: string): Uint8Array =>
  hash('sha256', key, 'buffer').subarray(0, PARTITION_KEY_BYTES);
