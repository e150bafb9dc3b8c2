import { expect, test } from 'vitest';
import { equal } from '../../../src/base/bytes.ts';
import { putNode } from '../../../src/shards/node.ts';
import { registerNode } from '../../../src/shards/operations/register-node.ts';
import { rekeyNode } from '../../../src/shards/operations/rekey-node.ts';
import { retireNode } from '../../../src/shards/operations/retire-node.ts';
import { idOf, Ledger, registration } from '../stake-kit.ts';

const rekey = (node: string, key: string, operator: string) => ({
  node: idOf(node),
  key: idOf(key),
  proof: registration(key, operator).proof,
});

test('a new key votes from the first set that is frozen after it, and the old one until then', () => {
  const ledger = new Ledger();
  ledger.close();
  expect(ledger.run('o0', rekeyNode, rekey('n0', 'new', 'o0'))).toBe(undefined);
  ledger.close();
  const hasKey = (epoch: number, key: string): boolean =>
    ledger.set(epoch).some(({ node }) => equal(node, idOf(key)));
  expect([2, 3].map((epoch) => [hasKey(epoch, 'n0'), hasKey(epoch, 'new')])).toEqual([
    [true, false],
    [false, true],
  ]);
  // Registration, stake and admission seed are the same.
  expect(ledger.powers(3).get('n0')).toBe(1000n);
});

test('the node is found by every key it ever had', () => {
  const ledger = new Ledger();
  ledger.close();
  expect(ledger.run('o0', rekeyNode, rekey('n0', 'new', 'o0'))).toBe(undefined);
  expect(ledger.node('new').registration).toEqual(ledger.node('n0').registration);
});

test('is refused for others, for keys of anybody, twice an epoch, and for who is out', () => {
  const ledger = new Ledger();
  expect(ledger.run('o0', rekeyNode, rekey('n0', 'new', 'o0')), 'in the epoch it began').toBe('too-early');
  ledger.close();
  expect(ledger.run('o1', rekeyNode, rekey('n0', 'new', 'o1'))).toBe('not-the-operator');
  expect(ledger.run('o0', rekeyNode, rekey('n0', 'new', 'o1')), 'a proof for another').toBe(
    'invalid-argument',
  );
  expect(ledger.run('o0', rekeyNode, rekey('n0', 'n1', 'o0'))).toBe('already-exists');
  expect(ledger.run('o0', rekeyNode, rekey('n0', 'n0', 'o0')), 'its own').toBe('already-exists');
  expect(ledger.run('o0', rekeyNode, rekey('nowhere', 'new', 'o0'))).toBe('no-such-node');
  expect(ledger.run('o0', rekeyNode, rekey('n0', 'new', 'o0'))).toBe(undefined);
  expect(ledger.run('o0', rekeyNode, rekey('n0', 'newer', 'o0'))).toBe('too-early');
  expect(ledger.run('alice', registerNode, registration('n0', 'alice')), 'an old key is not free').toBe(
    'already-exists',
  );
  ledger.write((state) => putNode(state, { ...ledger.node('n1'), isTombstoned: true }));
  expect(ledger.run('o1', rekeyNode, rekey('n1', 'clean', 'o1'))).toBe('tombstoned');
  expect(ledger.run('o2', retireNode, { node: idOf('n2') })).toBe(undefined);
  expect(ledger.run('o2', rekeyNode, rekey('n2', 'clean', 'o2'))).toBe('too-late');
});
