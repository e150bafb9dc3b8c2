// Another name for what a name stands for, in the same bucket or another one of the same owner.
//
// Within a bucket both happen at once. Between buckets the source's home decides first: the entry stays where it is and can be read, but
// nothing changes it until the rename has ended. The destination's home writes the entry or refuses; either way one message comes back, and
// it takes the old name away or sets it free. So at no time is the object without a name, the old name is given back exactly once,
// and a source that others write to meanwhile needs no rule for conflicts.

import { z } from 'zod';
import { equal } from '../../base/bytes.ts';
import { bytesOf, digestOf } from '../../base/codec.ts';
import type { OwnerId } from '../../base/ids.ts';
import { type Bucket, bucketHome, type BucketId, bucketIdSchema, bucketOf, ownBucket } from '../bucket.ts';
import { emptyMessage, homeOperation, type HomeOperation } from '../home-operation.ts';
import {
  type Condition,
  conditionSchema,
  conditionValue,
  ETAG_LENGTH,
  etagOf,
  isMet,
  type NameEntry,
  nameSchema,
  type ObjectReference,
  referenceSchema,
  referenceTuple,
} from '../name-entry.ts';
import { entryOf, putEntry, removeEntry, touchesOfName } from '../names.ts';
import type { Delivery, ExecuteContext, Message, RefusalCode } from '../operation.ts';
import type { Order } from '../system-operation.ts';

/** One side of a rename: a name, and what must be true of it. */
export interface Place {
  readonly bucket: BucketId;
  readonly name: Uint8Array;
  readonly condition: Condition;
}

export interface Rename {
  readonly source: Place;
  readonly destination: Place;
}

const placeSchema: z.ZodType<Place> = z
  .tuple([bucketIdSchema, nameSchema, conditionSchema])
  .transform(([bucket, name, condition]): Place => ({ bucket, name, condition }));

const placeTuple = ({ bucket, name, condition }: Place): readonly unknown[] => [
  bucket,
  name,
  conditionValue(condition),
];

export const rename: HomeOperation<Rename> = homeOperation({
  kind: 'rename',
  tag: 45,
  schema: z
    .tuple([placeSchema, placeSchema])
    .transform(([source, destination]): Rename => ({ source, destination }))
    .refine(
      ({ source, destination }) =>
        !equal(source.bucket, destination.bucket) || !equal(source.name, destination.name),
      'both names are the same',
    ),
  tuple: ({ source, destination }) => [placeTuple(source), placeTuple(destination)],
  home: ({ source }) => bucketHome(source.bucket),
  touches: (_from, { source, destination }) => [
    ...touchesOfName(source.bucket),
    ...(equal(source.bucket, destination.bucket) ? [] : touchesOfName(destination.bucket)),
  ],
  execute: (context, order) => {
    const { source, destination } = order.action;
    const bucket = ownBucket(context.state, source.bucket, order.from);
    if (typeof bucket === 'string') return bucket;
    const entry = entryOf(context.state, source.bucket, bucket, source.name);
    if (entry === undefined) return 'no-such-name';
    if (!isMet(source.condition, entry)) return 'condition-failed';
    if (entry.movingAs !== null) return 'too-early';
    return equal(source.bucket, destination.bucket)
      ? renameWithin(context, order, bucket, entry)
      : depart(context, order, bucket, entry);
  },
});

function renameWithin(
  context: ExecuteContext,
  { from, id, action }: Order<Rename>,
  bucket: Bucket,
  entry: NameEntry,
): RefusalCode | undefined {
  const { source, destination } = action;
  const { object } = entry;
  const target = entryOf(context.state, source.bucket, bucket, destination.name);
  const problem = targetProblem(destination.condition, target);
  if (problem !== undefined) return problem;
  removeEntry(context.state, source.bucket, bucket, source.name, entry);
  return arriveAt(context, { source, destination, owner: from, object, etag: etagOf(id) });
}

function depart(
  { state, send }: ExecuteContext,
  { from, id, action }: Order<Rename>,
  bucket: Bucket,
  entry: NameEntry,
): RefusalCode | undefined {
  const { source, destination } = action;
  const etag = etagOf(id);
  const payload: Arrival = { source, destination, owner: from, object: entry.object, etag };
  send(emptyMessage(bucketHome(destination.bucket), 'arrive-name', payload, from));
  return putEntry(state, source.bucket, bucket, source.name, { ...entry, movingAs: etag }, entry);
}

function targetProblem(condition: Condition, target: NameEntry | undefined): RefusalCode | undefined {
  if (!isMet(condition, target)) return 'condition-failed';
  return target !== undefined && target.movingAs !== null ? 'too-early' : undefined;
}

// ---- At the destination --------------------------------------------------------------------------------------

export interface Arrival {
  readonly source: Place;
  readonly destination: Place;
  readonly owner: OwnerId;
  readonly object: ObjectReference;
  /** Of the rename, and of the entry that it writes. */
  readonly etag: Uint8Array;
}

export const arriveNameDelivery: Delivery<Arrival> = {
  kind: 'arrive-name',
  tag: 52,
  schema: z
    .tuple([placeSchema, placeSchema, digestOf<OwnerId>(), referenceSchema, bytesOf(ETAG_LENGTH)])
    .transform(
      ([source, destination, owner, object, etag]): Arrival => ({ source, destination, owner, object, etag }),
    ),
  tuple: ({ source, destination, owner, object, etag }) => [
    placeTuple(source),
    placeTuple(destination),
    owner,
    referenceTuple(object),
    etag,
  ],
  touches: (_message, { destination }) => touchesOfName(destination.bucket),
  execute: (context, arrival) => {
    const refusal = arriveAt(context, arrival);
    if (refusal === undefined) context.send(endOf(arrival, true));
    return refusal;
  },
  undo: (_message, arrival) => endOf(arrival, false),
};

function arriveAt(
  { state, block }: ExecuteContext,
  { destination, owner, object, etag }: Arrival,
): RefusalCode | undefined {
  const bucket = ownBucket(state, destination.bucket, owner);
  if (typeof bucket === 'string') return bucket;
  const target = entryOf(state, destination.bucket, bucket, destination.name);
  const problem = targetProblem(destination.condition, target);
  if (problem !== undefined) return problem;
  const entry: NameEntry = { object, height: block.height, etag, movingAs: null };
  return putEntry(state, destination.bucket, bucket, destination.name, entry, target);
}

// ---- Back at the source --------------------------------------------------------------------------------------

export interface MoveEnd {
  readonly bucket: BucketId;
  readonly name: Uint8Array;
  readonly etag: Uint8Array;
  readonly hasMoved: boolean;
}

function endOf({ source, owner, etag }: Arrival, hasMoved: boolean): Message {
  const payload: MoveEnd = { bucket: source.bucket, name: source.name, etag, hasMoved };
  return emptyMessage(bucketHome(source.bucket), 'end-move', payload, owner);
}

/** The entry is there and marked: nothing changes it, nor deletes its bucket, before this comes. So it is never refused. */
export const endMoveDelivery: Delivery<MoveEnd> = {
  kind: 'end-move',
  tag: 53,
  isReturn: true,
  schema: z
    .tuple([bucketIdSchema, nameSchema, bytesOf(ETAG_LENGTH), z.boolean()])
    .transform(([bucket, name, etag, hasMoved]): MoveEnd => ({ bucket, name, etag, hasMoved })),
  tuple: ({ bucket, name, etag, hasMoved }) => [bucket, name, etag, hasMoved],
  touches: (_message, { bucket }) => touchesOfName(bucket),
  execute: ({ state }, { bucket: id, name, etag, hasMoved }) => {
    const bucket = bucketOf(state, id);
    if (bucket === undefined) return 'no-such-bucket';
    const entry = entryOf(state, id, bucket, name);
    if (entry === undefined || entry.movingAs === null || !equal(entry.movingAs, etag)) return 'no-such-name';
    if (!hasMoved) return putEntry(state, id, bucket, name, { ...entry, movingAs: null }, entry);
    removeEntry(state, id, bucket, name, entry);
    return undefined;
  },
};
