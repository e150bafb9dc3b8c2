// BLAKE3 (unkeyed, 32-byte output) in plain TypeScript, cut where our trees need it: chaining values of runs
// of chunks, of parents, and roots. It is the twin that the SIMD kernel is compared with, and serves where
// there is no SIMD.
//
// The hash is a binary tree. A chunk of 1024 bytes goes through 16 compressions of 64 bytes and leaves a
// chaining value of 8 words; a parent compresses two chaining values; the last compression of all carries the
// ROOT flag. The left subtree of a parent holds the largest power of two of chunks that leaves at least one
// for the right. Hence the merging rule used here: join neighbours level by level, and carry an odd last one
// up.
// Source: "BLAKE3: one function, fast everywhere", sections 2.1 to 2.6. Layout of our trees is left to
// piece-tree.ts.

import { assert } from '../base/assert.ts';
import type { Digest } from '../base/ids.ts';
import { GROUP_LENGTH, LEAF_LENGTH } from '../base/limits.ts';

/** Hashing as piece trees need it; served by this module or by the SIMD kernel. */
export interface GroupHasher {
  /**
   * Chaining value of 1 to GROUP_LENGTH bytes that start at chunk number `firstChunk` and are not the whole
   * piece: a group, or a single leaf.
   */
  group(bytes: Uint8Array, firstChunk: number): Digest;
  /**
   * Chaining value of the parent of two chaining values, or the piece root when the parent is the topmost.
   */
  parent(left: Uint8Array, right: Uint8Array, isRoot: boolean): Digest;
  /** BLAKE3 digest of a whole piece of 0 to GROUP_LENGTH bytes. */
  root(bytes: Uint8Array): Digest;
}

export const BLOCK_LENGTH = 64;

/** Flags of a compression. */
export const CHUNK_START = 1;
export const CHUNK_END = 2;
export const PARENT = 4;
export const ROOT = 8;

/** The initial chaining value: SHA-256's. */
export const IV: readonly number[] = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/** Which message word a round takes from which place of the round before. */
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];

/** For each of the seven rounds, the order in which it takes the sixteen message words. */
export const SCHEDULE: readonly (readonly number[])[] = makeSchedule();

export const portableHasher: GroupHasher = {
  group(bytes, firstChunk) {
    assert(bytes.length > 0 && bytes.length <= GROUP_LENGTH, 'a group has 1 to GROUP_LENGTH bytes');
    return treeOf(bytes, firstChunk, 0);
  },
  parent: (left, right, isRoot) => parentOf(left, right, isRoot ? ROOT : 0),
  root(bytes) {
    assert(bytes.length <= GROUP_LENGTH, 'longer pieces are hashed group by group');
    return treeOf(bytes, 0, ROOT);
  },
};

/** Chaining value of the tree over at most a group of bytes; `topFlag` goes to its last compression only. */
function treeOf(bytes: Uint8Array, firstChunk: number, topFlag: number): Digest {
  if (bytes.length <= LEAF_LENGTH) return chunkOf(bytes, firstChunk, topFlag);
  const level: Digest[] = [];
  for (let from = 0; from < bytes.length; from += LEAF_LENGTH) {
    level.push(chunkOf(bytes.subarray(from, from + LEAF_LENGTH), firstChunk + level.length, 0));
  }
  let count = level.length;
  while (count > 2) {
    const pairs = count >> 1;
    for (let pair = 0; pair < pairs; pair++)
      level[pair] = parentOf(level[2 * pair]!, level[2 * pair + 1]!, 0);
    if (count % 2 === 1) level[pairs] = level[count - 1]!;
    count -= pairs;
  }
  return parentOf(level[0]!, level[1]!, topFlag);
}

function chunkOf(chunk: Uint8Array, chunkNumber: number, topFlag: number): Digest {
  chaining.set(IV);
  // An empty chunk is one empty block.
  const blocks = Math.max(1, Math.ceil(chunk.length / BLOCK_LENGTH));
  for (let block = 0; block < blocks; block++) {
    const from = block * BLOCK_LENGTH;
    const length = Math.min(BLOCK_LENGTH, chunk.length - from);
    loadBlock(chunk, from, length);
    const isLast = block === blocks - 1;
    compress(chunkNumber, length, (block === 0 ? CHUNK_START : 0) | (isLast ? CHUNK_END | topFlag : 0));
  }
  return chainingBytes();
}

function parentOf(left: Uint8Array, right: Uint8Array, topFlag: number): Digest {
  assert(left.length === 32 && right.length === 32, 'chaining values have 32 bytes');
  chaining.set(IV);
  loadWords(left, 0, 8, 0);
  loadWords(right, 0, 8, 8);
  compress(0, BLOCK_LENGTH, PARENT | topFlag);
  return chainingBytes();
}

// Working memory of one compression, reused: nothing here survives a call.
const chaining = new Int32Array(8);
const message = new Int32Array(16);
const state = new Int32Array(16);

/**
 * chaining := compression of (chaining, message). Chunk numbers stay below 2^32, so the counter's upper word
 * is zero.
 */
function compress(counter: number, blockLength: number, flags: number): void {
  for (let index = 0; index < 8; index++) state[index] = chaining[index]!;
  for (let index = 0; index < 4; index++) state[8 + index] = IV[index]!;
  state[12] = counter;
  state[13] = 0;
  state[14] = blockLength;
  state[15] = flags;
  for (const order of SCHEDULE) round(order);
  for (let index = 0; index < 8; index++) chaining[index] = state[index]! ^ state[index + 8]!;
}

/** Mixes columns, then diagonals. */
function round(order: readonly number[]): void {
  mix(0, 4, 8, 12, message[order[0]!]!, message[order[1]!]!);
  mix(1, 5, 9, 13, message[order[2]!]!, message[order[3]!]!);
  mix(2, 6, 10, 14, message[order[4]!]!, message[order[5]!]!);
  mix(3, 7, 11, 15, message[order[6]!]!, message[order[7]!]!);
  mix(0, 5, 10, 15, message[order[8]!]!, message[order[9]!]!);
  mix(1, 6, 11, 12, message[order[10]!]!, message[order[11]!]!);
  mix(2, 7, 8, 13, message[order[12]!]!, message[order[13]!]!);
  mix(3, 4, 9, 14, message[order[14]!]!, message[order[15]!]!);
}

function mix(a: number, b: number, c: number, d: number, first: number, second: number): void {
  let va = state[a]!;
  let vb = state[b]!;
  let vc = state[c]!;
  let vd = state[d]!;
  va = (va + vb + first) | 0;
  vd = rotateRight(vd ^ va, 16);
  vc = (vc + vd) | 0;
  vb = rotateRight(vb ^ vc, 12);
  va = (va + vb + second) | 0;
  vd = rotateRight(vd ^ va, 8);
  vc = (vc + vd) | 0;
  vb = rotateRight(vb ^ vc, 7);
  state[a] = va;
  state[b] = vb;
  state[c] = vc;
  state[d] = vd;
}

function rotateRight(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

/** Little-endian words of bytes [from, from + length) to `message`, the rest of a short block zero. */
function loadBlock(bytes: Uint8Array, from: number, length: number): void {
  if (length === BLOCK_LENGTH) return loadWords(bytes, from, 16, 0);
  const padded = new Uint8Array(BLOCK_LENGTH);
  padded.set(bytes.subarray(from, from + length));
  loadWords(padded, 0, 16, 0);
}

function loadWords(bytes: Uint8Array, from: number, count: number, at: number): void {
  for (let word = 0; word < count; word++) {
    const index = from + 4 * word;
    message[at + word] =
      bytes[index]! | (bytes[index + 1]! << 8) | (bytes[index + 2]! << 16) | (bytes[index + 3]! << 24);
  }
}

function chainingBytes(): Digest {
  const bytes = new Uint8Array(32);
  for (let index = 0; index < 32; index++) bytes[index] = chaining[index >> 2]! >>> (8 * (index & 3));
  return bytes as Digest;
}

function makeSchedule(): number[][] {
  const rounds = [Array.from({ length: 16 }, (_, index) => index)];
  while (rounds.length < 7) {
    const previous = rounds[rounds.length - 1]!;
    rounds.push(PERMUTATION.map((place) => previous[place]!));
  }
  return rounds;
}
