// Paths and prefixes. A path is 256 bits that say where a leaf lies; the caller makes it by hashing a key, and its first
// bits are the shard. A prefix is the way from the top of the whole key space to a subtree, written as a text of the digits
// 0 and 1: it names a shard's tree, or the part of one that a chunk covers.

import { assert } from '../../base/assert.ts';
import type { ShardId } from '../../base/ids.ts';

export const PATH_LENGTH = 32;
export const PATH_BITS = 256;

declare const brand: unique symbol;
/** Position of a leaf, 32 bytes. */
export type StatePath = Uint8Array & { readonly [brand]: 'StatePath' };
/** 0 to 256 binary digits. */
export type Prefix = string & { readonly [brand]: 'Prefix' };

/** The prefix of everything. */
export const WHOLE: Prefix = '' as Prefix;

/** Bit `index` of `path`, 0 being the highest of the first byte: true is right. */
export function isRight(path: Uint8Array, index: number): boolean {
  return ((path[index >>> 3]! << (index & 7)) & 0x80) !== 0;
}

/** How many bits two paths have in common before the first that differs. */
export function sharedBits(a: Uint8Array, b: Uint8Array): number {
  for (let index = 0; index < PATH_LENGTH; index++) {
    const difference = a[index]! ^ b[index]!;
    if (difference !== 0) return 8 * index + Math.clz32(difference) - 24;
  }
  return PATH_BITS;
}

export function isUnder(path: Uint8Array, prefix: Prefix): boolean {
  return sharedBits(path, lowestPath(prefix)) >= prefix.length;
}

/** The first of all paths under `prefix`: its bits, then zeros. */
export function lowestPath(prefix: Prefix): StatePath {
  const path = new Uint8Array(PATH_LENGTH);
  for (let index = 0; index < prefix.length; index++) {
    if (prefix[index] === '1') path[index >>> 3]! |= 0x80 >>> (index & 7);
  }
  return path as StatePath;
}

/** The first `depth` bits of `path`. */
export function prefixOf(path: Uint8Array, depth: number): Prefix {
  let prefix = '';
  for (let index = 0; index < depth; index++) prefix += isRight(path, index) ? '1' : '0';
  return prefix as Prefix;
}

/** The two halves of what is under `prefix`, left first. */
export function halves(prefix: Prefix): readonly [Prefix, Prefix] {
  assert(prefix.length < PATH_BITS, 'a single path has no halves');
  return [`${prefix}0` as Prefix, `${prefix}1` as Prefix];
}

/** What shard `shard` of 2^`shardBits` covers. */
export function shardPrefix(shard: ShardId, shardBits: number): Prefix {
  assert(shard >= 0 && shard < 2 ** shardBits, 'a shard is one of those that there are');
  return (shardBits === 0 ? '' : shard.toString(2).padStart(shardBits, '0')) as Prefix;
}

/**
 * Where in `sorted[from, to)`, which agree in all bits before `depth`, those begin that go right at it. Sorted paths with a
 * common beginning have their left ones first.
 */
export function firstRight(
  sorted: readonly { readonly path: Uint8Array }[],
  from: number,
  to: number,
  depth: number,
): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isRight(sorted[middle]!.path, depth)) high = middle;
    else low = middle + 1;
  }
  return low;
}
