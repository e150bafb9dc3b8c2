// Buckets of the owner: made, listed, changed, deleted. What came of an action is read from the proven state, at the bucket's home and on the
// owner's list, once everything that belongs to it has arrived there.

import { StoreError } from '../../base/errors.ts';
import { BUCKETS_PER_OWNER_MAX } from '../../base/limits.ts';
import type { Code } from '../../replication/code.ts';
import { checkCode } from '../../replication/code.ts';
import { accountHome } from '../../shards/account.ts';
import {
  type Bucket,
  bucketHome,
  type BucketId,
  bucketIdOf,
  bucketListOf,
  bucketOf,
  type BucketPolicy,
  DEFAULT_POLICY,
} from '../../shards/bucket.ts';
import type { Home } from '../../shards/state-key.ts';
import type { Overlay } from '../../shards/view.ts';
import type { Answer, ReadOptions } from '../chain/types.ts';
import type { Job, Written } from './batch.ts';
import { type CallOptions, type NamesContext, refusedBecause } from './context.ts';
import { openBucket } from './directory-reader.ts';
import { checkBucketName, RESERVED_PREFIX } from './path.ts';
import { readSettled } from './settle.ts';

export interface BucketView {
  readonly name: string;
  readonly policy: BucketPolicy;
  readonly createdAtHeight: number;
  readonly names: number;
  /** Sum of the lengths of what the names stand for. */
  readonly bytes: bigint;
}

/** What is left out is as in DEFAULT_POLICY, or stays. */
export interface PolicyOptions {
  readonly code?: Code | null;
  readonly isEncrypted?: boolean;
  readonly isPublic?: boolean;
}

// ---- Reading -------------------------------------------------------------------------------------------------

/** Throws NOT_FOUND, INVALID_ARGUMENT, and what reading throws. */
export function statBucket(
  context: NamesContext,
  name: string,
  options: ReadOptions = {},
): Promise<Answer<BucketView>> {
  return context.chain.read((state) => viewOf(openBucket(state, context, name).bucket), options);
}

/** Names of the owner's buckets, ascending. Those that clients keep for themselves are left out. */
export function listBuckets(
  { chain, owner }: NamesContext,
  options: ReadOptions = {},
): Promise<Answer<readonly string[]>> {
  return chain.read(
    (state) => bucketListOf(state, owner).filter((name) => !name.startsWith(RESERVED_PREFIX)),
    options,
  );
}

function viewOf({ name, policy, createdAtHeight, names, bytes }: Bucket): BucketView {
  return { name, policy, createdAtHeight, names, bytes };
}

// ---- Changing ------------------------------------------------------------------------------------------------

/** Throws ALREADY_EXISTS, INVALID_ARGUMENT, FULL (the owner has as many as there may be), and what writing throws. */
export async function createBucket(
  context: NamesContext,
  name: string,
  options: PolicyOptions & CallOptions = {},
): Promise<BucketView> {
  return makeBucket(context, checkBucketName(name), options);
}

/** Of any name, those that clients keep for themselves too. */
export async function makeBucket(
  context: NamesContext,
  name: string,
  { signal, ...options }: PolicyOptions & CallOptions,
): Promise<BucketView> {
  const { owner } = context;
  const policy = policyWith(DEFAULT_POLICY, options);
  const bucket = bucketId(context, name);
  const written = await context.writer.write(
    {
      subjects: subjectsOf(name),
      decide: (state) => {
        const names = bucketListOf(state, owner);
        if (names.includes(name)) throw taken(name);
        if (names.length === BUCKETS_PER_OWNER_MAX) throw tooMany();
        return { action: { kind: 'create-bucket', parameters: { bucket, name, policy } }, basis: undefined };
      },
    },
    signal,
  );
  const made = await afterwards(context, bucket, written, signal, (state) => bucketOf(state, bucket));
  if (made === undefined) throw notDone(`create bucket ${name}`, written);
  if (made.createdAtHeight < written.height) throw taken(name);
  return viewOf(made);
}

/**
 * Throws NOT_FOUND, INVALID_ARGUMENT, and CONDITION_FAILED when names that are there would have to be encrypted or decrypted.
 */
export async function changeBucket(
  context: NamesContext,
  name: string,
  { signal, ...options }: PolicyOptions & CallOptions,
): Promise<BucketView> {
  const bucket = bucketId(context, name);
  const job: Job<BucketPolicy> = {
    subjects: subjectsOf(name),
    decide: (state) => {
      const before = openBucket(state, context, name).bucket;
      const policy = policyWith(before.policy, options);
      if (policy.isEncrypted !== before.policy.isEncrypted && before.names > 0) throw hasNames(name);
      return { action: { kind: 'change-bucket', parameters: { bucket, policy } }, basis: policy };
    },
  };
  const written = await context.writer.write(job, signal);
  const after = await afterwards(context, bucket, written, signal, (state) => bucketOf(state, bucket));
  if (after === undefined) throw refusedBecause(`change bucket ${name}`, written.refusal ?? 'no-such-bucket');
  if (!isSamePolicy(after.policy, written.basis)) throw notDone(`change bucket ${name}`, written);
  return viewOf(after);
}

/** Throws NOT_FOUND, CONDITION_FAILED when it holds names, and what writing throws. */
export async function deleteBucket(
  context: NamesContext,
  name: string,
  { signal }: CallOptions = {},
): Promise<void> {
  const bucket = bucketId(context, name);
  const job: Job<undefined> = {
    subjects: subjectsOf(name),
    decide: (state) => {
      if (openBucket(state, context, name).bucket.names > 0) throw notEmpty(name);
      return { action: { kind: 'delete-bucket', parameters: { bucket } }, basis: undefined };
    },
  };
  const written = await context.writer.write(job, signal);
  const left = await afterwards(context, bucket, written, signal, (state) => bucketOf(state, bucket));
  if (left === undefined) return;
  throw left.names > 0 ? notEmpty(name) : notDone(`delete bucket ${name}`, written);
}

function bucketId({ chain, owner }: NamesContext, name: string): BucketId {
  return bucketIdOf(chain.network, owner, name);
}

function subjectsOf(name: string): readonly string[] {
  return [`bucket ${name}`];
}

/** Waits for the message to the bucket and for the one that may come back to the owner's list. */
async function afterwards<T>(
  { chain, owner }: NamesContext,
  bucket: BucketId,
  { height }: Written<unknown>,
  signal: AbortSignal | undefined,
  decide: (state: Overlay) => T,
): Promise<T> {
  const [account, home]: readonly Home[] = [accountHome(owner), bucketHome(bucket)];
  const more = signal === undefined ? {} : { signal };
  const there = await readSettled(chain, [account!, home!], () => undefined, { sentAt: height, ...more });
  const back = await readSettled(chain, [home!, account!], decide, { sentAt: there.height, ...more });
  return back.value;
}

function policyWith(before: BucketPolicy, options: PolicyOptions): BucketPolicy {
  const { code = before.code, isEncrypted = before.isEncrypted, isPublic = before.isPublic } = options;
  if (code !== null) checkCode(code);
  if (isEncrypted && isPublic) {
    throw new StoreError(
      'INVALID_ARGUMENT',
      'a public bucket cannot be encrypted: nobody else could read it',
      {
        next: 'Make it public and not encrypted, or neither.',
      },
    );
  }
  return { code, isEncrypted, isPublic };
}

function isSamePolicy(a: BucketPolicy, b: BucketPolicy): boolean {
  const isSameCode = a.code?.k === b.code?.k && a.code?.n === b.code?.n;
  return isSameCode && a.isEncrypted === b.isEncrypted && a.isPublic === b.isPublic;
}

// ---- What goes wrong -----------------------------------------------------------------------------------------

function notDone(what: string, { refusal }: Written<unknown>): StoreError {
  if (refusal !== undefined) return refusedBecause(what, refusal);
  return new StoreError('REFUSED', `${what}: the chain did not do it, or another program undid it`, {
    next: 'Look at "store bucket ls", and try again.',
  });
}

function taken(name: string): StoreError {
  return new StoreError('ALREADY_EXISTS', `bucket ${name} is there already`, {
    next: 'Choose another name.',
  });
}

function tooMany(): StoreError {
  return new StoreError('FULL', `there are ${BUCKETS_PER_OWNER_MAX} buckets, as many as a key may have`, {
    next: 'Delete one that is empty.',
  });
}

function notEmpty(name: string): StoreError {
  return new StoreError('CONDITION_FAILED', `bucket ${name} is not empty`, {
    next: `Remove what is in it first: store ls store://${name}/.`,
  });
}

function hasNames(name: string): StoreError {
  return new StoreError('CONDITION_FAILED', `the names in bucket ${name} would have to be written anew`, {
    next: 'Create another bucket, and move the objects there.',
  });
}
