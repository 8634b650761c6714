/** The SDKs that are compared, each as bundles of handlers that do the same. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleOf, EMPTY_HANDLER, gzipBytes } from '../../sdk-lambda/build/measured.ts';

export interface Subject {
  readonly name: string;
  readonly minifiedBytes: number;
  readonly gzipBytes: number;
  /** Path of the bundle of an empty handler. */
  readonly empty: string;
  /** Path of the bundle of a handler of as many steps as its input says; for SDKs that speak our protocol. */
  readonly steps: string | undefined;
}

interface Source {
  readonly name: string;
  /** Where imports are looked for. */
  readonly folder: string;
  readonly empty: string;
  readonly steps?: string;
  readonly external?: readonly string[];
  readonly banner?: string;
}

const AWS_VERSION = '2.4.0';
const AWS_PACKAGE = '@aws/durable-execution-sdk-js';
const root = join(import.meta.dirname, '../..');

const stepsWith = (sdk: string): string => `
  import { createEndpointHandler, service } from '${sdk}';
  const steps = async (ctx, count) => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += await ctx.run('step', () => 1);
    return sum;
  };
  export const handler = createEndpointHandler({ services: [service({ name: 'Replay', handlers: { steps } })] });`;

const RESTATE = '@restatedev/restate-sdk/lambda';
const AWS_HANDLER = `
  import { withDurableExecution } from '${AWS_PACKAGE}';
  export const handler = withDurableExecution(async () => {});`;
/** Its dependencies are CommonJS, which an ES module has no \`require\` for. */
const WITH_REQUIRE = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`;

const sourcesOf = (builtFolder: string, awsFolder: string): readonly Source[] => [
  { name: 'holdfast', folder: builtFolder, empty: EMPTY_HANDLER, steps: stepsWith('@holdfast/sdk-lambda') },
  {
    name: 'restate',
    folder: root,
    empty: EMPTY_HANDLER.replace('@holdfast/sdk-lambda', RESTATE),
    steps: stepsWith(RESTATE),
  },
  {
    name: 'aws durable, AWS SDK external',
    folder: awsFolder,
    empty: AWS_HANDLER,
    external: ['@aws-sdk/*'],
    banner: WITH_REQUIRE,
  },
  { name: 'aws durable, AWS SDK bundled', folder: awsFolder, empty: AWS_HANDLER, banner: WITH_REQUIRE },
];

/** Writes the bundles into `into`. */
export async function prepare(builtFolder: string, into: string): Promise<readonly Subject[]> {
  const awsFolder = installed();
  // For the bundle that leaves it out.
  mkdirSync(join(into, 'node_modules'), { recursive: true });
  symlinkSync(join(awsFolder, 'node_modules/@aws-sdk'), join(into, 'node_modules/@aws-sdk'));
  const subjects: Subject[] = [];
  for (const source of sourcesOf(builtFolder, awsFolder)) {
    const path = (what: string): string => join(into, `${subjects.length}-${what}.mjs`);
    const empty = await bundleOf(source.empty, source.folder, source);
    writeFileSync(path('empty'), empty);
    const steps = source.steps && (await bundleOf(source.steps, source.folder, source));
    if (steps) writeFileSync(path('steps'), steps);
    subjects.push({
      name: source.name,
      minifiedBytes: empty.length,
      gzipBytes: gzipBytes(empty),
      empty: path('empty'),
      steps: steps ? path('steps') : undefined,
    });
  }
  return subjects;
}

/** From the registry, once, outside of the tree. */
function installed(): string {
  const home = join(tmpdir(), `holdfast-peer-aws-durable-${AWS_VERSION}`);
  if (!existsSync(join(home, 'node_modules', AWS_PACKAGE, 'package.json'))) {
    mkdirSync(home, { recursive: true });
    const flags = ['--prefix', home, '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
    execFileSync('npm', ['install', ...flags, `${AWS_PACKAGE}@${AWS_VERSION}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  return home;
}
