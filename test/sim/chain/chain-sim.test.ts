// Whole nodes under faults, a few seeds of them; `npm run sim -- --chain --seeds 1..5000` is the long form.

import { expect, test } from 'vitest';
import { type ChainRunResult, runChain } from './run.ts';

const SEED_WITH_POWER_CUTS = 1;

function expectSound({ violation, tally, recoveryMs }: ChainRunResult): void {
  expect(violation).toBeUndefined();
  expect(tally.get('epochs')).toBeGreaterThanOrEqual(4);
  expect(tally.get('shard splits') + tally.get('shard merges')).toBeGreaterThanOrEqual(2);
  expect(tally.get('node joined and validates')).toBe(1);
  expect(tally.get('node left')).toBe(1);
  expect(recoveryMs).toBeLessThanOrEqual(10_000);
}

/** A node fetches the state of a border at which the shards become two. */
const SEED_WITH_STATE_OF_A_SPLIT = 25;

test('borders, splits, joining, leaving and fetched states under faults violate nothing', async () => {
  expectSound(await runChain(SEED_WITH_STATE_OF_A_SPLIT));
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
