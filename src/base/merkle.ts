// SHA-256 Merkle trees over lists of records, so that one root stands for the list and a short path proves
// one record in it.
//
// leaf(d)      = digest('merkle-leaf', d)
// node(l, r)   = digest('merkle-node', l || r)            64 bytes
// tree(n)      = leaf when n = 1, else node(tree of the first s, tree of the rest), s the largest power of two below n
// root(list)   = digest('merkle-node', uint32(n) || tree)  36 bytes; the empty list: uint32(0) alone, 4 bytes
//
// The three inputs under 'merkle-node' differ in length, so none can pass for another, and the root binds the
// count. The split is RFC 9162's: a list that grows keeps its full subtrees. Trees of pieces are BLAKE3's
// own; see replication/piece-tree.ts.

import { assert } from './assert.ts';
import { equal, uint32 } from './bytes.ts';
import { digest, portableSha256, type Sha256 } from './hash.ts';
import { DIGEST_LENGTH, type Digest } from './ids.ts';

/** Longest list: the count is bound as 32 bits, so no path is longer than 32. */
const COUNT_MAX = 2 ** 32 - 1;

/** Root of the tree over `records`, digests of any number of records, none included. */
export function merkleRoot(records: readonly Uint8Array[], sha256: Sha256 = portableSha256): Digest {
  if (records.length === 0) return rootOf(0, new Uint8Array(0), sha256);
  return rootOf(records.length, treeOf(records, 0, records.length, sha256), sha256);
}

/**
 * Siblings on the way from record `index` up to the tree's top, lowest first. Costs one hash of the whole
 * list.
 */
export function proveInclusion(
  records: readonly Uint8Array[],
  index: number,
  sha256: Sha256 = portableSha256,
): Digest[] {
  assert(
    Number.isSafeInteger(index) && index >= 0 && index < records.length,
    'the record proved is in the list',
  );
  const path: Digest[] = [];
  let from = 0;
  let to = records.length;
  while (to - from > 1) {
    const middle = from + splitOf(to - from);
    const isLeft = index < middle;
    path.push(isLeft ? treeOf(records, middle, to, sha256) : treeOf(records, from, middle, sha256));
    if (isLeft) to = middle;
    else from = middle;
  }
  return path.reverse();
}

/**
 * True when `record` is number `index` of the `count` records under `root`. False for anything malformed;
 * never throws.
 */
export function verifyInclusion(
  root: Uint8Array,
  count: number,
  index: number,
  record: Uint8Array,
  path: readonly Uint8Array[],
  sha256: Sha256 = portableSha256,
): boolean {
  if (!Number.isSafeInteger(count) || count < 1 || count > COUNT_MAX) return false;
  if (!Number.isSafeInteger(index) || index < 0 || index >= count) return false;
  const sides = pathSides(index, count);
  if (path.length !== sides.length || record.length !== DIGEST_LENGTH) return false;
  let top = leafOf(record, sha256);
  for (let height = 0; height < sides.length; height++) {
    const sibling = path[height]!;
    if (sibling.length !== DIGEST_LENGTH) return false;
    top = sides[height] === 'left' ? nodeOf(top, sibling, sha256) : nodeOf(sibling, top, sha256);
  }
  return equal(rootOf(count, top, sha256), root);
}

function treeOf(records: readonly Uint8Array[], from: number, to: number, sha256: Sha256): Digest {
  if (to - from === 1) return leafOf(records[from]!, sha256);
  const middle = from + splitOf(to - from);
  return nodeOf(treeOf(records, from, middle, sha256), treeOf(records, middle, to, sha256), sha256);
}

function leafOf(record: Uint8Array, sha256: Sha256): Digest {
  assert(record.length === DIGEST_LENGTH, 'leaves of a Merkle tree are digests');
  return digest('merkle-leaf', [record], sha256);
}

function nodeOf(left: Uint8Array, right: Uint8Array, sha256: Sha256): Digest {
  return digest('merkle-node', [left, right], sha256);
}

function rootOf(count: number, top: Uint8Array, sha256: Sha256): Digest {
  return digest('merkle-node', [uint32(count), top], sha256);
}

// ---- The shape of a tree, shared with BLAKE3's ---------------------------------------------------------------

/** On which side of its parent each node lies, from leaf `index` of `count` up; empty for a single leaf. */
export function pathSides(index: number, count: number): ('left' | 'right')[] {
  const sides: ('left' | 'right')[] = [];
  let position = index;
  let width = count;
  while (width > 1) {
    const split = splitOf(width);
    const isLeft = position < split;
    sides.push(isLeft ? 'left' : 'right');
    if (!isLeft) position -= split;
    width = isLeft ? split : width - split;
  }
  return sides.reverse();
}

/**
 * Leaves of the left subtree over `count` leaves, 2 <= count < 2^32: the largest power of two below `count`.
 */
export function splitOf(count: number): number {
  return 2 ** (31 - Math.clz32(count - 1));
}
