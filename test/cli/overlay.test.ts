import fc from 'fast-check';
import { expect, test } from 'vitest';
import { measureOverlay } from '../../cli/overlay.ts';
import type { MemberView } from '../../src/client/types.ts';

function member(node: string, peers: readonly string[] | undefined): MemberView {
  const base = { node, operator: node, stake: 1n, capacityBytes: 1, domains: {}, addresses: [] };
  if (peers === undefined) return { ...base, isReachable: false };
  const status = {
    agent: 'x',
    logState: 'writable',
    entries: 0,
    liveBytes: 0,
    quotaBytes: 1,
    damagedEntries: 0,
    uptimeMs: 1,
    peers,
  };
  return { ...base, isReachable: true, status };
}

test('in a full mesh nobody exceeds the average', () => {
  const names = ['a', 'b', 'c', 'd'];
  const overlay = measureOverlay(
    names.map((name) =>
      member(
        name,
        names.filter((other) => other !== name),
      ),
    ),
  );
  expect(overlay).toMatchObject({
    links: 6,
    possibleLinks: 6,
    averageDegree: 3,
    largestExcess: 0,
    outliers: [],
  });
});

test('the centre of a star is the outlier', () => {
  const overlay = measureOverlay([
    member('hub', ['a', 'b', 'c', 'd']),
    ...['a', 'b', 'c', 'd'].map((n) => member(n, ['hub'])),
  ]);
  expect(overlay.averageDegree).toBeCloseTo(1.6);
  expect(overlay.largestExcess).toBeCloseTo(2.4);
  expect(overlay.outliers).toEqual([{ node: 'hub', degree: 4 }]);
});

test('a link counts once, whichever end tells of it; strangers, self and the silent do not count', () => {
  const overlay = measureOverlay([
    member('a', ['b', 'b', 'a', 'zz', 'off']),
    member('b', []),
    member('off', undefined),
  ]);
  expect(overlay).toMatchObject({ links: 1, averageDegree: 1 });
  expect(overlay.degrees).toEqual([
    { node: 'a', degree: 1 },
    { node: 'b', degree: 1 },
  ]);
});

test('nobody at all is an overlay without links', () => {
  expect(measureOverlay([])).toMatchObject({ links: 0, averageDegree: 0, largestExcess: 0, outliers: [] });
});

test('degrees add up to twice the links, and delta is the least bound that nobody exceeds', () => {
  const nodes = ['a', 'b', 'c', 'd', 'e', 'f'];
  fc.assert(
    fc.property(fc.array(fc.subarray(nodes), { minLength: 6, maxLength: 6 }), (lists) => {
      const members = nodes.map((node, index) => member(node, lists[index]!));
      const overlay = measureOverlay(members);
      expect(overlay.degrees.reduce((sum, { degree }) => sum + degree, 0)).toBe(2 * overlay.links);
      expect(measureOverlay(members, overlay.largestExcess).outliers).toEqual([]);
      if (overlay.largestExcess > 0.01) {
        expect(measureOverlay(members, overlay.largestExcess - 0.01).outliers.length).toBeGreaterThan(0);
      }
    }),
  );
});
