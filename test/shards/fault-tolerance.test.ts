import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { NodeId, OwnerId } from '../../src/base/ids.ts';
import { faultTolerance } from '../../src/shards/fault-tolerance.ts';
import type { SetEntries } from '../../src/shards/validator-sets.ts';
import { digestFrom } from '../helpers/records.ts';

const setOf = (powers: readonly (number | bigint)[], operatorOf = (index: number) => index): SetEntries =>
  powers.map((power, index) => ({
    node: digestFrom<NodeId>(`node ${index}`),
    registration: digestFrom<NodeId>(`node ${index}`),
    operator: digestFrom<OwnerId>(`operator ${operatorOf(index)}`),
    power: BigInt(power),
  }));

test('of 3f + 1 equal validators f + 1 halt it, and f + 1 split it; of 3f, f halt and f + 1 split', () => {
  for (const f of [1, 2, 5]) {
    const more = faultTolerance(setOf(Array.from({ length: 3 * f + 1 }, () => 1)), 'node');
    expect([more.toHalt.count, more.toSplit.count]).toEqual([f + 1, f + 1]);
    const exact = faultTolerance(setOf(Array.from({ length: 3 * f }, () => 1)), 'node');
    expect([exact.toHalt.count, exact.toSplit.count]).toEqual([f, f + 1]);
  }
});

test('one with a third of the power is enough alone', () => {
  expect(faultTolerance(setOf([5, 1, 1, 1]), 'node').toHalt).toEqual({ count: 1, power: 5n });
});

test('an operator with many nodes is one', () => {
  const set = setOf([1, 1, 1, 1, 1, 1], (index) => (index < 3 ? 0 : index));
  expect(faultTolerance(set, 'node').toSplit.count).toBe(3);
  expect(faultTolerance(set, 'operator')).toMatchObject({ voters: 4, toSplit: { count: 1, power: 3n } });
});

test('no smaller coalition does it: compared with all there are', () => {
  const powers = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 9 });
  fc.assert(
    fc.property(powers, (list) => {
      const total = list.reduce((sum, power) => sum + power, 0);
      const least = (isEnough: (power: number) => boolean): number => {
        let best = list.length;
        for (let subset = 0; subset < 2 ** list.length; subset++) {
          const members = list.filter((_, index) => (subset >> index) & 1);
          if (isEnough(members.reduce((sum, power) => sum + power, 0))) best = Math.min(best, members.length);
        }
        return best;
      };
      const { toHalt, toSplit } = faultTolerance(setOf(list), 'node');
      expect(toHalt.count).toBe(least((power) => 3 * (total - power) <= 2 * total));
      expect(toSplit.count).toBe(least((power) => 3 * power > total));
    }),
    { numRuns: 60 },
  );
});
