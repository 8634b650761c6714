/** What the workspace's package.json says about the package that is published. One table of entries for everything. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const sdkFolder = dirname(dirname(fileURLToPath(import.meta.url)));
export const repository = dirname(sdkFolder);

export interface PackageSource {
  readonly name: string;
  readonly version: string;
  /** Exported path, such as `./node`, and its source, such as `./node.ts`. */
  readonly exports: Readonly<Record<string, string>>;
  /** What is published as it is. */
  readonly [field: string]: unknown;
}

export const packageSource = (): PackageSource =>
  JSON.parse(readFileSync(join(sdkFolder, 'package.json'), 'utf8')) as PackageSource;

/** Sources without their ending, each once: `index`, `clients/index`. */
export const entriesOf = ({ exports }: PackageSource): readonly string[] => [
  ...new Set(Object.values(exports).map(entryOf)),
];

export const entryOf = (source: string): string => source.replace(/^\.\/|\.ts$/g, '');

/** What lies in the built folder has no folders below it but the types': `clients/index` is `clients`. */
export const fileOf = (entry: string): string => entry.replace(/\/index$/, '').replaceAll('/', '-');
