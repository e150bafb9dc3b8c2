import { expect, test } from 'vitest';
import { operatorOf } from '../../../src/shards/node.ts';
import { registerNode } from '../../../src/shards/operations/register-node.ts';
import { retireNode } from '../../../src/shards/operations/retire-node.ts';
import { unbond } from '../../../src/shards/operations/unbond.ts';
import { accountNamed, idOf, Ledger, registration } from '../stake-kit.ts';

test('a retired node is no member after the next border and no validator after those that are frozen', () => {
  const ledger = new Ledger();
  expect(ledger.run('o0', retireNode, { node: idOf('n0') })).toBe(undefined);
  expect(operatorOf(ledger.view, accountNamed('o0')).nodes).toEqual([]);
  expect(ledger.close().memberCount).toBe(3);
  expect(ledger.powers(1).get('n0'), 'frozen before').toBe(1000n);
  expect(ledger.powers(2).has('n0')).toBe(false);
});

test('its owner still unbonds what is bonded', () => {
  const ledger = new Ledger();
  expect(ledger.run('o0', retireNode, { node: idOf('n0') })).toBe(undefined);
  expect(ledger.run('o0', unbond, { node: idOf('n0'), asset: 0, amount: 1000n })).toBe(undefined);
});

test('retirement is for good, and the operator has it alone', () => {
  const ledger = new Ledger();
  expect(ledger.run('o1', retireNode, { node: idOf('n0') })).toBe('not-the-operator');
  expect(ledger.run('o1', retireNode, { node: idOf('nowhere') })).toBe('no-such-node');
  expect(ledger.run('o0', retireNode, { node: idOf('n0') })).toBe(undefined);
  expect(ledger.run('o0', retireNode, { node: idOf('n0') })).toBe('too-late');
  expect(ledger.run('o0', registerNode, registration('n0', 'o0'))).toBe('already-exists');
});
