import { expect, test } from 'vitest';
import { NODE_INDEX_PAGE, OPERATOR_NODES_MAX } from '../../../src/base/limits.ts';
import { putOperator } from '../../../src/shards/node.ts';
import { registerNode } from '../../../src/shards/operations/register-node.ts';
import { retireNode } from '../../../src/shards/operations/retire-node.ts';
import type { Epoch } from '../../../src/base/ids.ts';
import { accountNamed, idOf, Ledger, registration } from '../stake-kit.ts';

test('a registered node stands with its first bond, and is member and validator two epochs later', () => {
  const ledger = new Ledger();
  expect(ledger.run('alice', registerNode, registration('a', 'alice', 700n))).toBe(undefined);
  expect(ledger.balance('alice')).toBe(9300n);
  expect(ledger.node('a').bonded).toEqual([[0, 700n]]);
  expect(ledger.close().memberCount).toBe(4);
  expect(ledger.powers(2).get('a')).toBe(700n);
  expect(ledger.close().memberCount).toBe(5);
  expect(ledger.node('a').admissionSeed).not.toBe(null);
});

test('a refused registration leaves nothing but the tokens it brought', () => {
  const ledger = new Ledger();
  const before = ledger.state.records.size;
  const forged = { ...registration('a', 'alice'), proof: registration('a', 'bob').proof };
  expect(ledger.run('alice', registerNode, forged), 'a proof for somebody else').toBe('invalid-argument');
  expect(ledger.run('alice', registerNode, registration('n0', 'alice')), 'a key in use').toBe(
    'already-exists',
  );
  expect(ledger.run('alice', registerNode, registration('a', 'alice', 49n))).toBe('insufficient-balance');
  expect(ledger.run('alice', registerNode, registration('a', 'alice', 10_001n))).toBe('insufficient-balance');
  expect(ledger.run('nobody', registerNode, registration('a', 'nobody', 50n))).toBe('insufficient-balance');
  expect(ledger.balance('alice')).toBe(10_000n);
  expect(ledger.state.records.size).toBe(before);
});

test('the tombstoned and the jailed cannot begin anew', () => {
  const ledger = new Ledger();
  const clean = { nodes: [], jailedUntil: 0 as Epoch, isTombstoned: false };
  ledger.write((state) => putOperator(state, accountNamed('alice'), { ...clean, isTombstoned: true }));
  expect(ledger.run('alice', registerNode, registration('a', 'alice'))).toBe('tombstoned');
  ledger.write((state) => putOperator(state, accountNamed('bob'), { ...clean, jailedUntil: 1 as Epoch }));
  expect(ledger.run('bob', registerNode, registration('b', 'bob'))).toBe('jailed');
  ledger.close();
  expect(ledger.run('bob', registerNode, registration('b', 'bob'))).toBe(undefined);
});

test('an operator has a bounded number of nodes', () => {
  const ledger = new Ledger();
  const nodes = Array.from({ length: OPERATOR_NODES_MAX }, (_, index) => idOf(`n${index % 4}`));
  ledger.write((state) =>
    putOperator(state, accountNamed('alice'), { nodes, jailedUntil: 0 as Epoch, isTombstoned: false }),
  );
  expect(ledger.run('alice', registerNode, registration('a', 'alice'))).toBe('limit-exceeded');
});

test('places of the index stay without gaps over pages when nodes come and go', () => {
  const balances = ['alice', 'bob', 'carol'].map((name) => [name, [[0, 10_000n]]] as const);
  const ledger = new Ledger({ stakes: Array.from({ length: NODE_INDEX_PAGE - 1 }, () => 100n), balances });
  for (const name of ['a', 'b', 'c']) {
    expect(ledger.run('alice', registerNode, registration(name, 'alice', 60n))).toBe(undefined);
  }
  expect(ledger.node('c').place).toBe(NODE_INDEX_PAGE + 1);
  expect(ledger.run('alice', retireNode, { node: idOf('a') })).toBe(undefined);
  expect(ledger.node('c').place).toBe(NODE_INDEX_PAGE - 1);
  expect(ledger.run('alice', retireNode, { node: idOf('b') })).toBe(undefined);
  expect(ledger.run('alice', retireNode, { node: idOf('c') })).toBe(undefined);
  expect(ledger.run('o3', retireNode, { node: idOf('n3') })).toBe(undefined);
  expect(ledger.node('n126').place).toBe(3);
});
