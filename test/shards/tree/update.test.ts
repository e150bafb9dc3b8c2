import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../../src/base/assert.ts';
import { toHex } from '../../../src/base/bytes.ts';
import type { Sha256 } from '../../../src/base/hash.ts';
import { HEIGHT_MAX } from '../../../src/base/limits.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import {
  EMPTY,
  encodeNode,
  encodeTree,
  headOf,
  type Tree,
  type TreeNode,
} from '../../../src/shards/tree/node.ts';
import type { NodeKey } from '../../../src/shards/tree/node-key.ts';
import { isUnder, type Prefix, WHOLE } from '../../../src/shards/tree/path.ts';
import { type Change, type Updated, updateTree } from '../../../src/shards/tree/update.ts';
import { StoredTree } from './stored-tree.ts';
import {
  afterChanges,
  anyChanges,
  type Content,
  FROZEN,
  flipped,
  frozenLeaves,
  leavesIn,
  leavesOf,
  pathOf,
  twinDigest,
  valueOf,
} from './twin.ts';

const EMPTY_TREE: Tree = { prefix: WHOLE, top: EMPTY };

/** A tree with all its nodes in memory. */
class HeldTree {
  readonly nodes: Map<NodeKey, TreeNode> = new Map();
  tree: Tree;
  version = 0;

  constructor(prefix: Prefix = WHOLE) {
    this.tree = { prefix, top: EMPTY };
  }

  update(changes: readonly Change[], sha256: Sha256 = nativeSha256): Updated {
    const updated = updateTree(this.nodes, this.tree, this.version++, changes, sha256);
    if (updated.kind === 'missing') throw new Error('a node is gone');
    for (const { key, node } of updated.written) this.nodes.set(key, node);
    this.tree = updated.tree;
    return updated;
  }

  get digest(): string {
    return toHex(headOf(this.tree, nativeSha256).digest);
  }
}

describe('a batch of changes', () => {
  test('gives the tree of the leaves that it leaves, whatever came before', () => {
    fc.assert(
      fc.property(fc.array(anyChanges, { maxLength: 5 }), (batches) => {
        const held = new HeldTree();
        let content: Content = new Map();
        for (const changes of batches) {
          held.update(changes);
          content = afterChanges(content, changes);
          expect(held.digest).toBe(toHex(twinDigest(leavesIn(content), 0)));
        }
        const fresh = new HeldTree();
        fresh.update(leavesIn(content));
        expect(held.digest).toBe(fresh.digest);
      }),
      { numRuns: 150 },
    );
  });

  test('leaves the very nodes of a tree that never had what was deleted', () => {
    fc.assert(
      fc.property(anyChanges, anyChanges, (first, second) => {
        const held = new HeldTree();
        held.update(first);
        held.update(second);
        held.update(first.map(({ path }) => ({ path, value: null })));
        held.update(second.map(({ path }) => ({ path, value: null })));
        expect(held.tree.top).toEqual(EMPTY);
      }),
      { numRuns: 60 },
    );
  });

  test('is the same in any order, and with portable hashing', () => {
    fc.assert(
      fc.property(anyChanges, anyChanges, (before, changes) => {
        const held = new HeldTree();
        held.update(before);
        const outcome = updateTree(held.nodes, held.tree, 1, changes, nativeSha256);
        expect(updateTree(held.nodes, held.tree, 1, changes.toReversed())).toEqual(outcome);
      }),
      { numRuns: 60 },
    );
  });

  test('replaces exactly the nodes on its ways, in the order of their keys', () => {
    fc.assert(
      fc.property(anyChanges, anyChanges, (before, changes) => {
        const held = new HeldTree();
        held.update(before);
        const kept = new Map(held.nodes);
        const { written, stale } = held.update(changes);
        const keys = written.map(({ key }) => key);
        expect(keys).toEqual(keys.toSorted());
        expect(new Set(keys).size).toBe(keys.length);
        for (const key of stale) {
          expect(kept.has(key)).toBe(true);
          kept.delete(key);
        }
        // What is left of the old nodes and the new ones are those of the new tree: no more, no less.
        const reached: string[] = [];
        const all = new Map([...kept, ...written.map(({ key, node }) => [key, node] as const)]);
        const recorder = { get: (key: NodeKey) => (reached.push(key), all.get(key)) };
        const everything = [...before, ...changes].map(({ path }) => ({ path, value: null }));
        const paths = new Map(everything.map((change) => [toHex(change.path), change]));
        updateTree(recorder, held.tree, 9, [...paths.values()], nativeSha256);
        expect([...new Set(reached)].toSorted()).toEqual([...all.keys()].toSorted());
      }),
      { numRuns: 100 },
    );
  });

  test('that changes nothing writes nothing', () => {
    const held = new HeldTree();
    held.update(leavesOf(40));
    const before = held.tree;
    const same = leavesOf(40).slice(5, 20);
    const absent = [60, 61, 62].map((index) => ({ path: pathOf(index), value: null }));
    for (const changes of [same, absent, [...same, ...absent], []]) {
      const { tree, written, stale } = held.update(changes);
      expect([written, stale]).toEqual([[], []]);
      expect(tree.top).toBe(before.top);
    }
    expect(updateTree(new Map(), EMPTY_TREE, 1, absent)).toMatchObject({ tree: EMPTY_TREE, written: [] });
  });

  test('is refused with a path twice, a path of another tree, a wrong length, an old or a strange version', () => {
    const held = new HeldTree();
    held.update(leavesOf(4));
    const change = { path: pathOf(9), value: valueOf(9) };
    const refuses = (tree: Tree, version: number, changes: readonly Change[]): void => {
      expect(() => updateTree(held.nodes, tree, version, changes)).toThrow(AssertionError);
    };
    refuses(held.tree, 1, [change, { path: pathOf(3), value: null }, { ...change, value: null }]);
    refuses(held.tree, 0, [change]);
    refuses(held.tree, 0.5, []);
    refuses(held.tree, -1, []);
    refuses(held.tree, HEIGHT_MAX + 1, []);
    refuses(held.tree, 1, [{ path: pathOf(9).subarray(1) as typeof change.path, value: null }]);
    refuses(held.tree, 1, [{ path: pathOf(9), value: valueOf(9).subarray(1) as typeof change.value }]);
    const other = { prefix: (isUnder(change.path, '0' as Prefix) ? '1' : '0') as Prefix, top: EMPTY };
    refuses(other, 1, [change]);
  });

  test('gives the frozen trees and nodes', () => {
    for (const frozen of FROZEN) {
      const tree = { prefix: frozen.prefix as Prefix, top: EMPTY };
      const updated = updateTree(new Map(), tree, frozen.version, frozenLeaves(frozen));
      if (updated.kind === 'missing') throw new Error('an empty tree has no nodes');
      expect(toHex(headOf(updated.tree).digest)).toBe(frozen.digest);
      expect(toHex(encodeTree(updated.tree))).toBe(frozen.tree);
      expect(updated.written.length).toBe(frozen.nodeCount);
      const nodes = new Map<string, string>(
        updated.written.map(({ key, node }) => [key, toHex(encodeNode(node))]),
      );
      for (const { key, node } of frozen.nodes) expect(nodes.get(key)).toBe(node);
      expect(toHex(twinDigest(frozenLeaves(frozen), frozen.prefix.length))).toBe(frozen.digest);
    }
  });
});

describe('fetch, then decide', () => {
  test('asks for every node once, level by level, and hashes only in the end', async () => {
    let hashes = 0;
    const stored = new StoredTree((...parts) => {
      hashes++;
      return nativeSha256(...parts);
    });
    const { tree } = await stored.update(EMPTY_TREE, 1, leavesOf(600));
    hashes = 0;
    const changes = Array.from({ length: 50 }, (_, index) => ({
      path: pathOf(index * 7),
      value: valueOf(1000 + index),
    }));
    const { written, stale } = await stored.update(tree, 2, changes);
    expect(stored.rounds).toBeGreaterThan(7);
    expect(stored.rounds).toBeLessThan(26);
    // Nothing is loaded that is not rewritten: a leaf lies in its parent.
    expect(stored.nodesLoaded).toBe(stale.length);
    expect(written.length).toBe(stale.length);
    // A hash per node, one per changed leaf, and one for every leaf that lies beside a way.
    expect(hashes).toBeGreaterThanOrEqual(written.length + 50);
    expect(hashes).toBeLessThanOrEqual(written.length + 150);
  });

  test('needs as many rounds as the tree is deep, even where paths are crowded on purpose', async () => {
    const stored = new StoredTree();
    const twins = [pathOf(0), flipped(pathOf(0), 255)].map((path) => ({ path, value: valueOf(0) }));
    const { tree, written } = await stored.update(EMPTY_TREE, 1, twins);
    expect(written.length).toBe(256);
    const single = await stored.update(tree, 2, [{ path: pathOf(0), value: null }]);
    expect(stored.rounds).toBe(256);
    expect(single.written).toEqual([]);
    expect(single.tree.top).toEqual({ kind: 'leaf', path: flipped(pathOf(0), 255), value: valueOf(0) });
  });
});

describe('a large tree', () => {
  test('takes about log2 of its leaves in hashes for each change, and comes back to its digest', () => {
    const held = new HeldTree();
    const leaves = leavesOf(30_000);
    held.update(leaves);
    const digest = held.digest;
    let hashes = 0;
    const counting: Sha256 = (...parts) => {
      hashes++;
      return nativeSha256(...parts);
    };
    const changes = leaves
      .filter((_, index) => index % 30 === 0)
      .map(({ path }) => ({ path, value: valueOf(1) }));
    held.update(changes, counting);
    // 1,000 evenly spread of 30,000: a thousand nodes above, and below each some five more with its leaf and a leaf beside.
    expect(hashes).toBeGreaterThan(7_000);
    expect(hashes).toBeLessThan(10_000);
    expect(held.digest).not.toBe(digest);
    held.update(leaves.filter((_, index) => index % 30 === 0));
    expect(held.digest).toBe(digest);
    held.update(leaves.filter((_, index) => index % 2 === 0).map(({ path }) => ({ path, value: null })));
    const rest = new HeldTree();
    rest.update(leaves.filter((_, index) => index % 2 === 1));
    expect(held.digest).toBe(rest.digest);
    expect(held.tree.top).toMatchObject({ leaves: 15_000 });
  });
});
