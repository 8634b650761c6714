/** Plays settings one after the other, over handlers that they share. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Setting } from '../e2e/behaviours/dimensions.ts';
import { Notes } from '../e2e/behaviours/notes.ts';
import { tempDir } from '../e2e/harness/index.ts';
import { Handlers } from './handlers.ts';
import { type Cell, settingName } from './matrix.ts';
import { type Outcome, playCells } from './run.ts';
import { type StartSystem, type System, type SystemOptions, startSystem } from './system.ts';

export interface SettingCells {
  readonly setting: Setting;
  readonly cells: readonly Cell[];
}

export interface PlaySettingsOptions {
  /** @default our orchestrator */
  readonly start?: StartSystem;
  readonly cellsAtOnce?: number;
  /** A line about what has been done. */
  readonly onProgress?: (line: string) => void;
  /** Lines of orchestrators. */
  readonly onLog?: (line: string) => void;
}

export async function playSettings(
  settings: readonly SettingCells[],
  options: PlaySettingsOptions = {},
): Promise<readonly Outcome[]> {
  const dir = tempDir('holdfast-conformance');
  const notesDir = join(dir.path, 'notes');
  mkdirSync(notesDir);
  const handlers = await Handlers.start({
    transports: [...new Set(settings.map(({ setting }) => setting.transport))],
    notesDir,
    lambdaDir: join(dir.path, 'lambda'),
  });
  const { onLog } = options;
  const shared = { handlers, notes: new Notes(notesDir), dir: dir.path, ...(onLog ? { onLog } : {}) };
  const outcomes: Outcome[] = [];
  try {
    for (const { setting, cells } of settings) {
      const startedAt = performance.now();
      const played = await playSetting(cells, { ...shared, setting }, options);
      outcomes.push(...played);
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
      const failed = played.filter(({ error }) => error !== undefined).length;
      options.onProgress?.(
        `${settingName(setting)}: ${played.length} played in ${seconds} s, ${failed} failed`,
      );
    }
    return outcomes;
  } finally {
    await handlers.stop();
    dir.remove();
  }
}

async function playSetting(
  cells: readonly Cell[],
  systemOptions: SystemOptions,
  { start = startSystem, cellsAtOnce }: PlaySettingsOptions,
): Promise<readonly Outcome[]> {
  let system: System;
  try {
    system = await start(systemOptions);
  } catch (error) {
    return cells.map(cell => ({ cell, error }));
  }
  try {
    const { notes } = systemOptions;
    return await playCells(cells, { system, notes, ...(cellsAtOnce === undefined ? {} : { cellsAtOnce }) });
  } finally {
    await system.stop();
  }
}
