import { readFileSync } from 'node:fs';

/** A small file that a setting names, read once at start. */
export const readTextFile = (path: string): string => readFileSync(path, 'utf8');
