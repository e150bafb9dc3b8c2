// Lanes: the way of receipts from one shard to another, in order. Here are their names and records; `outbox.ts` fills them,
// `inbox.ts` empties them.
//
// A lane is named by (shard bits, source, destination): after the number of shards has changed, new receipts go on new lanes, and the
// old ones are drained first. At most two generations of lanes have receipts at any time.
//
// At the source:      outbox  { first, next, firstBatch, bytes }       receipts [first, next) wait
//                     batch   of each block's receipts on the lane: their digests, and the way up to the outbox root of that block
//                     receipt each that waits, as it was sent
//                     index   which destinations have receipts waiting
// At the destination: cursor  the sequence number that is executed next
// At the system:      lanes   generations, and how many receipts wait in each
//
// Invariants: first = cursor at the end of every block; a receipt is there if and only if first <= sequence < next; sequence
// numbers begin at 0, have no gaps and are never given twice.

import { z } from 'zod';
import { concat, uint32 } from '../base/bytes.ts';
import { bytesUpTo, digestOf, listOf, uint } from '../base/codec.ts';
import type { Digest, ShardId } from '../base/ids.ts';
import { HEIGHT_MAX, SHARD_BITS_MAX, STATE_RECORD_LENGTH_MAX } from '../base/limits.ts';
import { RecentKeys } from './recent-keys.ts';
import type { RecordType } from './record.ts';
import { homeOf, shardHome, type StateKey, stateKey } from './state-key.ts';
import type { Overlay } from './view.ts';

export interface Lane {
  readonly shardBits: number;
  readonly source: ShardId;
  readonly destination: ShardId;
}

/** u8 bits | u32 source | u32 destination. */
export function laneId({ shardBits, source, destination }: Lane): Uint8Array {
  return concat(new Uint8Array([shardBits]), uint32(source), uint32(destination));
}

/** For maps and messages. */
export function laneText({ shardBits, source, destination }: Lane): string {
  return `${shardBits}/${source}-${destination}`;
}

/** Ascending by destination, then source: the order in which a block executes lanes of one generation. */
export function compareLanes(a: Lane, b: Lane): number {
  return a.destination - b.destination || a.source - b.source;
}

export const laneSchema: z.ZodType<Lane> = z
  .tuple([uint(SHARD_BITS_MAX), uint(2 ** SHARD_BITS_MAX - 1), uint(2 ** SHARD_BITS_MAX - 1)])
  .refine(([bits, source, destination]) => source < 2 ** bits && destination < 2 ** bits, 'no such shard')
  .transform(
    ([shardBits, source, destination]): Lane => ({
      shardBits,
      source: source as ShardId,
      destination: destination as ShardId,
    }),
  );

export const laneTuple = (lane: Lane): readonly unknown[] => [lane.shardBits, lane.source, lane.destination];

// ---- At the source -------------------------------------------------------------------------------------------

export interface OutboxLane {
  /** The oldest that waits; `next` when none does. */
  readonly first: number;
  /** Number of the next receipt. */
  readonly next: number;
  /** Number of the first receipt in the batch of `first`; `next` when none waits. */
  readonly firstBatch: number;
  /** Encoded receipts that wait. */
  readonly lengthBytes: number;
}

export const EMPTY_LANE: OutboxLane = { first: 0, next: 0, firstBatch: 0, lengthBytes: 0 };

export const outboxRecord: RecordType<OutboxLane> = {
  name: 'outbox',
  schema: z
    .tuple([uint(), uint(), uint(), uint()])
    .transform(
      ([first, next, firstBatch, lengthBytes]): OutboxLane => ({ first, next, firstBatch, lengthBytes }),
    ),
  tuple: ({ first, next, firstBatch, lengthBytes }) => [first, next, firstBatch, lengthBytes],
  isExact: true,
};

/** What one block put on a lane. */
export interface Batch {
  /** Block whose transactions and receipts made it. */
  readonly height: number;
  /** Digests of its receipts, one after the other, 32 bytes each. */
  readonly digests: Uint8Array;
  /** Root over all batches of the source in that block: what its shard header says. */
  readonly outboxRoot: Digest;
  /** The batch is number `index` of `count` under that root; `path` leads there. */
  readonly index: number;
  readonly count: number;
  readonly path: readonly Digest[];
}

export const batchRecord: RecordType<Batch> = {
  name: 'batch',
  schema: z
    .tuple([
      uint(HEIGHT_MAX),
      bytesUpTo(STATE_RECORD_LENGTH_MAX),
      digestOf(),
      uint(),
      uint(),
      listOf(digestOf(), SHARD_BITS_MAX + 1),
    ])
    .transform(
      ([height, digests, outboxRoot, index, count, path]): Batch => ({
        height,
        digests,
        outboxRoot,
        index,
        count,
        path,
      }),
    ),
  tuple: ({ height, digests, outboxRoot, index, count, path }) => [
    height,
    digests,
    outboxRoot,
    index,
    count,
    path,
  ],
  isExact: true,
};

export function outboxKey(lane: Lane): StateKey {
  return outboxKeys.get(laneText(lane), () =>
    stateKey(shardHome(lane.shardBits, lane.source), 'outbox', laneId(lane)),
  );
}

/** `first`: number of the batch's first receipt. */
export function batchKey(lane: Lane, first: number): StateKey {
  return stateKey(
    shardHome(lane.shardBits, lane.source),
    'batch',
    concat(laneId(lane), sequenceBytes(first)),
  );
}

export function receiptKey(lane: Lane, sequence: number): StateKey {
  return receiptKeys.get(`${laneText(lane)}/${sequence}`, () => {
    const id = concat(laneId(lane), sequenceBytes(sequence));
    return stateKey(shardHome(lane.shardBits, lane.source), 'receipt', id);
  });
}

const outboxKeys = new RecentKeys<StateKey>();
const receiptKeys = new RecentKeys<StateKey>();
const cursorKeys = new RecentKeys<StateKey>();
const indexKeys = new RecentKeys<StateKey>();

function sequenceBytes(sequence: number): Uint8Array {
  return concat(uint32(Math.floor(sequence / 2 ** 32)), uint32(sequence % 2 ** 32));
}

// ---- At the destination --------------------------------------------------------------------------------------

export const cursorRecord: RecordType<number> = {
  name: 'cursor',
  schema: z.tuple([uint()]).transform(([next]) => next),
  tuple: (next) => [next],
  isExact: true,
};

export function cursorKey(lane: Lane): StateKey {
  return cursorKeys.get(laneText(lane), () =>
    stateKey(shardHome(lane.shardBits, lane.destination), 'cursor', laneId(lane)),
  );
}

// ---- Which lanes have receipts -------------------------------------------------------------------------------

/** Numbers of shards, as bits. */
export type ShardSet = Uint8Array;

export function shardSet(shardBits: number): ShardSet {
  return new Uint8Array(Math.ceil(2 ** shardBits / 8));
}

export function inShardSet(set: ShardSet, shard: number): boolean {
  return ((set[shard >>> 3]! >>> (shard & 7)) & 1) === 1;
}

export function withShard(set: ShardSet, shard: number, isIn: boolean): ShardSet {
  const changed = set.slice();
  const bit = 1 << (shard & 7);
  changed[shard >>> 3] = isIn ? changed[shard >>> 3]! | bit : changed[shard >>> 3]! & ~bit;
  return changed;
}

export function shardsIn(set: ShardSet): ShardId[] {
  return Array.from({ length: set.length * 8 }, (_, shard) => shard as ShardId).filter((shard) =>
    inShardSet(set, shard),
  );
}

const shardSetSchema = bytesUpTo(2 ** SHARD_BITS_MAX / 8);

/** Destinations for which a source has receipts. */
export const laneIndexRecord: RecordType<ShardSet> = {
  name: 'lane index',
  schema: z.tuple([shardSetSchema]).transform(([set]) => set),
  tuple: (set) => [set],
  isExact: true,
};

export function laneIndexKey(shardBits: number, source: ShardId): StateKey {
  return indexKeys.get(`${shardBits}/${source}`, () =>
    stateKey(shardHome(shardBits, source), 'lane-index', new Uint8Array([shardBits])),
  );
}

/** The lanes between shards of one number of bits. */
export interface Generation {
  readonly shardBits: number;
  /** Receipts that wait. */
  readonly pending: number;
  /** Sources that have some. */
  readonly sources: ShardSet;
}

export interface Lanes {
  readonly current: Generation;
  /** Lanes from before the last change of the number of shards, until all are drained and what overtakes them no longer can. */
  readonly previous: Generation | null;
  /** Receipts that wait on current lanes from a shard to itself. */
  readonly selfPending: number;
}

const generationSchema = z
  .tuple([uint(SHARD_BITS_MAX), uint(), shardSetSchema])
  .refine(([bits, , sources]) => sources.length === Math.ceil(2 ** bits / 8))
  .transform(([shardBits, pending, sources]): Generation => ({ shardBits, pending, sources }));

const generationTuple = ({ shardBits, pending, sources }: Generation): readonly unknown[] => [
  shardBits,
  pending,
  sources,
];

export const lanesRecord: RecordType<Lanes> = {
  name: 'lanes',
  schema: z
    .tuple([generationSchema, generationSchema.nullable(), uint()])
    .transform(([current, previous, selfPending]): Lanes => ({ current, previous, selfPending })),
  tuple: ({ current, previous, selfPending }) => [
    generationTuple(current),
    previous === null ? null : generationTuple(previous),
    selfPending,
  ],
  isExact: true,
};

export const LANES_KEY: StateKey = stateKey(homeOf('system'), 'lanes');

/** For genesis: 2^shardBits shards, and nothing on the way. */
export function foundLanes(state: Overlay, shardBits: number): void {
  const current: Generation = { shardBits, pending: 0, sources: shardSet(shardBits) };
  state.put(LANES_KEY, lanesRecord, { current, previous: null, selfPending: 0 });
}
