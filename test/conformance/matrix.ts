/**
 * The matrix: every row of the table in every variant, and why a combination does not exist.
 *
 * V5 is V6 without two fields, so that it is played over one transport, undisturbed and with eager state.
 */
import {
  missing,
  SDK_NAMES,
  type SdkName,
  type Setting,
  STATES,
  TRANSPORTS,
  type Transport,
  type Variant,
} from '../e2e/behaviours/dimensions.ts';
import type { Row } from '../e2e/behaviours/play.ts';

export const SETTINGS: readonly Setting[] = [
  ...([7, 6] as const).flatMap(version => TRANSPORTS.map(transport => ({ transport, version }))),
  { transport: 'lambda', version: 5 },
];

export interface Cell {
  readonly row: Row;
  readonly variant: Variant;
}

/** The ways to play rows in a setting; an SDK's form a column of what is printed. */
export const variantsOf = (setting: Setting, sdks: readonly SdkName[] = SDK_NAMES): readonly Variant[] =>
  sdks.flatMap(sdk =>
    STATES.flatMap(state => [false, true].map(killed => ({ ...setting, sdk, state, killed }))),
  );

/** Undefined: the combination exists. */
export function absence({ row, variant }: Cell): string | undefined {
  if (variant.version === 5 && (variant.killed || variant.state === 'lazy')) {
    return 'V5 is played undisturbed, with eager state';
  }
  return missing(row, variant);
}

export interface Plan {
  readonly cells: readonly Cell[];
  /** How many combinations there are not, by the reason. */
  readonly absent: ReadonlyMap<string, number>;
}

export function plan(rows: readonly Row[], variants: readonly Variant[]): Plan {
  const cells: Cell[] = [];
  const absent = new Map<string, number>();
  for (const row of rows)
    for (const variant of variants) {
      const reason = absence({ row, variant });
      if (reason === undefined) cells.push({ row, variant });
      else absent.set(reason, (absent.get(reason) ?? 0) + 1);
    }
  return { cells, absent };
}

const TRANSPORT_NAMES: Readonly<Record<Transport, string>> = {
  lambda: 'Lambda',
  http1: 'HTTP/1.1',
  http2: 'HTTP/2',
};

export const settingName = ({ transport, version }: Setting): string =>
  `${TRANSPORT_NAMES[transport]} V${version}`;

/** As a failure names it, and as it can be asked for. */
export const cellName = ({ row, variant }: Cell): string => {
  const { sdk, state, killed } = variant;
  const how = [sdk, ...(state === 'lazy' ? ['lazy state'] : []), ...(killed ? ['killed'] : [])];
  return `${settingName(variant)}, ${how.join(', ')}: ${row.name}`;
};
