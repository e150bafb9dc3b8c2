import { expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { ASSET_SUPPLY_MAX } from '../../src/base/limits.ts';
import { shareOf, stakeOf } from '../../src/shards/stake.ts';
import { burn, isWithinBounds, issue, supplyOf } from '../../src/shards/supply.ts';
import { Overlay } from '../../src/shards/view.ts';
import { Ledger, TEST_PARAMETERS } from './stake-kit.ts';

test('what is made and what is burned is on record, beside what there is', () => {
  const ledger = new Ledger({ stakes: [100n], balances: [] });
  const state = new Overlay(ledger.state);
  expect(issue(state, TEST_PARAMETERS, [[0, 30n]])).toBe(true);
  burn(state, [[0, 50n]]);
  burn(state, []);
  expect(supplyOf(state)).toEqual({ total: [[0, 80n]], issued: [[0, 30n]], burned: [[0, 50n]] });
  expect(() => burn(state, [[0, 81n]])).toThrow(AssertionError);
  expect(() => burn(state, [[1, 1n]])).toThrow(AssertionError);
});

test('there is never more than 64 bits can count, in tokens or in stake', () => {
  const ledger = new Ledger({ stakes: [100n], balances: [] });
  const state = new Overlay(ledger.state);
  expect(issue(state, TEST_PARAMETERS, [[0, ASSET_SUPPLY_MAX - 99n]])).toBe(false);
  expect(issue(state, TEST_PARAMETERS, [[0, ASSET_SUPPLY_MAX - 100n]])).toBe(true);
  // Gold weighs ten times as much, so less of it fits.
  expect(isWithinBounds(TEST_PARAMETERS, [[1, 2n ** 60n]])).toBe(false);
  expect(isWithinBounds(TEST_PARAMETERS, [[1, 2n ** 57n]])).toBe(true);
});

test('stake is the sum of balances by weight, and proven capacity counts', () => {
  expect(
    stakeOf(
      TEST_PARAMETERS,
      [
        [0, 7n],
        [1, 3n],
      ],
      5,
    ),
  ).toBe(7n + 30n + 5n);
  expect(stakeOf(TEST_PARAMETERS, [])).toBe(0n);
  expect(stakeOf(TEST_PARAMETERS, [[7, 1000n]]), 'an asset that nobody knows').toBe(0n);
  expect(
    shareOf(
      [
        [0, 7n],
        [1, 1n],
      ],
      1n,
      2n,
    ),
  ).toEqual([[0, 3n]]);
});
