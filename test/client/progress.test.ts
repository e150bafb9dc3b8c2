import { expect, test } from 'vitest';
import type { Clock } from '../../src/base/ports.ts';
import { createMeter } from '../../src/client/progress.ts';
import type { ProgressEvent } from '../../src/client/types.ts';

test('at most ten events a second, a rate over the last seconds, and the end at once', () => {
  let nowMs = 0;
  const clock = { monotonic: () => nowMs } as Clock;
  const events: ProgressEvent[] = [];
  const meter = createMeter(clock, 100_000, (event) => events.push(event));
  for (; nowMs < 10_000; nowMs += 10) meter.report('send', nowMs * 10);
  expect(events.length).toBe(100);
  expect(events[0]!.bytesPerSecond).toBe(0);
  expect(events.at(-1)!.bytesPerSecond).toBeCloseTo(10_000, -1);
  meter.flush('complete', 100_000);
  expect(events.at(-1)).toMatchObject({ phase: 'complete', doneBytes: 100_000, totalBytes: 100_000 });
});

test('the rate forgets what lies more than five seconds back', () => {
  let nowMs = 0;
  const events: ProgressEvent[] = [];
  const meter = createMeter({ monotonic: () => nowMs } as Clock, undefined, (event) => events.push(event));
  for (; nowMs <= 1000; nowMs += 100) meter.report('fetch', nowMs * 1000);
  for (; nowMs <= 9000; nowMs += 100) meter.report('fetch', 1_000_000);
  expect(events.at(-1)!.bytesPerSecond).toBe(0);
});
