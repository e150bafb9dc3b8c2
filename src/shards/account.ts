// Accounts: who owns tokens and whose transactions are next. An account is named by its owner's public key and comes
// into being with the first token it gets.
//
// Invariants: balances are never negative; `nonce` is the number of transactions included so far, so none is included twice.

import { z } from 'zod';
import { uint } from '../base/codec.ts';
import type { OwnerId } from '../base/ids.ts';
import { type Amounts, amountsSchema, minusAmounts, plusAmounts } from './amounts.ts';
import { nameOfBytes, RecentKeys } from './recent-keys.ts';
import type { RecordType } from './record.ts';
import { type Home, homeOf, type StateKey, stateKey } from './state-key.ts';
import type { Overlay } from './view.ts';

export interface Account {
  /** The nonce that the account's next transaction carries. */
  readonly nonce: number;
  readonly balances: Amounts;
}

const NEW_ACCOUNT: Account = { nonce: 0, balances: [] };

export const accountRecord: RecordType<Account> = {
  name: 'account',
  schema: z.tuple([uint(), amountsSchema]).transform(([nonce, balances]): Account => ({ nonce, balances })),
  tuple: ({ nonce, balances }) => [nonce, balances],
  isExact: true,
};

/** Keys by the very array that names the owner: one is asked for some ten times in a transaction. */
const keys = new WeakMap<OwnerId, StateKey>();
const recent = new RecentKeys<StateKey>();

/** `owner` is never written to, as no id is. */
export function accountKey(owner: OwnerId): StateKey {
  const known = keys.get(owner);
  if (known !== undefined) return known;
  // Of a copy, so that the transaction around the id is not kept alive, nor changed bytes remembered.
  const key = recent.get(nameOfBytes(owner), () =>
    stateKey(homeOf('account', owner.slice() as OwnerId), 'account'),
  );
  keys.set(owner, key);
  return key;
}

export function accountHome(owner: OwnerId): Home {
  return accountKey(owner).home;
}

/** An account that is not there has no balance and has sent nothing. */
export function accountOf(state: Overlay, owner: OwnerId): Account {
  return state.get(accountKey(owner), accountRecord) ?? NEW_ACCOUNT;
}

export function credit(state: Overlay, owner: OwnerId, amounts: Amounts): void {
  const account = accountOf(state, owner);
  putAccount(state, owner, { ...account, balances: plusAmounts(account.balances, amounts) });
}

/** False, and nothing changed, when the account has less of any of them. */
export function debit(state: Overlay, owner: OwnerId, amounts: Amounts): boolean {
  const account = accountOf(state, owner);
  const balances = minusAmounts(account.balances, amounts);
  if (balances === undefined) return false;
  putAccount(state, owner, { ...account, balances });
  return true;
}

export function putAccount(state: Overlay, owner: OwnerId, account: Account): void {
  state.put(accountKey(owner), accountRecord, account);
}
