import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../../src/base/assert.ts';
import { compare, fromHex, toHex } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import type { Digest } from '../../../src/base/ids.ts';
import { CHUNK_LEAVES_MAX, STATE_CHUNK_LENGTH_MAX } from '../../../src/base/limits.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import {
  chunkAt,
  chunkProblem,
  decodeChunk,
  encodeChunk,
  type StateChunk,
  uncovered,
} from '../../../src/shards/tree/chunk.ts';
import {
  EMPTY,
  EMPTY_DIGEST,
  headOf,
  type Leaf,
  type Tree,
  type TreeHead,
  type TreeNode,
} from '../../../src/shards/tree/node.ts';
import type { NodeKey } from '../../../src/shards/tree/node-key.ts';
import { isUnder, type Prefix, prefixOf, WHOLE } from '../../../src/shards/tree/path.ts';
import { assembleTree } from '../../../src/shards/tree/reshape.ts';
import { updateTree } from '../../../src/shards/tree/update.ts';
import { expectCode } from '../../helpers/expect-code.ts';
import { StoredTree } from './stored-tree.ts';
import {
  afterChanges,
  anyChanges,
  anyPath,
  documented,
  FROZEN,
  flipped,
  frozenLeaves,
  leafOf,
  leavesIn,
  leavesOf,
  pathOf,
  valueOf,
} from './twin.ts';

class Server {
  readonly tree: Tree;
  readonly nodes: Map<NodeKey, TreeNode>;
  readonly head: TreeHead;

  constructor(leaves: readonly Leaf[], prefix: Prefix = WHOLE, version = 1) {
    const updated = updateTree(new Map(), { prefix, top: EMPTY }, version, leaves, nativeSha256);
    if (updated.kind === 'missing') throw new Error('an empty tree has no nodes');
    this.tree = updated.tree;
    this.nodes = new Map(updated.written.map(({ key, node }) => [key, node]));
    this.head = headOf(updated.tree);
  }

  cut(asked: Prefix, leavesMax: number): StateChunk {
    const cut = chunkAt(this.nodes, this.tree, asked, leavesMax, nativeSha256);
    if (cut.kind === 'missing') throw new Error('a node is gone');
    return cut.chunk;
  }
}

/** All chunks of a tree, the next one at the `pick`ed of the prefixes that are left; every one verified. */
function collect(server: Server, leavesMax: number, pick: (count: number) => number): StateChunk[] {
  const chunks: StateChunk[] = [];
  for (let pending = [server.head.prefix]; pending.length > 0; ) {
    const asked = pending[pick(pending.length)]!;
    const chunk = decodeChunk(encodeChunk(server.cut(asked, leavesMax)));
    expect(chunkProblem(server.head, chunk, nativeSha256)).toBeUndefined();
    expect(chunk.leaves.length).toBeLessThanOrEqual(leavesMax);
    const left = uncovered(pending, chunk.prefix);
    expect(left).not.toContain(asked);
    pending = left;
    chunks.push(chunk);
  }
  return chunks;
}

describe('the chunks of a tree', () => {
  test('have all its leaves once, and make the same tree again, in whatever order they come', () => {
    const cases = fc.tuple(
      anyChanges,
      fc.integer({ min: 1, max: 6 }),
      fc.nat(),
      fc.constantFrom('', '1', '00'),
    );
    fc.assert(
      fc.property(cases, ([changes, leavesMax, seed, p]) => {
        const prefix = p as Prefix;
        const leaves = leavesIn(afterChanges(new Map(), changes)).filter(({ path }) => isUnder(path, prefix));
        const server = new Server(leaves, prefix);
        const chunks = collect(server, leavesMax, (count) => seed % count);
        const found = chunks.flatMap((chunk) => chunk.leaves).toSorted((a, b) => compare(a.path, b.path));
        expect(found).toEqual(leaves.toSorted((a, b) => compare(a.path, b.path)));
        const parts = chunks.map((chunk) => new Server(chunk.leaves, chunk.prefix, 5));
        const whole = assembleTree(
          prefix,
          parts.map(({ tree }) => tree),
          5,
          nativeSha256,
        );
        expect(headOf(whole.tree)).toEqual(server.head);
        // The very nodes of a tree that was grown at once.
        const keys = [
          ...parts.flatMap(({ nodes }) => [...nodes.keys()]),
          ...whole.written.map(({ key }) => key),
        ];
        expect(keys.toSorted()).toEqual([...new Server(leaves, prefix, 5).nodes.keys()].toSorted());
      }),
      { numRuns: 100 },
    );
  });

  test('of 3,000 leaves travel from store to store in few rounds', async () => {
    const stored = new StoredTree();
    const { tree } = await stored.update({ prefix: WHOLE, top: EMPTY }, 1, leavesOf(3000));
    let pending: Prefix[] = [WHOLE];
    const sizes: number[] = [];
    while (pending.length > 0) {
      const { chunk } = await stored.chunk(tree, pending[0]!, 500);
      expect(stored.rounds).toBeLessThan(40);
      expect(chunkProblem(headOf(tree), chunk, nativeSha256)).toBeUndefined();
      pending = uncovered(pending, chunk.prefix);
      sizes.push(chunk.leaves.length);
    }
    expect(sizes.reduce((sum, size) => sum + size)).toBe(3000);
    // A hashed tree is even: chunks are at least half full, or nearly.
    expect(Math.min(...sizes)).toBeGreaterThan(150);
  });

  test('are as they were frozen, and as documented', () => {
    for (const frozen of FROZEN) {
      const server = new Server(frozenLeaves(frozen), frozen.prefix as Prefix);
      for (const { asked, leavesMax, chunk } of frozen.chunks) {
        expect(toHex(encodeChunk(server.cut(asked as Prefix, leavesMax)))).toBe(chunk);
        expect(chunkProblem(server.head, decodeChunk(fromHex(chunk)))).toBeUndefined();
      }
    }
    const { chunks } = FROZEN.find(({ name }) => name === 'three leaves')!;
    expect(toHex(documented('Chunk'))).toBe(chunks.find(({ leavesMax }) => leavesMax === 2)!.chunk);
  });
});

describe('a chunk', () => {
  const server = new Server(leavesOf(50));
  const chunk = server.cut('0' as Prefix, 8);
  const judge = (bent: Partial<StateChunk>): string | undefined =>
    chunkProblem(server.head, { ...chunk, ...bent });

  test('covers what was asked or its left end, or more where the tree has no node', () => {
    expect(server.cut(WHOLE, 50).prefix).toBe('');
    expect(server.cut('01' as Prefix, 50).prefix).toBe('01');
    expect(chunk.prefix).toMatch(/^00*$/);
    const deep = prefixOf(pathOf(0), 200);
    const alone = server.cut(deep, 1);
    expect(deep.startsWith(alone.prefix) && alone.prefix.length < 20).toBe(true);
    expect(alone.leaves).toEqual([leafOf(pathOf(0), valueOf(0))]);
    expect(new Server([]).cut(deep, 1)).toEqual({ prefix: '', siblings: [], leaves: [] });
    for (const max of [0, CHUNK_LEAVES_MAX + 1]) expect(() => server.cut(WHOLE, max)).toThrow(AssertionError);
    expect(() => new Server([], '1' as Prefix).cut('0' as Prefix, 1)).toThrow(AssertionError);
  });

  test('shows nothing with a leaf left out, added, changed or moved, or another prefix', () => {
    const { leaves, siblings, prefix } = chunk;
    const extra = leafOf(flipped(leaves[0]!.path, 250), valueOf(0));
    const withExtra = [...leaves, extra].toSorted((a, b) => compare(a.path, b.path));
    expect(judge({})).toBeUndefined();
    expect(judge({ leaves: leaves.slice(1) })).toBe('wrong-digest');
    expect(judge({ leaves: [] })).toBe('wrong-digest');
    expect(judge({ leaves: withExtra })).toBe('wrong-digest');
    expect(judge({ leaves: leaves.with(2, leafOf(leaves[2]!.path, valueOf(99))) })).toBe('wrong-digest');
    expect(judge({ leaves: leaves.toReversed() })).toBe('out-of-order');
    expect(judge({ leaves: [leaves[0]!, ...leaves] })).toBe('out-of-order');
    expect(judge({ leaves: [...leaves, leafOf(flipped(leaves.at(-1)!.path, 0), valueOf(0))] })).toBe(
      'other-place',
    );
    expect(judge({ siblings: siblings.slice(1) })).toBe('malformed');
    expect(judge({ siblings: siblings.toReversed() })).toBe('wrong-digest');
    expect(judge({ siblings: [...siblings, siblings[0]!], prefix: `${prefix}1` as Prefix })).toBe(
      'other-place',
    );
    expect(judge({ siblings: siblings.with(0, valueOf(0).subarray(1) as Digest) })).toBe('malformed');
    expect(judge({ leaves: Array.from({ length: CHUNK_LEAVES_MAX + 1 }, () => leaves[0]!) })).toBe(
      'too-large',
    );
    expect(chunkProblem({ ...server.head, prefix: '1' as Prefix }, chunk)).toBe('other-tree');
    expect(chunkProblem({ ...server.head, digest: valueOf(0) }, chunk)).toBe('wrong-digest');
  });

  test('does not claim to be empty beside nothing, or behind the last bit', () => {
    const full = '0'.repeat(256) as Prefix;
    const siblings = Array.from({ length: 256 }, () => valueOf(1));
    expect(judge({ prefix: '0' as Prefix, siblings: [EMPTY_DIGEST], leaves: [] })).toBe('not-canonical');
    expect(judge({ prefix: full, siblings, leaves: [] })).toBe('not-canonical');
  });

  test('is refused with any byte changed, cut or added', () => {
    const bytes = encodeChunk(chunk);
    const variants = [...bytes.keys()].flatMap((at) => [
      bytes.with(at, bytes[at]! ^ 1),
      bytes.subarray(0, at),
    ]);
    for (const variant of [...variants, Uint8Array.of(...bytes, 0)]) {
      let problem: string | undefined;
      try {
        problem = chunkProblem(server.head, decodeChunk(variant), nativeSha256);
      } catch (error) {
        expect(error).toBeInstanceOf(StoreError);
        problem = 'refused';
      }
      expect(problem).toBeDefined();
    }
  });

  test('is refused by its counts before memory is taken for them', () => {
    expectCode('INVALID_ENCODING', () => decodeChunk(new Uint8Array(STATE_CHUNK_LENGTH_MAX + 1)));
    expectCode('INVALID_ENCODING', () => decodeChunk(fromHex('00000000ffffffff')));
    expectCode('INVALID_ENCODING', () => decodeChunk(fromHex('0000000000001000')));
    expectCode('INVALID_ENCODING', () => decodeChunk(fromHex('0101')));
    expectCode('INVALID_ENCODING', () => decodeChunk(fromHex('0000ffff00000000')));
    expectCode('INVALID_ENCODING', () =>
      decodeChunk(encodeChunk({ ...chunk, leaves: chunk.leaves.toReversed() })),
    );
    const siblings = [...chunk.siblings, ...chunk.siblings, ...chunk.siblings];
    expectCode('INVALID_ENCODING', () => decodeChunk(encodeChunk({ ...chunk, siblings })));
  });

  test('of the most leaves, at the deepest place, fits the bound', () => {
    const leaves = Array.from({ length: CHUNK_LEAVES_MAX }, () => leafOf(pathOf(0), valueOf(0)));
    const siblings = Array.from({ length: 256 }, () => valueOf(0));
    const length = encodeChunk({ prefix: '1'.repeat(256) as Prefix, siblings, leaves }).length;
    expect(length).toBeLessThanOrEqual(STATE_CHUNK_LENGTH_MAX);
  });
});

describe('what is left uncovered', () => {
  test('is exactly what was pending and not covered', () => {
    const prefixes = fc.tuple(anyPath, fc.nat(12)).map(([path, depth]) => prefixOf(path, depth));
    fc.assert(
      fc.property(fc.array(prefixes, { maxLength: 8 }), fc.array(anyPath), (covers, paths) => {
        let pending: Prefix[] = [WHOLE];
        for (const covered of covers) pending = uncovered(pending, covered);
        expect(pending).toEqual(pending.toSorted());
        for (const path of paths) {
          const isCovered = covers.some((prefix) => isUnder(path, prefix));
          expect(pending.filter((prefix) => isUnder(path, prefix)).length).toBe(isCovered ? 0 : 1);
        }
      }),
    );
  });
});
