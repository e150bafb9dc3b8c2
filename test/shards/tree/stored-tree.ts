// A shell around the tree as a node would have it: nodes, stale keys and the tree of each version in a KeyValue store; every
// call loads what the pure side misses and comes again. It counts rounds of loading, and holds no node between calls.

import { concat } from '../../../src/base/bytes.ts';
import type { Sha256 } from '../../../src/base/hash.ts';
import type { KeyValueOperation } from '../../../src/base/ports.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import type { LocalKeyValue } from '../../../src/runtime/key-value.ts';
import { MemoryKeyValue } from '../../../src/runtime/memory-key-value.ts';
import { type Cut, chunkAt } from '../../../src/shards/tree/chunk.ts';
import {
  decodeNode,
  decodeTree,
  EMPTY,
  encodeNode,
  encodeTree,
  type LoadedNodes,
  type Missing,
  type Tree,
  type TreeNode,
  type WrittenNode,
} from '../../../src/shards/tree/node.ts';
import { encodeNodeKey, type NodeKey } from '../../../src/shards/tree/node-key.ts';
import { type Prefix, type StatePath, WHOLE } from '../../../src/shards/tree/path.ts';
import { type Proved, provePaths } from '../../../src/shards/tree/proof.ts';
import { splitTree } from '../../../src/shards/tree/reshape.ts';
import { type Change, type Updated, updateTree } from '../../../src/shards/tree/update.ts';

const under = (letter: string, key: Uint8Array): Uint8Array =>
  concat(Uint8Array.of(letter.charCodeAt(0)), key);

const SINCE_LENGTH = 8;

/** The version that no longer needs a node, then the node's key; without one, where those of the version begin. */
function staleKey(since: number, key?: NodeKey): Uint8Array {
  const version = new Uint8Array(SINCE_LENGTH);
  new DataView(version.buffer).setBigUint64(0, BigInt(since));
  return under('s', key === undefined ? version : concat(version, encodeNodeKey(key)));
}

export class StoredTree {
  readonly store: LocalKeyValue = new MemoryKeyValue();
  readonly sha256: Sha256;
  rounds = 0;
  nodesLoaded = 0;

  constructor(sha256: Sha256 = nativeSha256) {
    this.sha256 = sha256;
  }

  /** Calls `decide` until it misses nothing; every node it asks for must be there. */
  async #settle<T extends { readonly kind: string }>(
    decide: (loaded: LoadedNodes) => T | Missing,
  ): Promise<T> {
    const loaded = new Map<NodeKey, TreeNode>();
    this.rounds = 0;
    for (;;) {
      const step = decide(loaded);
      if (step.kind !== 'missing') return step as T;
      this.rounds++;
      const { keys } = step as Missing;
      if (new Set(keys).size !== keys.length || keys.some((key) => loaded.has(key)))
        throw new Error('asked twice');
      const values = await this.store.getMany(keys.map((key) => under('n', encodeNodeKey(key))));
      keys.forEach((key, at) => {
        const bytes = values[at];
        if (bytes === undefined) throw new Error(`node ${key} is gone`);
        loaded.set(key, decodeNode(bytes, key));
      });
      this.nodesLoaded = loaded.size;
    }
  }

  async save(
    version: number,
    tree: Tree,
    written: readonly WrittenNode[],
    stale: readonly NodeKey[],
  ): Promise<void> {
    const operations: KeyValueOperation[] = [
      ...written.map(({ key, node }) => ({
        kind: 'put' as const,
        key: under('n', encodeNodeKey(key)),
        value: encodeNode(node),
      })),
      ...stale.map((key) => ({
        kind: 'put' as const,
        key: staleKey(version, key),
        value: new Uint8Array(0),
      })),
      { kind: 'put', key: this.#treeKey(version, tree.prefix), value: encodeTree(tree) },
    ];
    await this.store.batch(operations);
  }

  #treeKey(version: number, prefix: Prefix): Uint8Array {
    return new TextEncoder().encode(`t${String(version).padStart(16, '0')}/${prefix}`);
  }

  async treeAt(version: number, prefix: Prefix = WHOLE): Promise<Tree> {
    const bytes = await this.store.get(this.#treeKey(version, prefix));
    return bytes === undefined ? { prefix, top: EMPTY } : decodeTree(bytes);
  }

  async update(tree: Tree, version: number, changes: readonly Change[]): Promise<Updated> {
    const updated = await this.#settle((loaded) => updateTree(loaded, tree, version, changes, this.sha256));
    await this.save(version, updated.tree, updated.written, updated.stale);
    return updated;
  }

  async split(tree: Tree, version: number): Promise<readonly [Tree, Tree]> {
    const { left, right, stale } = await this.#settle((loaded) => splitTree(loaded, tree));
    await this.save(version, left, [], stale);
    await this.save(version, right, [], []);
    return [left, right];
  }

  prove(tree: Tree, paths: readonly StatePath[]): Promise<Proved> {
    return this.#settle((loaded) => provePaths(loaded, tree, paths, this.sha256));
  }

  chunk(tree: Tree, asked: Prefix, leavesMax?: number): Promise<Cut> {
    return this.#settle((loaded) => chunkAt(loaded, tree, asked, leavesMax, this.sha256));
  }

  /** Deletes what no version from `version` on needs. */
  async prune(version: number): Promise<number> {
    const operations: KeyValueOperation[] = [];
    for await (const [entry] of this.store.range(staleKey(0), staleKey(version + 1))) {
      operations.push(
        { kind: 'delete', key: entry },
        { kind: 'delete', key: under('n', entry.subarray(1 + SINCE_LENGTH)) },
      );
    }
    await this.store.batch(operations);
    return operations.length / 2;
  }

  /** Keys of all stored nodes, in the order of the store. */
  async nodeKeys(): Promise<string[]> {
    const keys: string[] = [];
    for await (const [key] of this.store.range(
      under('n', new Uint8Array(0)),
      under('o', new Uint8Array(0)),
    )) {
      keys.push(Buffer.from(key.subarray(1)).toString('hex'));
    }
    return keys;
  }
}
