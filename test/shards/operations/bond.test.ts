import { expect, test } from 'vitest';
import { putNode } from '../../../src/shards/node.ts';
import { bond } from '../../../src/shards/operations/bond.ts';
import { putStanding } from '../../../src/shards/standing.ts';
import { retireNode } from '../../../src/shards/operations/retire-node.ts';
import { idOf, Ledger } from '../stake-kit.ts';

const node = idOf('n0');

test('stake is the sum of assets by weight', () => {
  const ledger = new Ledger();
  expect(
    ledger.run('o0', bond, {
      node,
      amounts: [
        [0, 500n],
        [1, 20n],
      ],
    }),
  ).toBe(undefined);
  ledger.close();
  expect(ledger.powers(2).get('n0')).toBe(1000n + 500n + 20n * 10n);
});

test('a bond that is refused comes back whole, whatever the asset', () => {
  const ledger = new Ledger();
  expect(
    ledger.run('o1', bond, {
      node,
      amounts: [
        [0, 500n],
        [1, 20n],
      ],
    }),
  ).toBe('not-the-operator');
  expect(ledger.run('o0', bond, { node: idOf('nowhere'), amounts: [[1, 20n]] })).toBe('no-such-node');
  expect(ledger.run('o0', bond, { node, amounts: [] })).toBe('invalid-argument');
  expect(ledger.run('o0', bond, { node, amounts: [[1, 9n]] }), 'dust').toBe('invalid-argument');
  expect(ledger.run('o0', bond, { node, amounts: [[0, 10_001n]] })).toBe('insufficient-balance');
  expect(ledger.run('o0', bond, { node, amounts: [[2, 1n]] })).toBe('insufficient-balance');
  ledger.write((state) => putNode(state, { ...ledger.node('n0'), isTombstoned: true }));
  expect(ledger.run('o0', bond, { node, amounts: [[0, 500n]] })).toBe('tombstoned');
  expect(ledger.run('o1', retireNode, { node: idOf('n1') })).toBe(undefined);
  expect(ledger.run('o1', bond, { node: idOf('n1'), amounts: [[0, 500n]] })).toBe('too-late');
  expect([ledger.balance('o0'), ledger.balance('o0', 1), ledger.balance('o1')]).toEqual([
    10_000n,
    100n,
    10_000n,
  ]);
});

test('capacity is proven, never bonded', () => {
  const ledger = new Ledger({ balances: [['o0', [[2, 100n]]]] });
  expect(ledger.run('o0', bond, { node, amounts: [[2, 50n]] })).toBe('invalid-argument');
  expect(ledger.balance('o0', 2)).toBe(100n);
});

test('capacity that was proven counts by its weight', () => {
  const ledger = new Ledger();
  const standing = { round: 1, provenHeight: 1, silentRounds: 0, asked: 32, failed: 0, score: 1_000_000 };
  ledger.write((state) => putStanding(state, idOf('n0'), { ...standing, heldKib: 64 * 2 ** 20 }));
  ledger.close();
  expect(ledger.powers(2).get('n0')).toBe(1064n);
});
