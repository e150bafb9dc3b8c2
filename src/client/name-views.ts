// How names and buckets on the chain become what a program sees, and what a program says of them what the chain understands.

import { short } from '../base/bytes.ts';
import { cidOfDigest, cidToText } from '../base/cid.ts';
import { StoreError } from '../base/errors.ts';
import type { BucketPolicy } from '../shards/bucket.ts';
import type { Condition, NameEntry, ObjectReference } from '../shards/name-entry.ts';
import type { Context } from './context.ts';
import type { BucketOptions, BucketView, NameCondition, NameStat } from './name-types.ts';
import type { BucketView as BucketState } from './names/bucket-operations.ts';
import { ANY, formatEtag, parseEtag } from './names/condition.ts';
import type { NamesContext } from './names/context.ts';
import { unwrapKey } from './names/name-cipher.ts';
import { formatNameUri, type NamePath } from './names/path.ts';
import type { ObjectUri } from './uri.ts';

/** Throws WRONG_KEY when the content key was wrapped for another key. */
export function objectUri(
  { networkId }: Context,
  { keys }: NamesContext,
  reference: ObjectReference,
): ObjectUri {
  const { object, wrappedKey } = reference;
  const key = wrappedKey.length === 0 ? undefined : unwrapKey(keys, object, wrappedKey);
  return { ...publicUri(reference), network: short(networkId), key };
}

export function publicUri({ manifest }: ObjectReference): Pick<ObjectUri, 'cid' | 'digest'> {
  return { cid: cidToText(cidOfDigest(manifest)), digest: manifest };
}

export function nameView(path: NamePath, { object, etag, height }: NameEntry): NameStat {
  return {
    uri: formatNameUri(path),
    ...path,
    etag: formatEtag(etag),
    sizeBytes: object.lengthBytes,
    cid: publicUri(object).cid,
    isEncrypted: object.wrappedKey.length > 0,
    writtenAtHeight: height,
  };
}

/** Throws INVALID_ARGUMENT. */
export function conditionOf({ ifMatch, ifNoneMatch }: NameCondition = {}): Condition {
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    throw new StoreError('INVALID_ARGUMENT', 'ifMatch and ifNoneMatch exclude one another', {
      next: 'Give one of them.',
    });
  }
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch === '*') return { kind: 'absent' };
    throw new StoreError('INVALID_ARGUMENT', 'ifNoneMatch is * or nothing', { next: 'Give "*".' });
  }
  if (ifMatch === undefined) return ANY;
  return ifMatch === '*' ? { kind: 'present' } : { kind: 'match', etag: parseEtag(ifMatch) };
}

export function policyOf({ code, isEncrypted, isPublic }: BucketOptions): Partial<BucketPolicy> {
  return {
    ...(code === undefined ? {} : { code }),
    ...(isEncrypted === undefined ? {} : { isEncrypted }),
    ...(isPublic === undefined ? {} : { isPublic }),
  };
}

export function bucketView({ name, policy, names, bytes, createdAtHeight }: BucketState): BucketView {
  return { name, ...policy, names, bytes, createdAtHeight };
}
