/** The recorded traffic against our server: to the same handlers it says the same. */
import { expect, test } from 'vitest';
import { DEVIATIONS } from './replay/deviations.ts';
import { scenarios } from './replay/recording.ts';
import { Replay } from './replay/replay.ts';

test.each(scenarios.map(scenario => [scenario.name, scenario] as const))('%s', async (name, scenario) => {
  const { said, answers, unexpected } = await new Replay(scenario, DEVIATIONS[name] ?? {}).run();
  expect(said.map(([ours]) => ours)).toEqual(said.map(([, recorded]) => recorded));
  expect(answers.map(([ours]) => ours)).toEqual(answers.map(([, recorded]) => recorded));
  expect(unexpected).toEqual([]);
});

test('a deviation belongs to a scenario', () => {
  const names = scenarios.map(({ name }) => name);
  expect(Object.keys(DEVIATIONS).filter(name => !names.includes(name))).toEqual([]);
});
