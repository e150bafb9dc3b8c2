// Takes a name out of its bucket, if the condition is met. The object stays registered until it is deleted itself.

import { z } from 'zod';
import { bucketHome, type BucketId, bucketIdSchema, ownBucket } from '../bucket.ts';
import { homeOperation, type HomeOperation } from '../home-operation.ts';
import { type Condition, conditionSchema, conditionValue, isMet, nameSchema } from '../name-entry.ts';
import { entryOf, removeEntry, touchesOfName } from '../names.ts';

export interface DeleteName {
  readonly bucket: BucketId;
  readonly name: Uint8Array;
  readonly condition: Condition;
}

export const deleteName: HomeOperation<DeleteName> = homeOperation({
  kind: 'delete-name',
  tag: 44,
  schema: z
    .tuple([bucketIdSchema, nameSchema, conditionSchema])
    .transform(([bucket, name, condition]): DeleteName => ({ bucket, name, condition })),
  tuple: ({ bucket, name, condition }) => [bucket, name, conditionValue(condition)],
  home: ({ bucket }) => bucketHome(bucket),
  touches: (_from, { bucket }) => touchesOfName(bucket),
  execute: ({ state }, { from, action }) => {
    const { bucket: id, name, condition } = action;
    const bucket = ownBucket(state, id, from);
    if (typeof bucket === 'string') return bucket;
    const entry = entryOf(state, id, bucket, name);
    if (entry === undefined) return 'no-such-name';
    if (!isMet(condition, entry)) return 'condition-failed';
    if (entry.movingAs !== null) return 'too-early';
    removeEntry(state, id, bucket, name, entry);
    return undefined;
  },
});
