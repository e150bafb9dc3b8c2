// Names given to objects, taken away, looked at. A name is a compare-and-swap register at its bucket's home: the condition of a write is
// decided there, and what came of it is read there.
//
// Several programs may write with the same key. What a write did can be told with certainty as long as one of these holds: its own entry is
// there; no later transaction of the account has been included; the entry that is there is older than the write; or the state that was
// decided on was the last before it. Otherwise somebody wrote the name at the same moment, and NameConflict says so.

import { equal } from '../../base/bytes.ts';
import { StoreError, toStoreError } from '../../base/errors.ts';
import { accountHome, accountOf } from '../../shards/account.ts';
import { bucketHome, bucketOf } from '../../shards/bucket.ts';
import { type Condition, etagOf, type NameEntry, type ObjectReference } from '../../shards/name-entry.ts';
import { entryOf } from '../../shards/names.ts';
import type { Overlay } from '../../shards/view.ts';
import type { Answer } from '../chain/types.ts';
import type { Written } from './batch.ts';
import { ANY, checkCondition, overtaken } from './condition.ts';
import { type CallOptions, type NamesContext, refusedBecause } from './context.ts';
import { type FoundName, nameIn, noSuchName } from './directory-reader.ts';
import { formatNameUri, type NamePath } from './path.ts';
import { isQuiet, readSettled } from './settle.ts';

export interface WriteOptions extends CallOptions {
  /** What must be true of the name. Default: anything. */
  readonly condition?: Condition;
}

export interface PutName {
  readonly etag: Uint8Array;
  /** At which the name certainly stood for the object, unless it was overtaken. */
  readonly height: number;
  /** The name has been written again by another program since. */
  readonly isOvertaken: boolean;
  /** The object that lost this name; undefined: none, or it cannot be told. */
  readonly replaced: ObjectReference | undefined;
}

export interface RemovedName {
  readonly height: number;
  /** The object that lost this name; undefined: it cannot be told, as another program changed the name at the same time. */
  readonly removed: ObjectReference | undefined;
}

/** What a write was decided on. */
export interface Basis {
  readonly found: FoundName;
  /** Nothing was on its way that might have changed it before the write came. */
  readonly isQuiet: boolean;
}

/** What is there when the write has arrived. */
export interface Aftermath {
  readonly entry: NameEntry | undefined;
  readonly hasBucket: boolean;
  /** No transaction of the account came after the write. */
  readonly isLast: boolean;
}

// ---- Put -----------------------------------------------------------------------------------------------------

/**
 * Makes the name stand for the object, which has no other name (`copyName` gives it one). Throws NameConflict (CONDITION_FAILED), NOT_FOUND
 * without the bucket, INVALID_ARGUMENT, BUSY while the name is on its way to another bucket, and what writing throws.
 */
export async function putName(
  context: NamesContext,
  path: NamePath,
  object: ObjectReference,
  { condition = ANY, signal }: WriteOptions = {},
): Promise<PutName> {
  const text = formatNameUri(path);
  const written = await context.writer.write(
    {
      subjects: [subjectOf(path)],
      decide: (state) => {
        const found = nameIn(state, context, path);
        checkCondition(text, condition, found.entry);
        const parameters = { bucket: found.id, name: found.name, object, condition };
        return { action: { kind: 'put-name', parameters }, basis: basisOf(state, found) };
      },
    },
    signal,
  );
  const { value: after, height } = await aftermath(context, written.basis.found, written, signal);
  const etag = etagOf(written.id);
  const { entry } = written.basis.found;
  const replaced = isCertain(written) ? entry?.object : undefined;
  if (after.entry !== undefined && equal(after.entry.etag, etag)) {
    return { etag, height, isOvertaken: false, replaced };
  }
  if (isRefused(written, after)) throw whyRefused(text, condition, written, after);
  if (isCertain(written)) return { etag, height, isOvertaken: true, replaced };
  // Only a later write can have put another entry in place of one that no condition kept out.
  if (condition.kind === 'any' && after.entry !== undefined) {
    return { etag, height, isOvertaken: true, replaced: undefined };
  }
  throw overtaken(text, after.entry);
}

// ---- Remove --------------------------------------------------------------------------------------------------

/**
 * Takes the name away; the object stays (`releaseObject`). Throws NOT_FOUND when there is no such name or bucket, and what
 * `putName` throws.
 */
export async function dropName(
  context: NamesContext,
  path: NamePath,
  { condition = ANY, signal }: WriteOptions = {},
): Promise<RemovedName> {
  const text = formatNameUri(path);
  const written = await context.writer.write(
    {
      subjects: [subjectOf(path)],
      decide: (state) => {
        const found = nameIn(state, context, path);
        const { id: bucket, name, entry } = found;
        if (entry === undefined && condition.kind === 'any') throw noSuchName(path);
        checkCondition(text, condition, entry);
        if (entry === undefined) throw noSuchName(path);
        // Never more than was seen: so it is known which object has lost a name.
        const exactly: Condition = { kind: 'match', etag: entry.etag };
        const parameters = { bucket, name, condition: exactly };
        return { action: { kind: 'delete-name', parameters }, basis: basisOf(state, found) };
      },
    },
    signal,
  );
  const { value: after, height } = await aftermath(context, written.basis.found, written, signal);
  const before = written.basis.found.entry!;
  const isStillThere = after.entry !== undefined && equal(after.entry.etag, before.etag);
  if (isStillThere) throw whyRefused(text, { kind: 'match', etag: before.etag }, written, after);
  if (isCertain(written)) return { height, removed: before.object };
  // It is gone; whether by us or by somebody else matters only to who said which one it had to be.
  if (after.entry === undefined && condition.kind === 'any') return { height, removed: undefined };
  throw overtaken(text, after.entry);
}

// ---- What came of it -----------------------------------------------------------------------------------------

export function subjectOf(path: NamePath): string {
  return `name ${formatNameUri(path)}`;
}

export function basisOf(state: Overlay, found: FoundName): Basis {
  return { found, isQuiet: isQuiet(state) };
}

/** The state that was decided on is the one on which the write was executed, as far as its names are concerned. */
export function isCertain({ isNext, refusal, basis }: Written<{ readonly isQuiet: boolean }>): boolean {
  return isNext && basis.isQuiet && refusal === undefined;
}

/** Waits until the write has arrived at the bucket, and looks at the name there. */
export function aftermath(
  { chain, owner }: NamesContext,
  { id, name }: Pick<FoundName, 'id' | 'name'>,
  { height, nonce }: Written<unknown>,
  signal: AbortSignal | undefined,
): Promise<Answer<Aftermath>> {
  const decide = (state: Overlay): Aftermath => {
    const bucket = bucketOf(state, id);
    return {
      entry: bucket === undefined ? undefined : entryOf(state, id, bucket, name),
      hasBucket: bucket !== undefined,
      isLast: accountOf(state, owner).nonce === nonce + 1,
    };
  };
  const way = [accountHome(owner), bucketHome(id)] as const;
  return readSettled(chain, way, decide, { sentAt: height, ...(signal === undefined ? {} : { signal }) });
}

/** Whether it is certain, whatever nodes say, that a write whose own entry is not there did nothing. */
export function isRefused({ height }: Written<unknown>, { entry, isLast }: Aftermath): boolean {
  return isLast || (entry !== undefined && entry.height < height);
}

export function whyRefused(
  text: string,
  condition: Condition,
  { refusal }: Written<unknown>,
  { entry, hasBucket }: Aftermath,
): StoreError {
  if (refusal !== undefined) return refusedBecause(text, refusal);
  if (!hasBucket) return refusedBecause(text, 'no-such-bucket');
  try {
    checkCondition(text, condition, entry);
  } catch (error) {
    return toStoreError(error, 'INTERNAL', text);
  }
  return new StoreError(
    'REFUSED',
    `${text}: the chain did not do it: the bucket is full, or its way there took too long`,
    {
      next: 'Try again; if that does not help, use another bucket.',
    },
  );
}
