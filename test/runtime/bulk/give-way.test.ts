import { describe, expect, test } from 'vitest';
import { longestLasting, type Pace, slowest } from '../../../src/runtime/bulk/give-way.ts';

const NOW = 100_000;
const MIB = 1 << 20;

/** A stranger that has moved `moved` bytes of a reply in ten seconds, with as much still to go as `leftBytes` says. */
function pace(moved: number, leftBytes: number, overrides: Partial<Pace> = {}): Pace {
  return { isMember: false, sinceMs: NOW - 10_000, moved, wait: { use: 'reply', leftBytes }, ...overrides };
}

describe('for one more connection', () => {
  test('the slowest stranger gives way, the one that stands still before all others', () => {
    const [fast, slow, still] = [pace(MIB, MIB), pace(1000, MIB), pace(0, MIB)];
    expect(slowest([fast, slow, still], NOW, 2000)).toBe(still);
    expect(slowest([slow, fast], NOW, 2000)).toBe(slow);
  });

  test('members, the young, the idle and those whose service is at work do not', () => {
    const safe = [
      pace(0, MIB, { isMember: true }),
      pace(0, MIB, { sinceMs: NOW - 1999 }),
      pace(0, MIB, { sinceMs: undefined }),
      pace(0, MIB, { wait: undefined }),
    ];
    expect(slowest(safe, NOW, 2000)).toBeUndefined();
    const other = pace(MIB, MIB);
    expect(slowest([...safe, other], NOW, 2000)).toBe(other);
  });
});

describe('for memory', () => {
  test('whoever would hold it longest at its speed gives way', () => {
    const [short, long] = [pace(MIB, 7 * MIB), pace(8 * MIB, 64 * MIB)];
    expect(longestLasting([short, long], NOW, 2000, 'reply', 60_000)).toBe(long);
  });

  test('nobody who is done soon enough, or holds memory of the other use', () => {
    const soon = pace(MIB, 6 * MIB);
    const other = pace(0, MIB, { wait: { use: 'upload', leftBytes: MIB } });
    expect(longestLasting([soon, other], NOW, 2000, 'reply', 60_000)).toBeUndefined();
    expect(longestLasting([soon, other], NOW, 2000, 'upload', 60_000)).toBe(other);
  });
});
