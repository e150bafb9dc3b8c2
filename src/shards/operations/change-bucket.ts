// Another policy for a bucket. It tells clients what to do with objects put from now on; what is there stays as it is.

import { z } from 'zod';
import {
  bucketHome,
  type BucketId,
  bucketIdSchema,
  bucketKey,
  type BucketPolicy,
  ownBucket,
  policySchema,
  policyTuple,
  putBucket,
} from '../bucket.ts';
import { homeOperation, type HomeOperation } from '../home-operation.ts';

export interface ChangeBucket {
  readonly bucket: BucketId;
  readonly policy: BucketPolicy;
}

export const changeBucket: HomeOperation<ChangeBucket> = homeOperation({
  kind: 'change-bucket',
  tag: 41,
  schema: z
    .tuple([bucketIdSchema, policySchema])
    .transform(([bucket, policy]): ChangeBucket => ({ bucket, policy })),
  tuple: ({ bucket, policy }) => [bucket, policyTuple(policy)],
  home: ({ bucket }) => bucketHome(bucket),
  touches: (_from, { bucket }) => [bucketKey(bucket)],
  execute: ({ state }, { from, action }) => {
    const bucket = ownBucket(state, action.bucket, from);
    if (typeof bucket === 'string') return bucket;
    putBucket(state, action.bucket, { ...bucket, policy: action.policy });
    return undefined;
  },
});
