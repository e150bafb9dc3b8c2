// Whole nodes under faults, a few seeds of them; `npm run sim -- --chain --seeds 1..5000` is the long form.

import { expect, test } from 'vitest';
import { type ChainRunResult, runChain } from './run.ts';

const SEED_WITH_POWER_CUTS = 9;

function expectSound({ violation, tally, recoveryMs }: ChainRunResult): void {
  expect(violation).toBeUndefined();
  expect(tally.get('epochs')).toBeGreaterThanOrEqual(4);
  expect(tally.get('shard splits') + tally.get('shard merges')).toBeGreaterThanOrEqual(2);
  expect(tally.get('node joined and validates')).toBe(1);
  expect(tally.get('node left')).toBe(1);
  expect(recoveryMs).toBeLessThanOrEqual(10_000);
}

const SEED_WITH_FETCHED_STATE = 8;
const SEED_WITH_LIAR = 23;

test('borders, splits, joining, leaving and fetched states under faults violate nothing', async () => {
  expectSound(await runChain(SEED_WITH_FETCHED_STATE));
});

test('a validator that says two things is slashed, and nobody else', async () => {
  const result = await runChain(SEED_WITH_LIAR);
  expectSound(result);
  expect(result.tally.get('said two things')).toBeGreaterThan(0);
  expect(result.tally.get('liar slashed')).toBe(1);
});

test('disks that forget what they called durable are found out', async () => {
  const { violation } = await runChain(SEED_WITH_POWER_CUTS, { hasLyingDisks: true });
  expect(violation?.property).toBe('durability');
});

test('a seed decides everything that happens, and another seed something else', async () => {
  const options = { stormMs: 5_000 };
  const [first, again, other] = [
    await runChain(6, options),
    await runChain(6, options),
    await runChain(7, options),
  ];
  expect(again).toEqual(first);
  expect(other.digest).not.toBe(first.digest);
});
