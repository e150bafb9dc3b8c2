// A new bucket. The owner's list takes its name first, so that an owner never has more than fit; should the bucket's home refuse or not
// be reached in time, the name is taken off again.

import { z } from 'zod';
import { equal } from '../../base/bytes.ts';
import { label } from '../../base/codec.ts';
import { BUCKETS_PER_OWNER_MAX } from '../../base/limits.ts';
import {
  bucketHome,
  type BucketId,
  bucketIdOf,
  bucketIdSchema,
  bucketListKey,
  bucketListOf,
  bucketOf,
  type BucketPolicy,
  policySchema,
  policyTuple,
  putBucket,
  putBucketList,
} from '../bucket.ts';
import { foundDirectory } from '../directory/tree.ts';
import { homeOperation, type HomeOperation } from '../home-operation.ts';
import { touchesOfName } from '../names.ts';
import type { CommitContext, RefusalCode } from '../operation.ts';
import { forgetMessage } from './forget-bucket.ts';

export interface CreateBucket {
  /** `bucketIdOf` network, sender and name. */
  readonly bucket: BucketId;
  readonly name: string;
  readonly policy: BucketPolicy;
}

const shared: HomeOperation<CreateBucket> = homeOperation({
  kind: 'create-bucket',
  tag: 40,
  schema: z
    .tuple([bucketIdSchema, label, policySchema])
    .transform(([bucket, name, policy]): CreateBucket => ({ bucket, name, policy })),
  tuple: ({ bucket, name, policy }) => [bucket, name, policyTuple(policy)],
  home: ({ bucket }) => bucketHome(bucket),
  touchesAtSender: (sender) => [bucketListKey(sender)],
  check: takeName,
  touches: (_from, { bucket }) => touchesOfName(bucket),
  execute: ({ state, block }, { from, action }) => {
    const { bucket: id, name, policy } = action;
    if (bucketOf(state, id) !== undefined) return 'already-exists';
    const { height } = foundDirectory(state, bucketHome(id));
    const empty = { directoryHeight: height, names: 0, bytes: 0n };
    putBucket(state, id, { owner: from, name, policy, createdAtHeight: block.height, ...empty });
    return undefined;
  },
});

export const createBucket: HomeOperation<CreateBucket> = {
  operation: shared.operation,
  delivery: {
    ...shared.delivery,
    undo: (_message, { from, action }) => forgetMessage(from, action.name),
  },
};

function takeName(
  { state, sender, block }: CommitContext,
  { bucket, name }: CreateBucket,
): RefusalCode | undefined {
  if (!equal(bucket, bucketIdOf(block.network, sender, name, block.sha256))) return 'invalid-argument';
  const names = bucketListOf(state, sender);
  if (names.includes(name)) return 'already-exists';
  if (names.length === BUCKETS_PER_OWNER_MAX) return 'limit-exceeded';
  putBucketList(state, sender, [...names, name].sort());
  return undefined;
}
