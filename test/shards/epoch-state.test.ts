import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Epoch } from '../../src/base/ids.ts';
import {
  epochAt,
  type EpochState,
  firstKept,
  isFree,
  isLastOfEpoch,
  isTooOld,
  startOf,
} from '../../src/shards/epoch-state.ts';
import { digestFrom } from '../helpers/records.ts';
import { TEST_PARAMETERS } from './stake-kit.ts';

const state = (epoch: number, lengths: readonly number[], lengthBlocks: number): EpochState => {
  const starts = [{ height: 101, timeMs: 0 }];
  for (const length of lengths) {
    const { height, timeMs } = starts.at(-1)!;
    starts.push({ height: height + length, timeMs: timeMs + length * 1000 });
  }
  return {
    epoch: epoch as Epoch,
    lengthBlocks,
    seed: digestFrom('seed'),
    shardBits: 0,
    mode: 'shared',
    membersDigest: digestFrom('members'),
    previousDigest: digestFrom('members before'),
    memberCount: 0,
    starts,
  };
};

describe('an epoch is found by height', () => {
  // Epochs 5, 6 and 7 of 10, 20 and 30 blocks.
  const three = state(7, [10, 20], 30);

  test.each([
    [100, undefined],
    [101, 5],
    [110, 5],
    [111, 6],
    [130, 6],
    [131, 7],
    [160, 7],
    [161, undefined],
  ])('height %i', (height, epoch) => {
    expect(epochAt(three, height)).toBe(epoch);
  });

  test('and knows its first and its last block', () => {
    expect([4, 5, 6, 7, 8].map((epoch) => startOf(three, epoch)?.height)).toEqual([
      undefined,
      101,
      111,
      131,
      undefined,
    ]);
    expect(firstKept(three)).toBe(5);
    expect([159, 160, 161].map((height) => isLastOfEpoch(three, height))).toEqual([false, true, false]);
  });
});

describe('age', () => {
  const three = state(7, [10, 20], 100_000);
  // 30 blocks and 30 seconds.
  const old = (height: number, timeMs: number, epoch: number): boolean =>
    isTooOld(three, TEST_PARAMETERS, { height, timeMs }, epoch);

  test('is counted from the end of the epoch, and both ages must be above the limits', () => {
    // Epoch 5 ended before height 111 at 10 seconds.
    expect([old(141, 1e9, 5), old(142, 40_000, 5), old(142, 40_001, 5)]).toEqual([false, false, true]);
  });

  test('epochs that run or come are never too old, forgotten ones always', () => {
    expect([old(1e6, 1e12, 7), old(1e6, 1e12, 8), old(101, 0, 3)]).toEqual([false, false, true]);
  });

  test('stake is never free while evidence of an epoch it backed would be taken', () => {
    const anyNow = fc.record({ height: fc.integer({ min: 131, max: 300 }), timeMs: fc.nat(200_000) });
    fc.assert(
      fc.property(
        anyNow,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 3, max: 9 }),
        (now, epoch, later) => {
          const lastEpoch = epoch + (later - 3);
          if (isFree(three, TEST_PARAMETERS, now, lastEpoch)) {
            expect(isTooOld(three, TEST_PARAMETERS, now, epoch)).toBe(true);
          }
        },
      ),
    );
  });
});
