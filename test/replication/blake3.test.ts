import { readFileSync } from 'node:fs';
import { blake3 } from '@noble/hashes/blake3.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { concat, toHex } from '../../src/base/bytes.ts';
import { GROUP_LENGTH, LEAF_LENGTH } from '../../src/base/limits.ts';
import { portableHasher } from '../../src/replication/blake3.ts';

interface Vectors {
  readonly cases: readonly { readonly length: number; readonly digest: string }[];
}
const vectors = JSON.parse(
  readFileSync(new URL('../vectors/blake3.json', import.meta.url), 'utf8'),
) as Vectors;
const pattern = (length: number) => Uint8Array.from({ length }, (_, index) => index % 251);

describe('the plain TypeScript BLAKE3', () => {
  test('gives the official digests of everything up to a group', () => {
    const small = vectors.cases.filter(({ length }) => length <= GROUP_LENGTH);
    expect(small.length).toBeGreaterThan(30);
    for (const { length, digest } of small) expect(toHex(portableHasher.root(pattern(length)))).toBe(digest);
  });

  test('gives the official digests of longer inputs when groups are joined by the merging rule', () => {
    const long = vectors.cases.filter(({ length }) => length > GROUP_LENGTH);
    expect(long.map(({ length }) => length)).toEqual([31744, 102400]);
    for (const { length, digest } of long) {
      const bytes = pattern(length);
      let level: Uint8Array[] = [];
      for (let from = 0; from < length; from += GROUP_LENGTH) {
        level.push(portableHasher.group(bytes.subarray(from, from + GROUP_LENGTH), from / LEAF_LENGTH));
      }
      while (level.length > 1) {
        const next: Uint8Array[] = [];
        for (let index = 0; index < level.length; index += 2) {
          const right = level[index + 1];
          next.push(
            right === undefined
              ? level[index]!
              : portableHasher.parent(level[index]!, right, level.length === 2),
          );
        }
        level = next;
      }
      expect(toHex(level[0]!)).toBe(digest);
    }
  });

  test('agrees with an independent implementation on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000, size: 'max' }), (bytes) => {
        expect(toHex(portableHasher.root(bytes))).toBe(toHex(blake3(bytes)));
      }),
      { numRuns: 60 },
    );
  });

  test('gives a leaf, and so a group, another value at another chunk number', () => {
    const leaf = pattern(LEAF_LENGTH);
    const values = new Set([0, 1, 16, 65_599].map((number) => toHex(portableHasher.group(leaf, number))));
    expect(values.size).toBe(4);
  });

  test('keeps chaining values, parents and roots apart', () => {
    const bytes = pattern(LEAF_LENGTH);
    expect(portableHasher.group(bytes, 0)).not.toEqual(portableHasher.root(bytes));
    const [left, right] = [portableHasher.group(bytes, 0), portableHasher.group(bytes, 1)];
    expect(portableHasher.parent(left, right, true)).not.toEqual(portableHasher.parent(left, right, false));
    expect(portableHasher.parent(left, right, false)).not.toEqual(portableHasher.root(concat(left, right)));
  });

  test('treats more than a group, or no bytes where a group is due, as a defect of the caller', () => {
    expect(() => portableHasher.root(new Uint8Array(GROUP_LENGTH + 1))).toThrow(AssertionError);
    expect(() => portableHasher.group(new Uint8Array(GROUP_LENGTH + 1), 0)).toThrow(AssertionError);
    expect(() => portableHasher.group(new Uint8Array(0), 0)).toThrow(AssertionError);
    expect(() => portableHasher.parent(new Uint8Array(31), new Uint8Array(32), false)).toThrow(
      AssertionError,
    );
  });
});
