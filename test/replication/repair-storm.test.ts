import fc from 'fast-check';
import { expect, test } from 'vitest';
import { STORM_RULES, StormLimiter } from '../../src/replication/repair-storm.ts';

const MINUTE = 60_000;

test('five nodes of a hundred are no storm, a sixth within ten minutes is one', () => {
  const limiter = new StormLimiter();
  for (let minute = 0; minute < 5; minute++) expect(limiter.lost(minute * MINUTE, 100)).toBe(false);
  expect(limiter.lost(9 * MINUTE, 100)).toBe(true);
  expect(limiter.isStorm(38 * MINUTE)).toBe(true);
  expect(limiter.isStorm(39 * MINUTE)).toBe(false);
});

test('losses that are ten minutes apart never make a storm', () => {
  const limiter = new StormLimiter();
  for (let at = 0; at < 100; at++) expect(limiter.lost(at * 10 * MINUTE, 20)).toBe(false);
});

test('one node of a small network is no storm, two are', () => {
  const limiter = new StormLimiter();
  expect(limiter.lost(0, 4)).toBe(false);
  expect(limiter.lost(MINUTE, 4)).toBe(true);
});

test('in a storm a twentieth of the segments is queued, and those nearly lost whatever the number', () => {
  const limiter = new StormLimiter();
  expect(limiter.admits(0, 5, 1_000_000, 1000)).toBe(true);
  for (let count = 0; count < 3; count++) limiter.lost(0, 40);
  expect(limiter.untilMs).toBe(30 * MINUTE);
  expect(limiter.admits(MINUTE, 3, 49, 1000)).toBe(true);
  expect(limiter.admits(MINUTE, 3, 50, 1000)).toBe(false);
  expect(limiter.admits(MINUTE, 2, 1_000_000, 1000)).toBe(true);
  expect(limiter.admits(30 * MINUTE, 3, 50, 1000)).toBe(true);
});

test('it is a storm exactly until the pause after the last loss that had too many others within its window', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 8 * MINUTE }), { maxLength: 40 }),
      fc.integer({ min: 1, max: 90 }),
      (gaps, nodeCount) => {
        const limiter = new StormLimiter();
        const times: number[] = [];
        let now = 0;
        let until = 0;
        for (const gap of gaps) {
          now += gap;
          times.push(now);
          limiter.lost(now, nodeCount);
          const near = times.filter((time) => time > now - STORM_RULES.windowMs).length;
          if (near > Math.max(1, Math.floor(nodeCount / 20)) && near > 1 && nodeCount > 1)
            until = now + 30 * MINUTE;
          expect(limiter.isStorm(now)).toBe(now < until);
        }
      },
    ),
  );
});
