// What a block takes off the lanes. Receipts leave a lane in its order, starting at the cursor: each is executed at its destination
// until its expiry height, or taken back at its source after it. The cursor passes it in the same block, so neither happens twice.
//
// The destination takes the outbox root from what the source's header said of the block that sent the batch. The source takes the
// cursor from a proof under the destination's state root in the header of this block, which is of the state after the parent:
// a final one. Here all shards are executed by all, so both could be read; the proofs are what a shard executed by others needs.

import { z } from 'zod';
import { assert } from '../base/assert.ts';
import { equal } from '../base/bytes.ts';
import { bytesUpTo, decodeCanonical, encode, uint } from '../base/codec.ts';
import type { Sha256 } from '../base/hash.ts';
import { DIGEST_LENGTH, type Digest } from '../base/ids.ts';
import { RECEIPTS_PER_BLOCK_MAX, STATE_PROOF_LENGTH_MAX } from '../base/limits.ts';
import {
  batchKey,
  batchRecord,
  compareLanes,
  cursorKey,
  cursorRecord,
  type Lane,
  laneIndexKey,
  LANES_KEY,
  laneSchema,
  laneText,
  laneTuple,
  outboxKey,
  receiptKey,
} from './lane.ts';
import type { BlockContext } from './operation.ts';
import { laneIn, type Outbox } from './outbox.ts';
import { isProved, type Parcel } from './parcel.ts';
import type { BlockProblem } from './problem.ts';
import { type Deliveries, decodeReceipt, type Receipt } from './receipts.ts';
import { recordDigest } from './record.ts';
import { shardOfHome, type StateKey } from './state-key.ts';
import { checkProof, decodeProof, encodeProof, type StateProof } from './tree/proof.ts';
import { shardPrefix, type StatePath } from './tree/path.ts';
import type { Overlay } from './view.ts';

/** Receipts that the source takes back because they expired: `count` from `first` on, of one batch. */
export interface Reclaim {
  readonly lane: Lane;
  readonly first: number;
  readonly count: number;
  /** The destination's cursor, and the proof of it. Zero is proved by there being no record. */
  readonly cursor: number;
  readonly proof: StateProof;
}

/** State roots by shard, of the state after the parent. */
export interface ParentRoots {
  readonly shardBits: number;
  readonly stateRoots: readonly Digest[];
}

// ---- Execution -----------------------------------------------------------------------------------------------

/** Why the receipts of `parcel` cannot be executed now. Throws MissingRecords. */
export function parcelProblem(
  state: Overlay,
  outbox: Outbox,
  parcel: Parcel,
  block: BlockContext,
): BlockProblem | undefined {
  const { lane } = parcel.batch;
  const first = parcel.receipts[0]!.receipt.sequence;
  const problem = laneProblem(outbox, lane) ?? orderProblem(state, lane, first);
  if (problem !== undefined) return problem;
  const outboxRoot = statedRoot(state, parcel);
  if (outboxRoot === undefined || !isProved(parcel, outboxRoot, block.sha256)) return 'receipt-unproved';
  const isLate = parcel.receipts.some(({ receipt }) => isExpired(receipt, block.height));
  return isLate ? 'receipt-expired' : undefined;
}

function laneProblem(outbox: Outbox, lane: Lane): BlockProblem | undefined {
  if (outbox.isPrevious(lane)) return undefined;
  if (!outbox.isCurrent(lane)) return 'unknown-lane';
  return (outbox.lanes.previous?.pending ?? 0) > 0 ? 'old-lanes-first' : undefined;
}

function orderProblem(state: Overlay, lane: Lane, first: number): BlockProblem | undefined {
  const cursor = cursorOf(state, lane);
  if (first === cursor) return undefined;
  return first < cursor ? 'receipt-repeated' : 'receipt-gap';
}

/** The outbox root that the header of the source stated for the batch, as long as receipts of it wait. */
function statedRoot(state: Overlay, { batch }: Parcel): Digest | undefined {
  const waiting = laneIn(state, batch.lane);
  if (waiting.first === waiting.next || waiting.firstBatch !== batch.first) return undefined;
  const stated = state.get(batchKey(batch.lane, batch.first), batchRecord);
  return stated?.height === batch.height ? stated.outboxRoot : undefined;
}

export function isExpired({ expiresAtHeight }: Receipt, height: number): boolean {
  return expiresAtHeight !== null && height > expiresAtHeight;
}

export function cursorOf(state: Overlay, lane: Lane): number {
  return state.get(cursorKey(lane), cursorRecord) ?? 0;
}

/** Takes the next `count` receipts, all of the batch in front, off the lane and moves the cursor behind them. */
export function takeOff(state: Overlay, outbox: Outbox, lane: Lane, count: number): void {
  const waiting = laneIn(state, lane);
  const batch = state.get(batchKey(lane, waiting.firstBatch), batchRecord);
  assert(batch !== undefined, 'a receipt that waits is of a batch');
  const first = waiting.first + count;
  const end = waiting.firstBatch + batch.digests.length / DIGEST_LENGTH;
  assert(first <= end, 'receipts of one batch are taken off at a time');
  let lengthBytes = 0;
  for (let sequence = waiting.first; sequence < first; sequence++) {
    lengthBytes += state.read(receiptKey(lane, sequence))!.length;
    state.remove(receiptKey(lane, sequence));
  }
  if (first === end) state.remove(batchKey(lane, waiting.firstBatch));
  state.put(cursorKey(lane), cursorRecord, first);
  outbox.drop(lane, first, first === end ? end : waiting.firstBatch, count, lengthBytes);
}

// ---- Taking back ---------------------------------------------------------------------------------------------

/** Why `reclaim` is not allowed. Throws MissingRecords. */
export function reclaimProblem(
  state: Overlay,
  outbox: Outbox,
  reclaim: Reclaim,
  block: BlockContext,
  parent: ParentRoots,
  deliveries: Deliveries,
): BlockProblem | undefined {
  const { lane, first, count, cursor } = reclaim;
  if (!outbox.isPrevious(lane) && !outbox.isCurrent(lane)) return 'unknown-lane';
  const problem = orderProblem(state, lane, first);
  if (problem !== undefined) return problem;
  const waiting = laneIn(state, lane);
  if (waiting.first === waiting.next) return 'receipt-gap';
  const batch = state.get(batchKey(lane, waiting.firstBatch), batchRecord);
  assert(batch !== undefined, 'a receipt that waits is of a batch');
  if (first + count > waiting.firstBatch + batch.digests.length / DIGEST_LENGTH) return 'receipt-gap';
  const receipts = waitingReceipts(state, lane, first, count, deliveries);
  if (!receipts.every((receipt) => isExpired(receipt, block.height))) return 'reclaim-too-early';
  return cursor <= first && isCursor(reclaim, parent, block.sha256) ? undefined : 'reclaim-unproved';
}

export function waitingReceipts(
  state: Overlay,
  lane: Lane,
  first: number,
  count: number,
  deliveries: Deliveries,
): readonly Receipt[] {
  return Array.from({ length: count }, (_, index) => {
    const bytes = state.read(receiptKey(lane, first + index));
    assert(bytes !== null, 'a receipt that waits is there');
    return decodeReceipt(bytes, deliveries);
  });
}

/** Whether the proof shows the cursor under the state root of the shard in which it lies. */
function isCursor({ lane, cursor, proof }: Reclaim, parent: ParentRoots, sha256: Sha256): boolean {
  const key = cursorKey(lane);
  const shard = shardOfHome(key.home, parent.shardBits);
  const head = { prefix: shardPrefix(shard, parent.shardBits), digest: parent.stateRoots[shard]! };
  const verdict = checkProof(head, key.path as Uint8Array as StatePath, proof, sha256);
  if (verdict.kind === 'absent') return cursor === 0;
  const expected = recordDigest(encode(cursorRecord.tuple(cursor)), sha256);
  return verdict.kind === 'present' && equal(verdict.value, expected);
}

// ---- What is read --------------------------------------------------------------------------------------------

export function touchesOfParcel({ batch, receipts }: Parcel): readonly StateKey[] {
  const sequences = receipts.map(({ receipt }) => receipt.sequence);
  return [
    ...touchesOfLane(batch.lane),
    batchKey(batch.lane, batch.first),
    ...receiptKeys(batch.lane, sequences),
  ];
}

export function touchesOfReclaim({ lane, first, count }: Reclaim): readonly StateKey[] {
  const sequences = Array.from({ length: count }, (_, index) => first + index);
  return [...touchesOfLane(lane), ...receiptKeys(lane, sequences)];
}

export function touchesOfLane(lane: Lane): readonly StateKey[] {
  return [LANES_KEY, cursorKey(lane), outboxKey(lane), laneIndexKey(lane.shardBits, lane.source)];
}

function receiptKeys(lane: Lane, sequences: readonly number[]): readonly StateKey[] {
  return sequences.map((sequence) => receiptKey(lane, sequence));
}

// ---- Order in a block ----------------------------------------------------------------------------------------

/** Whether `next` may stand behind `parcel`: old lanes first, then by destination, source and sequence. */
export function isInOrder(parcel: Parcel, next: Parcel, outbox: Outbox): boolean {
  const a = parcel.batch.lane;
  const b = next.batch.lane;
  if (outbox.isPrevious(a) !== outbox.isPrevious(b)) return outbox.isPrevious(a);
  if (laneText(a) !== laneText(b)) return compareLanes(a, b) < 0;
  return parcel.receipts[0]!.receipt.sequence < next.receipts[0]!.receipt.sequence;
}

// ---- Bytes ---------------------------------------------------------------------------------------------------

const reclaimSchema = z.tuple([
  laneSchema,
  uint(),
  uint(RECEIPTS_PER_BLOCK_MAX).refine((count) => count > 0),
  uint(),
  bytesUpTo(STATE_PROOF_LENGTH_MAX),
]);

const RECLAIM_LENGTH_MAX = STATE_PROOF_LENGTH_MAX + 64;

export function encodeReclaim({ lane, first, count, cursor, proof }: Reclaim): Uint8Array {
  return encode([laneTuple(lane), first, count, cursor, encodeProof(proof)]);
}

/** Throws INVALID_ENCODING. */
export function decodeReclaim(bytes: Uint8Array): Reclaim {
  const tuple = decodeCanonical(reclaimSchema, bytes, RECLAIM_LENGTH_MAX, 'reclaim');
  const [lane, first, count, cursor, proof] = tuple;
  return { lane, first, count, cursor, proof: decodeProof(proof) };
}
