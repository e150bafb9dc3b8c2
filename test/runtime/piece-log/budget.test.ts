import { expect, test } from 'vitest';
import { ByteBudget } from '../../../src/runtime/piece-log/budget.ts';

/** Notes who got their bytes. */
function taker(budget: ByteBudget): {
  readonly got: number[];
  readonly take: (id: number, bytes: number) => void;
} {
  const got: number[] = [];
  const take = (id: number, bytes: number): void => {
    budget.take(bytes).then(
      () => got.push(id),
      () => got.push(-id),
    );
  };
  return { got, take };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what does not fit waits, first come first served, also when a later one would fit', async () => {
  const budget = new ByteBudget(100);
  const { got, take } = taker(budget);
  take(1, 60);
  take(2, 50);
  take(3, 10);
  await turn();
  expect(got).toEqual([1]);
  budget.give(60);
  await turn();
  expect(got).toEqual([1, 2, 3]);
});

test('more than the limit is had when nobody else has any', async () => {
  const budget = new ByteBudget(100);
  const { got, take } = taker(budget);
  take(1, 1);
  take(2, 1000);
  take(3, 1);
  await turn();
  expect(got).toEqual([1]);
  budget.give(1);
  await turn();
  expect(got).toEqual([1, 2]);
  budget.give(1000);
  await turn();
  expect(got).toEqual([1, 2, 3]);
});

test('closing refuses all who wait and all who come later', async () => {
  const budget = new ByteBudget(100);
  const { got, take } = taker(budget);
  take(1, 100);
  take(2, 1);
  await turn();
  budget.close(new Error('closed'));
  take(3, 1);
  await turn();
  expect(got.toSorted((a, b) => a - b)).toEqual([-3, -2, 1]);
});
