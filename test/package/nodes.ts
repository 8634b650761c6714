/** The Node versions that the package is tried on; those that do not run the tests are fetched once, outside the tree. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface NodeVersion {
  readonly major: number;
  /** As Lambda calls it. */
  readonly runtime: string;
  /** Path of the binary. */
  readonly binary: string;
}

const RUNNING = Number(process.versions.node.split('.')[0]);
const FETCH_TIMEOUT_MS = 120_000;

/** Throws if it can neither be found nor fetched: what was not tried has not passed. */
export function nodeVersion(major: number): NodeVersion {
  return {
    major,
    runtime: `nodejs${major}.x`,
    binary: major === RUNNING ? process.execPath : fetched(major),
  };
}

/** npm has the plain binaries, without scripts to run, as packages named for the platform. */
function packageName(): string {
  const { platform, arch } = process;
  const system = platform === 'win32' ? 'win' : platform;
  return `${system === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node'}-${system}-${arch}`;
}

function fetched(major: number): string {
  const name = packageName();
  const home = join(tmpdir(), `holdfast-node-${major}-${process.arch}`);
  const binaryIn = (folder: string): string =>
    join(folder, 'node_modules', name, process.platform === 'win32' ? 'bin/node.exe' : 'bin/node');
  if (existsSync(binaryIn(home))) return binaryIn(home);
  mkdirSync(home, { recursive: true });
  // Beside and then renamed: another run may be at it, and this one may be killed.
  const beside = mkdtempSync(join(home, 'fetch-'));
  try {
    const flags = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
    execFileSync('npm', ['install', '--prefix', beside, ...flags, `${name}@${major}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: FETCH_TIMEOUT_MS,
    });
    if (!existsSync(binaryIn(home))) renameSync(join(beside, 'node_modules'), join(home, 'node_modules'));
  } catch (error) {
    throw new Error(
      `Node ${major} is needed to try the package on it, and npm could not fetch ${name}@${major}. ` +
        `Put its binary at ${binaryIn(home)}, or let npm reach its registry.`,
      { cause: error },
    );
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
  return binaryIn(home);
}
