/**
 * Services that exist in several revisions, for rows about deployments. The function's settings name the service and
 * the revision of its code; each row has a service of its own, because a deployment concerns whoever uses it.
 */
import type { FunctionSettings } from '../harness/index.ts';
import type { Play } from './play.ts';
import { SDK_NAMES, type SdkName } from './sdk.ts';

/** What a row does with its service. */
const USES = ['Moved', 'Rolled', 'Removed'] as const;
export type Use = (typeof USES)[number];

/** By revision: the third one lacks handlers that the others have. */
const REVISIONS: Readonly<Record<Use, readonly number[]>> = {
  Moved: [1, 2],
  Rolled: [1, 2, 3],
  Removed: [1, 2],
};

const serviceOf = (sdk: SdkName, use: Use, killed: boolean): string =>
  `${sdk}${use}${killed ? 'Killed' : ''}`;

export const versionedService = (t: Play, use: Use): string => serviceOf(t.sdk, use, t.killed);

/** Registers a revision; the id of its deployment. */
export const registerRevision = (t: Play, use: Use, revision: number): Promise<string> =>
  t.stack.register(`${versionedService(t, use)}-r${revision}`);

/** `file`: the path of a file in this folder; `env`: as other functions have it. */
export function versionedFunctions(
  file: (name: string) => string,
  shared: Readonly<Record<string, string>>,
  variants: readonly boolean[],
): readonly FunctionSettings[] {
  const functions: FunctionSettings[] = [];
  for (const sdk of SDK_NAMES)
    for (const use of USES)
      for (const killed of variants)
        for (const revision of REVISIONS[use]) {
          const service = serviceOf(sdk, use, killed);
          // Only where a journal is replayed by another revision does it matter whose handlers they are.
          const entry =
            use === 'Moved' && sdk === 'Official' ? 'versioned-official.ts' : 'versioned-holdfast.ts';
          const env = { ...shared, SERVICE: service, REVISION: String(revision) };
          functions.push({ name: `${service}-r${revision}`, entry: file(entry), env, timeoutMs: 10_000 });
        }
  return functions;
}
