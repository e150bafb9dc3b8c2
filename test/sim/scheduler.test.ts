import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MachineClock, Scheduler } from './scheduler.ts';

test('tasks run by time, and those of one instant in the order they were scheduled', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 3000 }), (delays) => {
      const scheduler = new Scheduler();
      const ran: number[] = [];
      for (const [index, delayMs] of delays.entries()) {
        scheduler.after(delayMs, { run: () => ran.push(index) });
      }
      while (scheduler.step(Number.POSITIVE_INFINITY));
      const sorted = [...delays.keys()].sort((a, b) => delays[a]! - delays[b]! || a - b);
      expect(ran).toEqual(sorted);
      expect(scheduler.count).toBe(delays.length);
    }),
    { numRuns: 50 },
  );
});

test('tasks may schedule tasks, and time never goes back', () => {
  const scheduler = new Scheduler();
  let lastMs = 0;
  let left = 2000;
  const spawn = (): void => {
    expect(scheduler.now).toBeGreaterThanOrEqual(lastMs);
    lastMs = scheduler.now;
    for (let i = 0; i < 2 && left > 0; i++, left--) scheduler.after((left * 7919) % 100, { run: spawn });
  };
  scheduler.after(0, { run: spawn });
  while (scheduler.step(Number.POSITIVE_INFINITY));
  expect(scheduler.count).toBe(2001);
});

test('time stops at the bound, and the task behind it waits', () => {
  const scheduler = new Scheduler();
  const ran: string[] = [];
  scheduler.after(10, { run: () => ran.push('late') });
  expect(scheduler.step(5)).toBe(false);
  expect(scheduler.now).toBe(5);
  expect(ran).toEqual([]);
  expect(scheduler.step(10)).toBe(true);
  expect(ran).toEqual(['late']);
});

test('a fast clock rings early, a jump of the wall clock moves no timer', () => {
  const scheduler = new Scheduler();
  const fast = new MachineClock(scheduler, 1000, 2);
  const rung: number[] = [];
  fast.timer(10, () => rung.push(scheduler.now));
  const cancel = fast.timer(4, () => rung.push(-1));
  cancel();
  fast.jump(3_600_000);
  while (scheduler.step(20));
  expect(rung).toEqual([5]);
  expect(fast.monotonic()).toBe(40);
  expect(fast.now()).toBe(1000 + 3_600_000 + 40);
});
