/**
 * What is known about functions: configuration, published versions, aliases, reserved concurrency; and the file
 * each is kept in.
 *
 * Invariants:
 * - A published version never changes: it freezes bundle and configuration.
 * - Publishing what the last version already holds gives that version again.
 * - Version numbers only rise, also over restarts.
 * - The file is replaced as a whole, after each change, before the change is acknowledged.
 */

import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { CodedError } from '../../platform/error.ts';
import { AwsError, functionNotFound } from './aws-errors.ts';
import { type Code, writeWhole } from './bundle.ts';
import { DEFAULT_RUNTIME } from './settings.ts';
import { functionArn, type Place, type Target } from './target.ts';

export interface Configuration {
  readonly handler: string;
  readonly timeoutMs: number;
  readonly memoryMb: number;
  readonly env: Readonly<Record<string, string>>;
  readonly description: string;
  readonly runtime: string;
}

/** Code and configuration under one version; immutable, and so the key of its environments. */
export interface Revision {
  readonly functionName: string;
  /** `$LATEST` or a number. */
  readonly version: string;
  readonly configuration: Configuration;
  readonly code: Code;
  /** ISO 8601. */
  readonly modifiedAt: string;
}

export interface LambdaFunction {
  readonly name: string;
  entry: string;
  latest: Revision;
  readonly versions: Revision[];
  readonly aliases: Map<string, { readonly version: string; readonly description: string }>;
  reserved: number | undefined;
  lastVersion: number;
}

/** The file's shape. A new field needs a default in `read`; a changed one a new `format`. */
interface Stored extends Omit<LambdaFunction, 'aliases' | 'reserved'> {
  readonly format: 1;
  readonly aliases: readonly (readonly [string, { version: string; description: string }])[];
  readonly reserved: number | null;
}

export class Functions {
  readonly #dir: string;
  readonly #place: Place;
  readonly #byName = new Map<string, LambdaFunction>();

  constructor(dataDir: string, place: Place) {
    this.#dir = join(dataDir, 'functions');
    this.#place = place;
    mkdirSync(this.#dir, { recursive: true });
    for (const file of readdirSync(this.#dir)) {
      if (!file.endsWith('.json')) continue;
      const one = read(join(this.#dir, file));
      this.#byName.set(one.name, one);
    }
  }

  all(): readonly LambdaFunction[] {
    return [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  find(name: string): LambdaFunction | undefined {
    return this.#byName.get(name);
  }

  get(name: string): LambdaFunction {
    const found = this.#byName.get(name);
    if (found === undefined) throw functionNotFound(functionArn(this.#place, name));
    return found;
  }

  resolve(target: Target): Revision {
    const { name, qualifier } = target;
    const found = this.#byName.get(name);
    const version = found?.aliases.get(qualifier ?? '')?.version ?? qualifier ?? '$LATEST';
    const revision =
      version === '$LATEST' ? found?.latest : found?.versions.find(one => one.version === version);
    if (revision === undefined) throw functionNotFound(functionArn(this.#place, name, qualifier));
    return revision;
  }

  /** Every path of a bundle that some revision still needs. */
  modulePaths(): Set<string> {
    const revisions = this.all().flatMap(one => [one.latest, ...one.versions]);
    return new Set(revisions.map(one => one.code.modulePath));
  }

  /** Creates the function or changes its `$LATEST`; returns the revision that was replaced. */
  setLatest(name: string, entry: string, code: Code, configuration: Configuration): Revision | undefined {
    const old = this.#byName.get(name);
    const modifiedAt = new Date().toISOString();
    const latest: Revision = { functionName: name, version: '$LATEST', configuration, code, modifiedAt };
    if (old === undefined) {
      const aliases = new Map();
      this.#byName.set(name, {
        name,
        entry,
        latest,
        versions: [],
        aliases,
        reserved: undefined,
        lastVersion: 0,
      });
      this.save(name);
      return undefined;
    }
    old.entry = entry;
    if (
      old.latest.code.sha256 === code.sha256 &&
      isDeepStrictEqual(old.latest.configuration, configuration)
    ) {
      return undefined;
    }
    const replaced = old.latest;
    old.latest = latest;
    this.save(name);
    return replaced;
  }

  publish(name: string, description?: string): Revision {
    const one = this.get(name);
    const last = one.versions.at(-1);
    const { latest } = one;
    const same =
      last !== undefined &&
      last.code.sha256 === latest.code.sha256 &&
      isDeepStrictEqual(
        { ...last.configuration, description: '' },
        { ...latest.configuration, description: '' },
      );
    if (same) return last;
    one.lastVersion++;
    const configuration =
      description === undefined ? latest.configuration : { ...latest.configuration, description };
    const published: Revision = {
      ...latest,
      configuration,
      version: String(one.lastVersion),
      modifiedAt: new Date().toISOString(),
    };
    one.versions.push(published);
    this.save(name);
    return published;
  }

  setAlias(name: string, alias: string, version: string, description: string): void {
    const one = this.get(name);
    this.resolve({ name, qualifier: version });
    one.aliases.set(alias, { version, description });
    this.save(name);
  }

  removeVersion(name: string, version: string): Revision {
    const one = this.get(name);
    const removed = this.resolve({ name, qualifier: version });
    const user = [...one.aliases].find(([, alias]) => alias.version === removed.version);
    if (user !== undefined) {
      throw new AwsError('ResourceConflictException', `Version ${version} is in use by the alias ${user[0]}`);
    }
    one.versions.splice(one.versions.indexOf(removed), 1);
    this.save(name);
    return removed;
  }

  remove(name: string): LambdaFunction {
    const one = this.get(name);
    this.#byName.delete(name);
    rmSync(join(this.#dir, `${name}.json`));
    return one;
  }

  save(name: string): void {
    const one = this.get(name);
    const stored: Stored = { ...one, format: 1, aliases: [...one.aliases], reserved: one.reserved ?? null };
    writeWhole(join(this.#dir, `${name}.json`), `${JSON.stringify(stored, undefined, 2)}\n`);
  }
}

function read(path: string): LambdaFunction {
  let stored: Stored;
  try {
    stored = JSON.parse(readFileSync(path, 'utf8')) as Stored;
    if (stored.format !== 1) throw new Error(`its format is ${stored.format}`);
  } catch (error) {
    throw new CodedError(
      'HF_LOCAL_LAMBDA_DATA',
      `${path} cannot be read (${(error as Error).message}); restore it, or delete it to forget the ` +
        `function's versions (folder ${dirname(path)})`,
      { cause: error },
    );
  }
  const { name, entry, lastVersion } = stored;
  const [latest, versions] = [withRuntime(stored.latest), stored.versions.map(withRuntime)];
  const reserved = stored.reserved ?? undefined;
  return { name, entry, latest, versions, lastVersion, reserved, aliases: new Map(stored.aliases) };
}

/** Files from before there were runtimes have none. */
function withRuntime({ configuration, ...revision }: Revision): Revision {
  return {
    ...revision,
    configuration: { ...configuration, runtime: configuration.runtime ?? DEFAULT_RUNTIME },
  };
}
