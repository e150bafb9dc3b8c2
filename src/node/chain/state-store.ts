// The state of a chain under one generation: records, trees and what is kept of every height, put together. It says what is to be written;
// whoever owns the store writes it, with the rest of a block in one batch.

import { assert } from '../../base/assert.ts';
import { equal, toHex } from '../../base/bytes.ts';
import { decodeCanonical, encode, listOf, uint } from '../../base/codec.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { ShardId } from '../../base/ids.ts';
import {
  HEIGHT_MAX,
  PRUNE_ENTRIES_PER_STEP,
  STATE_CACHE_HEIGHTS,
  STATE_PINS_MAX,
} from '../../base/limits.ts';
import { merkleRoot } from '../../base/merkle.ts';
import type { KeyValueOperation } from '../../base/ports.ts';
import type { LocalKeyValue } from '../../runtime/key-value.ts';
import { recordDigest } from '../../shards/record.ts';
import type { Executed } from '../../shards/session.ts';
import { digestOf, EMPTY, joinDigests, type Tree } from '../../shards/tree/node.ts';
import { nodeKey } from '../../shards/tree/node-key.ts';
import { lowestPath, shardPrefix, type StatePath } from '../../shards/tree/path.ts';
import type { Change } from '../../shards/view.ts';
import { BoundedCache } from './bounded-cache.ts';
import { damaged, decodeKept, encodeKept, type KeptState, keptState, type StoreMeta } from './kept-state.ts';
import { RecordStore } from './record-store.ts';
import { keptKey, pinsKey, subjectRange } from './store-keys.ts';
import { TreeStore } from './tree-store.ts';
import type { Head } from './types.ts';

/** The head of a chain, and where its state lies. */
export interface Current {
  readonly meta: StoreMeta;
  readonly kept: KeptState;
  readonly state: StateStore;
}

/** A state that is to be written. */
export interface NextState {
  readonly kept: KeptState;
  readonly operations: readonly KeyValueOperation[];
  /** To be called when they were written. */
  readonly remember: () => void;
}

export class StateStore {
  readonly generation: number;
  readonly records: RecordStore;
  readonly trees: TreeStore;
  readonly #keyValue: LocalKeyValue;
  readonly #sha256: Sha256;
  readonly #kept = new BoundedCache<number, KeptState>(STATE_CACHE_HEIGHTS);
  #pins: readonly number[] = [];

  constructor(keyValue: LocalKeyValue, generation: number, sha256: Sha256) {
    this.generation = generation;
    this.records = new RecordStore(keyValue, generation);
    this.trees = new TreeStore(keyValue, generation, sha256);
    this.#keyValue = keyValue;
    this.#sha256 = sha256;
  }

  // ---- Pins --------------------------------------------------------------------------------------------------

  /** Heights below the oldest whose states stay, ascending. */
  get pins(): readonly number[] {
    return this.#pins;
  }

  /** What was pinned before this start. */
  async loadPins(): Promise<void> {
    const bytes = await this.#keyValue.get(pinsKey(this.generation));
    this.#pins =
      bytes === undefined ? [] : decodeCanonical(pinsSchema, bytes, PINS_LENGTH_MAX, 'pinned states');
  }

  /** To be written before what others need is pruned; then `remember`. */
  pinned(pins: readonly number[]): { readonly operation: KeyValueOperation; readonly remember: () => void } {
    assert(pins.length <= STATE_PINS_MAX, 'few states are pinned');
    return {
      operation: { kind: 'put', key: pinsKey(this.generation), value: encode(pins) },
      remember: () => {
        this.#pins = pins;
      },
    };
  }

  // ---- Writing -----------------------------------------------------------------------------------------------

  /** Height 0. */
  first(about: Omit<Head, 'shards'>, changes: readonly Change[]): Promise<NextState> {
    const { shardBits } = about;
    const trees = Array.from(
      { length: 2 ** shardBits },
      (_, shard): Tree => ({ prefix: shardPrefix(shard as ShardId, shardBits), top: EMPTY }),
    );
    const nothingSent = merkleRoot([], this.#sha256);
    return this.next(trees, about, { changes, outboxRoots: trees.map(() => nothingSent) });
  }

  /** The state that follows on one with `before` as trees for its next block. */
  async next(
    before: readonly Tree[],
    about: Omit<Head, 'shards'>,
    { changes, outboxRoots }: Pick<Executed, 'changes' | 'outboxRoots'>,
  ): Promise<NextState> {
    const { height, shardBits } = about;
    const leaves = changes.map(({ key, after }) => ({
      path: key.path as Uint8Array as StatePath,
      value: after === null ? null : recordDigest(after, this.#sha256),
    }));
    const [records, grown] = await Promise.all([
      this.records.operations(height, changes),
      this.trees.update(before, height, leaves),
    ]);
    const reshaped = await this.trees.reshape(grown, height, shardBits);
    const kept = keptState(about, grown.trees, reshaped.trees, outboxRoots, this.#sha256);
    return {
      kept,
      operations: [...records, ...grown.operations, ...reshaped.operations, this.putKept(kept)],
      remember: () => {
        this.records.remember(height, changes);
        this.trees.remember(grown.written);
        this.trees.remember(reshaped.written);
        this.#kept.set(height, kept);
      },
    };
  }

  putKept(kept: KeptState): KeyValueOperation {
    return { kind: 'put', key: keptKey(this.generation, kept.head.height), value: encodeKept(kept) };
  }

  // ---- Reading -----------------------------------------------------------------------------------------------

  async keptAt(height: number): Promise<KeptState | undefined> {
    const cached = this.#kept.get(height);
    if (cached !== undefined) return cached;
    const bytes = await this.#keyValue.get(keptKey(this.generation, height));
    if (bytes === undefined) return undefined;
    const kept = decodeKept(bytes, height, this.#sha256);
    this.#kept.set(height, kept);
    return kept;
  }

  /** Throws DAMAGED when the top of a tree is not there, or is not what the tree says. */
  async checkTops({ head, trees, nextTrees }: KeptState): Promise<void> {
    for (const { prefix, top } of new Set([...trees, ...nextTrees])) {
      if (top.kind !== 'inner') continue;
      const node = await this.trees.node(nodeKey(top.version, lowestPath(prefix), prefix.length));
      const digest =
        node === undefined
          ? undefined
          : joinDigests(digestOf(node.left, this.#sha256), digestOf(node.right, this.#sha256), this.#sha256);
      if (digest === undefined || !equal(digest, top.digest)) {
        throw damaged(`the state tree "${prefix}" after height ${head.height} has lost its top`);
      }
    }
  }

  // ---- Pruning -----------------------------------------------------------------------------------------------

  /** Deletes some of what no height from `oldest` on needs, nor a pin; nothing else may write meanwhile. False: there is no more. */
  async pruneStep(oldest: number): Promise<boolean> {
    const pruned = { oldest, pins: this.#pins };
    return (
      (await this.records.pruneStep(pruned)) ||
      (await this.trees.pruneStep(pruned)) ||
      (await this.#pruneKept(oldest))
    );
  }

  async #pruneKept(oldest: number): Promise<boolean> {
    const { from } = subjectRange(this.generation, 'kept');
    const keys: Uint8Array[] = [];
    const to = keptKey(this.generation, oldest);
    const pinned = new Set(this.#pins.map((pin) => toHex(keptKey(this.generation, pin))));
    const limit = PRUNE_ENTRIES_PER_STEP + pinned.size;
    for await (const [key] of this.#keyValue.range(from, to, limit)) {
      if (!pinned.has(toHex(key))) keys.push(key);
    }
    if (keys.length > 0) await this.#keyValue.batch(keys.map((key) => ({ kind: 'delete', key })));
    return keys.length >= PRUNE_ENTRIES_PER_STEP;
  }
}

const PINS_LENGTH_MAX = 16 + 9 * STATE_PINS_MAX;

const pinsSchema = listOf(uint(HEIGHT_MAX), STATE_PINS_MAX);
