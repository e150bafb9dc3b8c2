import fc from 'fast-check';
import { expect, test } from 'vitest';
import { merkleRoot, proveInclusion, verifyInclusion } from '../../src/base/merkle.ts';
import { proveRun, rootOfRun, verifyRun } from '../../src/shards/merkle-run.ts';
import { digestFrom } from '../helpers/records.ts';
import { fastSha256 } from './kinds.ts';

const records = Array.from({ length: 40 }, (_, index) => digestFrom(`record ${index}`));
const run = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.nat(), fc.nat())
  .map(([count, a, b]) => ({ count, from: a % count, to: (a % count) + 1 + (b % (count - (a % count))) }));

test('every run of every list up to 17 is proved under the root of the list', () => {
  for (let count = 1; count <= 17; count++) {
    const list = records.slice(0, count);
    const root = merkleRoot(list, fastSha256);
    for (let from = 0; from < count; from++) {
      for (let to = from + 1; to <= count; to++) {
        const siblings = proveRun(list, from, to, fastSha256);
        expect(verifyRun(root, count, from, list.slice(from, to), siblings, fastSha256)).toBe(true);
      }
    }
  }
});

test('a run of one has the siblings of an inclusion proof, and a whole list has none', () => {
  for (let count = 1; count <= 17; count++) {
    const list = records.slice(0, count);
    for (let index = 0; index < count; index++) {
      const byRun = proveRun(list, index, index + 1, fastSha256)
        .map(String)
        .sort();
      expect(byRun).toEqual(proveInclusion(list, index, fastSha256).map(String).sort());
    }
    expect(proveRun(list, 0, count, fastSha256)).toEqual([]);
  }
});

test('another place, count, record, or sibling is refused', () => {
  fc.assert(
    fc.property(run, fc.nat(), ({ count, from, to }, at) => {
      const list = records.slice(0, count);
      const root = merkleRoot(list, fastSha256);
      const siblings = proveRun(list, from, to, fastSha256);
      const found = list.slice(from, to);
      const verify = (n: number, f: number, r: readonly Uint8Array[], s: readonly Uint8Array[]): boolean =>
        verifyRun(root, n, f, r, s, fastSha256);
      expect(verify(count, from, found, siblings)).toBe(true);
      expect(verify(count + 1, from, found, siblings)).toBe(false);
      expect(verify(count - 1, from, found, siblings)).toBe(false);
      expect(verify(count, from + 1, found, siblings)).toBe(false);
      expect(verify(count, from - 1, found, siblings)).toBe(false);
      expect(verify(count, from, [...found, digestFrom('more')], siblings)).toBe(false);
      expect(verify(count, from, found.toSpliced(at % found.length, 1, digestFrom('x')), siblings)).toBe(
        false,
      );
      expect(verify(count, from, found, [...siblings, digestFrom('x')])).toBe(false);
      if (siblings.length > 0) {
        const other = siblings.toSpliced(at % siblings.length, 1, digestFrom('x'));
        expect(verify(count, from, found, other)).toBe(false);
        expect(verify(count, from, found, siblings.slice(1))).toBe(false);
      }
    }),
    { numRuns: 60 },
  );
});

test('malformed proofs are refused without a throw', () => {
  const record = digestFrom('a');
  for (const count of [0, -1, 1.5, NaN, 2 ** 32, 2 ** 53]) {
    expect(rootOfRun(count, 0, [record], [], fastSha256)).toBeUndefined();
  }
  expect(rootOfRun(1, 0.5, [record], [], fastSha256)).toBeUndefined();
  expect(rootOfRun(1, 0, [], [], fastSha256)).toBeUndefined();
  expect(rootOfRun(1, 0, [new Uint8Array(31)], [], fastSha256)).toBeUndefined();
  expect(rootOfRun(2, 0, [record], [new Uint8Array(33)], fastSha256)).toBeUndefined();
  // 32 levels and as many siblings: what a count costs is bounded by its size in bits.
  expect(rootOfRun(2 ** 32 - 1, 5, [record], [record], fastSha256)).toBeUndefined();
});

test('agrees with proofs of inclusion on what is a proof', () => {
  const list = records.slice(0, 11);
  const root = merkleRoot(list, fastSha256);
  for (let index = 0; index < 11; index++) {
    const path = proveInclusion(list, index, fastSha256);
    expect(verifyInclusion(root, 11, index, list[index]!, path, fastSha256)).toBe(true);
    const siblings = proveRun(list, index, index + 1, fastSha256);
    expect(verifyRun(root, 11, index, [list[index]!], siblings, fastSha256)).toBe(true);
  }
});
