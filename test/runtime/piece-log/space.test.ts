// When the log says that it is full, and for how long one refusal speaks for others.

import { expect, test } from 'vitest';
import { systemClock } from '../../../src/runtime/clock.ts';
import { systemFiles } from '../../../src/runtime/files.ts';
import { Space } from '../../../src/runtime/piece-log/space.ts';
import { codeOf } from '../log-harness.ts';

const QUOTA = 1000;

interface Setup {
  readonly space: Space;
  readonly advance: (ms: number) => void;
}

function spaceWith(logBytes: number): Setup {
  let nowMs = 5000;
  const space = new Space({
    files: { ...systemFiles, space: async () => ({ freeBytes: 1e9, totalBytes: 1e12 }) },
    folder: '/log',
    clock: { ...systemClock, monotonic: () => nowMs },
    quotaBytes: QUOTA,
    reserveBytes: 0,
    logBytes: () => logBytes,
  });
  return {
    space,
    advance: (ms) => {
      nowMs += ms;
    },
  };
}

test('an entry too long for the room makes the log full for a moment, not until the next short one', async () => {
  const { space, advance } = spaceWith(400);
  expect(await codeOf(space.admit(601))).toBe('FULL');
  expect(space.isFull).toBe(true);
  advance(9_999);
  expect(space.isFull).toBe(true);
  advance(1);
  expect(space.isFull).toBe(false);
  // Compaction goes on to make room for it all the same.
  expect(space.isQuotaReached).toBe(true);
  await space.admit(600);
  expect(space.isFull).toBe(true);
});

test('a log without any room is full however long ago the last refusal was', async () => {
  const { space, advance } = spaceWith(QUOTA);
  expect(await codeOf(space.admit(1))).toBe('FULL');
  advance(1e6);
  expect(space.isFull).toBe(true);
});

test('a refused entry is forgotten when one finds room', async () => {
  const { space } = spaceWith(400);
  expect(await codeOf(space.admit(601))).toBe('FULL');
  await space.admit(100);
  space.settle(100);
  expect(space.isFull).toBe(false);
  expect(space.isQuotaReached).toBe(false);
});
