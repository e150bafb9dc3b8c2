import { expect, test } from 'vitest';
import {
  checkCode,
  defaultCode,
  manifestCopies,
  putQuorum,
  repairThreshold,
} from '../../src/replication/code.ts';
import { expectCode } from '../helpers/expect-code.ts';

test('the default code follows the number of operators', () => {
  const table: Record<number, string> = {
    1: '1/1',
    2: '1/2',
    3: '1/3',
    4: '2/4',
    6: '2/4',
    7: '3/7',
    9: '3/7',
    10: '4/10',
    11: '4/10',
    12: '4/12',
    29: '4/12',
    30: '10/30',
    59: '10/30',
    60: '20/50',
    4000: '20/50',
  };
  for (const [operators, expected] of Object.entries(table)) {
    const { k, n } = defaultCode(Number(operators));
    expect(`${k}/${n}`, `${operators} operators`).toBe(expected);
  }
});

test('the put quorum leaves k honest holders when a third lies, and needs no repair at once', () => {
  expect(
    [
      [2, 4],
      [3, 7],
      [4, 10],
    ].map(([k, n]) => putQuorum({ k: k!, n: n! })),
  ).toEqual([3, 5, 7]);
  expect(
    [
      [4, 12],
      [10, 30],
      [20, 50],
    ].map(([k, n]) => putQuorum({ k: k!, n: n! })),
  ).toEqual([9, 21, 36]);
  expect([1, 2, 3].map((n) => putQuorum({ k: 1, n }))).toEqual([1, 2, 2]);
  for (let n = 1; n <= 255; n += 7) {
    for (let k = 2; k <= n; k++) {
      const quorum = putQuorum({ k, n });
      expect(quorum).toBeLessThanOrEqual(n);
      const liars = Math.floor((n - 1) / 3);
      if (quorum < n) expect(quorum - liars).toBeGreaterThanOrEqual(k);
      if (n >= 12 && quorum < n) expect(quorum).toBeGreaterThan(repairThreshold({ k, n }));
    }
  }
});

test('the manifest survives every loss that the segments survive', () => {
  for (const { k, n } of [
    { k: 1, n: 1 },
    { k: 3, n: 7 },
    { k: 20, n: 50 },
  ]) {
    expect(manifestCopies({ k, n }) - (n - k)).toBe(1);
  }
});

test('impossible codes are refused', () => {
  for (const [k, n] of [
    [0, 4],
    [5, 4],
    [1, 256],
    [1.5, 3],
    [Number.NaN, 3],
  ] as const) {
    expectCode('INVALID_ARGUMENT', () => checkCode({ k, n }));
  }
  expect(checkCode({ k: 255, n: 255 })).toEqual({ k: 255, n: 255 });
});
