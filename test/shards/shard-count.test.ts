import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextShardBits } from '../../src/shards/shard-count.ts';
import { TEST_PARAMETERS } from './stake-kit.ts';

// Splits above 8 transactions a block and shard, merges below 2; 4 members a shard; 1 to 4 shards.
const next = (bits: number, perBlock: number, members: number): number =>
  nextShardBits(TEST_PARAMETERS, bits, { transactions: perBlock * 10, blocks: 10, members });

test('doubles with the load and halves without it', () => {
  expect(next(0, 8, 100)).toBe(0);
  expect(next(0, 9, 100)).toBe(1);
  expect(next(1, 16, 100)).toBe(1);
  expect(next(1, 17, 100)).toBe(2);
  expect(next(2, 8, 100)).toBe(2);
  expect(next(2, 7, 100)).toBe(1);
});

test('never above the most that parameters allow, and back when they allow less', () => {
  expect(next(2, 1000, 100)).toBe(2);
  expect(next(3, 1000, 100)).toBe(2);
  expect(next(0, 0, 100)).toBe(0);
});

test('needs members for each shard, and gives shards up when members are gone', () => {
  expect(next(0, 9, 7)).toBe(0);
  expect(next(0, 9, 8)).toBe(1);
  expect(next(1, 9, 7)).toBe(0);
});

test('a load that stays does not make it flap', () => {
  fc.assert(
    fc.property(fc.nat(3), fc.nat(100), fc.nat(30), (bits, load, members) => {
      let now = bits;
      for (let border = 0; border < 8; border++) now = next(now, load, members);
      expect(next(now, load, members)).toBe(now);
    }),
  );
});
