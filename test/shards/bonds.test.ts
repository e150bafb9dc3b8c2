import { expect, test } from 'vitest';
import { bondsOf, unbondingOf } from '../../src/shards/bonds.ts';
import { changeNode } from '../../src/shards/operations/change-node.ts';
import { unbond } from '../../src/shards/operations/unbond.ts';
import { accountNamed, idOf, Ledger, PLAIN } from './stake-kit.ts';

const node = idOf('n0');

test('what waits is let go in turn, and only as far as the power that stays has stake behind it', () => {
  // The churn cap lets 100 of 4000 go at a border.
  const stake = { validatorMin: 100n, nodeMin: 50n, bondMin: 10n, validatorsMax: 7, unbondingEpochs: 3 };
  const ledger = new Ledger({ parameters: { stake: { ...stake, churnPerMillion: 25_000 } } });
  ledger.run('o0', changeNode, { node, data: PLAIN });
  ledger.run('o0', unbond, { node, asset: 0, amount: 60n });
  ledger.run('o0', unbond, { node, asset: 0, amount: 90n });
  ledger.close();
  expect(unbondingOf(ledger.view, node), 'one amount that is too much').toMatchObject([
    { amount: 150n, lastEpoch: null },
  ]);
  expect(ledger.powers(2).get('n0')).toBe(900n);
  ledger.close();
  expect(unbondingOf(ledger.view, node)).toMatchObject([{ amount: 150n, lastEpoch: 2 }]);
  expect(ledger.powers(3).get('n0')).toBe(850n);
  expect(accountNamed('o0')).toEqual(bondsOf(ledger.view, node)[0]!.owner);
});
