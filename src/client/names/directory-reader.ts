// Reads a name of a bucket. What stands under it is proven, and so is that nothing does.

import { StoreError } from '../../base/errors.ts';
import { type Bucket, type BucketId, bucketIdOf, bucketOf } from '../../shards/bucket.ts';
import type { NameEntry } from '../../shards/name-entry.ts';
import { entryOf, touchesOfName } from '../../shards/names.ts';
import { readAll } from '../../shards/read-all.ts';
import type { Overlay } from '../../shards/view.ts';
import type { Answer, ReadOptions } from '../chain/types.ts';
import type { NamesContext } from './context.ts';
import { codecOf, type NameCodec } from './name-codec.ts';
import { checkBucketName, formatNameUri, type NamePath, RESERVED_PREFIX } from './path.ts';

export interface OpenBucket {
  readonly id: BucketId;
  readonly bucket: Bucket;
  readonly codec: NameCodec;
}

/** The owner's bucket as it is in `state`. Throws NOT_FOUND, INVALID_ARGUMENT; MissingRecords. */
export function openBucket(state: Overlay, { chain, owner, keys }: NamesContext, name: string): OpenBucket {
  if (!name.startsWith(RESERVED_PREFIX)) checkBucketName(name);
  const id = bucketIdOf(chain.network, owner, name);
  readAll(state, touchesOfName(id));
  const bucket = bucketOf(state, id);
  if (bucket === undefined) {
    throw new StoreError('NOT_FOUND', `there is no bucket ${name}`, {
      next: `Create it first: store bucket create ${name}.`,
    });
  }
  return { id, bucket, codec: codecOf(keys, id, bucket) };
}

/** What a name stands for, in `state`. */
export interface FoundName extends OpenBucket {
  /** As the chain has it. */
  readonly name: Uint8Array;
  readonly entry: NameEntry | undefined;
}

/** Throws what `openBucket` and `NameCodec.encode` throw. */
export function nameIn(state: Overlay, context: NamesContext, { bucket, key }: NamePath): FoundName {
  const open = openBucket(state, context, bucket);
  const name = open.codec.encode(key);
  return { ...open, name, entry: entryOf(state, open.id, open.bucket, name) };
}

/** Undefined: proven not to be there. Throws NOT_FOUND without the bucket, INVALID_ARGUMENT, and what reading throws. */
export function findName(
  context: NamesContext,
  path: NamePath,
  options: ReadOptions = {},
): Promise<Answer<NameEntry | undefined>> {
  return context.chain.read((state) => nameIn(state, context, path).entry, options);
}

/** Throws NOT_FOUND, also without the bucket, INVALID_ARGUMENT, and what reading throws. */
export async function statName(
  context: NamesContext,
  path: NamePath,
  options: ReadOptions = {},
): Promise<Answer<NameEntry>> {
  const { value, ...moment } = await findName(context, path, options);
  if (value === undefined) throw noSuchName(path);
  return { ...moment, value };
}

export function noSuchName(path: NamePath): StoreError {
  return new StoreError('NOT_FOUND', `there is no ${formatNameUri(path)}`, {
    next: `Look at what is there with "store ls store://${path.bucket}/".`,
  });
}
