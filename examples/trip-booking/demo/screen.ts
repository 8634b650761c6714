/** What the demo prints. Colours only on a terminal. */
import type { Evidence, JournalEvent, TripEvidence } from './evidence.ts';
import type { LedgerRequest } from './providers.ts';
import type { Verdict } from './verdict.ts';

const COLOURS = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;
const coloured = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;

type Colour = keyof typeof COLOURS;

const paint = (colour: Colour, text: string): string =>
  coloured ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text;

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)}s`;

export const say = (text = ''): void => void process.stdout.write(`${text}\n`);

/** A line about what is happening now. */
export function narrate(atMs: number, text: string, colour?: Colour): void {
  say(`${paint('dim', seconds(atMs).padStart(7))}  ${colour === undefined ? text : paint(colour, text)}`);
}

export const heading = (text: string): void => say(`\n${paint('bold', text)}`);

export function printTimeline({ trips, requests, kills }: Evidence): void {
  heading('Timeline, read from the journals (seconds since the start, where a provider was asked)');
  const width = Math.max(...trips.map(trip => trip.traveller.length));
  for (const trip of trips) {
    const marks = trip.events.map(event => mark(event, requests));
    say(`  ${trip.traveller.padEnd(width)}  ${outcomeOf(trip)}  ${marks.join('  ')}`);
  }
  heading('Kills');
  for (const { atMs, what, key } of kills) {
    const times = requests.filter(request => request.key === key);
    const asked = times.map(request => `${seconds(request.atMs)} by process ${request.servedBy}`);
    say(`  ${seconds(atMs)}  ${what}, in the middle of ${times[0]?.path} for ${times[0]?.traveller}`);
    say(`         ${paint('dim', `requested ${asked.join(', then ')}; same key ${key.slice(0, 12)}…`)}`);
  }
}

function outcomeOf({ outcome, expected }: TripEvidence): string {
  const status = outcome?.status ?? 'no result';
  return paint(status === expected ? 'green' : 'red', status.padEnd(9));
}

function mark({ what, key, failed }: JournalEvent, requests: readonly LedgerRequest[]): string {
  const times = requests.filter(request => request.key === key);
  const at = times[0] === undefined ? '' : ` ${(times[0].atMs / 1000).toFixed(2)}`;
  const again =
    times.length > 1 ? paint('yellow', ` again ${((times.at(-1)?.atMs ?? 0) / 1000).toFixed(2)}`) : '';
  return `${failed ? paint('red', `${what} ✗`) : what}${paint('dim', at)}${again}`;
}

export function printLedger(requests: readonly LedgerRequest[]): void {
  heading("The providers' ledger");
  const paths = Map.groupBy(requests, request => request.path);
  for (const [path, lines] of [...paths].sort(([a], [b]) => a.localeCompare(b))) {
    const keys = new Set(lines.map(line => line.key)).size;
    const repeats = lines.length - keys;
    const note = repeats === 0 ? '' : paint('yellow', `  (${repeats} repeated)`);
    say(`  ${path.padEnd(16)}${String(lines.length).padStart(3)} requests, ${keys} idempotency keys${note}`);
  }
}

export function printVerdict({ met, summary, problems }: Verdict): void {
  heading('Verdict');
  for (const problem of problems) say(`  ${paint('red', problem)}`);
  say(paint(met ? 'green' : 'red', `${met ? 'MET' : 'NOT MET'}: ${summary}.`));
}
