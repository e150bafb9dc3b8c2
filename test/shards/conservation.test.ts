import { expect, test } from 'vitest';
import { encode } from '../../src/base/codec.ts';
import { accountKey, accountRecord, credit } from '../../src/shards/account.ts';
import { type Amounts, NOTHING } from '../../src/shards/amounts.ts';
import { auditChanges, type Holding, isConserved, LEDGER_HOLDINGS } from '../../src/shards/conservation.ts';
import { collectFees, feesIn, takeFees } from '../../src/shards/fees.ts';
import { homeOf, type RecordKind, stateKey } from '../../src/shards/state-key.ts';
import { putSupply } from '../../src/shards/supply.ts';
import { Overlay } from '../../src/shards/view.ts';
import { ownerOf } from './world.ts';

const overlay = (): Overlay => new Overlay({ read: () => null });
const supply = (total: Amounts) => ({ total, issued: NOTHING, burned: NOTHING });

test('tokens that nobody issued are noticed, of any asset', () => {
  for (const amounts of [[[0, 1n]], [[5, 1n]]] as Amounts[]) {
    const state = overlay();
    credit(state, ownerOf('a'), amounts);
    const audit = auditChanges(state.changes());
    expect(audit).toEqual({ held: amounts, supply: [] });
    expect(isConserved(audit)).toBe(false);
    putSupply(state, supply(amounts));
    expect(isConserved(auditChanges(state.changes()))).toBe(true);
  }
});

test('tokens that vanish are noticed, and one asset does not stand in for another', () => {
  const before = encode(accountRecord.tuple({ nonce: 0, balances: [[0, 5n]] }));
  const state = new Overlay({ read: (key) => (key.text === accountKey(ownerOf('a')).text ? before : null) });
  state.put(accountKey(ownerOf('a')), accountRecord, { nonce: 1, balances: [[1, 5n]] });
  const audit = auditChanges(state.changes());
  expect(audit.held).toEqual([
    [0, -5n],
    [1, 5n],
  ]);
  expect(isConserved(audit)).toBe(false);
});

test('the pot of fees holds what was paid until it is taken', () => {
  const state = overlay();
  collectFees(state, 7n);
  expect(auditChanges(state.changes()).held).toEqual([[0, 7n]]);
  expect(takeFees(state, 8n)).toBe(false);
  expect(takeFees(state, 7n)).toBe(true);
  expect(feesIn(state)).toBe(0n);
});

test('other parts register what they hold', () => {
  const state = overlay();
  state.write(stateKey(homeOf('system'), 'bonds'), new Uint8Array([9]));
  const bonds: Holding = (record) => [[0, BigInt(record[0]!)]];
  const holdings = new Map<RecordKind, Holding>([...LEDGER_HOLDINGS, ['bonds', bonds]]);
  expect(auditChanges(state.changes()).held).toEqual([]);
  expect(auditChanges(state.changes(), holdings).held).toEqual([[0, 9n]]);
});
