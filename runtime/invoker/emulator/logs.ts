/**
 * Where function logs go: a callback, or one file per function; and the tail that `X-Amz-Log-Type: Tail` returns.
 *
 * Invariants:
 * - Text arrives in the order the function wrote it and is never reordered within a function.
 * - `close` of a file sink returns when everything is in the files.
 */

import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

export interface LogEvent {
  readonly functionName: string;
  /** `$LATEST` or a published version; empty for what the server itself says (builds). */
  readonly version: string;
  /** Absent outside a request: init, builds. */
  readonly requestId?: string;
  /** One or more lines, each ending in a newline unless the function left it out. */
  readonly text: string;
}

export type LogSink = (event: LogEvent) => void;

const TAIL_BYTES = 4096;

export class LogTail {
  #text = '';

  append(text: string): void {
    this.#text += text;
    // Characters are at least a byte each, so what is dropped could never be in the last 4 KB.
    if (this.#text.length > 2 * TAIL_BYTES) this.#text = this.#text.slice(-TAIL_BYTES);
  }

  base64(): string {
    return Buffer.from(this.#text).subarray(-TAIL_BYTES).toString('base64');
  }
}

const FLUSH_MS = 50;

/** Appends to `<dir>/<function>.log`, batched: a line costs no system call of its own. */
export function fileLog(dir: string): { readonly sink: LogSink; close(): void } {
  mkdirSync(dir, { recursive: true });
  const pending = new Map<string, string>();
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    for (const [name, text] of pending) appendFileSync(join(dir, `${name}.log`), text);
    pending.clear();
  };
  return {
    sink: ({ functionName, text }) => {
      pending.set(functionName, (pending.get(functionName) ?? '') + text);
      timer ??= setTimeout(flush, FLUSH_MS);
    },
    close: flush,
  };
}
