/** What happened in a run, in order: hashed as it goes, the last lines kept for a person to read. */

import { crc32 } from 'node:zlib';

const TAIL_LINES = 120;

export class Trace {
  readonly #print: ((line: string) => void) | undefined;
  readonly #tail: string[] = [];
  #low = 0;
  #high = 0x9e3779b9;
  #lines = 0;

  constructor(print?: (line: string) => void) {
    this.#print = print;
  }

  add(nowMs: number, what: string): void {
    const line = `${nowMs.toFixed(3)} ${what}`;
    this.#low = crc32(line, this.#low);
    this.#high = (Math.imul(this.#high ^ this.#low, 0x01000193) + line.length) >>> 0;
    this.#tail[this.#lines++ % TAIL_LINES] = line;
    this.#print?.(line);
  }

  get hash(): string {
    return this.#low.toString(16).padStart(8, '0') + this.#high.toString(16).padStart(8, '0');
  }

  get lines(): number {
    return this.#lines;
  }

  /** The last lines, oldest first. */
  tail(): readonly string[] {
    const from = this.#lines % TAIL_LINES;
    return this.#lines < TAIL_LINES
      ? [...this.#tail]
      : [...this.#tail.slice(from), ...this.#tail.slice(0, from)];
  }
}
