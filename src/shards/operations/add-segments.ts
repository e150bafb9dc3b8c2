// The next segments of an object that is too large for one transaction. They are added in order; whoever repeats a part is told so.

import { z } from 'zod';
import { digestOf, uint } from '../../base/codec.ts';
import type { ObjectId } from '../../base/ids.ts';
import { MANIFEST_PAGES_MAX, PAGE_SEGMENTS_MAX } from '../../base/limits.ts';
import type { SegmentRecord } from '../../replication/manifest.ts';
import { areSegmentsHeld } from '../availability.ts';
import { emptyMessage, orderSchema, orderTuple } from '../home-operation.ts';
import { appendSegments, isExpired, objectKey, putObject, segmentsKey } from '../object-record.ts';
import {
  isSameShape,
  type ObjectShape,
  segmentCount,
  segmentsPerRecord,
  shapeSchema,
  shapeTuple,
} from '../object-shape.ts';
import { ownObject } from '../object-access.ts';
import type { Delivery, Operation } from '../operation.ts';
import {
  type PlacedSegment,
  segmentsSchema,
  segmentsTuple,
  signedSegmentsSchema,
  signedSegmentsTuple,
} from '../segments.ts';
import { objectHome, type StateKey } from '../state-key.ts';
import { storageMembersOf, touchesOfMembers } from '../storage-members.ts';
import type { Order } from '../system-operation.ts';
import { subjectOf, unsigned } from './register-object.ts';

export interface AddSegments<Segment = SegmentRecord> {
  readonly object: ObjectId;
  /** As it was registered: the sender's home, which checks the certificates, does not know it. */
  readonly shape: ObjectShape;
  /** Number of the first of them, that is of those that were registered before. */
  readonly first: number;
  readonly segments: readonly Segment[];
}

const SEGMENTS_MAX = MANIFEST_PAGES_MAX * PAGE_SEGMENTS_MAX;

function schemaOf<Segment>(segments: z.ZodType<readonly Segment[]>): z.ZodType<AddSegments<Segment>> {
  return z
    .tuple([digestOf<ObjectId>(), shapeSchema, uint(SEGMENTS_MAX), segments])
    .transform(([object, shape, first, added]) => ({ object, shape, first, segments: added }))
    .refine(({ segments: added }) => added.length > 0, 'no segments')
    .refine(
      ({ shape, first, segments: added }) => first + added.length <= segmentCount(shape),
      'more segments than it has',
    );
}

export const addSegments: Operation<AddSegments> = {
  kind: 'add-segments',
  tag: 47,
  schema: schemaOf(signedSegmentsSchema),
  tuple: ({ object, shape, first, segments }) => [
    object,
    shapeTuple(shape),
    first,
    signedSegmentsTuple(segments),
  ],
  touches: (_sender, action) => [...touchesOfMembers(), ...touchesOfSegments(action)],
  recipients: (_sender, { object }) => [objectHome(object)],
  commit: ({ state, block, sender, transactionId, send }, action) => {
    const { object, shape, first, segments } = action;
    const subject = subjectOf(storageMembersOf(state, block), block, object);
    if (!areSegmentsHeld(subject, shape, first, segments)) return 'invalid-certificate';
    const placed: AddSegments<PlacedSegment> = { ...action, segments: segments.map(unsigned) };
    const payload = { from: sender, id: transactionId, action: placed };
    send(emptyMessage(objectHome(object), 'add-segments', payload, sender));
    return undefined;
  },
};

function touchesOfSegments({ object, shape, first }: AddSegments<unknown>): readonly StateKey[] {
  const part = Math.floor(first / segmentsPerRecord(shape.code));
  return [objectKey(object), segmentsKey(object, part)];
}

const placedSchema = schemaOf(segmentsSchema);

export const addSegmentsDelivery: Delivery<Order<AddSegments<PlacedSegment>>> = {
  kind: 'add-segments',
  tag: 47,
  schema: orderSchema(placedSchema),
  tuple: (order) =>
    orderTuple(order, ({ object, shape, first, segments }) => [
      object,
      shapeTuple(shape),
      first,
      segmentsTuple(segments),
    ]),
  touches: (_message, { action }) => touchesOfSegments(action),
  execute: ({ state, block }, { from, action }) => {
    const { object: id, shape, first, segments } = action;
    const object = ownObject(state, id, from);
    if (typeof object === 'string') return object;
    if (isExpired(object, block.timeMs)) return 'expired';
    if (!isSameShape(object.shape, shape)) return 'invalid-argument';
    if (object.registered !== first) return 'condition-failed';
    const grown = appendSegments(state, id, object, segments);
    putObject(state, id, { ...grown, registeredAtHeight: block.height });
    return undefined;
  },
};
