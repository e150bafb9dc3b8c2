import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/runtime/clock.ts';

describe('system clock', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  test('a timer runs once, after its delay', () => {
    const run = vi.fn();
    systemClock.timer(100, run);
    vi.advanceTimersByTime(99);
    expect(run).toHaveBeenCalledTimes(0);
    vi.advanceTimersByTime(1000);
    expect(run).toHaveBeenCalledTimes(1);
  });

  test('a cancelled timer never runs', () => {
    const run = vi.fn();
    systemClock.timer(100, run)();
    vi.advanceTimersByTime(1000);
    expect(run).toHaveBeenCalledTimes(0);
  });

  test('a delay beyond 2^31 ms neither fires at once nor early', () => {
    const run = vi.fn();
    const delayMs = 3 * 2 ** 31;
    systemClock.timer(delayMs, run);
    vi.advanceTimersByTime(delayMs - 1);
    expect(run).toHaveBeenCalledTimes(0);
    vi.advanceTimersByTime(1);
    expect(run).toHaveBeenCalledTimes(1);
  });

  test('a long timer can be cancelled after its first step', () => {
    const run = vi.fn();
    const cancel = systemClock.timer(3 * 2 ** 31, run);
    vi.advanceTimersByTime(2 ** 31);
    cancel();
    vi.advanceTimersByTime(3 * 2 ** 31);
    expect(run).toHaveBeenCalledTimes(0);
  });

  test.each([-5, Number.NaN, 0])('a delay of %s is no delay', (delayMs) => {
    const run = vi.fn();
    systemClock.timer(delayMs, run);
    vi.advanceTimersByTime(1);
    expect(run).toHaveBeenCalledTimes(1);
  });

  test('sleep resolves after its delay and leaves no listener on the signal', async () => {
    const { signal } = new AbortController();
    const removed = vi.spyOn(signal, 'removeEventListener');
    const sleeping = systemClock.sleep(50, signal);
    await vi.advanceTimersByTimeAsync(50);
    await sleeping;
    expect(removed).toHaveBeenCalledTimes(1);
  });

  test('sleep rejects with ABORTED as soon as the signal fires, before or during the wait', async () => {
    const controller = new AbortController();
    const sleeping = systemClock.sleep(1e9, controller.signal);
    controller.abort();
    await expect(sleeping).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(systemClock.sleep(1, controller.signal)).rejects.toMatchObject({ code: 'ABORTED' });
    expect(vi.getTimerCount()).toBe(0);
  });
});

test('monotonic time does not go back when the wall clock does', () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const before = systemClock.monotonic();
  const wallBefore = systemClock.now();
  vi.setSystemTime(wallBefore - 3_600_000);
  expect(systemClock.now()).toBeLessThan(wallBefore);
  expect(systemClock.monotonic()).toBeGreaterThanOrEqual(before);
  vi.useRealTimers();
});
