// The names of a bucket in the state: directory and counters change together.

import { find, put, remove } from './directory/tree.ts';
import { type Bucket, type BucketId, bucketHome, bucketKey, directoryOf, putBucket } from './bucket.ts';
import { pageKey } from './directory/page.ts';
import { decodeEntry, encodeEntry, type NameEntry } from './name-entry.ts';
import type { RefusalCode } from './operation.ts';
import type { StateKey } from './state-key.ts';
import type { Overlay } from './view.ts';

const BYTES_MAX = 2n ** 64n - 1n;
const FIRST: Uint8Array = new Uint8Array(0);

/** What a look-up reads in a bucket of one page; the others are found as the way goes down. */
export function touchesOfName(bucket: BucketId): readonly StateKey[] {
  return [bucketKey(bucket), pageKey(bucketHome(bucket), 0, FIRST)];
}

export function entryOf(
  state: Overlay,
  id: BucketId,
  bucket: Bucket,
  name: Uint8Array,
): NameEntry | undefined {
  const { value } = find(state, directoryOf(id, bucket), name);
  return value === undefined ? undefined : decodeEntry(value);
}

/** Writes `entry`, whatever `before` was under the name. */
export function putEntry(
  state: Overlay,
  id: BucketId,
  bucket: Bucket,
  name: Uint8Array,
  entry: NameEntry,
  before: NameEntry | undefined,
): RefusalCode | undefined {
  const bytes = bucket.bytes + lengthOf(entry) - lengthOf(before);
  if (bytes > BYTES_MAX) return 'limit-exceeded';
  const directory = put(state, directoryOf(id, bucket), name, encodeEntry(entry));
  if (directory === undefined) return 'limit-exceeded';
  const names = bucket.names + (before === undefined ? 1 : 0);
  putBucket(state, id, { ...bucket, directoryHeight: directory.height, names, bytes });
  return undefined;
}

export function removeEntry(
  state: Overlay,
  id: BucketId,
  bucket: Bucket,
  name: Uint8Array,
  entry: NameEntry,
): Bucket {
  const { height } = remove(state, directoryOf(id, bucket), name);
  const names = bucket.names - 1;
  const left = { ...bucket, directoryHeight: height, names, bytes: bucket.bytes - lengthOf(entry) };
  putBucket(state, id, left);
  return left;
}

const lengthOf = (entry: NameEntry | undefined): bigint => BigInt(entry?.object.lengthBytes ?? 0);
