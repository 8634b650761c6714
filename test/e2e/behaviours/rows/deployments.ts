/** Several revisions of a service: who runs where, and what operators do about it. */
import { expect } from 'vitest';
import { until } from '../../harness/index.ts';
import { SUSPENDED } from '../dimensions.ts';
import { interruptedStory, only, oursOnly, type Play, type Row, type Run, refusal } from '../play.ts';
import { registerRevision, type Use, versionedService } from '../versions.ts';

const on = (t: Play, use: Use) => (handler: string) => `${versionedService(t, use)}/${handler}`;

const which = async (t: Play, use: Use): Promise<unknown> =>
  (await t.stack.ingress.call(on(t, use)('which'))).body;

const send = async (t: Play, target: string, input?: unknown): Promise<Run> =>
  t.run((await t.stack.ingress.send(target, input)).invocationId);

/** One that has begun, and waits. */
async function begun(t: Play, use: Use): Promise<Run> {
  const run = await send(t, on(t, use)('waits'));
  await run.note('awakeable');
  await run.waits();
  return run;
}

const letGo = async (t: Play, run: Run): Promise<void> =>
  t.stack.ingress.resolveAwakeable(await run.note('awakeable'), 'go');

const pinned = async (run: Run) => (await run.view()).pinned_deployment_id;

export const DEPLOYMENTS: readonly Row[] = [
  interruptedStory('resumed on another deployment', async t => {
    const first = await registerRevision(t, 'Moved', 1);
    const target = on(t, 'Moved')('mended');
    const [kept, latest] = [await send(t, target), await send(t, target)];
    for (const run of [kept, latest]) await run.until('paused');
    const second = await registerRevision(t, 'Moved', 2);
    expect(second).not.toBe(first);
    await t.interrupt();
    // Where it is pinned it fails again.
    const { attempt } = await kept.view();
    expect(await t.operate(kept, 'resume')).toBe(200);
    await until('it has failed again', async () => (await kept.view()).attempt === attempt + 2);
    await kept.until('paused');
    expect(await pinned(kept)).toBe(first);
    expect(await t.operate(kept, 'resume?deployment=dp_11111111111111111111111')).toBe(400);
    expect(await t.operate(kept, `resume?deployment=${second}`)).toBe(200);
    expect(await t.operate(latest, 'resume?deployment=latest')).toBe(200);
    for (const run of [kept, latest]) {
      await t.expect(run, { result: { began: 1, ended: 2 }, journal: 'Input Run +Run Output' });
      expect(await pinned(run)).toBe(second);
    }
    const again = await t.restart(latest);
    await t.expect(again, { result: { began: 2, ended: 2 } });
  }),
  oursOnly(
    interruptedStory('what has begun stays on its revision; new ones go to the newest, or back', async t => {
      const first = await registerRevision(t, 'Rolled', 1);
      const began1 = await begun(t, 'Rolled');
      const second = await registerRevision(t, 'Rolled', 2);
      expect(await which(t, 'Rolled')).toBe(2);
      const began2 = await begun(t, 'Rolled');
      const broken = await refusal(registerRevision(t, 'Rolled', 3));
      expect(broken.body).toContain('META0006');
      expect(await which(t, 'Rolled')).toBe(2);
      expect((await t.admin('POST', `deployments/${first}/promote`)).status).toBe(200);
      await t.interrupt();
      expect(await which(t, 'Rolled')).toBe(1);
      for (const run of [began1, began2]) await letGo(t, run);
      await t.expect(began1, { result: { began: 1, ended: 1 } });
      await t.expect(began2, { result: { began: 2, ended: 2 } });
      expect([await pinned(began1), await pinned(began2)]).toEqual([first, second]);
      expect((await t.admin('POST', `deployments/${second}/promote`)).status).toBe(200);
      expect(await which(t, 'Rolled')).toBe(2);
    }),
  ),
  only(
    SUSPENDED,
    interruptedStory('a deployment in use is removed by force', async t => {
      const first = await registerRevision(t, 'Removed', 1);
      const run = await begun(t, 'Removed');
      const second = await registerRevision(t, 'Removed', 2);
      const remove = (id: string, query = '') => t.admin('DELETE', `deployments/${id}${query}`);
      expect((await remove(first)).status).toBeGreaterThanOrEqual(400);
      expect((await remove(first, '?force=true')).status).toBe(202);
      expect((await t.admin('GET', `deployments/${first}`)).status).toBe(404);
      await t.interrupt();
      expect(await which(t, 'Removed')).toBe(2);
      await letGo(t, run);
      await until('it finds nothing to run on', async () => (await run.view()).last_failure !== undefined);
      // An attempt that is just being made, in vain, cannot be moved.
      const resume = `resume?deployment=${second}`;
      await until('it is resumed', async () => (await t.operate(run, resume)) === 200);
      await t.expect(run, { result: { began: 1, ended: 2 } });
      expect((await remove(second, '?force=true')).status).toBe(202);
      expect((await t.stack.ingress.call(on(t, 'Removed')('which'))).status).toBe(404);
    }),
  ),
];
