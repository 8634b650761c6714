/**
 * What handlers did, seen by the test without the orchestrator: small files in a folder that the functions'
 * environments share with it. An environment keeps no memory worth counting in: the next attempt may run in
 * another one.
 */
import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export class Notes {
  readonly #dir: string;
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Counts one more; how many there are now. */
  mark(about: string, what: string): number {
    const path = this.#path(about, what);
    appendFileSync(path, '.');
    return statSync(path).size;
  }

  count(about: string, what: string): number {
    const path = this.#path(about, what);
    return existsSync(path) ? statSync(path).size : 0;
  }

  write(about: string, what: string, text: string): void {
    writeFileSync(this.#path(about, what), text);
  }

  read(about: string, what: string): string | undefined {
    const path = this.#path(about, what);
    // Created and written are two moments.
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    return text === '' ? undefined : text;
  }

  #path(about: string, what: string): string {
    return join(this.#dir, `${about}.${what}`);
  }
}

export const NOTES_DIR = 'NOTES_DIR';

/** In a function: the folder that the test named. */
export function functionNotes(): Notes {
  const dir = process.env[NOTES_DIR];
  if (dir === undefined) throw new Error(`${NOTES_DIR} is not set`);
  return new Notes(dir);
}
