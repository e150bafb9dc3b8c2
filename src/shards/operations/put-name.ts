// Makes a name stand for an object, if the condition is met: a compare-and-swap that the bucket's home decides.

import { z } from 'zod';
import { bucketHome, type BucketId, bucketIdSchema, ownBucket } from '../bucket.ts';
import { homeOperation, type HomeOperation } from '../home-operation.ts';
import {
  type Condition,
  conditionSchema,
  conditionValue,
  etagOf,
  isMet,
  nameSchema,
  type ObjectReference,
  referenceSchema,
  referenceTuple,
} from '../name-entry.ts';
import { entryOf, putEntry, touchesOfName } from '../names.ts';

export interface PutName {
  readonly bucket: BucketId;
  /** Encrypted by its owner: bytes that are compared and not understood. */
  readonly name: Uint8Array;
  readonly object: ObjectReference;
  readonly condition: Condition;
}

export const putName: HomeOperation<PutName> = homeOperation({
  kind: 'put-name',
  tag: 43,
  schema: z
    .tuple([bucketIdSchema, nameSchema, referenceSchema, conditionSchema])
    .transform(([bucket, name, object, condition]): PutName => ({ bucket, name, object, condition })),
  tuple: ({ bucket, name, object, condition }) => [
    bucket,
    name,
    referenceTuple(object),
    conditionValue(condition),
  ],
  home: ({ bucket }) => bucketHome(bucket),
  touches: (_from, { bucket }) => touchesOfName(bucket),
  execute: ({ state, block }, { from, id, action }) => {
    const { name, object, condition } = action;
    const bucket = ownBucket(state, action.bucket, from);
    if (typeof bucket === 'string') return bucket;
    const before = entryOf(state, action.bucket, bucket, name);
    if (!isMet(condition, before)) return 'condition-failed';
    if (before !== undefined && before.movingAs !== null) return 'too-early';
    const entry = { object, height: block.height, etag: etagOf(id), movingAs: null };
    return putEntry(state, action.bucket, bucket, name, entry, before);
  },
});
