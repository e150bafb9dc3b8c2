// Objects that have several names. The chain does not count names: an object stays registered until its owner deletes it, whatever its names
// do. So that an object which lost a name can be deleted with the last one, and never before, clients keep a note of every object that
// ever got a second name: a name of its own, the object's id, in the bucket `holdfast.copies`. An object without a note has one name at most.
//
// A note is written before the second name is, and who copies looks at the old name again then. Who takes a name away looks for a note
// afterwards. So either the note is seen and the object stays, or the copy sees that the old name is gone.

import { equal, short, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import { LISTING_NAMES_MAX } from '../../base/limits.ts';
import type { ObjectId } from '../../base/ids.ts';
import { accountHome } from '../../shards/account.ts';
import { bucketListOf } from '../../shards/bucket.ts';
import type { Condition, ObjectReference } from '../../shards/name-entry.ts';
import { objectOf } from '../../shards/object-record.ts';
import { objectHome } from '../../shards/state-key.ts';
import type { Action } from '../../shards/transaction.ts';
import type { Overlay } from '../../shards/view.ts';
import { makeBucket } from './bucket-operations.ts';
import { ANY, checkCondition } from './condition.ts';
import { type CallOptions, type NamesContext, refusedBecause } from './context.ts';
import { nameIn, noSuchName, statName } from './directory-reader.ts';
import { listNames } from './name-listing.ts';
import { dropName, putName, type PutName, type WriteOptions } from './name-operations.ts';
import { subjectOfObject } from './registration.ts';
import { formatNameUri, type NamePath, RESERVED_PREFIX } from './path.ts';
import { readSettled } from './settle.ts';

const COPIES: string = `${RESERVED_PREFIX}copies`;

// ---- Copy ----------------------------------------------------------------------------------------------------

export interface CopyOptions extends CallOptions {
  /** What must be true of the new name. Default: anything. */
  readonly to?: Condition;
}

/**
 * A second name for the same object: no byte of it is sent. Throws NOT_FOUND for the old name or a bucket, NameConflict for the new one,
 * and what writing throws.
 */
export async function copyName(
  context: NamesContext,
  from: NamePath,
  to: NamePath,
  { to: condition = ANY, signal }: CopyOptions = {},
): Promise<PutName> {
  const more = signal === undefined ? {} : { signal };
  const text = formatNameUri(to);
  const { value: object } = await context.chain.read((state) => {
    const { entry } = nameIn(state, context, from);
    if (entry === undefined) throw noSuchName(from);
    if (!isRegistered(state, entry.object.object)) throw notRegistered(from);
    checkCondition(text, condition, nameIn(state, context, to).entry);
    return entry.object;
  }, more);
  const noted = await note(context, object, more);
  // From here on nobody deletes the object with the old name: if that is still there now, the object is.
  const again = await statName(context, from, { ...more, atLeast: noted });
  if (!equal(again.value.object.object, object.object)) throw noSuchName(from);
  const put = await putName(context, to, object, { condition, ...more });
  const look = { ...more, atLeast: put.height };
  const { value: isThere } = await context.chain.read((state) => isRegistered(state, object.object), look);
  if (isThere) return put;
  // All that was named nowhere else was deleted meanwhile.
  await dropName(context, to, { condition: { kind: 'match', etag: put.etag }, ...more });
  throw new StoreError('NOT_FOUND', `${formatNameUri(from)} was deleted while it was copied`, {
    next: 'Look at what is there, and decide again.',
  });
}

/** Gives the height at which the note can be seen. */
async function note(context: NamesContext, object: ObjectReference, options: CallOptions): Promise<number> {
  const path = noteOf(object.object);
  const isNoted = (state: Overlay): boolean => hasNote(state, context, object.object);
  const { value, height } = await context.chain.read(isNoted, options);
  if (value) return height;
  try {
    return (await putName(context, path, object, options)).height;
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
  }
  try {
    await makeBucket(context, COPIES, options);
  } catch (error) {
    // Another program was faster.
    if (!(error instanceof StoreError) || error.code !== 'ALREADY_EXISTS') throw error;
  }
  return (await putName(context, path, object, options)).height;
}

function noteOf(object: ObjectId): NamePath {
  return { bucket: COPIES, key: toHex(object) };
}

function hasNote(state: Overlay, context: NamesContext, object: ObjectId): boolean {
  if (!bucketListOf(state, context.owner).includes(COPIES)) return false;
  return nameIn(state, context, noteOf(object)).entry !== undefined;
}

function isRegistered(state: Overlay, object: ObjectId): boolean {
  const record = objectOf(state, object);
  return record !== undefined && !record.isLeaving;
}

// ---- Remove --------------------------------------------------------------------------------------------------

/** What became of an object that lost a name. */
export type Release =
  /** Nobody finds it any more, and its holders give the space back. */
  | 'deleted'
  /** It has, or had, other names: `releaseUnnamed` looks. */
  | 'kept'
  /** It was not there, or belongs to somebody else. */
  | 'not-ours'
  /** Another program changed the name at the same moment, so it cannot be told which object lost it. */
  | 'unknown';

/** Takes the name away, and deletes the object if that was the only name it ever had. Throws what `dropName` throws. */
export async function removeName(
  context: NamesContext,
  path: NamePath,
  options: WriteOptions = {},
): Promise<Release> {
  const { signal } = options;
  const { removed, height } = await dropName(context, path, options);
  if (removed === undefined) return 'unknown';
  return releaseObject(context, removed.object, height, signal === undefined ? {} : { signal });
}

/** Deletes an object that lost a name at `height`, unless it has had others. */
export async function releaseObject(
  context: NamesContext,
  object: ObjectId,
  height: number,
  options: CallOptions = {},
): Promise<Release> {
  const { value } = await context.chain.read((state) => hasNote(state, context, object), {
    atLeast: height,
    ...options,
  });
  return value ? 'kept' : deleteObject(context, object, options);
}

/**
 * Deletes every object that had several names and has none left; gives how many. Reads all names of the owner. Not to be run while
 * other programs copy or move names.
 */
export async function releaseUnnamed(context: NamesContext, options: CallOptions = {}): Promise<number> {
  let deleted = 0;
  let token: string | undefined;
  const { value: buckets } = await context.chain.read((state) => bucketListOf(state, context.owner), options);
  if (!buckets.includes(COPIES)) return 0;
  const others = buckets.filter((name) => name !== COPIES);
  do {
    const notes = await listNames(context, COPIES, {
      maxKeys: LISTING_NAMES_MAX,
      ...continued(token),
      ...options,
    });
    const unnamed = new Map(
      notes.names.map(({ entry }) => [toHex(entry.object.object), entry.object.object]),
    );
    for (const bucket of others) await forEachObject(context, bucket, (id) => unnamed.delete(id), options);
    for (const object of unnamed.values()) {
      await deleteObject(context, object, options);
      await dropName(context, noteOf(object), options);
      deleted++;
    }
    token = notes.next;
  } while (token !== undefined);
  return deleted;
}

async function forEachObject(
  context: NamesContext,
  bucket: string,
  visit: (object: string) => void,
  options: CallOptions,
): Promise<void> {
  let token: string | undefined;
  do {
    const listing = await listNames(context, bucket, { ...continued(token), ...options });
    if (listing.unreadable > 0) throw unreadable(bucket);
    for (const { entry } of listing.names) visit(toHex(entry.object.object));
    token = listing.next;
  } while (token !== undefined);
}

const continued = (token: string | undefined): { readonly continuationToken?: string } =>
  token === undefined ? {} : { continuationToken: token };

/** The chain forgets the object. One transaction takes away so many records: it is repeated until none is left. */
export async function deleteObject(
  { chain, owner, writer }: NamesContext,
  object: ObjectId,
  options: CallOptions,
): Promise<Release> {
  const { value: record } = await chain.read((state) => objectOf(state, object), options);
  if (record === undefined || !equal(record.owner, owner)) return 'not-ours';
  const way = [accountHome(owner), objectHome(object)] as const;
  const action: Action = { kind: 'delete-object', parameters: { object } };
  const job = { subjects: [subjectOfObject(object)], decide: () => ({ action, basis: undefined }) };
  const registered = (state: Overlay): number | undefined => objectOf(state, object)?.registered;
  for (let before = record.registered; ; ) {
    const { height, refusal } = await writer.write(job, options.signal);
    const { value: left } = await readSettled(chain, way, registered, { sentAt: height, ...options });
    if (left === undefined) return 'deleted';
    if (left >= before) throw refusedBecause(`delete object ${short(object)}`, refusal ?? 'too-early');
    before = left;
  }
}

function notRegistered(path: NamePath): StoreError {
  return new StoreError('NOT_FOUND', `the chain does not know the object of ${formatNameUri(path)}`, {
    next: 'Put the object again.',
  });
}

function unreadable(bucket: string): StoreError {
  return new StoreError('WRONG_KEY', `bucket ${bucket} has names that this key cannot read`, {
    next: 'Use the key with which they were made.',
  });
}
