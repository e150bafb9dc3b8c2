// Which receipts the maker of a block takes off the lanes, and the proofs it shows for them. Not part of the protocol: any valid choice is
// as good for safety. This one empties lanes in turn, so that none starves, and old lanes first.

import { DIGEST_LENGTH } from '../base/ids.ts';
import { BLOCK_RECEIPTS_LENGTH_MAX, RECEIPTS_PER_BLOCK_MAX, RECLAIMS_PER_BLOCK_MAX } from '../base/limits.ts';
import { cursorOf, isExpired, type Reclaim } from './inbox.ts';
import {
  type Batch,
  batchKey,
  batchRecord,
  compareLanes,
  cursorKey,
  type Lane,
  outboxKey,
  receiptKey,
} from './lane.ts';
import { proveRun } from './merkle-run.ts';
import type { BlockContext } from './operation.ts';
import { laneIn, lanesIn, pendingLanes } from './outbox.ts';
import { encodeParcel, type Parcel, type SealedReceipt } from './parcel.ts';
import { type Deliveries, decodeReceipt } from './receipts.ts';
import { readAll } from './read-all.ts';
import type { StateKey } from './state-key.ts';
import type { StateProof } from './tree/proof.ts';
import type { Overlay } from './view.ts';

/** Proves what the state after the parent has at a key; undefined when it cannot be had in time. */
export type ProveKey = (key: StateKey) => StateProof | undefined;

export interface Dispatch {
  readonly reclaims: readonly Reclaim[];
  /** In the order in which a block has them. */
  readonly parcels: readonly Parcel[];
}

/** Throws MissingRecords. */
export function dispatch(
  state: Overlay,
  block: BlockContext,
  deliveries: Deliveries,
  proveKey: ProveKey,
  receiptsMax: number,
): Dispatch {
  const lanes = lanesInTurn(state, block.height);
  readAll(
    state,
    lanes.flatMap((lane) => [outboxKey(lane), cursorKey(lane)]),
  );
  loadFronts(state, lanes, receiptsMax);
  const work = new Dispatcher(state, block, deliveries, proveKey, receiptsMax);
  for (const lane of lanes) work.empty(lane);
  return work.result();
}

/** Old lanes as long as there are receipts on them; another one in front at every height. */
function lanesInTurn(state: Overlay, height: number): readonly Lane[] {
  const { current, previous } = lanesIn(state);
  const isDraining = previous !== null && previous.pending > 0;
  const shardBits = isDraining ? previous.shardBits : current.shardBits;
  const lanes = pendingLanes(state).filter((lane) => lane.shardBits === shardBits);
  const turn = lanes.length === 0 ? 0 : height % lanes.length;
  return [...lanes.slice(turn), ...lanes.slice(0, turn)];
}

/**
 * Reads what will be taken if nothing else limits it, of all lanes at once, batch after batch: so it is loaded in as many rounds as
 * the longest lane has batches, not in as many as all lanes have.
 */
function loadFronts(state: Overlay, lanes: readonly Lane[], receiptsMax: number): void {
  let fronts: readonly Front[] = lanes.map((lane) => {
    const { first, next, firstBatch } = laneIn(state, lane);
    return { lane, from: first, next, batch: firstBatch };
  });
  let count = 0;
  while (fronts.length > 0 && count < receiptsMax) {
    readAll(
      state,
      fronts.map(({ lane, batch }) => batchKey(lane, batch)),
    );
    const receipts: StateKey[] = [];
    const further: Front[] = [];
    for (const { lane, from, next, batch } of fronts) {
      const { digests } = state.get(batchKey(lane, batch), batchRecord)!;
      const end = batch + digests.length / DIGEST_LENGTH;
      for (let sequence = from; sequence < end && count < receiptsMax; sequence++, count++) {
        receipts.push(receiptKey(lane, sequence));
      }
      if (end < next) further.push({ lane, from: end, next, batch: end });
    }
    readAll(state, receipts);
    fronts = further;
  }
}

/** Where the emptying of a lane has got to: the next receipt, the end, and the batch that holds the next receipt. */
interface Front {
  readonly lane: Lane;
  readonly from: number;
  readonly next: number;
  readonly batch: number;
}

class Dispatcher {
  readonly #state: Overlay;
  readonly #block: BlockContext;
  readonly #deliveries: Deliveries;
  readonly #proveKey: ProveKey;
  readonly #reclaims: Reclaim[] = [];
  readonly #parcels: Parcel[] = [];
  #receiptsLeft: number;
  #bytesLeft: number = BLOCK_RECEIPTS_LENGTH_MAX;

  constructor(
    state: Overlay,
    block: BlockContext,
    deliveries: Deliveries,
    proveKey: ProveKey,
    receiptsMax: number,
  ) {
    this.#receiptsLeft = Math.min(receiptsMax, RECEIPTS_PER_BLOCK_MAX);
    this.#state = state;
    this.#block = block;
    this.#deliveries = deliveries;
    this.#proveKey = proveKey;
  }

  result(): Dispatch {
    const order = (a: Parcel, b: Parcel): number =>
      compareLanes(a.batch.lane, b.batch.lane) || a.batch.first - b.batch.first;
    return { reclaims: this.#reclaims, parcels: this.#parcels.toSorted(order) };
  }

  /** Batch by batch, as far as the room of the block goes. */
  empty(lane: Lane): void {
    const { first, next, firstBatch } = laneIn(this.#state, lane);
    let from = first;
    let batchFirst = firstBatch;
    let canReclaim = true;
    while (from < next && this.#receiptsLeft > 0) {
      const batch = this.#state.get(batchKey(lane, batchFirst), batchRecord)!;
      const end = batchFirst + batch.digests.length / DIGEST_LENGTH;
      const receipts = this.#waiting(lane, from, end);
      const reclaimed = canReclaim ? this.#reclaim(lane, from, receipts) : 0;
      // Reclaims come before parcels, so a lane of which something is executed is done with them.
      const executed = this.#execute(lane, batch, batchFirst, from + reclaimed, receipts.slice(reclaimed));
      if (executed > 0) canReclaim = false;
      from += reclaimed + executed;
      if (from < end) return;
      batchFirst = end;
    }
  }

  #waiting(lane: Lane, from: number, end: number): readonly SealedReceipt[] {
    const count = Math.min(end - from, this.#receiptsLeft);
    const keys = Array.from({ length: count }, (_, index) => receiptKey(lane, from + index));
    readAll(this.#state, keys);
    return keys.map((key) => {
      const bytes = this.#state.read(key)!;
      return { receipt: decodeReceipt(bytes, this.#deliveries), bytes };
    });
  }

  #isExpired({ receipt }: SealedReceipt): boolean {
    return isExpired(receipt, this.#block.height);
  }

  /** How many at the front are taken back. */
  #reclaim(lane: Lane, first: number, receipts: readonly SealedReceipt[]): number {
    const other = receipts.findIndex((sealed) => !this.#isExpired(sealed));
    const count = other < 0 ? receipts.length : other;
    if (count === 0 || this.#reclaims.length >= RECLAIMS_PER_BLOCK_MAX) return 0;
    const proof = this.#proveKey(cursorKey(lane));
    if (proof === undefined) return 0;
    this.#reclaims.push({ lane, first, count, cursor: cursorOf(this.#state, lane), proof });
    this.#receiptsLeft -= count;
    return count;
  }

  /** How many are executed: up to one that expired, or as many as there is room for. */
  #execute(
    lane: Lane,
    batch: Batch,
    batchFirst: number,
    first: number,
    receipts: readonly SealedReceipt[],
  ): number {
    const late = receipts.findIndex((sealed) => this.#isExpired(sealed));
    let count = late < 0 ? receipts.length : late;
    let bytes = 0;
    for (let index = 0; index < count; index++) {
      bytes += receipts[index]!.bytes.length;
      if (bytes > this.#bytesLeft) count = index;
    }
    while (count > 0) {
      const parcel = this.#parcel(lane, batch, batchFirst, first, receipts.slice(0, count));
      const lengthBytes = encodeParcel(parcel).length;
      if (lengthBytes <= this.#bytesLeft) {
        this.#parcels.push(parcel);
        this.#receiptsLeft -= count;
        this.#bytesLeft -= lengthBytes;
        return count;
      }
      count = Math.floor(count / 2);
    }
    return 0;
  }

  #parcel(
    lane: Lane,
    { height, digests, index, count, path }: Batch,
    batchFirst: number,
    first: number,
    receipts: readonly SealedReceipt[],
  ): Parcel {
    const leaves = Array.from({ length: digests.length / DIGEST_LENGTH }, (_, at) =>
      digests.subarray(DIGEST_LENGTH * at, DIGEST_LENGTH * (at + 1)),
    );
    const from = first - batchFirst;
    const siblings = proveRun(leaves, from, from + receipts.length, this.#block.sha256);
    const batch = { lane, height, first: batchFirst, receipts: leaves.length };
    return { batch, receipts, siblings, index, count, path };
  }
}
