// A batch of changes makes the next version of a tree. Every node on the way to a changed leaf is written anew under the
// new version, and what it replaces is stale; nothing else is touched, so both roots stay readable.
//
// A version is written once: of several blocks that may become a height, the nodes of the decided one alone are stored. A
// batch that changes nothing writes nothing and keeps the top as it was.

import { assert } from '../../base/assert.ts';
import { compare } from '../../base/bytes.ts';
import { portableSha256, type Sha256 } from '../../base/hash.ts';
import { DIGEST_LENGTH, type Digest } from '../../base/ids.ts';
import { HEIGHT_MAX } from '../../base/limits.ts';
import { missingOnWays } from './missing.ts';
import { type NodeKey, nodeKey } from './node-key.ts';
import {
  digestOf,
  EMPTY,
  isJoined,
  joinDigests,
  type Leaf,
  leavesOf,
  type LoadedNodes,
  type Missing,
  type Subtree,
  type Tree,
  type WrittenNode,
} from './node.ts';
import { firstRight, isUnder, PATH_LENGTH, type StatePath } from './path.ts';

export interface Change {
  readonly path: StatePath;
  /** Null: there is no leaf at the path any more. */
  readonly value: Digest | null;
}

export interface Updated {
  readonly kind: 'updated';
  readonly tree: Tree;
  /** In the order of their keys. */
  readonly written: readonly WrittenNode[];
  /** Nodes that `version` and later ones do not need. */
  readonly stale: readonly NodeKey[];
}

/**
 * `tree` after `changes`, in any order, whose paths are distinct and under its prefix; `version` is newer than every node
 * of the tree. The outcome is a function of the leaves: the same ones have the same digest, however they came about.
 */
export function updateTree(
  loaded: LoadedNodes,
  tree: Tree,
  version: number,
  changes: readonly Change[],
  sha256: Sha256 = portableSha256,
): Updated | Missing {
  assert(Number.isSafeInteger(version) && version >= 0 && version <= HEIGHT_MAX, 'a version is a height');
  const sorted = inOrder(tree, changes);
  const missing = missingOnWays(loaded, tree, sorted);
  if (missing !== undefined) return missing;
  const work: Work = { loaded, version, sha256, changes: sorted, written: [], stale: [] };
  const top = changed(work, tree.top, tree.prefix.length, 0, sorted.length);
  const { stale } = work;
  return { kind: 'updated', tree: { prefix: tree.prefix, top }, written: writtenBy(work), stale };
}

function inOrder(tree: Tree, changes: readonly Change[]): readonly Change[] {
  const sorted = changes.toSorted((a, b) => compare(a.path, b.path));
  for (let index = 0; index < sorted.length; index++) {
    const { path, value } = sorted[index]!;
    assert(
      path.length === PATH_LENGTH && (value?.length ?? DIGEST_LENGTH) === DIGEST_LENGTH,
      'paths and digests have 32 bytes',
    );
    assert(index === 0 || compare(sorted[index - 1]!.path, path) < 0, 'a batch changes a path once');
  }
  // Between two paths under a prefix there are only such.
  const ends = [sorted[0], sorted.at(-1)];
  assert(
    ends.every((end) => end === undefined || isUnder(end.path, tree.prefix)),
    'changes lie within the tree',
  );
  return sorted;
}

interface Work {
  readonly loaded: LoadedNodes;
  readonly version: number;
  readonly sha256: Sha256;
  readonly changes: readonly Change[];
  readonly written: (WrittenNode | undefined)[];
  readonly stale: NodeKey[];
}

/** `subtree`, at `depth`, after the changes [from, to), which all lie below it. The very same object when nothing changed. */
function changed(work: Work, subtree: Subtree, depth: number, from: number, to: number): Subtree {
  if (from === to) return subtree;
  if (subtree.kind !== 'inner') return grown(work, subtree, depth, from, to);
  assert(subtree.version < work.version, 'a version is written once');
  const { path } = work.changes[from]!;
  const key = nodeKey(subtree.version, path, depth);
  const node = work.loaded.get(key);
  assert(node !== undefined, 'what the changes need is loaded');
  const middle = firstRight(work.changes, from, to, depth);
  const left = changed(work, node.left, depth + 1, from, middle);
  const place = work.written.push(undefined) - 1;
  const right = changed(work, node.right, depth + 1, middle, to);
  if (left === node.left && right === node.right) return subtree;
  work.stale.push(key);
  return joined(work, path, depth, left, right, place);
}

/** A slot without nodes after the changes [from, to). */
function grown(
  work: Work,
  slot: Exclude<Subtree, { kind: 'inner' }>,
  depth: number,
  from: number,
  to: number,
): Subtree {
  const before = slot.kind === 'leaf' ? [slot] : [];
  const leaves = leavesAfter(before, work.changes, from, to);
  if (leaves.length === 0 && slot.kind === 'empty') return slot;
  const [first] = leaves;
  if (leaves.length === 1 && slot.kind === 'leaf' && isSame(slot, first!)) return slot;
  return planted(work, leaves, depth, 0, leaves.length);
}

/** What `before`, one leaf or none, and the changes [from, to) leave behind, ascending. */
function leavesAfter(before: readonly Leaf[], changes: readonly Change[], from: number, to: number): Leaf[] {
  const leaves: Leaf[] = [];
  let waiting = before[0];
  for (let index = from; index < to; index++) {
    const { path, value } = changes[index]!;
    const order = waiting === undefined ? 1 : compare(waiting.path, path);
    if (order < 0) leaves.push(waiting!);
    if (order <= 0) waiting = undefined;
    if (value !== null) leaves.push({ kind: 'leaf', path, value });
  }
  if (waiting !== undefined) leaves.push(waiting);
  return leaves;
}

function isSame(a: Leaf, b: Leaf): boolean {
  return compare(a.path, b.path) === 0 && compare(a.value, b.value) === 0;
}

/** The subtree at `depth` of the leaves [from, to) and no others. */
function planted(work: Work, leaves: readonly Leaf[], depth: number, from: number, to: number): Subtree {
  if (from === to) return EMPTY;
  if (to - from === 1) return leaves[from]!;
  const middle = firstRight(leaves, from, to, depth);
  const left = planted(work, leaves, depth + 1, from, middle);
  const place = work.written.push(undefined) - 1;
  const right = planted(work, leaves, depth + 1, middle, to);
  return joined(work, leaves[from]!.path, depth, left, right, place);
}

// ---- Joining -------------------------------------------------------------------------------------------------

/** Where nodes that are made go, and how they are hashed. */
export interface Mint {
  readonly version: number;
  readonly sha256: Sha256;
  /** With places that were kept free for nodes which did not come. */
  readonly written: (WrittenNode | undefined)[];
}

export function writtenBy({ written }: Mint): readonly WrittenNode[] {
  return written.filter((node) => node !== undefined);
}

/**
 * The subtree of two halves at the first `depth` bits of `path`: a node, or without two leaves what there is. `place` was kept free
 * among the written nodes in front of those of the right half, for a node comes between its halves.
 */
export function joined(
  mint: Mint,
  path: Uint8Array,
  depth: number,
  left: Subtree,
  right: Subtree,
  place: number,
): Subtree {
  if (!isJoined(left, right)) return left.kind === 'empty' ? right : left;
  const { version, sha256 } = mint;
  mint.written[place] = { key: nodeKey(version, path, depth), node: { left, right } };
  const digest = joinDigests(digestOf(left, sha256), digestOf(right, sha256), sha256);
  return { kind: 'inner', version, digest, leaves: leavesOf(left) + leavesOf(right) };
}
