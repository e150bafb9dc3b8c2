// The tree in a store, over many versions: what stays readable, and what pruning takes.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { EMPTY, headOf, type Tree } from '../../../src/shards/tree/node.ts';
import { nodeKey } from '../../../src/shards/tree/node-key.ts';
import { sharedBits, WHOLE } from '../../../src/shards/tree/path.ts';
import { checkProof } from '../../../src/shards/tree/proof.ts';
import { StoredTree } from './stored-tree.ts';
import { afterChanges, anyChanges, type Content, leavesIn, pathOf, twinDigest, valueOf } from './twin.ts';

/** Batches applied as versions 1, 2, .. and what each version holds. */
async function history(
  batches: readonly (typeof anyChanges extends fc.Arbitrary<infer T> ? T : never)[],
): Promise<{
  stored: StoredTree;
  contents: Content[];
}> {
  const stored = new StoredTree();
  const contents: Content[] = [new Map()];
  let tree: Tree = { prefix: WHOLE, top: EMPTY };
  for (const [index, changes] of batches.entries()) {
    ({ tree } = await stored.update(tree, index + 1, changes));
    contents.push(afterChanges(contents.at(-1)!, changes));
  }
  return { stored, contents };
}

/** Keys of the nodes that the tree of one version needs, by asking for everything that is under it. */
async function needed(stored: StoredTree, version: number): Promise<Set<string>> {
  const tree = await stored.treeAt(version);
  const keys = new Set<string>();
  const { chunk } = await stored.chunk(tree, WHOLE);
  expect(chunk.prefix).toBe('');
  const newest = new Map<string, string>();
  for (const key of await stored.nodeKeys()) {
    if (Number.parseInt(key.slice(0, 16), 16) <= version) newest.set(key.slice(16), key);
  }
  // By definition a node stands wherever two leaves agree in all bits before, and the newest there is the one that counts.
  for (const [at, { path }] of chunk.leaves.entries()) {
    const next = chunk.leaves[at + 1];
    for (let depth = 0; next !== undefined && depth <= sharedBits(path, next.path); depth++) {
      const key = newest.get(nodeKey(0, path, depth).slice(16));
      expect(key).toBeDefined();
      keys.add(key!);
    }
  }
  return keys;
}

describe('many versions', () => {
  test('each have their own content and stay provable', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyChanges, { minLength: 1, maxLength: 6 }), async (batches) => {
        const { stored, contents } = await history(batches);
        for (const [version, content] of contents.entries()) {
          const tree = await stored.treeAt(version);
          expect(toHex(headOf(tree).digest)).toBe(toHex(twinDigest(leavesIn(content), 0)));
          const paths = batches.flat().map(({ path }) => path);
          const { proofs } = await stored.prove(tree, paths);
          paths.forEach((path, at) => {
            const value = content.get(toHex(path));
            const expected = value === undefined ? { kind: 'absent' } : { kind: 'present', value };
            expect(checkProof(headOf(tree), path, proofs[at]!)).toEqual(expected);
          });
        }
      }),
      { numRuns: 15 },
    );
  });

  test('take no node with them that a kept one needs, and leave none behind that none needs', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyChanges, { minLength: 1, maxLength: 6 }),
        fc.nat(6),
        async (batches, at) => {
          const { stored, contents } = await history(batches);
          const oldest = Math.min(at, batches.length);
          const kept = new Set<string>();
          for (let version = oldest; version <= batches.length; version++) {
            for (const key of await needed(stored, version)) kept.add(key);
          }
          const before = (await stored.nodeKeys()).length;
          const pruned = await stored.prune(oldest);
          expect(await stored.nodeKeys()).toEqual([...kept].toSorted());
          expect(pruned).toBe(before - kept.size);
          expect(await stored.prune(oldest)).toBe(0);
          for (let version = oldest; version <= batches.length; version++) {
            const leaves = (await stored.chunk(await stored.treeAt(version), WHOLE)).chunk.leaves;
            expect(leaves.length).toBe(contents[version]!.size);
          }
        },
      ),
      { numRuns: 15 },
    );
  });

  test('go on after pruning, and a version that is gone is missed, not made up', async () => {
    const batches = [0, 1, 2].map((version) =>
      Array.from({ length: 30 }, (_, index) => ({ path: pathOf(index), value: valueOf(index + version) })),
    );
    const { stored } = await history(batches);
    await stored.prune(3);
    await expect(stored.prove(await stored.treeAt(2), [pathOf(0)])).rejects.toThrow('is gone');
    const { tree } = await stored.update(await stored.treeAt(3), 4, [{ path: pathOf(0), value: null }]);
    expect(tree.top).toMatchObject({ leaves: 29 });
    expect((await stored.prove(await stored.treeAt(3), [pathOf(0)])).proofs.length).toBe(1);
  });
});
