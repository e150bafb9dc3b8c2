import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { concat, toHex, toUtf8, uint32 } from '../../src/base/bytes.ts';
import { digest, portableSha256 } from '../../src/base/hash.ts';
import { merkleRoot, pathSides, proveInclusion, splitOf, verifyInclusion } from '../../src/base/merkle.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';

const recordsOf = (count: number) =>
  Array.from({ length: count }, (_, index) => portableSha256(toUtf8(`record ${index}`)));

/** The tree as RFC 9162 writes it, with our tags. */
function twinTree(records: readonly Uint8Array[]): Uint8Array {
  if (records.length === 1) return digest('merkle-leaf', [records[0]!]);
  let split = 1;
  while (split * 2 < records.length) split *= 2;
  return digest('merkle-node', [concat(twinTree(records.slice(0, split)), twinTree(records.slice(split)))]);
}

const twinRoot = (records: readonly Uint8Array[]): Uint8Array =>
  digest('merkle-node', [
    uint32(records.length),
    records.length === 0 ? new Uint8Array(0) : twinTree(records),
  ]);

describe('the root of a list', () => {
  test('is what the definition says, for every count', () => {
    for (let count = 0; count <= 70; count++) {
      const records = recordsOf(count);
      expect(toHex(merkleRoot(records))).toBe(toHex(twinRoot(records)));
    }
  });

  test('stays as it was frozen', () => {
    const file = new URL('../vectors/merkle.json', import.meta.url);
    const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: { count: number; root: string }[] };
    for (const { count, root } of cases) expect(toHex(merkleRoot(recordsOf(count)))).toBe(root);
  });

  test('is the same with native hashing', () => {
    const records = recordsOf(23);
    expect(merkleRoot(records, nativeSha256)).toEqual(merkleRoot(records));
    expect(proveInclusion(records, 11, nativeSha256)).toEqual(proveInclusion(records, 11));
  });

  test('changes with every record, their order and their count', () => {
    const records = recordsOf(9);
    const roots = new Set([toHex(merkleRoot(records))]);
    for (let index = 0; index < 9; index++) {
      const changed = records.map((record, place) => (place === index ? portableSha256(record) : record));
      roots.add(toHex(merkleRoot(changed)));
    }
    roots.add(toHex(merkleRoot([...records].reverse())));
    roots.add(toHex(merkleRoot(records.slice(0, 8))));
    roots.add(toHex(merkleRoot([...records, records[8]!])));
    expect(roots.size).toBe(13);
  });

  test('treats a record that is no digest as a defect of the caller', () => {
    expect(() => merkleRoot([new Uint8Array(31)])).toThrow(AssertionError);
  });
});

describe('an inclusion proof', () => {
  test('convinces for every record of every list', () => {
    for (let count = 1; count <= 33; count++) {
      const records = recordsOf(count);
      const root = merkleRoot(records);
      for (let index = 0; index < count; index++) {
        const path = proveInclusion(records, index);
        expect(path.length).toBeLessThanOrEqual(Math.ceil(Math.log2(count)));
        expect(verifyInclusion(root, count, index, records[index]!, path)).toBe(true);
      }
    }
  });

  test('fails for another record, place, count, root or path', () => {
    const lists = fc
      .integer({ min: 2, max: 40 })
      .chain((count) => fc.tuple(fc.constant(count), fc.nat(count - 1), fc.nat()));
    fc.assert(
      fc.property(lists, ([count, index, at]) => {
        const records = recordsOf(count);
        const root = merkleRoot(records);
        const path = proveInclusion(records, index);
        const record = records[index]!;
        const flipped = (bytes: Uint8Array) =>
          bytes.map((byte, place) => (place === at % 32 ? byte ^ 1 : byte));
        const level = at % path.length;
        const bent = path.map((value, place) => (place === level ? flipped(value) : value));
        expect(verifyInclusion(root, count, index, flipped(record), path)).toBe(false);
        expect(verifyInclusion(flipped(root), count, index, record, path)).toBe(false);
        expect(verifyInclusion(root, count, index, record, bent)).toBe(false);
        expect(verifyInclusion(root, count, (index + 1) % count, record, path)).toBe(false);
        expect(verifyInclusion(root, count + 1, index, record, path)).toBe(false);
        expect(verifyInclusion(root, count, index, record, path.slice(1))).toBe(false);
        expect(verifyInclusion(root, count, index, record, [...path, record])).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  test('does not let an inner node pass for a record', () => {
    const records = recordsOf(4);
    const path = proveInclusion(records, 0);
    const inner = digest('merkle-node', [
      digest('merkle-leaf', [records[0]!]),
      digest('merkle-leaf', [records[1]!]),
    ]);
    expect(verifyInclusion(merkleRoot(records), 2, 0, inner, path.slice(1))).toBe(false);
    expect(verifyInclusion(merkleRoot(records), 4, 0, inner, path.slice(1))).toBe(false);
  });

  test('is refused without a throw for numbers and bytes that make no sense', () => {
    const records = recordsOf(3);
    const root = merkleRoot(records);
    const path = proveInclusion(records, 0);
    for (const value of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32, 2 ** 53]) {
      expect(verifyInclusion(root, value, 0, records[0]!, path)).toBe(false);
      expect(verifyInclusion(root, 3, value, records[0]!, path)).toBe(false);
    }
    expect(verifyInclusion(root, 0, 0, records[0]!, [])).toBe(false);
    expect(verifyInclusion(root, 3, 0, records[0]!.subarray(1), path)).toBe(false);
    expect(
      verifyInclusion(
        root,
        3,
        0,
        records[0]!,
        path.map((value) => value.subarray(1)),
      ),
    ).toBe(false);
    expect(verifyInclusion(root.subarray(1), 3, 0, records[0]!, path)).toBe(false);
    expect(() => proveInclusion(records, 3)).toThrow(AssertionError);
  });
});

describe('the shape', () => {
  test('splits at the largest power of two below the count, up to the largest counts', () => {
    expect([2, 3, 4, 5, 8, 9, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 1].map(splitOf)).toEqual([
      1,
      2,
      2,
      4,
      4,
      8,
      2 ** 30,
      2 ** 31,
      2 ** 31,
    ]);
  });

  test('gives the sides of a path from below', () => {
    expect(pathSides(0, 1)).toEqual([]);
    expect(pathSides(4, 5)).toEqual(['right']);
    expect(pathSides(2, 5)).toEqual(['left', 'right', 'left']);
    expect(pathSides(2 ** 32 - 2, 2 ** 32 - 1)).toHaveLength(31);
  });
});
