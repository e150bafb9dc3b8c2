import { expect, test } from 'vitest';
import { BEACON_CHAIN_LENGTH_MAX } from '../../../src/base/limits.ts';
import { contributorOf } from '../../../src/shards/turns.ts';
import { commitBeacon } from '../../../src/shards/operations/commit-beacon.ts';
import { digestFrom } from '../../helpers/records.ts';
import { idOf, Ledger } from '../stake-kit.ts';

const node = idOf('n0');
const tip = digestFrom('tip');

test('a chain is in force from the next epoch on', () => {
  const ledger = new Ledger();
  expect(ledger.run('o0', commitBeacon, { node, tip, remaining: 100 })).toBe(undefined);
  expect(contributorOf(ledger.view, node)).toEqual({
    current: undefined,
    pending: { tip, remaining: 100, fromEpoch: 1 },
  });
});

test('only the operator commits, and to a chain of sound length', () => {
  const ledger = new Ledger();
  expect(ledger.run('o1', commitBeacon, { node, tip, remaining: 100 })).toBe('not-the-operator');
  expect(ledger.run('o1', commitBeacon, { node: idOf('nowhere'), tip, remaining: 1 })).toBe('no-such-node');
  const parse = (remaining: number): boolean =>
    commitBeacon.operation.schema.safeParse([node, tip, remaining]).success;
  expect([0, 1, BEACON_CHAIN_LENGTH_MAX, BEACON_CHAIN_LENGTH_MAX + 1].map(parse)).toEqual([
    false,
    true,
    true,
    false,
  ]);
});
