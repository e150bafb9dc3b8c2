// Framing. Under strict locks nothing comes of it; that the framer knows its trade is shown on validators with the lock rule as published.

import { expect, test } from 'vitest';
import { honest } from '../../sim/honest.ts';
import type { Scenario } from '../../sim/scenario.ts';
import type { ParticipantFactory } from '../../sim/world.ts';
import type { EngineState } from '../../../src/consensus/engine-state.ts';
import type { Input } from '../../../src/consensus/types.ts';
import { failures, onStage, runWith, seeds } from './stage.ts';

const LIAR = 3;
const cast = new Map([[LIAR, 'framer']]);
/** The first height, and every eighth from there, begins with four rounds of the framer. */
const arrange = onStage([3, 3, 3, 3, 0, 1, 2, 0]);
const SEEDS = seeds(1, 12);

test('nobody honest can be framed', () => {
  const runs = SEEDS.map((seed) => runWith([], seed, { cast, arrange, powers: [1, 1, 1, 1] }));
  expect(failures(runs)).toEqual([]);
  for (const { heights } of runs) expect(heights).toBeGreaterThan(20);
});

/** As published: a block that one is locked on is prevoted whatever the round of its polka. */
function relaxed(state: EngineState, input: Input): EngineState {
  const { driver } = state;
  if (driver === undefined || input.kind !== 'message' || input.message.kind !== 'proposal') return state;
  const { blockId, validRound } = input.message;
  if (driver.round.lockedBlock !== blockId || driver.round.lockedRound <= validRound) return state;
  return { ...state, driver: { ...driver, round: { ...driver.round, lockedRound: validRound } } };
}

function published(process: number, scenario: Scenario): ParticipantFactory | undefined {
  if (process === LIAR) return undefined;
  const { timeouts, habits } = scenario;
  return honest({
    timeouts,
    habits: habits[process]!,
    engine: (real) => ({
      ...real,
      step: (state, input) => {
        const { state: next, effects } = real.step(relaxed(state, input), input);
        const before = state.driver?.round;
        const after = next.driver;
        const isLower = before !== undefined && after !== undefined && input.kind !== 'start-height';
        if (!isLower || after.round.lockedRound >= before.lockedRound) return { state: next, effects };
        const round = { ...after.round, lockedRound: before.lockedRound };
        return { state: { ...next, driver: { ...after, round } }, effects };
      },
    }),
  });
}

test('under the lock rule as published somebody honest is', () => {
  const properties = SEEDS.map(
    (seed) =>
      runWith([], seed, { cast, arrange, powers: [1, 1, 1, 1], participant: published }).violation?.property,
  );
  expect(properties).toContain('lock discipline');
});
