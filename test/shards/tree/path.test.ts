import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AssertionError } from '../../../src/base/assert.ts';
import { compare } from '../../../src/base/bytes.ts';
import type { ShardId } from '../../../src/base/ids.ts';
import {
  firstRight,
  halves,
  isRight,
  isUnder,
  lowestPath,
  type Prefix,
  prefixOf,
  shardPrefix,
  sharedBits,
  WHOLE,
} from '../../../src/shards/tree/path.ts';
import { anyPath, flipped, leavesOf } from './twin.ts';

const textOf = (path: Uint8Array): string =>
  [...path].map((byte) => byte.toString(2).padStart(8, '0')).join('');

test('bits are counted from the highest of the first byte', () => {
  fc.assert(
    fc.property(anyPath, fc.nat(256), (path, depth) => {
      expect(prefixOf(path, depth)).toBe(textOf(path).slice(0, depth));
      if (depth < 256) expect(isRight(path, depth)).toBe(textOf(path)[depth] === '1');
    }),
  );
});

test('two paths share the bits before the first that differs', () => {
  fc.assert(
    fc.property(anyPath, fc.nat(255), (path, bit) => {
      expect(sharedBits(path, flipped(path, bit))).toBe(bit);
      expect(sharedBits(path, path)).toBe(256);
    }),
  );
});

test('the lowest path under a prefix is the first that lies under it', () => {
  fc.assert(
    fc.property(anyPath, anyPath, fc.nat(256), (path, other, depth) => {
      const prefix = prefixOf(path, depth);
      const lowest = lowestPath(prefix);
      expect(textOf(lowest)).toBe(prefix.padEnd(256, '0'));
      expect(isUnder(path, prefix) && isUnder(lowest, prefix)).toBe(true);
      expect(isUnder(other, prefix)).toBe(textOf(other).startsWith(prefix));
      if (isUnder(other, prefix)) expect(compare(lowest, other)).toBeLessThanOrEqual(0);
    }),
  );
});

test('a shard covers its number in binary', () => {
  expect(shardPrefix(0 as ShardId, 0)).toBe(WHOLE);
  expect([0, 1, 2, 3].map((shard) => shardPrefix(shard as ShardId, 2))).toEqual(['00', '01', '10', '11']);
  expect(halves(shardPrefix(2 as ShardId, 2))).toEqual(['100', '101']);
  expect(() => shardPrefix(4 as ShardId, 2)).toThrow(AssertionError);
  expect(() => halves('0'.repeat(256) as Prefix)).toThrow(AssertionError);
});

test('sorted leaves part at the first that goes right', () => {
  const leaves = leavesOf(50);
  const count = leaves.filter(({ path }) => !isRight(path, 0)).length;
  expect(firstRight(leaves, 0, 50, 0)).toBe(count);
  expect(firstRight(leaves, 0, count, 0)).toBe(count);
  expect(firstRight(leaves, count, 50, 0)).toBe(count);
});
