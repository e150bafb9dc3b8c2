// Whole nodes under faults, a few seeds of them; `npm run sim -- --chain --seeds 1..5000` is the long form.

import { expect, test } from 'vitest';
import { type ChainRunResult, runChain } from './run.ts';

function expectSound({ violation, tally, recoveryMs }: ChainRunResult): void {
  expect(violation).toBeUndefined();
  expect(tally.get('epochs')).toBeGreaterThanOrEqual(4);
  expect(tally.get('shard splits') + tally.get('shard merges')).toBeGreaterThanOrEqual(2);
  expect(tally.get('node joined and validates')).toBe(1);
  expect(tally.get('node left')).toBe(1);
  expect(recoveryMs).toBeLessThanOrEqual(10_000);
}

test('borders, splits, joining and leaving under faults violate nothing; a seed decides everything, and another something else', async () => {
  const [first, again, other] = [await runChain(3), await runChain(3), await runChain(1)];
  expectSound(first);
  expectSound(other);
  expect(again.digest).toBe(first.digest);
  expect(again.events).toBe(first.events);
  expect(other.digest).not.toBe(first.digest);
});
