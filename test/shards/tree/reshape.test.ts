import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AssertionError } from '../../../src/base/assert.ts';
import { toHex } from '../../../src/base/bytes.ts';
import type { ShardId } from '../../../src/base/ids.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import { EMPTY, headOf, type Tree, type TreeNode } from '../../../src/shards/tree/node.ts';
import type { NodeKey } from '../../../src/shards/tree/node-key.ts';
import { isUnder, type Prefix, shardPrefix, WHOLE } from '../../../src/shards/tree/path.ts';
import { checkProof } from '../../../src/shards/tree/proof.ts';
import { assembleTree, mergeTrees, splitTree } from '../../../src/shards/tree/reshape.ts';
import { updateTree } from '../../../src/shards/tree/update.ts';
import { StoredTree } from './stored-tree.ts';
import { afterChanges, anyChanges, leafOf, leavesIn, leavesOf, pathOf, twinDigest, valueOf } from './twin.ts';

function grown(
  nodes: Map<NodeKey, TreeNode>,
  tree: Tree,
  version: number,
  leaves: ReturnType<typeof leavesOf>,
): Tree {
  const updated = updateTree(nodes, tree, version, leaves, nativeSha256);
  if (updated.kind === 'missing') throw new Error('a node is gone');
  for (const { key, node } of updated.written) nodes.set(key, node);
  return updated.tree;
}

const digestOf = (tree: Tree): string => toHex(headOf(tree).digest);

test('the halves of a tree are the trees of its leaves under one more bit, and merge to it again', () => {
  fc.assert(
    fc.property(anyChanges, fc.constantFrom('', '0', '11'), (changes, prefix) => {
      const nodes = new Map<NodeKey, TreeNode>();
      const leaves = leavesIn(afterChanges(new Map(), changes)).filter(({ path }) =>
        isUnder(path, prefix as Prefix),
      );
      const tree = grown(nodes, { prefix: prefix as Prefix, top: EMPTY }, 1, leaves);
      const split = splitTree(nodes, tree);
      if (split.kind === 'missing') throw new Error('the top is gone');
      for (const half of [split.left, split.right]) {
        const below = leaves.filter(({ path }) => isUnder(path, half.prefix));
        expect(digestOf(half)).toBe(toHex(twinDigest(below, half.prefix.length)));
      }
      const merged = mergeTrees(split.left, split.right, 2);
      expect(merged.tree.prefix).toBe(prefix);
      expect(digestOf(merged.tree)).toBe(digestOf(tree));
      expect(merged.written.length).toBe(leaves.length > 1 ? 1 : 0);
      expect(split.stale.length).toBe(leaves.length > 1 ? 1 : 0);
    }),
  );
});

test('splitting loads one node and hashes nothing', async () => {
  const stored = new StoredTree(() => {
    throw new Error('a hash');
  });
  const nodes = new Map<NodeKey, TreeNode>();
  const tree = grown(nodes, { prefix: WHOLE, top: EMPTY }, 1, leavesOf(500));
  await stored.save(
    1,
    tree,
    [...nodes].map(([key, node]) => ({ key, node })),
    [],
  );
  expect(splitTree(new Map(), tree)).toMatchObject({ kind: 'missing' });
  await stored.split(tree, 2);
  expect([stored.rounds, stored.nodesLoaded]).toEqual([1, 1]);
});

test('eight shards grown apart, halved or joined step by step, have the digests of trees grown whole', async () => {
  const stored = new StoredTree();
  const leaves = leavesOf(300);
  const shardTrees = async (bits: number, version: number): Promise<string[]> => {
    const digests = [];
    for (let shard = 0; shard < 2 ** bits; shard++) {
      const prefix = shardPrefix(shard as ShardId, bits);
      digests.push(digestOf(await stored.treeAt(version, prefix)));
      const below = leaves.filter(({ path }) => isUnder(path, prefix));
      expect(digests.at(-1)).toBe(toHex(twinDigest(below, bits)));
    }
    return digests;
  };
  await stored.update({ prefix: WHOLE, top: EMPTY }, 1, leaves);
  for (let bits = 0; bits < 3; bits++) {
    for (let shard = 0; shard < 2 ** bits; shard++) {
      await stored.split(await stored.treeAt(1 + bits, shardPrefix(shard as ShardId, bits)), 2 + bits);
    }
    await shardTrees(bits + 1, 2 + bits);
  }
  // A shard goes on by itself: its nodes are where they were.
  const prefix = shardPrefix(5 as ShardId, 3);
  const changed = leaves.find(({ path }) => isUnder(path, prefix))!;
  await stored.update(await stored.treeAt(4, prefix), 5, [leafOf(changed.path, valueOf(999))]);
  leaves[leaves.indexOf(changed)] = leafOf(changed.path, valueOf(999));
  // Then all become one.
  const parts: Tree[] = [];
  for (let shard = 0; shard < 8; shard++) {
    parts.push(await stored.treeAt(shard === 5 ? 5 : 4, shardPrefix(shard as ShardId, 3)));
  }
  const { tree, written } = assembleTree(WHOLE, parts.toReversed(), 6);
  expect(written.map(({ key }) => key)).toEqual(written.map(({ key }) => key).toSorted());
  expect(written.length).toBe(7);
  await stored.save(6, tree, written, []);
  expect(digestOf(tree)).toBe(toHex(twinDigest(leaves, 0)));
  expect(await stored.prune(6)).toBeGreaterThan(7);
  const { proofs } = await stored.prove(tree, [changed.path]);
  expect(checkProof(headOf(tree), changed.path, proofs[0]!)).toEqual({
    kind: 'present',
    value: valueOf(999),
  });
});

test('trees that overlap, leave a gap, or are newer than the whole do not come together', () => {
  const part = (prefix: string): Tree => ({ prefix: prefix as Prefix, top: EMPTY });
  const newer: Tree = {
    prefix: '1' as Prefix,
    top: { kind: 'inner', version: 3, digest: valueOf(0), leaves: 2 },
  };
  expect(assembleTree(WHOLE, [part('')], 1).tree).toEqual(part(''));
  expect(assembleTree(WHOLE, [part('11'), part('0'), part('10')], 1).tree).toEqual(part(''));
  for (const parts of [
    [],
    [part('0')],
    [part('1')],
    [part('0'), part('0'), part('1')],
    [part('0'), part('00'), part('1')],
    [part('0'), part('11')],
    [part('0'), part('1'), part('')],
    [part('0'), newer],
  ]) {
    expect(() => assembleTree(WHOLE, parts, 2)).toThrow(AssertionError);
  }
  expect(() => assembleTree('0' as Prefix, [part('00'), part('1')], 2)).toThrow(AssertionError);
  expect(() => splitTree(new Map(), { prefix: '0'.repeat(256) as Prefix, top: EMPTY })).toThrow(
    AssertionError,
  );
  expect(() => mergeTrees(part('0'), part('11'), 2)).toThrow(AssertionError);
});

test('a shard with one leaf hands it to the right half without loading anything', () => {
  const leaf = leafOf(pathOf(0), valueOf(0));
  const split = splitTree(new Map(), { prefix: WHOLE, top: leaf });
  expect(split).toMatchObject({
    left: { prefix: '0', top: leaf },
    right: { prefix: '1', top: EMPTY },
    stale: [],
  });
});
