/**
 * Records on their way from the main thread to the writer's: a ring in shared memory with one producer and one
 * consumer. Putting a record costs a copy, waking the consumer a futex call; neither allocates.
 *
 *   item   length:i32 bytes, 4-byte aligned, never wrapped around the end: -1 there says "go on at the start"
 *          -2 says "the next message on the port", for a record that is large beside the ring
 *
 * Invariants: the producer alone moves `head`, the consumer alone moves `tail`; both only grow (modulo 2^32) and are
 * masked for use. What lies between them is not touched by the producer, so the consumer may hand out views until it
 * releases them. The consumer reads the wake counter before it looks for work, so no wake-up falls in between. An
 * idle consumer sleeps in the kernel.
 */

import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';

const HEAD = 0;
const TAIL = 1;
const WAKE = 2;
const STOP = 3;

const ITEM_HEADER_BYTES = 4;
const GO_TO_START = -1;
const ON_PORT = -2;

export interface RingMemory {
  /** A power of two long. */
  readonly bytes: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
}

export const createRingMemory = (capacityBytes: number): RingMemory => ({
  bytes: new SharedArrayBuffer(capacityBytes),
  control: new SharedArrayBuffer(16),
});

const itemBytes = (length: number): number => (ITEM_HEADER_BYTES + length + 3) & ~3;

export class RingProducer {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #control: Int32Array;
  readonly #port: Pick<MessagePort, 'postMessage'>;
  readonly #mask: number;
  #head = 0;

  constructor(memory: RingMemory, port: Pick<MessagePort, 'postMessage'>) {
    this.#bytes = new Uint8Array(memory.bytes);
    this.#words = new Int32Array(memory.bytes);
    this.#control = new Int32Array(memory.control);
    this.#mask = memory.bytes.byteLength - 1;
    this.#port = port;
  }

  /** Puts a record, not visible to the consumer before `publish`; false when there is no room now. */
  put(record: Uint8Array): boolean {
    const isLarge = record.length > this.#bytes.length / 4;
    const needed = itemBytes(isLarge ? 0 : record.length);
    let at = this.#head & this.#mask;
    const untilEnd = this.#bytes.length - at;
    const skipped = needed > untilEnd ? untilEnd : 0;
    const used = (this.#head - Atomics.load(this.#control, TAIL)) | 0;
    if (used + skipped + needed > this.#bytes.length) return false;
    if (skipped > 0) {
      this.#words[at >> 2] = GO_TO_START;
      at = 0;
    }
    if (isLarge) {
      this.#words[at >> 2] = ON_PORT;
      this.#send(record);
    } else {
      this.#words[at >> 2] = record.length;
      this.#bytes.set(record, at + ITEM_HEADER_BYTES);
    }
    this.#head = (this.#head + skipped + needed) | 0;
    return true;
  }

  publish(): void {
    Atomics.store(this.#control, HEAD, this.#head);
    this.#wake();
  }

  /** The consumer ends once it has taken everything published before. */
  stop(): void {
    Atomics.store(this.#control, STOP, 1);
    this.#wake();
  }

  #wake(): void {
    Atomics.add(this.#control, WAKE, 1);
    Atomics.notify(this.#control, WAKE);
  }

  /** Transferred where the record is alone in its buffer; a buffer shared with others must stay here. */
  #send(record: Uint8Array): void {
    const isAlone = record.buffer instanceof ArrayBuffer && record.buffer.byteLength === record.length;
    const own = isAlone ? record : record.slice();
    this.#port.postMessage(own, [own.buffer as ArrayBuffer]);
  }
}

export class RingConsumer {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #control: Int32Array;
  readonly #port: MessagePort;
  readonly #mask: number;
  #tail = 0;
  #wakeSeen = 0;
  #isStopped = false;

  constructor(memory: RingMemory, port: MessagePort) {
    this.#bytes = new Uint8Array(memory.bytes);
    this.#words = new Int32Array(memory.bytes);
    this.#control = new Int32Array(memory.control);
    this.#mask = memory.bytes.byteLength - 1;
    this.#port = port;
  }

  /** The producer has stopped, and the last `take` was empty: nothing will come. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** All records published, but none past a large one. Views: valid until `release`. */
  take(): Uint8Array[] {
    this.#wakeSeen = Atomics.load(this.#control, WAKE);
    this.#isStopped = Atomics.load(this.#control, STOP) === 1;
    const head = Atomics.load(this.#control, HEAD);
    const records: Uint8Array[] = [];
    while (this.#tail !== head) {
      const at = this.#tail & this.#mask;
      const length = this.#words[at >> 2] ?? GO_TO_START;
      if (length === GO_TO_START) {
        this.#tail = (this.#tail + this.#bytes.length - at) | 0;
      } else if (length === ON_PORT) {
        this.#tail = (this.#tail + itemBytes(0)) | 0;
        records.push(receiveMessageOnPort(this.#port)?.message);
        break;
      } else {
        this.#tail = (this.#tail + itemBytes(length)) | 0;
        records.push(this.#bytes.subarray(at + ITEM_HEADER_BYTES, at + ITEM_HEADER_BYTES + length));
      }
    }
    return records;
  }

  /** Gives the room of everything taken back to the producer. */
  release(): void {
    Atomics.store(this.#control, TAIL, this.#tail);
  }

  /** Sleeps until something was published, or stopped, since the last `take`; false after `timeoutMs`. */
  wait(timeoutMs: number): boolean {
    return Atomics.wait(this.#control, WAKE, this.#wakeSeen, timeoutMs) !== 'timed-out';
  }
}
