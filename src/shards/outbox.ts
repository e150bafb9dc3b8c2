// What a block sends to other shards, and which way a message goes. Messages are posted one after the other while the block is
// executed; at its end `settle` numbers them, keeps them and makes the outbox root of each shard.
//
// - Order: messages from one home to another arrive in the order in which they were sent, across changes of the number of
//   shards too. Old lanes are drained first; until then, what was between shards that are one shard now still goes by a lane,
//   from the shard to itself.
// - Bounds: transactions and rules find a lane full (`hasRoom`) and wait. Refunds always find room; a receipt leads to at most one
//   other, so deliveries never add to what waits in all.

import { assert } from '../base/assert.ts';
import { concat } from '../base/bytes.ts';
import { encode } from '../base/codec.ts';
import type { Digest, ShardId } from '../base/ids.ts';
import {
  LANE_BATCH_LENGTH_MAX,
  LANE_BATCH_RECEIPTS_MAX,
  LANE_LENGTH_MAX,
  LANE_RECEIPTS_MAX,
} from '../base/limits.ts';
import { merkleRoot, proveInclusion } from '../base/merkle.ts';
import {
  batchKey,
  batchRecord,
  compareLanes,
  EMPTY_LANE,
  type Generation,
  type Lane,
  laneIndexKey,
  laneIndexRecord,
  LANES_KEY,
  type Lanes,
  lanesRecord,
  laneText,
  type OutboxLane,
  outboxKey,
  outboxRecord,
  receiptKey,
  shardSet,
  shardsIn,
  withShard,
} from './lane.ts';
import type { BlockContext, Message } from './operation.ts';
import { batchDigest, type SealedReceipt } from './parcel.ts';
import { type Deliveries, encodeReceipt, type Receipt, receiptDigest } from './receipts.ts';
import { type Home, shardOfHome } from './state-key.ts';
import type { Overlay } from './view.ts';

/** A message that will be a receipt of this block. */
export interface Outgoing {
  readonly lane: Lane;
  readonly message: Message;
  readonly origin: Digest;
  /** It never expires. */
  readonly isReturn: boolean;
  /** At least as long as its receipt will be. */
  readonly lengthBytes: number;
}

interface Posted {
  readonly lane: Lane;
  readonly outgoing: Outgoing[];
  /** Those that are no returns. */
  ordinary: number;
  lengthBytes: number;
}

export interface Settled {
  /** In the order of lanes. */
  readonly sent: readonly SealedReceipt[];
  /** By shard, of all of them. */
  readonly outboxRoots: readonly Digest[];
}

export class Outbox {
  readonly #state: Overlay;
  readonly #block: BlockContext;
  readonly #deliveries: Deliveries;
  readonly #lifetimeBlocks: number;
  readonly #posted = new Map<string, Posted>();
  #lanes: Lanes;

  /** Throws MissingRecords. */
  constructor(state: Overlay, block: BlockContext, deliveries: Deliveries, lifetimeBlocks: number) {
    this.#state = state;
    this.#block = block;
    this.#deliveries = deliveries;
    this.#lifetimeBlocks = lifetimeBlocks;
    this.#lanes = lanesIn(state);
    assert(
      this.#lanes.current.shardBits === block.shardBits,
      'a block is executed with the shards there are',
    );
  }

  get lanes(): Lanes {
    return this.#lanes;
  }

  /** The lane that a message must take, or undefined: it is executed at once. */
  route(from: Home, to: Home): Lane | undefined {
    const { shardBits } = this.#block;
    const source = shardOfHome(from, shardBits);
    const destination = shardOfHome(to, shardBits);
    const isDirect = source === destination && !this.#couldOvertake(from, to);
    return isDirect ? undefined : { shardBits, source, destination };
  }

  /** Receipts between the two may wait on a lane, although both are in one shard now. */
  #couldOvertake(from: Home, to: Home): boolean {
    const { previous, selfPending } = this.#lanes;
    if (previous === null || (previous.pending === 0 && selfPending === 0)) return false;
    return shardOfHome(from, previous.shardBits) !== shardOfHome(to, previous.shardBits);
  }

  /** Bytes of the receipt, or a few more. */
  lengthOf(lane: Lane, message: Message, origin: Digest): number {
    const sequence = Number.MAX_SAFE_INTEGER;
    const { height } = this.#block;
    const receipt: Receipt = { lane, sequence, height, expiresAtHeight: sequence, origin, message };
    return encodeReceipt(receipt, this.#deliveries).length;
  }

  /** Whether a lane takes one more, of `lengthBytes`, beside those in `unposted`. */
  hasRoom(lane: Lane, lengthBytes: number, unposted: readonly Outgoing[]): boolean {
    const text = laneText(lane);
    const posted = this.#posted.get(text);
    const others = unposted.filter((outgoing) => laneText(outgoing.lane) === text);
    const receipts = 1 + others.length + (posted?.outgoing.length ?? 0);
    const ordinary = 1 + others.filter(({ isReturn }) => !isReturn).length + (posted?.ordinary ?? 0);
    const bytes = others.reduce(
      (sum, one) => sum + one.lengthBytes,
      lengthBytes + (posted?.lengthBytes ?? 0),
    );
    const waiting = laneIn(this.#state, lane);
    return (
      ordinary <= LANE_BATCH_RECEIPTS_MAX &&
      bytes <= LANE_BATCH_LENGTH_MAX &&
      waiting.next - waiting.first + receipts <= LANE_RECEIPTS_MAX &&
      waiting.lengthBytes + bytes <= LANE_LENGTH_MAX
    );
  }

  post(outgoing: readonly Outgoing[]): void {
    for (const one of outgoing) {
      const text = laneText(one.lane);
      const posted = this.#posted.get(text) ?? { lane: one.lane, outgoing: [], ordinary: 0, lengthBytes: 0 };
      posted.outgoing.push(one);
      posted.ordinary += one.isReturn ? 0 : 1;
      posted.lengthBytes += one.lengthBytes;
      this.#posted.set(text, posted);
      if (one.lane.source === one.lane.destination) this.#addSelf(1);
    }
  }

  // ---- What `inbox.ts` takes away ----------------------------------------------------------------------------

  /** The receipts of `lane` up to `first` have been executed or taken back, `receipts` with `lengthBytes` in all. */
  drop(lane: Lane, first: number, firstBatch: number, receipts: number, lengthBytes: number): void {
    const waiting = laneIn(this.#state, lane);
    const left = { ...waiting, first, firstBatch, lengthBytes: waiting.lengthBytes - lengthBytes };
    this.#state.put(outboxKey(lane), outboxRecord, left);
    this.#count(lane.shardBits, -receipts);
    if (this.isCurrent(lane) && lane.source === lane.destination) this.#addSelf(-receipts);
    if (first === waiting.next) this.#index(lane, false);
  }

  isCurrent(lane: Lane): boolean {
    return lane.shardBits === this.#lanes.current.shardBits;
  }

  isPrevious(lane: Lane): boolean {
    return lane.shardBits === this.#lanes.previous?.shardBits;
  }

  // ---- The end of a block ------------------------------------------------------------------------------------

  /** Numbers what was posted and keeps it. Nothing may be posted afterwards. */
  settle(): Settled {
    const posted = [...this.#posted.values()].sort((a, b) => compareLanes(a.lane, b.lane));
    const roots = Array.from({ length: 2 ** this.#block.shardBits }, (_, shard) =>
      this.#settleSource(posted.filter(({ lane }) => lane.source === shard)),
    );
    this.#posted.clear();
    this.#forgetDrained();
    this.#state.put(LANES_KEY, lanesRecord, this.#lanes);
    return { sent: roots.flatMap(({ sent }) => sent), outboxRoots: roots.map(({ root }) => root) };
  }

  #settleSource(posted: readonly Posted[]): {
    readonly sent: readonly SealedReceipt[];
    readonly root: Digest;
  } {
    const { sha256, height } = this.#block;
    const batches = posted.map(({ lane, outgoing }) => {
      const { next } = laneIn(this.#state, lane);
      const sealed = outgoing.map((one, index) => this.#seal(one, next + index));
      const digests = sealed.map(({ bytes }) => receiptDigest(bytes, sha256));
      const name = { lane, height, first: next, receipts: sealed.length };
      return { name, sealed, digests, leaf: batchDigest(name, merkleRoot(digests, sha256), sha256) };
    });
    const leaves = batches.map(({ leaf }) => leaf);
    const outboxRoot = merkleRoot(leaves, sha256);
    for (const [index, { name, sealed, digests }] of batches.entries()) {
      const path = proveInclusion(leaves, index, sha256);
      const record = { height, digests: concat(...digests), outboxRoot, index, count: leaves.length, path };
      this.#state.create(batchKey(name.lane, name.first), encode(batchRecord.tuple(record)));
      this.#keep(name.lane, sealed);
    }
    return { sent: batches.flatMap(({ sealed }) => sealed), root: outboxRoot };
  }

  #seal({ lane, message, origin, isReturn }: Outgoing, sequence: number): SealedReceipt {
    const { height } = this.#block;
    const expiresAtHeight = isReturn ? null : height + this.#lifetimeBlocks;
    const receipt: Receipt = { lane, sequence, height, expiresAtHeight, origin, message };
    return { receipt, bytes: encodeReceipt(receipt, this.#deliveries) };
  }

  #keep(lane: Lane, sealed: readonly SealedReceipt[]): void {
    const { first, next, firstBatch, lengthBytes } = laneIn(this.#state, lane);
    for (const { receipt, bytes } of sealed) this.#state.create(receiptKey(lane, receipt.sequence), bytes);
    this.#state.put(outboxKey(lane), outboxRecord, {
      first,
      next: next + sealed.length,
      firstBatch,
      lengthBytes: sealed.reduce((sum, { bytes }) => sum + bytes.length, lengthBytes),
    });
    this.#count(lane.shardBits, sealed.length);
    this.#index(lane, true);
  }

  /** Old lanes are forgotten when nothing waits on them, nor on the lanes that kept what came after in order. */
  #forgetDrained(): void {
    const { previous, selfPending } = this.#lanes;
    if (previous?.pending === 0 && selfPending === 0) this.#lanes = { ...this.#lanes, previous: null };
  }

  // ---- Another number of shards ------------------------------------------------------------------------------

  /** Lanes from before an earlier change are drained. */
  get canReshape(): boolean {
    const { previous, selfPending } = this.#lanes;
    return selfPending === 0 && (previous === null || previous.pending === 0);
  }

  /** The lanes of the next block are between 2^shardBits shards. After `settle`. */
  reshape(shardBits: number): void {
    const { current } = this.#lanes;
    assert(
      this.canReshape && this.#lanes.previous === null,
      'at most two generations of lanes have receipts',
    );
    const next: Generation = { shardBits, pending: 0, sources: shardSet(shardBits) };
    this.#lanes = { current: next, previous: current.pending === 0 ? null : current, selfPending: 0 };
    this.#state.put(LANES_KEY, lanesRecord, this.#lanes);
  }

  // ---- Counts ------------------------------------------------------------------------------------------------

  #addSelf(receipts: number): void {
    this.#lanes = { ...this.#lanes, selfPending: this.#lanes.selfPending + receipts };
  }

  #count(shardBits: number, receipts: number): void {
    this.#update(shardBits, (generation) => ({ ...generation, pending: generation.pending + receipts }));
  }

  #update(shardBits: number, change: (generation: Generation) => Generation): void {
    const { current, previous } = this.#lanes;
    if (current.shardBits === shardBits) this.#lanes = { ...this.#lanes, current: change(current) };
    else {
      assert(previous?.shardBits === shardBits, 'a lane is of one of two generations');
      this.#lanes = { ...this.#lanes, previous: change(previous) };
    }
  }

  /** Notes whether receipts wait on the lane, so that they are found without looking at every pair of shards. */
  #index({ shardBits, source, destination }: Lane, hasReceipts: boolean): void {
    const key = laneIndexKey(shardBits, source);
    const before = this.#state.get(key, laneIndexRecord) ?? shardSet(shardBits);
    const after = withShard(before, destination, hasReceipts);
    this.#state.put(key, laneIndexRecord, after);
    const isSource = shardsIn(after).length > 0;
    this.#update(shardBits, (generation) => ({
      ...generation,
      sources: withShard(generation.sources, source, isSource),
    }));
  }
}

/** Throws MissingRecords; asserts that the state has been founded. */
export function lanesIn(state: Overlay): Lanes {
  const lanes = state.get(LANES_KEY, lanesRecord);
  assert(lanes !== undefined, 'the state says how many shards there are');
  return lanes;
}

export function laneIn(state: Overlay, lane: Lane): OutboxLane {
  return state.get(outboxKey(lane), outboxRecord) ?? EMPTY_LANE;
}

/** Lanes on which receipts wait, in the order in which a block executes them: the previous generation, then the current one. */
export function pendingLanes(state: Overlay): readonly Lane[] {
  const { current, previous } = lanesIn(state);
  const generations = previous === null ? [current] : [previous, current];
  return generations.flatMap(({ shardBits, sources }) =>
    shardsIn(sources)
      .flatMap((source) => destinationsOf(state, shardBits, source))
      .sort(compareLanes),
  );
}

function destinationsOf(state: Overlay, shardBits: number, source: ShardId): readonly Lane[] {
  const set = state.get(laneIndexKey(shardBits, source), laneIndexRecord) ?? shardSet(shardBits);
  return shardsIn(set).map((destination) => ({ shardBits, source, destination }));
}
