/**
 * Services that rows register: those that exist in several revisions, and one that comes late. Each row has a service of its own, because a
 * deployment concerns whoever uses it.
 */
import type { SdkName } from './dimensions.ts';
import type { Play } from './play.ts';

/** What a row does with its service. */
export type Use = 'Moved' | 'Rolled' | 'Removed';

/** The third revision lacks handlers that the others have. */
export const USES: readonly { readonly use: Use; readonly revisions: readonly number[] }[] = [
  { use: 'Moved', revisions: [1, 2] },
  { use: 'Rolled', revisions: [1, 2, 3] },
  { use: 'Removed', revisions: [1, 2] },
];

const serviceOf = (sdk: SdkName, use: Use, killed: boolean): string =>
  `${sdk}${use}${killed ? 'Killed' : ''}`;

/** A service that is registered after it has been called. */
export const lateService = (sdk: SdkName, killed: boolean): string => `${sdk}Late${killed ? 'Killed' : ''}`;

/** Of the endpoint that serves a revision. */
export const versionedName = (sdk: SdkName, use: Use, killed: boolean, revision: number): string =>
  `versioned-${serviceOf(sdk, use, killed)}-${revision}`;

export const versionedService = (t: Play, use: Use): string => serviceOf(t.sdk, use, t.killed);

/** Registers a revision; the id of its deployment. */
export const registerRevision = (t: Play, use: Use, revision: number): Promise<string> =>
  t.stack.register(versionedName(t.sdk, use, t.killed, revision));
