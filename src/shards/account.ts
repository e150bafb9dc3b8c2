// Accounts: who owns tokens and whose transactions are next. An account is named by its owner's public key and comes
// into being with the first token it gets.
//
// Invariants: balances are never negative; `nonce` is the number of transactions included so far, so none is included twice.

import { z } from 'zod';
import { bigUint, listOf, uint } from '../base/codec.ts';
import type { OwnerId } from '../base/ids.ts';
import { ASSETS_MAX } from '../base/limits.ts';
import type { RecordType } from './record.ts';
import { homeOf, type StateKey, stateKey } from './state-key.ts';
import type { Overlay } from './view.ts';

/** Index of an asset in the parameters' list. Asset 0 is the native token: fees, prices and receipts are in it. */
export type AssetIndex = number;
export const NATIVE: AssetIndex = 0;

export interface Account {
  /** The nonce that the account's next transaction carries. */
  readonly nonce: number;
  /** Ascending by asset, none of them zero. */
  readonly balances: readonly (readonly [asset: AssetIndex, amount: bigint])[];
}

const NEW_ACCOUNT: Account = { nonce: 0, balances: [] };

export const accountRecord: RecordType<Account> = {
  name: 'account',
  schema: z
    .tuple([uint(), listOf(z.tuple([uint(ASSETS_MAX - 1), bigUint]), ASSETS_MAX)])
    .transform(([nonce, balances]): Account => ({ nonce, balances })),
  tuple: ({ nonce, balances }) => [nonce, balances],
};

export function accountKey(owner: OwnerId): StateKey {
  return stateKey(homeOf('account', owner), 'account');
}

/** An account that is not there has no balance and has sent nothing. */
export function accountOf(state: Overlay, owner: OwnerId): Account {
  return state.get(accountKey(owner), accountRecord) ?? NEW_ACCOUNT;
}

export function balanceOf(account: Account, asset: AssetIndex): bigint {
  return account.balances.find(([held]) => held === asset)?.[1] ?? 0n;
}

export function credit(state: Overlay, owner: OwnerId, asset: AssetIndex, amount: bigint): void {
  const account = accountOf(state, owner);
  putAccount(state, owner, withBalance(account, asset, balanceOf(account, asset) + amount));
}

/** False, and nothing changed, when the account has less. */
export function debit(state: Overlay, owner: OwnerId, asset: AssetIndex, amount: bigint): boolean {
  const account = accountOf(state, owner);
  const balance = balanceOf(account, asset);
  if (balance < amount) return false;
  putAccount(state, owner, withBalance(account, asset, balance - amount));
  return true;
}

export function putAccount(state: Overlay, owner: OwnerId, account: Account): void {
  state.put(accountKey(owner), accountRecord, account);
}

function withBalance(account: Account, asset: AssetIndex, amount: bigint): Account {
  const others = account.balances.filter(([held]) => held !== asset);
  const balances = amount === 0n ? others : [...others, [asset, amount] as const];
  return { ...account, balances: balances.sort(([a], [b]) => a - b) };
}
