// Parcels: how receipts stand in the block that executes them. Consecutive receipts of one batch, and the way from them to the outbox
// root that the source shard's header states for the block which sent them.
//
//     receipts -> root of the batch (a run of its receipts) -> digest of the batch -> outbox root of (source, height)
//
// A header that states the root of block h is of block h + 1, so whatever may follow block h is proved by its own header at the
// latest, and block h is final by then. Nothing here says whether the receipts are next on their lane; see `inbox.ts`.

import { z } from 'zod';
import { bytesUpTo, decodeCanonical, digestOf, encode, listOf, uint } from '../base/codec.ts';
import { digest, type Sha256 } from '../base/hash.ts';
import type { Digest } from '../base/ids.ts';
import {
  BLOCK_RECEIPTS_LENGTH_MAX,
  HEIGHT_MAX,
  RECEIPT_LENGTH_MAX,
  RECEIPTS_PER_BLOCK_MAX,
  SHARD_BITS_MAX,
} from '../base/limits.ts';
import { verifyInclusion } from '../base/merkle.ts';
import { type Lane, laneSchema, laneText, laneTuple } from './lane.ts';
import { rootOfRun } from './merkle-run.ts';
import { type Deliveries, decodeReceipt, type Receipt, receiptDigest } from './receipts.ts';

/** A receipt and the bytes that its digest is of. */
export interface SealedReceipt {
  readonly receipt: Receipt;
  readonly bytes: Uint8Array;
}

/** A batch as its source names it. */
export interface BatchName {
  readonly lane: Lane;
  /** Block that sent it. */
  readonly height: number;
  /** Sequence number of its first receipt. */
  readonly first: number;
  readonly receipts: number;
}

export interface Parcel {
  readonly batch: BatchName;
  /** At least one, consecutive. */
  readonly receipts: readonly SealedReceipt[];
  /** Beside the receipts, in the batch. */
  readonly siblings: readonly Digest[];
  /** The batch is number `index` of `count` of its source in that block; `path` leads to the outbox root. */
  readonly index: number;
  readonly count: number;
  readonly path: readonly Digest[];
}

/** Leaf of the tree over all batches that a shard sends in a block, ascending by destination. */
export function batchDigest(batch: BatchName, root: Digest, sha256?: Sha256): Digest {
  const { lane, height, first, receipts } = batch;
  return digest('receipt-batch', [encode([laneTuple(lane), height, first, receipts, root])], sha256);
}

/** Whether the receipts are where the parcel says, under the root that the header of the source states. */
export function isProved(parcel: Parcel, outboxRoot: Digest, sha256: Sha256): boolean {
  const { batch, receipts, siblings, index, count, path } = parcel;
  const first = receipts[0]!.receipt.sequence;
  const areOfBatch = receipts.every(
    ({ receipt }, at) =>
      receipt.sequence === first + at &&
      receipt.height === batch.height &&
      laneText(receipt.lane) === laneText(batch.lane),
  );
  if (!areOfBatch) return false;
  const digests = receipts.map(({ bytes }) => receiptDigest(bytes, sha256));
  const root = rootOfRun(batch.receipts, first - batch.first, digests, siblings, sha256);
  if (root === undefined) return false;
  return verifyInclusion(outboxRoot, count, index, batchDigest(batch, root, sha256), path, sha256);
}

// ---- Bytes ---------------------------------------------------------------------------------------------------

const SIBLINGS_MAX = 64;

const parcelSchema = z.tuple([
  laneSchema,
  uint(HEIGHT_MAX),
  uint(),
  uint(),
  listOf(bytesUpTo(RECEIPT_LENGTH_MAX), RECEIPTS_PER_BLOCK_MAX).refine((list) => list.length > 0),
  listOf(digestOf(), SIBLINGS_MAX),
  uint(),
  uint(),
  listOf(digestOf(), SHARD_BITS_MAX + 1),
]);

export function encodeParcel({ batch, receipts, siblings, index, count, path }: Parcel): Uint8Array {
  const { lane, height, first, receipts: inBatch } = batch;
  const packed = receipts.map(({ bytes }) => bytes);
  return encode([laneTuple(lane), height, first, inBatch, packed, siblings, index, count, path]);
}

/** Throws INVALID_ENCODING. */
export function decodeParcel(bytes: Uint8Array, deliveries: Deliveries): Parcel {
  const tuple = decodeCanonical(parcelSchema, bytes, BLOCK_RECEIPTS_LENGTH_MAX, 'parcel');
  const [lane, height, first, inBatch, packed, siblings, index, count, path] = tuple;
  const receipts = packed.map((sealed) => ({ receipt: decodeReceipt(sealed, deliveries), bytes: sealed }));
  return { batch: { lane, height, first, receipts: inBatch }, receipts, siblings, index, count, path };
}
