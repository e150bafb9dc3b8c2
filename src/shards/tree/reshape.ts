// Trees become two, or one. What is under one more bit is a finished tree, so a shard that splits leaves its halves where
// they lie, and shards that merge get one node above them. The same joining puts a tree together from verified chunks, each
// of which its receiver plants as a tree of its own (updateTree on an empty one of the chunk's prefix).

import { assert } from '../../base/assert.ts';
import { portableSha256, type Sha256 } from '../../base/hash.ts';
import { type NodeKey, nodeKey } from './node-key.ts';
import { EMPTY, type LoadedNodes, type Missing, type Subtree, type Tree, type WrittenNode } from './node.ts';
import { halves, isRight, lowestPath, type Prefix } from './path.ts';
import { joined, type Mint, writtenBy } from './update.ts';

export interface Split {
  readonly kind: 'split';
  readonly left: Tree;
  readonly right: Tree;
  /** Stale from the version on that has two trees. */
  readonly stale: readonly NodeKey[];
}

/** The two trees under the next bit. At most the top node has to be loaded; nothing is hashed or written. */
export function splitTree(loaded: LoadedNodes, tree: Tree): Split | Missing {
  const [leftPrefix, rightPrefix] = halves(tree.prefix);
  const split = (left: Subtree, right: Subtree, stale: readonly NodeKey[]): Split => ({
    kind: 'split',
    left: { prefix: leftPrefix, top: left },
    right: { prefix: rightPrefix, top: right },
    stale,
  });
  const { top } = tree;
  if (top.kind === 'empty') return split(EMPTY, EMPTY, []);
  if (top.kind === 'leaf')
    return isRight(top.path, tree.prefix.length) ? split(EMPTY, top, []) : split(top, EMPTY, []);
  const key = nodeKey(top.version, lowestPath(tree.prefix), tree.prefix.length);
  const node = loaded.get(key);
  return node === undefined ? { kind: 'missing', keys: [key] } : split(node.left, node.right, [key]);
}

export interface Assembled {
  readonly tree: Tree;
  /** In the order of their keys. */
  readonly written: readonly WrittenNode[];
}

/** The tree of two shards that differ in their last bit. No node of them is newer than `version`. */
export function mergeTrees(
  left: Tree,
  right: Tree,
  version: number,
  sha256: Sha256 = portableSha256,
): Assembled {
  return assembleTree(left.prefix.slice(0, -1) as Prefix, [left, right], version, sha256);
}

/** The tree under `prefix`, of trees that cover it without overlap. No node of them is newer than `version`. */
export function assembleTree(
  prefix: Prefix,
  parts: readonly Tree[],
  version: number,
  sha256: Sha256 = portableSha256,
): Assembled {
  const mint: Mint = { version, sha256, written: [] };
  const sorted = parts.toSorted((a, b) => (a.prefix < b.prefix ? -1 : 1));
  const top = topOf(mint, prefix, sorted);
  return { tree: { prefix, top }, written: writtenBy(mint) };
}

function topOf(mint: Mint, prefix: Prefix, parts: readonly Tree[]): Subtree {
  const [first] = parts;
  assert(first !== undefined && first.prefix.startsWith(prefix), 'parts cover the whole tree');
  if (first.prefix === prefix) {
    assert(parts.length === 1, 'parts do not overlap');
    const { top } = first;
    assert(top.kind !== 'inner' || top.version <= mint.version, 'no part is newer than the whole');
    return top;
  }
  const [leftPrefix, rightPrefix] = halves(prefix);
  const middle = parts.findIndex((part) => part.prefix.startsWith(rightPrefix));
  assert(middle > 0, 'parts cover the whole tree');
  const left = topOf(mint, leftPrefix, parts.slice(0, middle));
  const place = mint.written.push(undefined) - 1;
  const right = topOf(mint, rightPrefix, parts.slice(middle));
  return joined(mint, lowestPath(prefix), prefix.length, left, right, place);
}
