// What is kept of the state at a height, beside its records and nodes: what the head was, and the tops of its trees. And what is kept of
// the store as a whole: which height is the head, which are still there.
//
// The trees of a height are those that the next header names. When the number of shards changes, the next block begins with other trees
// of the same leaves.

import { z } from 'zod';
import { concat } from '../../base/bytes.ts';
import { bytesUpTo, decodeCanonical, digestOf, encode, listOf, uint } from '../../base/codec.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import { DIGEST_LENGTH, type Digest, type NetworkId } from '../../base/ids.ts';
import { HEIGHT_MAX, KEPT_STATE_LENGTH_MAX, SHARD_BITS_MAX } from '../../base/limits.ts';
import type { KeyValueOperation } from '../../base/ports.ts';
import { shardHeaders } from '../../shards/header.ts';
import { decodeTree, encodeTree, headOf, type Tree } from '../../shards/tree/node.ts';
import { PATH_LENGTH } from '../../shards/tree/path.ts';
import { chainKey } from './store-keys.ts';
import type { Head } from './types.ts';

export interface KeptState {
  readonly head: Head;
  /** By shard, with the shards of this height. */
  readonly trees: readonly Tree[];
  /** With the shards of the next block; the same array when they are the same. */
  readonly nextTrees: readonly Tree[];
}

/** Of the state after a height: its head, of what its trees say. */
export function keptState(
  about: Omit<Head, 'shards'>,
  trees: readonly Tree[],
  nextTrees: readonly Tree[],
  outboxRoots: readonly Digest[],
  sha256: Sha256,
): KeptState {
  const roots = trees.map((tree) => headOf(tree, sha256).digest);
  const shards = shardHeaders(Math.log2(trees.length), roots, outboxRoots);
  return { head: { ...about, shards }, trees, nextTrees };
}

const SHARDS_MAX = 2 ** SHARD_BITS_MAX;
/** Prefix, and a leaf, which is longer than a reference to a node. */
const TREE_LENGTH_MAX = 2 + PATH_LENGTH + 1 + PATH_LENGTH + DIGEST_LENGTH;

const keptSchema = z.tuple([
  uint(HEIGHT_MAX),
  digestOf(),
  uint(),
  uint(SHARD_BITS_MAX),
  bytesUpTo(DIGEST_LENGTH * SHARDS_MAX),
  listOf(bytesUpTo(TREE_LENGTH_MAX), SHARDS_MAX),
  listOf(bytesUpTo(TREE_LENGTH_MAX), SHARDS_MAX).nullable(),
]);

export function encodeKept({ head, trees, nextTrees }: KeptState): Uint8Array {
  return encode([
    head.height,
    head.id,
    head.timeMs,
    head.shardBits,
    concat(...head.shards.map(({ outboxRoot }) => outboxRoot)),
    trees.map(encodeTree),
    nextTrees === trees ? null : nextTrees.map(encodeTree),
  ]);
}

/** Throws DAMAGED when it does not fit together. */
export function decodeKept(bytes: Uint8Array, height: number, sha256: Sha256): KeptState {
  const fields = decodeCanonical(keptSchema, bytes, KEPT_STATE_LENGTH_MAX, 'state of a height');
  const [stated, id, timeMs, shardBits, outboxes, packedTrees, packedNext] = fields;
  const trees = packedTrees.map(decodeTree);
  const nextTrees = packedNext === null ? trees : packedNext.map(decodeTree);
  const fits =
    stated === height &&
    isWhole(trees) &&
    isWhole(nextTrees) &&
    nextTrees.length === 2 ** shardBits &&
    outboxes.length === DIGEST_LENGTH * trees.length;
  if (!fits) throw damaged(`what is kept of the state after height ${height} does not fit together`);
  const outboxRoots = trees.map(
    (_, shard) => outboxes.slice(DIGEST_LENGTH * shard, DIGEST_LENGTH * (shard + 1)) as Digest,
  );
  return keptState({ height, id, timeMs, shardBits }, trees, nextTrees, outboxRoots, sha256);
}

/** Whether trees are those of all shards, in order. */
function isWhole(trees: readonly Tree[]): boolean {
  const shardBits = Math.log2(trees.length);
  return (
    Number.isInteger(shardBits) &&
    trees.every(
      ({ prefix }, shard) => prefix.length === shardBits && Number.parseInt(`0${prefix}`, 2) === shard,
    )
  );
}

// ---- The whole -----------------------------------------------------------------------------------------------

export interface StoreMeta {
  readonly network: NetworkId;
  /** Of the state that counts. */
  readonly generation: number;
  readonly height: number;
  readonly oldestBlock: number;
  readonly oldestState: number;
}

const META_LENGTH_MAX = 256;

const metaSchema = z
  .tuple([digestOf<NetworkId>(), uint(2 ** 32 - 2), uint(HEIGHT_MAX), uint(HEIGHT_MAX), uint(HEIGHT_MAX)])
  .transform(
    ([network, generation, height, oldestBlock, oldestState]): StoreMeta => ({
      network,
      generation,
      height,
      oldestBlock,
      oldestState,
    }),
  );

/** Makes what `meta` names the head. */
export function putMeta(meta: StoreMeta): KeyValueOperation {
  const { network, generation, height, oldestBlock, oldestState } = meta;
  const value = encode([network, generation, height, oldestBlock, oldestState]);
  return { kind: 'put', key: chainKey('meta'), value };
}

/** Throws INVALID_ENCODING. */
export function decodeMeta(bytes: Uint8Array): StoreMeta {
  return decodeCanonical(metaSchema, bytes, META_LENGTH_MAX, 'head of the chain');
}

export function damaged(problem: string, cause?: unknown): StoreError {
  return new StoreError('DAMAGED', `the chain is damaged: ${problem}`, {
    next: 'Move the chain out of the data folder: the node fetches it again from the others.',
    cause,
  });
}
