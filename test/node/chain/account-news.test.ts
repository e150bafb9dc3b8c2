// The pool beside a chain: what it offers makes valid blocks, and what blocks do to accounts reaches it.

import { expect, test } from 'vitest';
import { accountNews } from '../../../src/node/chain/account-news.ts';
import { TransactionPool } from '../../../src/node/chain/transaction-pool.ts';
import { amountOf, NATIVE } from '../../../src/shards/amounts.ts';
import type { SignedTransaction } from '../../../src/shards/transaction.ts';
import { ownerOf, World } from '../../shards/world.ts';
import { factsOf } from './pool-kit.ts';

function chainWithPool() {
  const balances = { alice: amountOf(NATIVE, 100n), bob: amountOf(NATIVE, 100n) };
  const world = new World({ balances, params: { feePerTransaction: 1n } });
  const pool = new TransactionPool();
  const transfer = (name: string, nonce: number, amount: bigint, fee: bigint): SignedTransaction => {
    const parameters = { to: ownerOf('carol'), amounts: amountOf(NATIVE, amount) };
    return world.sign(name, nonce, { kind: 'transfer', parameters }, { fee, expiresAtHeight: 50 });
  };
  const offer = (name: string, signed: SignedTransaction): string => {
    const balance = world.balances(name)[0]?.[1] ?? 0n;
    return pool.add(signed, factsOf({ nonce: world.nonce(name), balance, height: world.height })).kind;
  };
  /** A block of what the pool offers: how many of it, and what left the pool without being included. */
  const step = () => {
    const { changes } = world.step(pool.candidates(100_000, 100));
    const { transactions } = world.blocks.at(-1)!.body;
    const included = transactions.map(({ id, transaction: { sender, nonce } }) => ({ id, sender, nonce }));
    const gone = pool.committed(world.height, included, accountNews(changes, pool));
    return { included: included.length, gone: gone.length };
  };
  return { world, pool, transfer, offer, step };
}

test('all that is offered is included, whoever sent it and in whichever order it came', () => {
  const { pool, transfer, offer, step } = chainWithPool();
  for (const nonce of [2, 0, 1]) offer('alice', transfer('alice', nonce, 1n, 1n + BigInt(nonce)));
  for (const nonce of [0, 1]) offer('bob', transfer('bob', nonce, 1n, 5n));
  expect(step()).toEqual({ included: 5, gone: 0 });
  expect(pool.isEmpty).toBe(true);
});

test('who promises fees and then empties its account loses its place to those who pay', () => {
  const { world, pool, transfer, offer, step } = chainWithPool();
  expect(offer('alice', transfer('alice', 0, 88n, 2n))).toBe('added');
  for (const nonce of [1, 2, 3, 4]) expect(offer('alice', transfer('alice', nonce, 1n, 5n))).toBe('added');
  // Of its hundred, nothing is left but what two of them cost, and one of them spends what the other would need.
  expect(world.balances('alice')).toEqual(amountOf(NATIVE, 100n));
  const first = pool.candidates(100_000, 1);
  const { changes } = world.step(first);
  const included = first.map(({ id, transaction: { sender, nonce } }) => ({ id, sender, nonce }));
  const gone = pool.committed(world.height, included, accountNews(changes, pool));
  expect(gone.map(({ transaction }) => transaction.nonce)).toEqual([4, 3]);
  expect(step()).toEqual({ included: 1, gone: 1 });
  expect(pool.isEmpty).toBe(true);
});
