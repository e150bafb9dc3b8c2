// What an operation remembers of nodes that failed.

import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../src/base/ids.ts';
import type { Clock } from '../../src/base/ports.ts';
import { createHealth, type Health, strikesAfter } from '../../src/client/health.ts';

const node = new Uint8Array(32).fill(1) as NodeId;
const start = (): { readonly health: Health; readonly at: (nowMs: number) => Health } => {
  let nowMs = 0;
  const health = createHealth({ monotonic: () => nowMs } as Clock, { barMs: 10_000, retryMs: 500 });
  return {
    health,
    at: (timeMs) => {
      nowMs = timeMs;
      return health;
    },
  };
};

describe('a node that failed in passing', () => {
  test('is barred, and tried again where nobody can replace it: sooner than the bar ends, later each time', () => {
    const { at } = start();
    for (const [failedMs, retryMs] of [
      [1000, 1500],
      [2000, 3000],
      [4000, 6000],
    ] as const) {
      at(failedMs).failed(node, 'UNREACHABLE', failedMs);
      expect(at(failedMs + 1).standing(node)).toBe('barred');
      expect(at(failedMs + 1).retryAtMs(node)).toBe(retryMs);
      expect(at(failedMs + 10_000).standing(node)).toBe('good');
    }
    at(7000).failed(node, 'UNREACHABLE', 7000);
    expect(at(7001).retryAtMs(node)).toBeUndefined();
  });

  test('is as good as ever once it succeeds', () => {
    const { at } = start();
    for (const nowMs of [1, 2, 3, 4, 5]) at(nowMs).failed(node, 'TIMEOUT', nowMs);
    at(6).succeeded(node);
    expect(at(6).standing(node)).toBe('good');
    at(7).failed(node, 'UNREACHABLE', 7);
    expect(at(7).retryAtMs(node)).toBe(507);
  });

  test('failed once, however many requests its broken connections ended', () => {
    const { at } = start();
    for (const nowMs of [100, 101, 102, 103, 104, 105]) at(nowMs).failed(node, 'UNREACHABLE', 50);
    expect(at(106).retryAtMs(node)).toBe(600);
    expect(at(10_100).standing(node)).toBe('good');
  });
});

test('a node that fails again and again is barred for longer and longer, up to eight times as long', () => {
  const { at } = start();
  let nowMs = 0;
  const barsMs = Array.from({ length: 6 }, () => {
    at(nowMs).failed(node, 'FULL', nowMs);
    const beganMs = nowMs;
    while (at(nowMs).standing(node) === 'barred') nowMs += 1000;
    return nowMs - beganMs;
  });
  expect(barsMs).toEqual([10_000, 20_000, 40_000, 80_000, 80_000, 80_000]);
});

test('a liar stays one', () => {
  const { at } = start();
  at(1).lied(node);
  at(2).succeeded(node);
  expect(at(1e9).standing(node)).toBe('liar');
});

test('only what may pass is worth another try, and what takes long fewer', () => {
  expect(strikesAfter(0, 'UNREACHABLE')).toBe(1);
  expect(strikesAfter(3, 'UNREACHABLE')).toBeUndefined();
  expect(strikesAfter(0, 'TIMEOUT')).toBe(2);
  expect(strikesAfter(2, 'BUSY')).toBeUndefined();
  for (const code of ['FULL', 'DISK', 'UNAUTHORIZED', 'NOT_FOUND', 'INTEGRITY'] as const)
    expect(strikesAfter(0, code)).toBeUndefined();
});
