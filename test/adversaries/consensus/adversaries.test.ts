// Every liar among honest validators, in storms and in the quiet after them: all stay in agreement, all go on, and evidence is found
// against those who can be convicted and against nobody else.

import { expect, test } from 'vitest';
import type { Evidence } from '../../../src/consensus/types.ts';
import { SeededRandom } from '../../sim/random.ts';
import { scenarioOf } from '../../sim/scenario.ts';
import { castFor, drawnCast, LIARS } from './cast.ts';
import { failures, runWith, seeds } from './stage.ts';

const NAMES = Object.keys(LIARS);

/** What must have been proven against a liar in some of the runs; nothing may be proven against those with an empty list. */
const PROVABLE: Readonly<Record<string, readonly Evidence['kind'][]>> = {
  amnesiac: ['amnesia'],
  conflicter: ['double-vote', 'double-proposal'],
  equivocator: ['double-vote', 'double-proposal'],
  impersonator: [],
  'nil voter': [],
  outdated: [],
  silent: [],
};

test.each(NAMES)('one of four is a liar: %s', (name) => {
  const runs = [
    ...seeds(1, 24).map((seed) => runWith([name], seed)),
    ...seeds(101, 8).map((seed) => runWith([name], seed, { powers: [3, 2, 2, 2] })),
  ];
  expect(runs.filter(({ cast }) => cast.size === 1).length).toBeGreaterThan(24);
  expect(failures(runs)).toEqual([]);
  expect(runs.reduce((sum, { heights }) => sum + heights, 0)).toBeGreaterThan(100);

  const kinds = [...new Set(runs.flatMap(({ ears }) => [...ears.kinds]))];
  const provable = PROVABLE[name];
  if (provable?.length === 0) expect(kinds).toEqual([]);
  else expect(kinds).toEqual(expect.arrayContaining([...(provable ?? [])]));
});

test('everybody who hears a conflicter in the quiet has found it out', () => {
  const runs = seeds(1, 20).map((seed) =>
    runWith(['conflicter'], seed, { arrange: (scenario) => ({ ...scenario, faults: [], stormMs: 1000 }) }),
  );
  expect(failures(runs)).toEqual([]);
  for (const { cast, accused } of runs) expect([...accused]).toEqual([...cast.keys()]);
});

test('two different liars among seven change nothing', () => {
  const pairs = NAMES.flatMap((first, index) => NAMES.slice(index + 1).map((second) => [first, second]));
  const runs = pairs.map((pair, index) => runWith(pair, 1000 + index, { validatorCount: 7 }));
  expect(runs.filter(({ cast }) => cast.size === 2).length).toBeGreaterThan(pairs.length / 2);
  expect(failures(runs)).toEqual([]);
});

test('liars are cast within what the others can bear', () => {
  for (const seed of seeds(1, 50)) {
    const scenario = scenarioOf(seed);
    const cast = castFor(scenario, NAMES, new SeededRandom(seed));
    for (const height of [1, 12, 24, 36]) {
      const { validators, totalPower } = scenario.chain.start(height).validators;
      const bad = new Set([...cast.keys(), ...scenario.faulty, ...scenario.brokenAtEnd]);
      const power = [...bad].reduce((sum, index) => sum + validators[index]!.power, 0n);
      expect(3n * power).toBeLessThan(totalPower);
    }
  }
});

test('a campaign meets every liar', () => {
  const met = new Set(seeds(1, 500).flatMap((seed) => [...drawnCast(scenarioOf(seed)).values()]));
  expect([...met].sort()).toEqual([...NAMES].sort());
});
