// The hidden lock. That a lock is passed on is all that stands between this liar and a height that never ends, so both are shown.

import { expect, test } from 'vitest';
import type { Effect } from '../../../src/consensus/types.ts';
import { honest } from '../../sim/honest.ts';
import type { ParticipantFactory } from '../../sim/world.ts';
import type { Scenario } from '../../sim/scenario.ts';
import { failures, onStage, runWith, seeds } from './stage.ts';

const LIAR = 3;
const cast = new Map([[LIAR, 'late polka']]);
/** The liar splits the first round of every fourth height. */
const arrange = onStage([3, 0, 1, 2]);

test('locks that a liar made in secret hold no height, because they are passed on', () => {
  const runs = seeds(1, 5).map((seed) => runWith([], seed, { cast, arrange, powers: [1, 1, 1, 1] }));
  expect(failures(runs)).toEqual([]);
  // Told only when the next round begins, a lock costs a round more, and there are some 40 heights in the place of 90.
  for (const { heights } of runs) expect(heights).toBeGreaterThan(50);
});

/** An honest validator that tells of a polka only with its own proposal: whoever it concerns must know then (L2). */
function secretive(process: number, scenario: Scenario): ParticipantFactory | undefined {
  if (process === LIAR) return undefined;
  const { timeouts, habits } = scenario;
  return honest({
    timeouts,
    habits: habits[process]!,
    engine: (real) => ({
      ...real,
      step: (state, input) => {
        const { state: next, effects } = real.step(state, input);
        if (effects.some((effect) => effect.kind === 'sign' && effect.message.kind === 'proposal')) {
          return { state: next, effects };
        }
        return { state: next, effects: effects.filter((effect) => !isOffered(effect, process)) };
      },
    }),
  });
}

const isOffered = (effect: Effect, self: number): boolean =>
  effect.kind === 'broadcast' &&
  (effect.message.kind === 'polka-certificate' ||
    (effect.message.kind === 'proposal' && effect.message.validator !== self));

test('were they not, the first height would never end', () => {
  for (const seed of seeds(1, 3)) {
    const { heights, violation } = runWith([], seed, {
      cast,
      arrange,
      powers: [1, 1, 1, 1],
      participant: secretive,
    });
    expect(heights).toBe(0);
    expect(violation?.property).toBe('liveness');
  }
});
