/**
 * One table of behaviours, the same handlers built with the official SDK and with ours, on real processes: each row
 * runs for both, and where a handler waits once more with the orchestrator killed while it does.
 *
 * The rows of a variant run together and are reported one by one: most of them wait, and one crash serves all.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SharedCrash } from './behaviours/crash.ts';
import { NOTES_DIR, Notes } from './behaviours/notes.ts';
import { Play, type Row } from './behaviours/play.ts';
import { ROWS } from './behaviours/rows/index.ts';
import { KILLED_PAUSE_MS, SDK_NAMES, type SdkName } from './behaviours/sdk.ts';
import { versionedFunctions } from './behaviours/versions.ts';
import { type Stack, startStack } from './harness/index.ts';
import { tempDir } from './harness/processes.ts';

/** The functions whose services most rows use. */
const SERVED = ['official', 'holdfast', 'official-keyed', 'holdfast-keyed'];
const CASES = ROWS.flatMap(row => SDK_NAMES.map(sdk => ({ sdk, row })));
const VARIANT_TIMEOUT_MS = 90_000;
/** A row that hangs fails by itself, so that the others are reported. */
const ROW_TIMEOUT_MS = 30_000;
/** Rows at once in the variant without a crash: enough to fill the waits, few enough to keep them short. */
const ROWS_AT_ONCE = 24;
const PAUSE_MS = 250;
/** The second crash meets an orchestrator that has just begun to take up its work again. */
const SECOND_CRASH_AFTER_MS = 100;

const file = (name: string): string => join(import.meta.dirname, 'behaviours', name);

describe('behaviours', () => {
  const dir = tempDir('holdfast-notes');
  const notes = new Notes(dir.path);
  let stack: Stack;

  beforeAll(async () => {
    const env = { [NOTES_DIR]: dir.path };
    const lateServices = SDK_NAMES.flatMap(sdk => [`${sdk}Late`, `${sdk}LateKilled`]);
    stack = await startStack({
      functions: [
        ...SERVED.map(name => ({ name, entry: file(`${name}.ts`), env, timeoutMs: 30_000 })),
        ...versionedFunctions(file, env, [false, true]),
        ...lateServices.map(name => ({ name, entry: file('late.ts'), env: { SERVICE: name } })),
      ],
      settings: { retryInitialInterval: '20ms', retryMaxInterval: '500ms', storeFlushInterval: '100ms' },
      register: false,
    });
    await Promise.all(SERVED.map(name => stack.register(name)));
  }, VARIANT_TIMEOUT_MS);
  afterAll(async () => {
    await stack.stop();
    dir.remove();
  });

  const playOf = (sdk: SdkName, row: Row, crash: (() => Promise<void>) | undefined): Play =>
    new Play({ stack, notes, sdk, row: row.name, crash, pauseMs: crash ? KILLED_PAUSE_MS : PAUSE_MS });

  describe('undisturbed', () => {
    const outcomes = new Outcomes();
    beforeAll(async () => {
      const left = CASES.values();
      const player = async (): Promise<void> => {
        for (const { sdk, row } of left) {
          await outcomes.of(sdk, row, inTime(row.play(playOf(sdk, row, undefined))));
        }
      };
      await Promise.all(Array.from({ length: ROWS_AT_ONCE }, player));
    }, VARIANT_TIMEOUT_MS);

    test.for(CASES)('$sdk: $row.name', ({ sdk, row }) => outcomes.check(sdk, row));
  });

  describe('killed in the middle', () => {
    const cases = CASES.filter(({ row }) => row.killable);
    const outcomes = new Outcomes();
    let crashedMs = 0;
    beforeAll(async () => {
      const startedAt = performance.now();
      const crash = new SharedCrash(cases.length, async () => {
        await stack.killOrchestrator();
        await stack.restartOrchestrator();
        await pause(SECOND_CRASH_AFTER_MS);
        await stack.killOrchestrator();
        crashedMs = performance.now() - startedAt;
        await stack.restartOrchestrator();
      });
      const play = ({ sdk, row }: (typeof cases)[number]) =>
        outcomes.of(
          sdk,
          row,
          crash.share(interrupt => inTime(row.play(playOf(sdk, row, interrupt)))),
        );
      await Promise.all(cases.map(play));
    }, VARIANT_TIMEOUT_MS);

    // Otherwise counts may differ, because what went on is repeated.
    test('all were still waiting', () => expect(crashedMs).toBeLessThan(KILLED_PAUSE_MS));
    test.for(cases)('$sdk: $row.name', ({ sdk, row }) => outcomes.check(sdk, row));
  });
});

async function inTime(played: Promise<void>): Promise<void> {
  const done = new AbortController();
  const late = pause(ROW_TIMEOUT_MS, undefined, { signal: done.signal }).then(
    () => {
      throw new Error(`not within ${ROW_TIMEOUT_MS} ms`);
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

/** What became of each row. */
class Outcomes {
  readonly #errors = new Map<string, unknown>();
  readonly #settled = new Set<string>();

  async of(sdk: SdkName, row: Row, played: Promise<void>): Promise<void> {
    const key = `${sdk} ${row.name}`;
    try {
      await played;
    } catch (error) {
      this.#errors.set(key, error);
    }
    this.#settled.add(key);
  }

  check(sdk: SdkName, row: Row): void {
    const key = `${sdk} ${row.name}`;
    if (!this.#settled.has(key)) throw new Error('it was not played to its end');
    if (this.#errors.has(key)) throw this.#errors.get(key);
  }
}
