import { expect, test } from 'vitest';
import { BONDERS_MAX } from '../../../src/base/limits.ts';
import { putNode } from '../../../src/shards/node.ts';
import { bond } from '../../../src/shards/operations/bond.ts';
import { changeNode } from '../../../src/shards/operations/change-node.ts';
import { delegate } from '../../../src/shards/operations/delegate.ts';
import { unbond } from '../../../src/shards/operations/unbond.ts';
import { idOf, Ledger, PLAIN } from '../stake-kit.ts';

const node = idOf('n0');
const opened = (ledger: Ledger): Ledger => {
  expect(ledger.run('o0', changeNode, { node, data: PLAIN })).toBe(undefined);
  return ledger;
};

test('what others delegate gives the node power', () => {
  const ledger = opened(new Ledger());
  expect(ledger.run('alice', delegate, { node, amounts: [[0, 300n]] })).toBe(undefined);
  expect(ledger.run('bob', delegate, { node, amounts: [[1, 10n]] })).toBe(undefined);
  ledger.close();
  expect(ledger.powers(2).get('n0')).toBe(1400n);
});

test('only where the operator takes it', () => {
  const ledger = new Ledger();
  expect(ledger.run('alice', delegate, { node, amounts: [[0, 300n]] })).toBe('not-the-operator');
  expect(ledger.run('o0', delegate, { node, amounts: [[0, 300n]] })).toBe(undefined);
  expect(ledger.run('alice', delegate, { node: idOf('nowhere'), amounts: [[0, 300n]] })).toBe('no-such-node');
  opened(ledger);
  expect(ledger.run('alice', delegate, { node, amounts: [[0, 9n]] })).toBe('invalid-argument');
  ledger.write((state) => putNode(state, { ...ledger.node('n0'), isTombstoned: true }));
  expect(ledger.run('alice', delegate, { node, amounts: [[0, 300n]] })).toBe('tombstoned');
  expect(ledger.balance('alice')).toBe(10_000n);
});

test('a node has a bounded number of owners, those who are leaving included, and the operator always has a place', () => {
  const names = Array.from({ length: BONDERS_MAX + 1 }, (_, index) => `owner ${index}`);
  const ledger = opened(
    new Ledger({ balances: [...names, 'o0'].map((name) => [name, [[0, 100n]]] as const) }),
  );
  for (const name of names.slice(0, BONDERS_MAX)) {
    expect(ledger.run(name, delegate, { node, amounts: [[0, 20n]] })).toBe(undefined);
  }
  const last = names.at(-1)!;
  expect(ledger.run(last, delegate, { node, amounts: [[0, 20n]] })).toBe('limit-exceeded');
  expect(ledger.run(names[0]!, unbond, { node, asset: 0, amount: 20n })).toBe(undefined);
  expect(ledger.run(last, delegate, { node, amounts: [[0, 20n]] })).toBe('limit-exceeded');
  expect(ledger.run(names[1]!, delegate, { node, amounts: [[0, 20n]] })).toBe(undefined);
  expect(ledger.run('o0', bond, { node, amounts: [[0, 20n]] })).toBe(undefined);
});
