import { expect, test } from 'vitest';
import { chaos } from './chaos.ts';

test('names of a network whose nodes are killed and frozen are a register each', {
  timeout: 120_000,
}, async () => {
  const counts = await chaos({
    nodes: 4,
    clients: 3,
    keys: 2,
    runs: 1,
    runMs: 5_000,
    leastKnown: 15,
    seed: 11,
  });
  expect(counts.kills + counts.freezes).toBeGreaterThan(0);
  expect(counts.operations - counts.unknown).toBeGreaterThanOrEqual(15);
});
