import fc from 'fast-check';
import { expect, test } from 'vitest';
import { progressLine, timeLeftMs } from '../../cli/progress.ts';

const MIB = 1024 * 1024;

test('the line tells phase, share, bytes, rate and time left', () => {
  const line = progressLine({
    phase: 'send',
    doneBytes: 50 * MIB,
    totalBytes: 100 * MIB,
    bytesPerSecond: 25 * MIB,
  });
  expect(line).toBe('sending  ██████████░░░░░░░░░░   50%  50.0 of 100.0 MiB  25.0 MiB/s  2.0s left');
});

test('without a known length there is no share and no time left', () => {
  const line = progressLine({ phase: 'fetch', doneBytes: 3 * MIB, totalBytes: undefined, bytesPerSecond: 0 });
  expect(line).toBe('fetching  3.0 MiB');
});

test('an empty object is done', () => {
  const line = progressLine({ phase: 'finish', doneBytes: 0, totalBytes: 0, bytesPerSecond: 0 });
  expect(line).toContain('100%  0 of 0 B');
});

test('whatever the numbers, the line is one line and fits the terminal', () => {
  const number = fc.integer({ min: 0, max: 2 ** 50 });
  fc.assert(
    fc.property(number, number, number, (doneBytes, totalBytes, bytesPerSecond) => {
      const event = { phase: 'send', doneBytes, totalBytes, bytesPerSecond } as const;
      const line = progressLine(event);
      expect(line).not.toMatch(/[\r\n]|NaN|Infinity|undefined/);
      expect(line.length).toBeLessThanOrEqual(80);
      expect(progressLine(event, 30).length).toBeLessThanOrEqual(30);
      expect(timeLeftMs(event) ?? 0).toBeGreaterThanOrEqual(0);
    }),
  );
});
