/**
 * `npm run demo`: trips are booked while a Lambda environment and the orchestrator are killed under them. Ends
 * with a timeline, the providers' ledger and a verdict; the exit code is 0 when the verdict is met, 1 otherwise.
 *
 * Nothing is left to luck: a provider holds its answer back, and only then the process that waits for it dies.
 */
import { join } from 'node:path';
import { type Stack, startStack, until } from '../../test/e2e/harness/index.ts';
import { childrenOf, type Evidence, type Kill, readJournals, type TripEvidence } from './demo/evidence.ts';
import { Approver, Callers } from './demo/people.ts';
import { type Hold, Providers } from './demo/providers.ts';
import { heading, narrate, printLedger, printTimeline, printVerdict, say } from './demo/screen.ts';
import { judge } from './demo/verdict.ts';
import type { Booking } from './handler.ts';

const startedAt = performance.now();
const now = (): number => performance.now() - startedAt;
const tell = (text: string, colour?: 'red' | 'green' | 'yellow'): void => narrate(now(), text, colour);

const IMPATIENT_MS = 1500;
/** For the whole demo. A machine on which it takes longer should be told, not waited for. */
const DEADLINE_MS = 30_000;

const EXPECTED: Readonly<Record<string, Booking['status']>> = {
  ada: 'booked',
  bob: 'booked',
  cleo: 'cancelled',
  dora: 'cancelled',
  emil: 'booked',
  finn: 'booked',
  gina: 'booked',
  hugo: 'booked',
};

interface Scene {
  readonly stack: Stack;
  readonly providers: Providers;
  readonly callers: Callers;
  readonly approver: Approver;
}

/** The Lambda environment that waits for the hotel dies; the orchestrator notices and invokes again. */
async function killAnEnvironment({ stack, providers, callers, approver }: Scene): Promise<Kill> {
  heading('A Lambda environment dies in the middle of a step');
  const hold = providers.hold('bob', 'hotels/reserve');
  providers.refuse('dora', 'cars/reserve');
  approver.keepWaiting('cleo');
  callers.book('ada');
  callers.book('bob');
  callers.book('cleo', IMPATIENT_MS);
  callers.book('dora');
  tell('ada, bob, cleo and dora book. Nobody will approve for cleo; dora gets no car');
  const { servedBy, key } = await hold.arrived;
  tell('the hotel has the request for bob and holds its answer back');
  const atMs = now();
  stack.lambda.killEnvironment(servedBy);
  tell(`SIGKILL to process ${servedBy}, the Lambda environment that waits for the hotel`, 'red');
  hold.release();
  await until('the hotel is asked again', () => providers.ledger.filter(line => line.key === key).length > 1);
  tell(
    'invoked again in another environment: the flight is not booked twice, the hotel is asked once more',
    'green',
  );
  return { atMs, overMs: atMs, what: 'the Lambda environment', key };
}

/** A trip is suspended, one is between its steps, and callers wait: now the orchestrator dies. */
async function killTheOrchestrator(scene: Scene): Promise<Kill> {
  const { stack, providers, callers, approver } = scene;
  heading('The orchestrator dies');
  const hold = providers.hold('finn', 'cars/reserve');
  approver.keepWaiting('emil');
  callers.book('emil');
  await until('emil waits for approval', () => approver.hasBeenAsked('emil'));
  await suspended(scene, 'emil');
  tell('emil has flight, hotel and car, and waits for approval: suspended, no function runs');
  for (const traveller of ['finn', 'gina', 'hugo']) callers.book(traveller);
  const { key } = await betweenSteps(scene, hold);
  tell('finn has flight and hotel; the car provider holds its answer back');
  const { waiting } = callers;
  const atMs = now();
  await stack.killOrchestrator();
  tell(`SIGKILL to the orchestrator; ${waiting} callers were waiting at its ingress`, 'red');
  hold.release();
  // What the dead process had started ends first, and nobody hears of it.
  await until('the environments are idle', () => stack.lambda.environments().every(one => !one.busy));
  const overMs = now();
  await stack.restartOrchestrator();
  tell('restarted on the same data; callers repeat their requests with the same idempotency key', 'green');
  await approver.approve('emil');
  tell('emil is approved');
  return { atMs, overMs, what: 'the orchestrator', key };
}

async function suspended({ stack, providers }: Scene, traveller: string): Promise<void> {
  const asked = providers.ledger.find(line => line.traveller === traveller && line.path === 'approvals');
  const invocation = asked?.key.split('/')[0] ?? '';
  await until(
    `${traveller} is suspended`,
    async () => (await stack.admin.invocation(invocation))?.status === 'suspended',
  );
}

/** The held request, once the journal of its trip has the two steps before it and not this one. */
async function betweenSteps({ stack }: Scene, hold: Hold): Promise<{ readonly key: string }> {
  const { key } = await hold.arrived;
  const child = await stack.admin.invocation(key.split('/')[0] ?? '');
  const journal = await stack.admin.journal(child?.invoked_by_id ?? '');
  const results = journal.filter(entry => entry.entry_type === 'Notification: Call').length;
  if (results !== 2) throw new Error(`the journal should have two results and has ${results}`);
  return { key };
}

/** Results, journals and the ledger, when the last reminder has been sent. */
async function gather({ stack, providers, callers }: Scene, kills: readonly Kill[]): Promise<Evidence> {
  const trips: TripEvidence[] = [];
  const steps: Evidence['steps'][number][] = [];
  const ids = new Map<string, string>();
  for (const traveller of Object.keys(EXPECTED)) ids.set(traveller, (await callers.result(traveller)).id);
  tell(`all ${ids.size} trips have ended; callers had repeated ${callers.broken} broken requests`);
  for (const [traveller, expected] of Object.entries(EXPECTED)) {
    const { id, outcome } = await callers.result(traveller);
    for (const child of childrenOf(await stack.admin.journal(id)).keys()) {
      await until(`${child} ends`, async () => (await stack.admin.invocation(child))?.status === 'completed');
    }
    const read = await readJournals(stack.admin, traveller, id);
    trips.push({ traveller, expected, outcome, events: read.events });
    steps.push(...read.steps);
  }
  tell('the delayed reminders have been sent');
  const { ledger: requests, reserved, charged, reminded } = providers;
  return { trips, steps, requests, kills, reserved: [...reserved.keys()], charged, reminded };
}

async function play(providers: Providers): Promise<boolean> {
  const providersUrl = await providers.open();
  const functionName = 'trip-booking';
  const stack = await startStack({
    functions: [
      {
        name: functionName,
        entry: join(import.meta.dirname, 'handler.ts'),
        timeoutMs: 20_000,
        env: { PROVIDERS_URL: providersUrl },
      },
    ],
    // Several environments per core: the demo is about what waits and dies, not about work.
    lambda: { kind: 'inProcess', maxEnvironments: 6 },
    settings: { retryInitialInterval: '200ms' },
  });
  try {
    tell(
      `orchestrator is process ${stack.orchestrator.pid}; function ${functionName} is built and registered`,
    );
    const scene = {
      stack,
      providers,
      callers: new Callers(stack),
      approver: new Approver(stack, providers),
    };
    const kills = [await killAnEnvironment(scene), await killTheOrchestrator(scene)];
    const evidence = await gather(scene, kills);
    printTimeline(evidence);
    printLedger(evidence.requests);
    const verdict = judge(evidence);
    printVerdict(verdict);
    return verdict.met;
  } finally {
    await stack.stop();
  }
}

const deadline = setTimeout(() => {
  say(`\nNOT MET: the demo has not ended after ${DEADLINE_MS / 1000} s.`);
  process.exit(1);
}, DEADLINE_MS);
const providers = new Providers(now);
try {
  process.exitCode = (await play(providers)) ? 0 : 1;
} finally {
  providers.close();
  clearTimeout(deadline);
}
