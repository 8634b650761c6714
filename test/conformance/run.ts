/**
 * Plays cells on a system and says what became of each.
 *
 * Those in which the orchestrator is killed are played together, because one crash serves all; the others a few at a
 * time, because most of them wait.
 *
 * Invariant: a cell that hangs fails by itself, and a system that does not start fails its cells.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { SharedCrash } from '../e2e/behaviours/crash.ts';
import type { Notes } from '../e2e/behaviours/notes.ts';
import { Play } from '../e2e/behaviours/play.ts';
import { KILLED_PAUSE_MS } from '../e2e/behaviours/sdk.ts';
import type { Cell } from './matrix.ts';
import type { System } from './system.ts';

const CELLS_AT_ONCE = 24;
const CELL_TIMEOUT_MS = 30_000;
const PAUSE_MS = 250;
/** The second crash meets an orchestrator that has just begun to take up its work again. */
const SECOND_CRASH_AFTER_MS = 100;

export interface Outcome {
  readonly cell: Cell;
  /** Undefined: it passed. */
  readonly error: unknown;
}

export interface RunOptions {
  readonly system: System;
  readonly notes: Notes;
  readonly cellsAtOnce?: number;
  /** @default 30 seconds */
  readonly cellTimeoutMs?: number;
}

export async function playCells(cells: readonly Cell[], options: RunOptions): Promise<readonly Outcome[]> {
  const calm = await undisturbed(
    cells.filter(({ variant }) => !variant.killed),
    options,
  );
  return [
    ...calm,
    ...(await killedInTheMiddle(
      cells.filter(({ variant }) => variant.killed),
      options,
    )),
  ];
}

async function undisturbed(cells: readonly Cell[], options: RunOptions): Promise<readonly Outcome[]> {
  const left = cells.values();
  const outcomes: Outcome[] = [];
  const player = async (): Promise<void> => {
    for (const cell of left)
      outcomes.push(await outcomeOf(cell, inTime(play(cell, undefined, options), options)));
  };
  await Promise.all(Array.from({ length: options.cellsAtOnce ?? CELLS_AT_ONCE }, player));
  return outcomes;
}

async function killedInTheMiddle(cells: readonly Cell[], options: RunOptions): Promise<readonly Outcome[]> {
  if (cells.length === 0) return [];
  const startedAt = performance.now();
  let crashedMs = 0;
  const crash = new SharedCrash(cells.length, async () => {
    await options.system.restart();
    await pause(SECOND_CRASH_AFTER_MS);
    crashedMs = performance.now() - startedAt;
    await options.system.restart();
  });
  const outcomes = await Promise.all(
    cells.map(cell =>
      outcomeOf(
        cell,
        crash.share(interrupt => inTime(play(cell, interrupt, options), options)),
      ),
    ),
  );
  if (crashedMs < KILLED_PAUSE_MS) return outcomes;
  // What no longer waited was not interrupted, so that nothing is proven by it.
  const error = new Error(`the crash came after ${Math.round(crashedMs)} ms, when waits were over`);
  return outcomes.map(outcome => ({ ...outcome, error: outcome.error ?? error }));
}

const play = ({ row, variant }: Cell, crash: (() => Promise<void>) | undefined, options: RunOptions) =>
  row.play(
    new Play({
      stack: options.system,
      notes: options.notes,
      variant,
      row: row.name,
      crash,
      pauseMs: variant.killed ? KILLED_PAUSE_MS : PAUSE_MS,
    }),
  );

async function outcomeOf(cell: Cell, played: Promise<void>): Promise<Outcome> {
  try {
    await played;
    return { cell, error: undefined };
  } catch (error) {
    return { cell, error: error ?? new Error('it failed with nothing') };
  }
}

async function inTime(played: Promise<void>, { cellTimeoutMs = CELL_TIMEOUT_MS }: RunOptions): Promise<void> {
  const done = new AbortController();
  const late = pause(cellTimeoutMs, undefined, { signal: done.signal }).then(
    () => {
      throw new Error(`not within ${cellTimeoutMs} ms`);
    },
    // It was in time.
    () => undefined,
  );
  try {
    await Promise.race([played, late]);
  } finally {
    done.abort();
  }
}
