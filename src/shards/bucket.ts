// Buckets: a name of its owner's for a directory of objects, and the policy that objects put there follow. A bucket is named by the digest
// of (network, owner, name), so an owner has one of a name, and nobody can take a name from another.
//
// Records: the bucket at its own home, with the pages of its directory; the list of an owner's buckets at the owner's home, so that
// they can be found and shown complete.
//
// Invariant: `names` and `bytes` count what the directory holds.

import { z } from 'zod';
import { equal } from '../base/bytes.ts';
import { bigUint, digestOf, encode, label, listOf, uint } from '../base/codec.ts';
import { digest, type Sha256 } from '../base/hash.ts';
import type { Digest, NetworkId, OwnerId } from '../base/ids.ts';
import { BUCKETS_PER_OWNER_MAX, CODE_PIECES_MAX, DIRECTORY_HEIGHT_MAX } from '../base/limits.ts';
import type { Code } from '../replication/code.ts';
import type { Directory } from './directory/tree.ts';
import type { RefusalCode } from './operation.ts';
import { nameOfBytes, RecentKeys } from './recent-keys.ts';
import type { RecordType } from './record.ts';
import { type Home, homeOf, type StateKey, stateKey } from './state-key.ts';
import type { Overlay } from './view.ts';

declare const brand: unique symbol;
/** Digest of (network, owner, name). */
export type BucketId = Digest & { readonly [brand]: 'BucketId' };

/** What clients do for objects in the bucket, unless told otherwise. The chain keeps it and does not enforce it. */
export interface BucketPolicy {
  /** k = 1: n copies. Null: by the number of operators there are. */
  readonly code: Code | null;
  readonly isEncrypted: boolean;
  /** Whether gateways show it to anybody. Not with encryption: nobody else could read it. */
  readonly isPublic: boolean;
}

export const DEFAULT_POLICY: BucketPolicy = { code: null, isEncrypted: true, isPublic: false };

export interface Bucket {
  readonly owner: OwnerId;
  readonly name: string;
  readonly policy: BucketPolicy;
  readonly createdAtHeight: number;
  /** Levels of its directory. */
  readonly directoryHeight: number;
  readonly names: number;
  /** Sum of the lengths that the names state. */
  readonly bytes: bigint;
}

// ---- Form ----------------------------------------------------------------------------------------------------

export const codeSchema: z.ZodType<Code> = z
  .tuple([uint(CODE_PIECES_MAX), uint(CODE_PIECES_MAX)])
  .refine(([k, n]) => k >= 1 && k <= n, 'not 1 <= k <= n')
  .transform(([k, n]): Code => ({ k, n }));

export const codeTuple = ({ k, n }: Code): readonly unknown[] => [k, n];

export const policySchema: z.ZodType<BucketPolicy> = z
  .tuple([codeSchema.nullable(), z.boolean(), z.boolean()])
  .transform(([code, isEncrypted, isPublic]): BucketPolicy => ({ code, isEncrypted, isPublic }))
  .refine(({ isEncrypted, isPublic }) => !(isEncrypted && isPublic), 'public and encrypted');

export const policyTuple = ({ code, isEncrypted, isPublic }: BucketPolicy): readonly unknown[] => [
  code === null ? null : codeTuple(code),
  isEncrypted,
  isPublic,
];

export const bucketIdSchema: z.ZodType<BucketId> = digestOf<BucketId>();

export const bucketRecord: RecordType<Bucket> = {
  name: 'bucket',
  schema: z
    .tuple([
      digestOf<OwnerId>(),
      label,
      policySchema,
      uint(),
      uint(2 * DIRECTORY_HEIGHT_MAX),
      uint(),
      bigUint,
    ])
    .transform(
      ([owner, name, policy, createdAtHeight, directoryHeight, names, bytes]): Bucket => ({
        owner,
        name,
        policy,
        createdAtHeight,
        directoryHeight,
        names,
        bytes,
      }),
    ),
  tuple: (bucket) => [
    bucket.owner,
    bucket.name,
    policyTuple(bucket.policy),
    bucket.createdAtHeight,
    bucket.directoryHeight,
    bucket.names,
    bucket.bytes,
  ],
  isExact: true,
};

/** Names of an owner's buckets, ascending. */
export const bucketListRecord: RecordType<readonly string[]> = {
  name: 'bucket list',
  schema: z.tuple([listOf(label, BUCKETS_PER_OWNER_MAX)]).transform(([names]) => names),
  tuple: (names) => [names],
};

// ---- In the state --------------------------------------------------------------------------------------------

export function bucketIdOf(network: NetworkId, owner: OwnerId, name: string, sha256?: Sha256): BucketId {
  return digest('bucket', [encode([network, owner, name])], sha256) as BucketId;
}

export function bucketHome(bucket: BucketId): Home {
  return bucketKey(bucket).home;
}

export function bucketKey(bucket: BucketId): StateKey {
  return recent.get(nameOfBytes(bucket), () => stateKey(homeOf('bucket', bucket.slice()), 'bucket'));
}

const recent = new RecentKeys<StateKey>();

export function bucketListKey(owner: OwnerId): StateKey {
  return stateKey(homeOf('account', owner), 'bucket');
}

export function bucketOf(state: Overlay, bucket: BucketId): Bucket | undefined {
  return state.get(bucketKey(bucket), bucketRecord);
}

export function putBucket(state: Overlay, id: BucketId, bucket: Bucket): void {
  state.put(bucketKey(id), bucketRecord, bucket);
}

/** The bucket, which must be the owner's: for now nobody else writes to it. */
export function ownBucket(state: Overlay, id: BucketId, owner: OwnerId): Bucket | RefusalCode {
  const bucket = bucketOf(state, id);
  if (bucket === undefined) return 'no-such-bucket';
  return equal(bucket.owner, owner) ? bucket : 'not-the-owner';
}

export function directoryOf(id: BucketId, { directoryHeight }: Bucket): Directory {
  return { bucket: bucketHome(id), height: directoryHeight };
}

export function bucketListOf(state: Overlay, owner: OwnerId): readonly string[] {
  return state.get(bucketListKey(owner), bucketListRecord) ?? [];
}

export function putBucketList(state: Overlay, owner: OwnerId, names: readonly string[]): void {
  if (names.length === 0) state.remove(bucketListKey(owner));
  else state.put(bucketListKey(owner), bucketListRecord, names);
}
