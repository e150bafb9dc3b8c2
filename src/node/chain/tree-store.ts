// The state trees of a chain on disk: the pure side says which nodes it misses, they are loaded, and it is asked again. Nodes are written
// once and never changed, so those in memory are right for good; what is stale is listed by the version from which on nobody needs it.
//
// Whoever writes calls `update` and `reshape`, writes their operations with the rest of the block in one batch, and then `remember`.

import { assert } from '../../base/assert.ts';
import { compare } from '../../base/bytes.ts';
import type { Sha256 } from '../../base/hash.ts';
import { NODE_CACHE_NODES } from '../../base/limits.ts';
import type { KeyValueOperation } from '../../base/ports.ts';
import type { LocalKeyValue } from '../../runtime/key-value.ts';
import { shardOf } from '../../base/epoch.ts';
import { chunkAt, type StateChunk } from '../../shards/tree/chunk.ts';
import {
  decodeNode,
  encodeNode,
  type LoadedNodes,
  type Missing,
  type Subtree,
  type Tree,
  type TreeNode,
  type WrittenNode,
} from '../../shards/tree/node.ts';
import { encodeNodeKey, nodeKey, type NodeKey } from '../../shards/tree/node-key.ts';
import { firstRight, type Prefix, type StatePath } from '../../shards/tree/path.ts';
import { provePaths, type StateProof } from '../../shards/tree/proof.ts';
import { mergeTrees, splitTree } from '../../shards/tree/reshape.ts';
import { type Change, updateTree } from '../../shards/tree/update.ts';
import { BoundedCache } from './bounded-cache.ts';
import { damaged } from './kept-state.ts';
import { type Pruned, putStaleNodes, staleNodes } from './stale-lists.ts';
import { nodeStoreKey } from './store-keys.ts';

/** Trees of all shards, and what makes them. */
export interface Grown {
  readonly trees: readonly Tree[];
  readonly written: readonly WrittenNode[];
  readonly operations: readonly KeyValueOperation[];
}

export class TreeStore {
  readonly #keyValue: LocalKeyValue;
  readonly #generation: number;
  readonly #sha256: Sha256;
  readonly #cache: BoundedCache<NodeKey, TreeNode>;

  constructor(
    keyValue: LocalKeyValue,
    generation: number,
    sha256: Sha256,
    cacheNodes: number = NODE_CACHE_NODES,
  ) {
    this.#keyValue = keyValue;
    this.#generation = generation;
    this.#sha256 = sha256;
    this.#cache = new BoundedCache(cacheNodes);
  }

  // ---- Writing -----------------------------------------------------------------------------------------------

  /** `trees`, of all shards, after `changes`. Every node of them is older than `version`. */
  async update(trees: readonly Tree[], version: number, changes: readonly Change[]): Promise<Grown> {
    const byShard = Map.groupBy(changes, ({ path }) => shardIn(trees, path));
    const updates = await Promise.all(
      trees.map((tree, shard) => {
        const own = byShard.get(shard) ?? [];
        return this.#onWays(tree, own, (loaded) => updateTree(loaded, tree, version, own, this.#sha256));
      }),
    );
    const written = updates.flatMap((update) => update.written);
    const stale = updates.flatMap((update) => update.stale);
    const operations = [...this.#puts(written), ...putStaleNodes(this.#generation, version, version, stale)];
    return { trees: updates.map(({ tree }) => tree), written, operations };
  }

  /** The state of `grown`, after `version`, in 2^`shardBits` shards, half or twice as many, for the next version. */
  async reshape(grown: Grown, version: number, shardBits: number): Promise<Grown> {
    const { trees } = grown;
    if (trees.length === 2 ** shardBits) return { trees, written: [], operations: [] };
    assert(Math.abs(Math.log2(trees.length) - shardBits) === 1, 'shards double or halve');
    return trees.length > 2 ** shardBits ? this.#merge(trees, version) : this.#split(grown, version);
  }

  async #split({ trees, written }: Grown, version: number): Promise<Grown> {
    const fresh = new Map(written.map(({ key, node }) => [key, node]));
    const splits = await Promise.all(
      trees.map((tree) => this.#settle((loaded) => splitTree(loaded, tree), fresh)),
    );
    return {
      trees: splits.flatMap(({ left, right }) => [left, right]),
      written: [],
      operations: putStaleNodes(
        this.#generation,
        version + 1,
        version,
        splits.flatMap(({ stale }) => stale),
      ),
    };
  }

  #merge(trees: readonly Tree[], version: number): Grown {
    const merged = Array.from({ length: trees.length / 2 }, (_, pair) =>
      mergeTrees(trees[2 * pair]!, trees[2 * pair + 1]!, version, this.#sha256),
    );
    const written = merged.flatMap((assembled) => assembled.written);
    return { trees: merged.map(({ tree }) => tree), written, operations: this.#puts(written) };
  }

  #puts(written: readonly WrittenNode[]): KeyValueOperation[] {
    return written.map((node) => putNode(this.#generation, node));
  }

  /** After these nodes were written. */
  remember(written: readonly WrittenNode[]): void {
    for (const { key, node } of written) this.#cache.set(key, node);
  }

  // ---- Reading -----------------------------------------------------------------------------------------------

  /** Proofs of `paths`, in their order, each in the tree of its shard. */
  async prove(trees: readonly Tree[], paths: readonly StatePath[]): Promise<StateProof[]> {
    const byShard = Map.groupBy(paths.keys(), (index) => shardIn(trees, paths[index]!));
    const proofs: StateProof[] = [];
    const proving = [...byShard].map(async ([shard, indices]) => {
      const own = indices.map((index) => paths[index]!);
      const tree = trees[shard]!;
      const places = own.map((path) => ({ path }));
      const proved = await this.#onWays(tree, places, (loaded) =>
        provePaths(loaded, tree, own, this.#sha256),
      );
      for (const [at, index] of indices.entries()) proofs[index] = proved.proofs[at]!;
    });
    await Promise.all(proving);
    return proofs;
  }

  async chunk(tree: Tree, asked: Prefix, leavesMax: number): Promise<StateChunk> {
    const cut = await this.#settle((loaded) => chunkAt(loaded, tree, asked, leavesMax, this.#sha256));
    return cut.chunk;
  }

  /** The node at the top of a tree, or undefined when there is none. */
  async node(key: NodeKey): Promise<TreeNode | undefined> {
    const bytes = await this.#keyValue.get(nodeStoreKey(this.#generation, encodeNodeKey(key)));
    return bytes === undefined ? undefined : decodeNode(bytes, key);
  }

  /**
   * What `decide` says with the nodes on the ways to `places` at hand. It would name them itself, a level each time; but it begins at the
   * top each time, which for a thousand places takes longer than all the rest.
   */
  async #onWays<T extends { readonly kind: string }>(
    tree: Tree,
    places: readonly Placed[],
    decide: (loaded: LoadedNodes) => T | Missing,
  ): Promise<Exclude<T, Missing>> {
    const sorted = places.toSorted((a, b) => compare(a.path, b.path));
    const loaded = new Map<NodeKey, TreeNode>();
    let level = waysAt(tree.top, sorted, tree.prefix.length, 0, sorted.length);
    while (level.length > 0) {
      const missing = level.map(({ key }) => key).filter((key) => this.#cached(loaded, key) === undefined);
      if (missing.length > 0) await this.#load(missing, loaded);
      level = level.flatMap(({ key, depth, from, to }) => {
        const node = loaded.get(key)!;
        const middle = firstRight(sorted, from, to, depth);
        return [
          ...waysAt(node.left, sorted, depth + 1, from, middle),
          ...waysAt(node.right, sorted, depth + 1, middle, to),
        ];
      });
    }
    return this.#settle(decide, loaded);
  }

  /** Asks `decide` until it misses nothing; there are as many rounds as the tree is deep. Throws DAMAGED when a node is gone. */
  async #settle<T extends { readonly kind: string }>(
    decide: (loaded: LoadedNodes) => T | Missing,
    fresh: ReadonlyMap<NodeKey, TreeNode> = new Map(),
  ): Promise<Exclude<T, Missing>> {
    const loaded = new Map(fresh);
    // What the cache gave once stays at hand, so that the next round does not find it gone.
    const get = (key: NodeKey): TreeNode | undefined => loaded.get(key) ?? this.#cached(loaded, key);
    for (;;) {
      const step = decide({ get });
      if (step.kind !== 'missing') return step as Exclude<T, Missing>;
      await this.#load((step as Missing).keys, loaded);
    }
  }

  #cached(loaded: Map<NodeKey, TreeNode>, key: NodeKey): TreeNode | undefined {
    const node = this.#cache.get(key);
    if (node !== undefined) loaded.set(key, node);
    return node;
  }

  async #load(keys: readonly NodeKey[], loaded: Map<NodeKey, TreeNode>): Promise<void> {
    const values = await this.#keyValue.getMany(
      keys.map((key) => nodeStoreKey(this.#generation, encodeNodeKey(key))),
    );
    for (const [index, key] of keys.entries()) {
      const bytes = values[index];
      if (bytes === undefined) throw damaged(`node ${key} of the state is gone`);
      const node = decodeNode(bytes, key);
      loaded.set(key, node);
      this.#cache.set(key, node);
    }
  }

  // ---- Pruning -----------------------------------------------------------------------------------------------

  /** Deletes some of the nodes that no state needs that is kept. False: there are no more. */
  async pruneStep(pruned: Pruned): Promise<boolean> {
    const { operations, items, hasMore } = await staleNodes(this.#keyValue, this.#generation, pruned);
    const deletes = items.map((key) => ({
      kind: 'delete' as const,
      key: nodeStoreKey(this.#generation, encodeNodeKey(key)),
    }));
    if (operations.length > 0) await this.#keyValue.batch([...operations, ...deletes]);
    return hasMore;
  }
}

interface Placed {
  readonly path: Uint8Array;
}

/** A node on the ways to the places [from, to). */
interface Way {
  readonly key: NodeKey;
  readonly depth: number;
  readonly from: number;
  readonly to: number;
}

function waysAt(at: Subtree, sorted: readonly Placed[], depth: number, from: number, to: number): Way[] {
  if (at.kind !== 'inner' || from === to) return [];
  return [{ key: nodeKey(at.version, sorted[from]!.path, depth), depth, from, to }];
}

function shardIn(trees: readonly Tree[], path: Uint8Array): number {
  const shardBits = Math.log2(trees.length);
  assert(Number.isInteger(shardBits), 'shards are a power of two');
  return shardOf(path, shardBits);
}

export function putNode(generation: number, { key, node }: WrittenNode): KeyValueOperation {
  return { kind: 'put', key: nodeStoreKey(generation, encodeNodeKey(key)), value: encodeNode(node) };
}
