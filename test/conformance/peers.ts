/**
 * Both directions with the field's own implementation: handlers of our SDK on the Restate server, and the official
 * ingress client on ours.
 *
 *     node test/conformance/peers.ts [--row <part of a name>] [--on <part of a setting>]
 *
 * On the Restate server every row is played that is not about our server alone, with both SDKs. Where the servers
 * differ is listed in peer-differences.ts with the reason; everything else passes. The last line is
 * `N passed, N failed`; exits with 1 if anything failed.
 */
import { parseArgs } from 'node:util';
import type { Setting } from '../e2e/behaviours/dimensions.ts';
import type { Row } from '../e2e/behaviours/play.ts';
import { ROWS } from '../e2e/behaviours/rows/index.ts';
import { cellName, plan, settingName, variantsOf } from './matrix.ts';
import { differenceOf } from './peer-differences.ts';
import { startPeer } from './peer-system.ts';
import { playSettings, type SettingCells } from './play-settings.ts';
import { failures, totals } from './report.ts';
import type { Outcome } from './run.ts';

const ON_PEER: readonly Setting[] = [
  { transport: 'lambda', version: 6 },
  { transport: 'lambda', version: 7 },
  { transport: 'http1', version: 6 },
  { transport: 'http2', version: 6 },
  { transport: 'http2', version: 7 },
];
const ON_OURS: readonly Setting[] = [
  { transport: 'lambda', version: 7 },
  { transport: 'http2', version: 7 },
];
/** It holds fewer connections to a local Lambda at once than ours without falling behind. */
const CELLS_AT_ONCE = 12;

const undisturbed = (settings: readonly Setting[], rows: readonly Row[]): readonly SettingCells[] =>
  settings.map(setting => ({
    setting,
    cells: plan(
      rows,
      variantsOf(setting).filter(({ killed }) => !killed),
    ).cells,
  }));

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: { row: { type: 'string', default: '' }, on: { type: 'string', default: '' } },
  });
  const rows = ROWS.filter(({ name }) => values.row.split('|').some(part => name.includes(part)));
  const wanted = (setting: Setting): boolean => settingName(setting).includes(values.on);
  const onPeer = undisturbed(
    ON_PEER.filter(wanted),
    rows.filter(({ oursOnly }) => !oursOnly),
  );
  const onOurs = undisturbed(
    ON_OURS.filter(wanted),
    rows.filter(({ name }) => name.startsWith('client: ')),
  );
  const played = await playSettings(onPeer, {
    start: startPeer,
    cellsAtOnce: CELLS_AT_ONCE,
    onProgress: line => console.error(`on the Restate server, ${line}`),
  });
  const client = await playSettings(onOurs, {
    onProgress: line => console.error(`the official client on ours, ${line}`),
  });
  const rest = withoutDifferences(played);
  for (const outcomes of [rest, client]) {
    const failed = failures(outcomes);
    if (failed !== '') console.log(failed);
  }
  const all = [...rest, ...client];
  console.log(totals(all));
  return all.every(({ error }) => error === undefined);
}

/** Lists what is known to differ, with the reasons; the other outcomes. */
function withoutDifferences(outcomes: readonly Outcome[]): readonly Outcome[] {
  const differing = new Map<string, string[]>();
  const rest: Outcome[] = [];
  for (const outcome of outcomes) {
    const reason = outcome.error === undefined ? undefined : differenceOf(outcome.cell);
    if (reason === undefined) rest.push(outcome);
    else differing.set(reason, [...(differing.get(reason) ?? []), cellName(outcome.cell)]);
  }
  for (const [reason, names] of differing)
    console.log(`the servers differ: ${reason}\n    ${names.join('\n    ')}`);
  return rest;
}

process.exit((await main()) ? 0 : 1);
