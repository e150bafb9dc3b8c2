import { expect, test } from 'vitest';
import type { Epoch } from '../../../src/base/ids.ts';
import { jail, putNode } from '../../../src/shards/node.ts';
import { unjail } from '../../../src/shards/operations/unjail.ts';
import { idOf, Ledger } from '../stake-kit.ts';

const node = idOf('n0');

test('a jailed node is in no new set until its operator asks, and not before its time', () => {
  const ledger = new Ledger();
  expect(ledger.run('o0', unjail, { node })).toBe('condition-failed');
  ledger.write((state) => jail(state, ledger.node('n0'), 2 as Epoch));
  expect(ledger.run('o1', unjail, { node })).toBe('not-the-operator');
  expect(ledger.run('o0', unjail, { node: idOf('nowhere') })).toBe('no-such-node');
  ledger.close();
  expect(ledger.run('o0', unjail, { node })).toBe('too-early');
  ledger.close();
  expect([2, 3].map((epoch) => ledger.powers(epoch).has('n0'))).toEqual([false, false]);
  expect(ledger.run('o0', unjail, { node })).toBe(undefined);
  ledger.close();
  expect(ledger.powers(4).get('n0')).toBe(1000n);
});

test('the tombstoned stay where they are', () => {
  const ledger = new Ledger();
  ledger.write((state) => putNode(state, { ...ledger.node('n0'), isJailed: true, isTombstoned: true }));
  expect(ledger.run('o0', unjail, { node })).toBe('tombstoned');
});
