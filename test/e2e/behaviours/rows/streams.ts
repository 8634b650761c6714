/** What is about a transport: signed requests, streams, what ends one, and servers that go away. */
import { expect } from 'vitest';
import { until } from '../../harness/index.ts';
import { on, STREAMED } from '../dimensions.ts';
import { attempts, only, type Row, refusal, simple, story } from '../play.ts';

const HTTP = on('only HTTP servers live between requests', 'http1', 'http2');

export const STREAMS: readonly Row[] = [
  story('a handler that trusts another key than that of the orchestrator refuses it', async t => {
    const refused = await refusal(t.stack.register(`foreign-${t.sdk}Foreign`));
    expect(refused.body).toContain('META0003');
  }),
  simple({
    name: '10 steps in sequence',
    handler: 'tenSteps',
    expected: { result: 45, attempts: attempts(11, { streamed: 1 }) },
  }),
  only(
    STREAMED,
    story('a stream that is quiet suspends, and its invocation resumes on another one', async t => {
      const run = await t.send('Brief/nap', 4000);
      await run.until('suspended');
      await t.expect(run, { result: 'slept', journal: 'Input Run +Run Sleep +Sleep Output' });
      // On a busy machine its step may take so long that it is suspended then too.
      expect(run.count('attempt')).toBeGreaterThanOrEqual(2);
    }),
  ),
  only(
    HTTP,
    story('an attempt that says nothing is given up', async t => {
      const run = await t.send('Brief/stuck');
      await until('it is stuck', () => run.count('busy') > 0);
      await until('it is given up', async () => (await run.view()).last_failure !== undefined);
      expect((await run.view()).last_failure).toMatchObject({ error_code: 'RT0001' });
      await t.expect(run, { result: 'attempt 2', attempts: attempts(2, { streamed: 2 }) });
      t.notes.write(run.id, 'release', 'go');
    }),
  ),
  only(
    STREAMED,
    story('paused while it waits connected', async t => {
      const run = await t.send('awaitAwakeable');
      await run.waits();
      expect(await t.operate(run, 'pause')).toBe(202);
      await run.until('paused');
      await t.stack.ingress.resolveAwakeable(await run.note('awakeable'), 'while it was paused');
      await run.until('paused');
      expect(await t.operate(run, 'resume')).toBe(200);
      await t.expect(run, {
        result: { value: 'while it was paused' },
        attempts: attempts(3, { streamed: 2 }),
        journal: 'Input Run +Run +Signal Output',
      });
    }),
  ),
  only(
    STREAMED,
    story('a kill closes the stream', async t => {
      const run = await t.send('tellsItsEnd');
      await run.waits();
      expect(await t.operate(run, 'kill')).toBe(200);
      await until('the handler is told', () => run.count('told') > 0);
      await t.expect(run, { failure: { code: 409, message: 'killed' }, attempts: 1 });
    }),
  ),
  only(
    HTTP,
    story('a server that dies is asked again when it is back', async t => {
      const server = await t.stack.mortal(t.sdk);
      const { invocationId } = await t.stack.ingress.send(`${t.sdk}Mortal/waits`);
      const run = t.run(invocationId);
      await run.note('awakeable');
      await run.waits();
      await server.kill();
      await t.stack.ingress.resolveAwakeable(await run.note('awakeable'), 'later');
      await until('it is missed', async () => (await run.view()).last_failure !== undefined);
      expect((await run.view()).last_failure).toMatchObject({ error_code: 'RT0010' });
      await server.restart();
      const result = { step: 1, value: 'later' };
      await t.expect(run, { result, journal: 'Input Run +Run +Signal Output' });
      expect(run.count('step')).toBe(1);
    }),
  ),
];
