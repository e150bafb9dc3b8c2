// Deletes a bucket that holds no names. A name that is on its way to another bucket is still held.

import { z } from 'zod';
import { bucketHome, type BucketId, bucketIdSchema, bucketKey, directoryOf, ownBucket } from '../bucket.ts';
import { removeDirectory } from '../directory/tree.ts';
import { homeOperation, type HomeOperation } from '../home-operation.ts';
import { touchesOfName } from '../names.ts';
import { forgetMessage } from './forget-bucket.ts';

export interface DeleteBucket {
  readonly bucket: BucketId;
}

export const deleteBucket: HomeOperation<DeleteBucket> = homeOperation({
  kind: 'delete-bucket',
  tag: 42,
  schema: z.tuple([bucketIdSchema]).transform(([bucket]): DeleteBucket => ({ bucket })),
  tuple: ({ bucket }) => [bucket],
  home: ({ bucket }) => bucketHome(bucket),
  touches: (_from, { bucket }) => touchesOfName(bucket),
  execute: ({ state, send }, { from, action }) => {
    const bucket = ownBucket(state, action.bucket, from);
    if (typeof bucket === 'string') return bucket;
    if (bucket.names > 0) return 'not-empty';
    removeDirectory(state, directoryOf(action.bucket, bucket));
    state.remove(bucketKey(action.bucket));
    send(forgetMessage(from, bucket.name));
    return undefined;
  },
});
