/**
 * The structured log: one line of JSON per event on stderr, or a readable line for a terminal.
 *
 * Invariants: logging never throws, whatever a field holds; a line is bounded and is one line; a field whose
 * name sounds like a credential is redacted at any depth, and so is the value of an authorization scheme inside
 * a text.
 */

import { type LogStyle, renderLine } from './log-line.ts';
import type { Clock, LogFields, Logger, LogLevel } from './ports.ts';

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export interface LoggerOptions {
  /** Events below it are dropped. */
  readonly level: LogLevel;
  readonly style: LogStyle;
  readonly clock: Pick<Clock, 'now'>;
  /** Takes a line that ends with a newline. Default: stderr. */
  readonly write?: (line: string) => void;
}

export function createLogger({ level, style, clock, write = stderr() }: LoggerOptions): Logger {
  const at = (eventLevel: LogLevel) => (event: string, fields?: LogFields) => {
    if (RANK[eventLevel] < RANK[level]) return;
    write(renderLine(style, clock.now(), eventLevel, event, fields));
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

let stderrIsGuarded = false;

function stderr(): (line: string) => void {
  if (!stderrIsGuarded) {
    stderrIsGuarded = true;
    // The reader of the log went away (EPIPE). There is no place left to report that, and work must go on.
    process.stderr.on('error', () => undefined);
  }
  return line => {
    process.stderr.write(line);
  };
}
