import { expect, test } from 'vitest';
import { RESTORE_RETRY_MAX_MS, RESTORE_RETRY_MIN_MS } from '../../../src/base/limits.ts';
import type { ObjectId } from '../../../src/base/ids.ts';
import { OwnQueue, type OwnTask } from '../../../src/node/repair/own-queue.ts';
import type { Place } from '../../../src/proofs/place.ts';
import { digestFrom } from '../../helpers/records.ts';

const placeAt = (pieceIndex: number): Place => ({
  object: digestFrom<ObjectId>('object'),
  segmentIndex: 0,
  pieceIndex,
});
const task = (pieceIndex: number, more: Partial<OwnTask> = {}): OwnTask => ({
  place: placeAt(pieceIndex),
  dueMs: 0,
  isUrgent: false,
  tries: 0,
  ...more,
});
const indices = (tasks: readonly OwnTask[]): readonly number[] => tasks.map(({ place }) => place.pieceIndex);

test('what is due comes by time, and what presses before it; the rest stays', () => {
  const queue = new OwnQueue();
  queue.offer(task(0, { dueMs: 20 }));
  queue.offer(task(1, { dueMs: 10 }));
  queue.offer(task(2, { dueMs: 30, isUrgent: true }));
  queue.offer(task(3, { dueMs: 31 }));
  expect(queue.nextMs).toBe(10);
  expect(indices(queue.takeDue(30, 2))).toEqual([2, 1]);
  expect(indices(queue.takeDue(30, 2))).toEqual([0]);
  expect(queue.takeDue(30, 2)).toEqual([]);
  expect(queue.nextMs).toBe(31);
});

test('a place is there once, as early and as pressing as anybody wanted it', () => {
  const queue = new OwnQueue();
  queue.offer(task(0, { dueMs: 50 }));
  queue.offer(task(0, { dueMs: 10, isUrgent: true }));
  queue.offer(task(0, { dueMs: 90 }));
  expect(queue.size).toBe(1);
  expect(queue.takeDue(10, 9)).toEqual([task(0, { dueMs: 10, isUrgent: true })]);
});

test('a full queue takes what presses in place of what does not, and nothing else', () => {
  const queue = new OwnQueue(2);
  expect(queue.offer(task(0))).toBe(true);
  expect(queue.hasRoomForWalk).toBe(false);
  expect(queue.offer(task(1, { isUrgent: true }))).toBe(true);
  expect(queue.offer(task(2))).toBe(false);
  expect(queue.offer(task(3, { isUrgent: true }))).toBe(true);
  expect(queue.offer(task(4, { isUrgent: true }))).toBe(false);
  expect(indices(queue.takeDue(0, 9))).toEqual([1, 3]);
});

test('what failed is tried again later each time, up to a bound', () => {
  const queue = new OwnQueue();
  let current = task(0);
  const waits: number[] = [];
  for (let tries = 0; tries < 20; tries++) {
    queue.retry(current, 1000);
    waits.push(queue.nextMs! - 1000);
    [current] = queue.takeDue(Number.MAX_SAFE_INTEGER, 1) as [OwnTask];
  }
  expect(waits[0]).toBe(RESTORE_RETRY_MIN_MS);
  expect(waits[1]).toBe(2 * RESTORE_RETRY_MIN_MS);
  expect(waits.at(-1)).toBe(RESTORE_RETRY_MAX_MS);
});

test('what was taken away is not looked at any more', () => {
  const queue = new OwnQueue();
  queue.offer(task(0));
  queue.offer(task(1));
  queue.remove(placeAt(0));
  expect(indices(queue.takeDue(0, 9))).toEqual([1]);
});
