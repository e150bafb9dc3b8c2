import { expect, test } from 'vitest';
import {
  BLOCK_LENGTH_MAX,
  TRANSACTION_LENGTH_MAX,
  TRANSACTIONS_PER_BLOCK_MAX,
} from '../../../src/base/limits.ts';
import type { BlockId } from '../../../src/consensus/types.ts';
import { BlockBudget } from '../../../src/node/chain/block-budget.ts';

const PROPOSE_MS = 1000;
const OWN = 'own' as BlockId;
const OTHER = 'other' as BlockId;

const countOf = (budget: BlockBudget, round = 0): number => budget.share(round, PROPOSE_MS).transactions;

/** Proposes as much as is allowed, and the height ends with a block. */
function height(budget: BlockBudget, at: number, decided: BlockId): void {
  budget.proposed(at, OWN, budget.share(0, PROPOSE_MS).bytes);
  budget.decided(at, decided);
}

test('as long as nothing is known a block has what it may have', () => {
  const { bytes, transactions } = new BlockBudget().share(0, PROPOSE_MS);
  expect([bytes, transactions]).toEqual([BLOCK_LENGTH_MAX, TRANSACTIONS_PER_BLOCK_MAX]);
});

test('a block is made and judged in a part of the time that is waited for it, however slow the machine is', () => {
  for (const fullMs of [10, 500, 4000, 10_000]) {
    const budget = new BlockBudget();
    for (let at = 1; at < 50; at++) {
      const { bytes } = budget.share(0, PROPOSE_MS);
      budget.measured(bytes, (fullMs * bytes) / BLOCK_LENGTH_MAX);
    }
    const { bytes } = budget.share(0, PROPOSE_MS);
    const costMs = (fullMs * bytes) / BLOCK_LENGTH_MAX;
    expect(
      bytes === BLOCK_LENGTH_MAX || bytes === TRANSACTION_LENGTH_MAX || costMs <= PROPOSE_MS / 4 + 1,
    ).toBe(true);
    if (fullMs === 10) expect(bytes).toBe(BLOCK_LENGTH_MAX);
    if (fullMs === 4000) expect(bytes).toBeGreaterThan(TRANSACTION_LENGTH_MAX / 2);
  }
});

test('what got slow makes blocks shorter at once, and what got fast makes them longer by and by', () => {
  const budget = new BlockBudget();
  budget.measured(BLOCK_LENGTH_MAX, 100);
  expect(countOf(budget)).toBe(TRANSACTIONS_PER_BLOCK_MAX);
  budget.measured(BLOCK_LENGTH_MAX, 4000);
  const slow = countOf(budget);
  expect(slow).toBeLessThan(TRANSACTIONS_PER_BLOCK_MAX / 4);
  budget.measured(BLOCK_LENGTH_MAX, 100);
  const after = countOf(budget);
  expect(after).toBeGreaterThan(slow);
  expect(after).toBeLessThan(TRANSACTIONS_PER_BLOCK_MAX / 4);
  for (let at = 0; at < 30; at++) budget.measured(BLOCK_LENGTH_MAX, 100);
  expect(countOf(budget)).toBe(TRANSACTIONS_PER_BLOCK_MAX);
});

test('a proposal that was not decided halves the next, and those that are let it grow again', () => {
  const budget = new BlockBudget();
  height(budget, 1, OTHER);
  expect(countOf(budget)).toBe(TRANSACTIONS_PER_BLOCK_MAX / 2);
  height(budget, 2, OTHER);
  expect(countOf(budget)).toBe(TRANSACTIONS_PER_BLOCK_MAX / 4);
  height(budget, 3, OWN);
  expect(countOf(budget)).toBe((1.25 * TRANSACTIONS_PER_BLOCK_MAX) / 4);
  for (let at = 4; at < 20; at++) height(budget, at, OWN);
  expect(countOf(budget)).toBe(TRANSACTIONS_PER_BLOCK_MAX);
});

test('heights of others, and short blocks of its own, change nothing', () => {
  const budget = new BlockBudget();
  height(budget, 1, OTHER);
  for (let at = 2; at < 20; at++) budget.decided(at, OTHER);
  for (let at = 20; at < 40; at++) {
    budget.proposed(at, OWN, 500);
    budget.decided(at, OWN);
  }
  budget.proposed(40, OWN, BLOCK_LENGTH_MAX);
  budget.decided(41, OTHER);
  expect(countOf(budget)).toBe(TRANSACTIONS_PER_BLOCK_MAX / 2);
});

test('every round of a height is offered half as much, and there is always room for one transaction', () => {
  const budget = new BlockBudget();
  expect([0, 1, 2, 3].map((round) => countOf(budget, round))).toEqual([4096, 2048, 1024, 512]);
  for (let at = 1; at < 100; at++) height(budget, at, OTHER);
  budget.measured(BLOCK_LENGTH_MAX, 1e9);
  for (const round of [0, 1, 50, 10_000]) {
    const { bytes, transactions, receipts } = budget.share(round, 1);
    expect(bytes).toBe(TRANSACTION_LENGTH_MAX);
    expect(transactions).toBeGreaterThan(0);
    expect(receipts).toBeGreaterThan(0);
  }
});
