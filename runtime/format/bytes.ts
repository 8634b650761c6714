/** Writing and reading the primitive values of stored bytes: varints, strings, byte strings, options, lists. */
import { ProtocolError } from '@holdfast/protocol';
import { CodedError } from '../platform/error.ts';

export class ByteWriter {
  private buffer: Buffer;
  private end = 0;

  constructor(capacity = 512) {
    this.buffer = Buffer.allocUnsafeSlow(capacity);
  }

  /** A copy of what was written; the writer starts over. */
  take(): Uint8Array {
    const bytes = new Uint8Array(this.end);
    bytes.set(this.buffer.subarray(0, this.end));
    this.end = 0;
    return bytes;
  }

  byte(value: number): void {
    this.reserve(1);
    this.buffer[this.end++] = value;
  }

  bool(value: boolean): void {
    this.byte(value ? 1 : 0);
  }

  /** A whole number from 0 to 2^53-1, 7 bits a byte, least significant first. */
  uint(value: number): void {
    // Here, because a row or record that cannot be read back would stop every start from now on.
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`assertion failed: ${value} is no uint`);
    this.reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.buffer[this.end++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.buffer[this.end++] = rest;
  }

  u64(value: bigint): void {
    this.reserve(8);
    this.buffer.writeBigUInt64LE(value, this.end);
    this.end += 8;
  }

  float(value: number): void {
    this.reserve(8);
    this.buffer.writeDoubleLE(value, this.end);
    this.end += 8;
  }

  bytes(value: Uint8Array): void {
    this.uint(value.length);
    this.raw(value);
  }

  /** Without a length in front. */
  raw(value: Uint8Array): void {
    this.reserve(value.length);
    this.buffer.set(value, this.end);
    this.end += value.length;
  }

  string(value: string): void {
    const length = Buffer.byteLength(value);
    this.uint(length);
    this.reserve(length);
    this.buffer.write(value, this.end, length, 'utf8');
    this.end += length;
  }

  optional<T>(value: T | undefined, write: (value: T) => void): void {
    this.bool(value !== undefined);
    if (value !== undefined) write(value);
  }

  list<T>(values: readonly T[], write: (value: T) => void): void {
    this.uint(values.length);
    for (const value of values) write(value);
  }

  private reserve(length: number): void {
    const needed = this.end + length;
    if (needed <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
    larger.set(this.buffer.subarray(0, this.end));
    this.buffer = larger;
  }
}

/** Reads what `ByteWriter` wrote. Damage is `HF_FORMAT_DAMAGED`; byte strings are views of the input. */
export class ByteReader {
  private readonly buffer: Buffer;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  byte(): number {
    const value = this.buffer[this.at];
    if (value === undefined) throw damaged('it ends early');
    this.at += 1;
    return value;
  }

  bool(): boolean {
    const value = this.byte();
    if (value > 1) throw damaged(`${value} is no truth value`);
    return value === 1;
  }

  uint(): number {
    let value = 0;
    let scale = 1;
    for (let length = 0; length < 8; length++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 0x80;
    }
    throw damaged('a number is too large');
  }

  u64(): bigint {
    return this.buffer.readBigUInt64LE(this.skip(8));
  }

  float(): number {
    return this.buffer.readDoubleLE(this.skip(8));
  }

  bytes(): Uint8Array {
    return this.raw(this.uint());
  }

  raw(length: number): Uint8Array {
    const start = this.skip(length);
    return new Uint8Array(this.buffer.buffer, this.buffer.byteOffset + start, length);
  }

  string(): string {
    const length = this.uint();
    const start = this.skip(length);
    return this.buffer.toString('utf8', start, start + length);
  }

  optional<T>(read: () => T): T | undefined {
    return this.bool() ? read() : undefined;
  }

  list<T>(read: () => T): T[] {
    const length = this.uint();
    // Every element takes at least a byte, so a damaged length cannot make this allocate past the input.
    if (length > this.buffer.length - this.at) throw damaged('a list is longer than its bytes');
    const values: T[] = [];
    for (let i = 0; i < length; i++) values.push(read());
    return values;
  }

  rest(): Uint8Array {
    return this.raw(this.buffer.length - this.at);
  }

  end(): void {
    if (this.at !== this.buffer.length) throw damaged(`${this.buffer.length - this.at} bytes are left over`);
  }

  private skip(length: number): number {
    const start = this.at;
    if (start + length > this.buffer.length) throw damaged('it ends early');
    this.at = start + length;
    return start;
  }
}

export function damaged(what: string, options?: ErrorOptions): CodedError {
  return new CodedError(
    'HF_FORMAT_DAMAGED',
    `stored bytes cannot be decoded: ${what}; restore the data directory`,
    options,
  );
}

/** A stored frame or id that cannot be read is damage as well: it was read once before it was stored. */
export function asDamage(error: unknown): unknown {
  const isOther = error instanceof CodedError && error.code !== 'HF_FORMAT_DAMAGED';
  if (!isOther && !(error instanceof ProtocolError)) return error;
  return damaged(error.message, { cause: error });
}
