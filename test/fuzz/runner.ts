/**
 * The loop: picks an input, damages it, passes it, keeps what reached code that nothing had reached before. One seed
 * gives one sequence of inputs, but for coverage, whose sampling depends on the engine.
 */
import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { SimRandom } from '../sim/random.ts';
import type { Coverage } from './coverage.ts';
import { Finding, type Target } from './target.ts';

export interface FuzzOptions {
  readonly target: Target;
  readonly seed: number;
  readonly durationMs: number;
  readonly coverage?: Coverage;
  /** Told of every input before it is passed, so that one that never returns can be found. */
  readonly onInput?: (input: Uint8Array) => void;
  readonly onProgress?: (report: FuzzReport) => void;
  /** Told once per place in the code that a finding comes from. */
  readonly onFinding?: (finding: FuzzFinding) => void;
  /** Ends with so many. @default 20 */
  readonly findingsMax?: number;
}

export interface FuzzFinding {
  readonly input: Uint8Array;
  readonly error: unknown;
}

export interface FuzzReport {
  readonly inputs: number;
  readonly accepted: number;
  readonly corpus: number;
  readonly slowestMs: number;
  readonly heapGrowthBytes: number;
  readonly findings: readonly FuzzFinding[];
}

/** For inputs below 64 KiB. */
const PASS_MS_MAX = 100;
const INPUT_BYTES_MAX = 64 * 1024;
/** Changes made to one input. */
const ROUNDS = [1, 1, 1, 1, 2, 2, 4, 8] as const;
const CORPUS_MAX = 4000;
/** Above it the memory that passes leave behind is a leak, and not caches filling. */
const HEAP_GROWTH_MAX = 48 * 1024 * 1024;
/** Taking coverage costs as much as thousands of passes. */
const COVERAGE_INPUTS = 2048;
const HEAP_CHECK_INPUTS = 10 * COVERAGE_INPUTS;
const PROGRESS_MS = 60_000;
const FINDINGS_MAX = 20;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Buffers are given back by another thread, some time after they were found to be unused. */
async function heapBytes(enough: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 10 && least > enough; i++) {
    collect();
    await new Promise(resolve => setTimeout(resolve, i * 20));
    const { heapUsed, external } = process.memoryUsage();
    least = Math.min(least, heapUsed + external);
  }
  return least;
}

const PROTOTYPES = [Object, Array, Function, String, Number, Map, Uint8Array, Promise, Error].map(
  each => each.prototype as object,
);
const fingerprint = (): string => PROTOTYPES.map(each => Reflect.ownKeys(each).length).join();
const cleanPrototypes = fingerprint();

const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

export class Fuzzer {
  readonly #options: FuzzOptions;
  readonly #random: SimRandom;
  readonly #corpus: Uint8Array[];
  readonly #kept = new Set<string>();
  readonly #findings: FuzzFinding[] = [];
  readonly #known = new Set<string>();
  #inputs = 0;
  #accepted = 0;
  #slowestMs = 0;
  /** Once compiled code and caches are there. */
  #baseline: number | undefined;
  #growth = 0;
  /** Inputs before the last look at the heap. */
  #checkedAt = 0;
  #batch: Uint8Array[] = [];
  #current: Uint8Array = new Uint8Array();

  constructor(options: FuzzOptions) {
    this.#options = options;
    this.#random = new SimRandom(options.seed, 'fuzz');
    this.#corpus = [...options.target.seeds];
    if (this.#corpus.length === 0) throw new Error('a target needs seeds');
  }

  async run(): Promise<FuzzReport> {
    // Thrown where nobody waits for it: the process of a user would end.
    const onUncaught = (error: unknown): void => this.#found(this.#current, error);
    process.on('uncaughtException', onUncaught);
    try {
      await this.#loop();
    } finally {
      process.off('uncaughtException', onUncaught);
    }
    return this.report;
  }

  async #loop(): Promise<void> {
    const { target, coverage, durationMs, onProgress } = this.#options;
    const { coverageInputs = COVERAGE_INPUTS, parallel = 1 } = target;
    const { findingsMax = FINDINGS_MAX } = this.#options;
    const start = performance.now();
    let reported = start;
    for (const seed of target.seeds) await this.#one(seed);
    if (this.#accepted === 0 && this.#findings.length === 0) {
      throw new Error('the target accepts none of its seeds: it is out of date');
    }
    coverage?.takeNew(true);
    for (let now = start; now - start < durationMs; now = performance.now()) {
      if (parallel === 1) await this.#one(this.#next());
      else await Promise.all(Array.from({ length: parallel }, () => this.#one(this.#next())));
      if (this.#batch.length >= coverageInputs) await this.#sampleCoverage();
      if (this.#inputs - this.#checkedAt >= HEAP_CHECK_INPUTS) await this.#checkHeap();
      if (onProgress !== undefined && now - reported > PROGRESS_MS) {
        reported = now;
        onProgress(this.report);
      }
      if (this.#findings.length >= findingsMax) break;
    }
  }

  get report(): FuzzReport {
    return {
      inputs: this.#inputs,
      accepted: this.#accepted,
      corpus: this.#corpus.length,
      slowestMs: Math.round(this.#slowestMs),
      heapGrowthBytes: this.#growth,
      findings: this.#findings,
    };
  }

  #next(): Uint8Array {
    const { target } = this.#options;
    const random = this.#random;
    let input = random.pick(this.#corpus);
    for (let rounds = random.pick(ROUNDS); rounds > 0; rounds--) {
      const changed = target.mutate(random, input, random.pick(this.#corpus));
      if (changed.length <= INPUT_BYTES_MAX) input = changed;
    }
    return input;
  }

  async #one(input: Uint8Array): Promise<void> {
    this.#inputs += 1;
    this.#current = input;
    this.#options.onInput?.(input);
    if (this.#options.coverage !== undefined) this.#batch.push(input);
    const before = performance.now();
    try {
      const outcome = this.#options.target.pass(input);
      const verdict = typeof outcome === 'string' ? outcome : await outcome;
      if (verdict === 'accepted') this.#accepted += 1;
    } catch (error) {
      this.#found(input, error);
    }
    if (fingerprint() !== cleanPrototypes) this.#found(input, new Finding('a prototype has changed'));
    const took = performance.now() - before;
    if (took <= PASS_MS_MAX) this.#slowestMs = Math.max(this.#slowestMs, took);
    else if (this.#options.target.parallel === undefined) await this.#checkTime(input);
  }

  /** The machine is shared: what counts is the CPU time that it takes each time. */
  async #checkTime(input: Uint8Array): Promise<void> {
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 3; i++) {
      const before = cpuMs();
      await this.#again(input);
      least = Math.min(least, cpuMs() - before);
    }
    this.#slowestMs = Math.max(this.#slowestMs, least);
    if (least > PASS_MS_MAX) {
      this.#found(input, new Finding(`takes longer than ${PASS_MS_MAX} ms`));
    }
  }

  /** Its outcome is known from the first time. */
  async #again(input: Uint8Array): Promise<void> {
    try {
      await this.#options.target.pass(input);
    } catch (error) {
      this.#found(input, error);
    }
  }

  #found(input: Uint8Array, error: unknown): void {
    const place = placeOf(error);
    if (this.#known.has(place)) return;
    this.#known.add(place);
    const finding = { input, error };
    this.#findings.push(finding);
    this.#options.onFinding?.(finding);
  }

  async #checkHeap(): Promise<void> {
    this.#checkedAt = this.#inputs;
    const corpusBytes = this.#corpus.reduce((sum, { length }) => sum + length + 200, 0);
    const enough = this.#baseline === undefined ? 0 : this.#baseline + HEAP_GROWTH_MAX / 4 + corpusBytes;
    const bytes = (await heapBytes(enough)) - corpusBytes;
    this.#baseline ??= bytes;
    this.#growth = bytes - this.#baseline;
    if (this.#growth > HEAP_GROWTH_MAX) {
      this.#found(new Uint8Array(), new Finding('the heap does not return to what it was at the start'));
    }
  }

  async #sampleCoverage(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    const { coverage } = this.#options;
    if (coverage === undefined || !coverage.takeNew(false)) return;
    await this.#keepNew(batch, coverage);
  }

  /** Halves the batch until the inputs are found that reach something new. */
  async #keepNew(batch: readonly Uint8Array[], coverage: Coverage): Promise<void> {
    if (batch.length === 0 || this.#corpus.length >= CORPUS_MAX) return;
    coverage.takeNew(false);
    const { parallel = 1 } = this.#options.target;
    for (let i = 0; i < batch.length; i += parallel) {
      await Promise.all(batch.slice(i, i + parallel).map(input => this.#again(input)));
    }
    const isSingle = batch.length === 1;
    if (!coverage.takeNew(isSingle)) return;
    if (isSingle) this.#keep(batch[0] as Uint8Array);
    else {
      const middle = batch.length >> 1;
      await this.#keepNew(batch.slice(0, middle), coverage);
      await this.#keepNew(batch.slice(middle), coverage);
    }
  }

  #keep(input: Uint8Array): void {
    const name = createHash('sha1').update(input).digest('hex');
    if (this.#kept.has(name)) return;
    this.#kept.add(name);
    this.#corpus.push(input);
  }
}

/** Where it was thrown from, above the codec, which everything goes through: once per place, not per input. */
function placeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const frames = (error.stack ?? '').split('\n').filter(line => /^ {4}at .*\.ts:/.test(line));
  const above = frames.filter(line => !line.includes('/protocol/')).slice(0, 3);
  return [error.name, error instanceof Finding ? error.message : '', ...above].join('|');
}
