/** Requests and answers beyond what Lambda takes. */
import { expect } from 'vitest';
import { until } from '../../harness/index.ts';
import type { Condition } from '../dimensions.ts';
import type { Noise } from '../handlers/large.ts';
import { interruptedStory, only, oursOnly, type Play, type Row, story } from '../play.ts';

const MIB = 1024 * 1024;

const CARRIED: Condition = {
  holds: ({ transport, sdk }) => transport !== 'lambda' || sdk === 'Holdfast',
  because: 'only our SDK fetches what Lambda does not carry',
};
const NOT_CARRIED: Condition = {
  holds: variant => !CARRIED.holds(variant),
  because: 'there is a way to carry it',
};

/** It is recorded, waits, and finds what it has recorded. */
async function carried(t: Play, noise: Noise): Promise<void> {
  const run = await t.send('noise', noise);
  const awakeable = await run.note('awakeable');
  await run.waits();
  await t.interrupt();
  await t.stack.ingress.resolveAwakeable(awakeable, 'go');
  await t.expect(run, {
    result: (digests: [string, string][]) => {
      expect(digests.length).toBe(noise.steps);
      for (const [drawn, found] of digests) expect(found).toBe(drawn);
    },
  });
  if (t.variant.transport === 'lambda') {
    await until('nothing is left of it', () => t.stack.objects(run.id).length === 0);
  }
}

export const LARGE: readonly Row[] = [
  only(
    CARRIED,
    interruptedStory('a journal of 9 MiB', t => carried(t, { steps: 3, bytes: 3 * MIB })),
  ),
  only(
    CARRIED,
    interruptedStory('an answer of 7 MiB', t => carried(t, { steps: 1, bytes: 7 * MIB })),
  ),
  oursOnly(
    only(
      NOT_CARRIED,
      story('a journal of 9 MiB that cannot be carried pauses, and says why', async t => {
        const run = await t.send('noise', { steps: 3, bytes: 3 * MIB } satisfies Noise);
        await run.until('paused');
        const { last_failure } = await run.view();
        expect(last_failure).toMatchObject({ error_code: 'HF_JOURNAL_TOO_LARGE' });
        // Its size, and the limit.
        expect(last_failure?.message).toMatch(/\d.*\d/);
        expect(await t.operate(run, 'kill')).toBe(200);
      }),
    ),
  ),
];
