// A node that has dropped 5 % is caught as soon as computed, by auditors that ask, an anchor that they sign and a ledger that keeps its standing.

import { expect, test } from 'vitest';
import { roundsUntil, roundSurvival } from '../../sim/detection.ts';
import { dropsEnds } from './dropper.ts';
import { Stage } from './stage.ts';

const SHARE = 0.05;
const PARAMS = { leaves: 16, sweepRounds: 12_960 };
const LIAR = 'n1';

async function caughtIn(seed: string, roundsMax: number): Promise<number> {
  const stage = await Stage.open({ seed, audit: PARAMS });
  dropsEnds(stage.world, stage.of(LIAR), SHARE);
  for (let round = 1; round <= roundsMax; round++) {
    if (round > 1) stage.nextRound();
    expect(await stage.audit()).toBeDefined();
    for (const name of ['n0', 'n2', 'n3']) expect(stage.standing(name)).toMatchObject({ failed: 0 });
    if (stage.standing(LIAR).failed > 0) return round;
  }
  throw new Error(`seed ${seed}: not caught in ${roundsMax} rounds`);
}

test('a node that has dropped the last twentieth of each piece is caught within the computed rounds', async () => {
  const within = roundsUntil(0.99, roundSurvival(SHARE, 0, true, PARAMS));
  const rounds: number[] = [];
  for (let seed = 1; seed <= 5; seed++) rounds.push(await caughtIn(`drop ${seed}`, within));
  expect(within).toBe(7);
  expect(Math.max(...rounds)).toBeLessThanOrEqual(within);
});
