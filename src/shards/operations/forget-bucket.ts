// Takes a bucket off its owner's list: it was deleted, or never came to be. While a name is on the list no bucket of that name is created, so
// this never takes off a later one.

import { z } from 'zod';
import { label } from '../../base/codec.ts';
import type { OwnerId } from '../../base/ids.ts';
import { bucketListKey, bucketListOf, putBucketList } from '../bucket.ts';
import { emptyMessage } from '../home-operation.ts';
import type { Delivery, Message } from '../operation.ts';
import { homeOf } from '../state-key.ts';

const KIND = 'forget-bucket';

export interface ForgetBucket {
  readonly name: string;
}

export const forgetBucketDelivery: Delivery<ForgetBucket> = {
  kind: KIND,
  tag: 51,
  isReturn: true,
  schema: z.tuple([label]).transform(([name]): ForgetBucket => ({ name })),
  tuple: ({ name }) => [name],
  touches: ({ to }) => [bucketListKey(to.id as OwnerId)],
  execute: ({ state, message }, { name }) => {
    const owner = message.to.id as OwnerId;
    const others = bucketListOf(state, owner).filter((other) => other !== name);
    putBucketList(state, owner, others);
    return undefined;
  },
};

export function forgetMessage(owner: OwnerId, name: string): Message {
  const payload: ForgetBucket = { name };
  return emptyMessage(homeOf('account', owner), KIND, payload, owner);
}
