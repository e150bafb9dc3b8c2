// The Merkle tree of a piece: BLAKE3's own. Its root is the standard BLAKE3 digest of the bytes, so that any
// BLAKE3 tool can check a piece; holders keep the tree above groups of 16 KiB and prove ranges and single
// leaves with it.
//
// Leaves are BLAKE3's chunks of LEAF_LENGTH bytes, groups runs of 16 leaves; the last of each may be shorter.
// As 16 is a power of two, every group is a subtree of the piece's tree.
//
// Outboard tree: the chaining values of all groups in order, 32 bytes each, nothing else: 32 * ceil(length /
// GROUP_LENGTH) bytes. A piece of at most one group (an empty piece too) has one entry, which is its root.
// Range proof: chaining values of the largest subtrees of whole groups outside the range, from left to right.
// It proves whole groups; the verifier needs their bytes, the piece's length and its root.
// Leaf proof: chaining values of the siblings on the way from the leaf up, lowest first: at most 17.
//
// Verifiers return false for anything wrong, whatever a liar sends, and do no more work than the bytes they
// were given justify. The length of a piece must come from where its root comes from.

import { concat, equal } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import { DIGEST_LENGTH, type Digest } from '../base/ids.ts';
import { GROUP_LENGTH, LEAF_LENGTH, PIECE_LENGTH_MAX } from '../base/limits.ts';
import { pathSides, splitOf } from '../base/merkle.ts';
import type { HashedPiece } from '../base/ports.ts';
import { type GroupHasher, portableHasher } from './blake3.ts';

const LEAVES_PER_GROUP: number = GROUP_LENGTH / LEAF_LENGTH;

/** Bytes [offset, offset + length) of a piece. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Groups of a piece; an empty piece has one. */
export function groupCount(pieceLength: number): number {
  return Math.max(1, Math.ceil(pieceLength / GROUP_LENGTH));
}

/** Leaves of a piece; an empty piece has one. */
export function leafCount(pieceLength: number): number {
  return Math.max(1, Math.ceil(pieceLength / LEAF_LENGTH));
}

/** Root and outboard tree of `piece`. */
export function hashPiece(piece: Uint8Array, hasher: GroupHasher = portableHasher): HashedPiece {
  const groups: Digest[] = [];
  if (piece.length <= GROUP_LENGTH) groups.push(hasher.root(piece));
  else {
    for (let from = 0; from < piece.length; from += GROUP_LENGTH) {
      groups.push(hasher.group(piece.subarray(from, from + GROUP_LENGTH), from / LEAF_LENGTH));
    }
  }
  const outboard = concat(...groups);
  return { root: rootFromGroups(outboard, piece.length, hasher), outboard };
}

/** The root above an outboard tree. Throws DAMAGED when its length does not fit `pieceLength`. */
export function rootFromGroups(
  outboard: Uint8Array,
  pieceLength: number,
  hasher: GroupHasher = portableHasher,
): Digest {
  checkOutboard(outboard, pieceLength);
  return valueAbove(outboard, 0, groupCount(pieceLength), true, hasher);
}

/**
 * The whole groups around `range`: what a range proof is about. Throws INVALID_ARGUMENT unless the range lies
 * in the piece and is not empty.
 */
export function coveringGroups(pieceLength: number, range: ByteRange): ByteRange {
  const groups = groupsAround(pieceLength, range);
  if (groups === undefined) {
    const { offset, length } = range;
    throw new StoreError(
      'INVALID_ARGUMENT',
      `${length} bytes at ${offset} are no range of a piece of ${pieceLength}`,
    );
  }
  return extentOf(groups, pieceLength);
}

// ---- Ranges ------------------------------------------------------------------------------------------------

/**
 * What a verifier needs beside the bytes of `coveringGroups`: at most 2 * 13 chaining values. Throws
 * INVALID_ARGUMENT for a range outside the piece, DAMAGED for an outboard tree of the wrong length. Costs up
 * to one hash per group outside the range.
 */
export function proveRange(
  outboard: Uint8Array,
  pieceLength: number,
  offset: number,
  length: number,
  hasher: GroupHasher = portableHasher,
): Digest[] {
  checkOutboard(outboard, pieceLength);
  const { offset: start, length: covered } = coveringGroups(pieceLength, { offset, length });
  const first = start / GROUP_LENGTH;
  const end = first + groupCount(covered);
  const proof: Digest[] = [];
  const visit = (from: number, to: number): void => {
    if (to <= first || from >= end) proof.push(valueAbove(outboard, from, to, false, hasher));
    else if (to - from > 1) {
      const middle = from + splitOf(to - from);
      visit(from, middle);
      visit(middle, to);
    }
  };
  visit(0, groupCount(pieceLength));
  return proof;
}

/** True when `bytes` are the whole groups around `range` in the piece with this root. */
export function verifyRange(
  root: Uint8Array,
  pieceLength: number,
  range: ByteRange,
  bytes: Uint8Array,
  proof: readonly Uint8Array[],
  hasher: GroupHasher = portableHasher,
): boolean {
  const groups = groupsAround(pieceLength, range);
  if (groups === undefined || bytes.length !== extentOf(groups, pieceLength).length) return false;
  const total = groupCount(pieceLength);
  if (proof.length !== siblingCount(0, total, groups) || !proof.every(isValue)) return false;
  if (total === 1) return equal(hasher.root(bytes), root);
  let used = 0;
  const valueOf = (from: number, to: number): Uint8Array => {
    if (to <= groups.first || from >= groups.end) return proof[used++]!;
    if (to - from === 1) {
      const at = (from - groups.first) * GROUP_LENGTH;
      return hasher.group(bytes.subarray(at, at + GROUP_LENGTH), from * LEAVES_PER_GROUP);
    }
    const middle = from + splitOf(to - from);
    const left = valueOf(from, middle);
    return hasher.parent(left, valueOf(middle, to), to - from === total);
  };
  return equal(valueOf(0, total), root);
}

/** Chaining values that a proof of `groups` has for the subtree [from, to). */
function siblingCount(from: number, to: number, groups: Groups): number {
  if (to <= groups.first || from >= groups.end) return 1;
  if (to - from === 1) return 0;
  const middle = from + splitOf(to - from);
  return siblingCount(from, middle, groups) + siblingCount(middle, to, groups);
}

// ---- Leaves ------------------------------------------------------------------------------------------------

/**
 * Inclusion proof of leaf `leafIndex`, whose whole group is `groupBytes`. Throws INVALID_ARGUMENT when the
 * piece has no such leaf, DAMAGED when the group or the outboard tree is not what it was when the outboard
 * was made.
 */
export function proveLeaf(
  groupBytes: Uint8Array,
  outboard: Uint8Array,
  pieceLength: number,
  leafIndex: number,
  hasher: GroupHasher = portableHasher,
): Digest[] {
  checkOutboard(outboard, pieceLength);
  if (!isIndexBelow(leafIndex, leafCount(pieceLength))) {
    throw new StoreError('INVALID_ARGUMENT', `a piece of ${pieceLength} bytes has no leaf ${leafIndex}`);
  }
  const group = Math.floor(leafIndex / LEAVES_PER_GROUP);
  checkGroup(groupBytes, outboard, pieceLength, group, hasher);
  const inGroup = pathOf(leafIndex % LEAVES_PER_GROUP, leafCount(groupBytes.length), (from, to) =>
    hasher.group(groupBytes.subarray(from * LEAF_LENGTH, to * LEAF_LENGTH), group * LEAVES_PER_GROUP + from),
  );
  const above = pathOf(group, groupCount(pieceLength), (from, to) =>
    valueAbove(outboard, from, to, false, hasher),
  );
  return [...inGroup, ...above];
}

/** True when `leaf` is leaf `leafIndex` of the piece with this root. */
export function verifyLeaf(
  root: Uint8Array,
  pieceLength: number,
  leafIndex: number,
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
  hasher: GroupHasher = portableHasher,
): boolean {
  if (!isPieceLength(pieceLength) || !isIndexBelow(leafIndex, leafCount(pieceLength))) return false;
  if (leaf.length !== Math.min(LEAF_LENGTH, pieceLength - leafIndex * LEAF_LENGTH)) return false;
  const sides = pathSides(leafIndex, leafCount(pieceLength));
  if (proof.length !== sides.length || !proof.every(isValue)) return false;
  if (sides.length === 0) return equal(hasher.root(leaf), root);
  let value = hasher.group(leaf, leafIndex);
  for (let height = 0; height < sides.length; height++) {
    const isRoot = height === sides.length - 1;
    const sibling = proof[height]!;
    value =
      sides[height] === 'left'
        ? hasher.parent(value, sibling, isRoot)
        : hasher.parent(sibling, value, isRoot);
  }
  return equal(value, root);
}

/**
 * Siblings from leaf `index` of a tree over `count` up; `valueOf` gives the chaining value of the subtree
 * [from, to).
 */
function pathOf(index: number, count: number, valueOf: (from: number, to: number) => Digest): Digest[] {
  const path: Digest[] = [];
  let from = 0;
  let to = count;
  while (to - from > 1) {
    const middle = from + splitOf(to - from);
    const isLeft = index < middle;
    path.push(isLeft ? valueOf(middle, to) : valueOf(from, middle));
    if (isLeft) to = middle;
    else from = middle;
  }
  return path.reverse();
}

// ---- Parts -------------------------------------------------------------------------------------------------

/** Groups [first, end) of a piece. */
interface Groups {
  readonly first: number;
  readonly end: number;
}

/** Undefined unless `range` lies in a piece of `pieceLength` bytes; it is empty only when the piece is. */
function groupsAround(pieceLength: number, { offset, length }: ByteRange): Groups | undefined {
  if (!isPieceLength(pieceLength) || !Number.isSafeInteger(offset) || !Number.isSafeInteger(length))
    return undefined;
  if (offset < 0 || length < 0 || offset + length > pieceLength) return undefined;
  if (length === 0 && pieceLength > 0) return undefined;
  return { first: Math.floor(offset / GROUP_LENGTH), end: groupCount(offset + length) };
}

function extentOf({ first, end }: Groups, pieceLength: number): ByteRange {
  const offset = first * GROUP_LENGTH;
  return { offset, length: Math.min(pieceLength, end * GROUP_LENGTH) - offset };
}

/** Chaining value of the subtree over groups [from, to) of an outboard tree. */
function valueAbove(
  outboard: Uint8Array,
  from: number,
  to: number,
  isRoot: boolean,
  hasher: GroupHasher,
): Digest {
  if (to - from === 1) return outboard.slice(from * DIGEST_LENGTH, to * DIGEST_LENGTH) as Digest;
  const middle = from + splitOf(to - from);
  const left = valueAbove(outboard, from, middle, false, hasher);
  return hasher.parent(left, valueAbove(outboard, middle, to, false, hasher), isRoot);
}

/**
 * A holder's own check, nearly free beside the proof: better to report damage than to answer with a proof
 * that fails.
 */
function checkGroup(
  groupBytes: Uint8Array,
  outboard: Uint8Array,
  pieceLength: number,
  group: number,
  hasher: GroupHasher,
): void {
  const expected = outboard.subarray(group * DIGEST_LENGTH, (group + 1) * DIGEST_LENGTH);
  const isWhole = groupBytes.length === Math.min(GROUP_LENGTH, pieceLength - group * GROUP_LENGTH);
  if (isWhole) {
    const isOnly = groupCount(pieceLength) === 1;
    const actual = isOnly ? hasher.root(groupBytes) : hasher.group(groupBytes, group * LEAVES_PER_GROUP);
    if (equal(actual, expected)) return;
  }
  throw new StoreError('DAMAGED', `group ${group} of the piece does not match its tree`);
}

function checkOutboard(outboard: Uint8Array, pieceLength: number): void {
  if (!isPieceLength(pieceLength) || outboard.length !== groupCount(pieceLength) * DIGEST_LENGTH) {
    throw new StoreError(
      'DAMAGED',
      `a tree of ${outboard.length} bytes does not fit a piece of ${pieceLength} bytes`,
    );
  }
}

function isPieceLength(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= PIECE_LENGTH_MAX;
}

function isIndexBelow(value: number, bound: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value < bound;
}

function isValue(value: Uint8Array): boolean {
  return value.length === DIGEST_LENGTH;
}
