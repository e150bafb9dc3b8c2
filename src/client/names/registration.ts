// An object that was uploaded comes onto the chain: the shape, the manifest with the word of those who keep it, and segment after segment
// with roots, holders and exactly as many confirmations as the chain asks for, in parts that fit into a transaction each.
//
// Parts go one after the other: the lane to the object's shard takes about two of them in a block. The chain says how far it has got, so a
// registration that was interrupted goes on where it stopped.

import { assert } from '../../base/assert.ts';
import { equal, short, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NodeId, ObjectId, Signature } from '../../base/ids.ts';
import { putQuorum, recordQuorum } from '../../replication/code.ts';
import type { SegmentRecord } from '../../replication/manifest.ts';
import { accountHome } from '../../shards/account.ts';
import type { ManifestCertificate } from '../../shards/availability.ts';
import { objectOf, type ObjectRecord } from '../../shards/object-record.ts';
import { type ObjectShape, segmentCount } from '../../shards/object-shape.ts';
import type { AddSegments } from '../../shards/operations/add-segments.ts';
import type { RegisterObject } from '../../shards/operations/register-object.ts';
import { objectHome } from '../../shards/state-key.ts';
import type { Action } from '../../shards/transaction.ts';
import type { Job, Written } from './batch.ts';
import { type CallOptions, type NamesContext, refusedBecause } from './context.ts';
import { createPart } from './registration-part.ts';
import { readSettled } from './settle.ts';

/** What a finished upload knows of its object. */
export interface UploadedObject {
  /** `objectIdOf` network, owner and salt. */
  readonly object: ObjectId;
  readonly salt: Uint8Array;
  readonly shape: ObjectShape;
  /** Commitment to the content key; null for an object that is not encrypted. */
  readonly keyCheck: Uint8Array | null;
  /** With the word of everybody who confirmed a copy. */
  readonly manifest: ManifestCertificate;
  /** Milliseconds since 1970; null: kept until it is deleted. */
  readonly expiresAtMs: number | null;
  /**
   * Its segments from number `first` on, in order, with every confirmation there is. Called again when the registration goes on later: a large
   * object's are read from the pages of its manifest.
   */
  segments(first: number): Iterable<SegmentRecord> | AsyncIterable<SegmentRecord>;
}

/** Node id and signature of one who keeps the manifest. */
const KEEPER_LENGTH = 102;

export function subjectOfObject(object: ObjectId): string {
  return `object ${toHex(object)}`;
}

/**
 * Resolves when the chain has all of the object. Throws REFUSED when the confirmations are not those of members of the epoch that runs,
 * ALREADY_EXISTS when another object has the id, INVALID_ARGUMENT when there are too few confirmations, and what writing throws.
 */
export async function registerObject(
  context: NamesContext,
  upload: UploadedObject,
  options: CallOptions = {},
): Promise<ObjectRecord> {
  return registerFrom(context, upload, await firstPart(upload), options);
}

/** The first of `registrationActions`. Throws INVALID_ARGUMENT. */
async function firstPart(upload: UploadedObject): Promise<Action> {
  const parts = registrationActions(upload);
  const { value } = await parts.next();
  await parts.return(undefined);
  assert(value !== undefined, 'an object has a first part, even without segments');
  return value;
}

/** As `registerObject`; `first` is given to the writer before anything is waited for. */
export async function registerFrom(
  context: NamesContext,
  upload: UploadedObject,
  first: Action,
  options: CallOptions = {},
): Promise<ObjectRecord> {
  const total = segmentCount(upload.shape);
  let record = await registerFirst(context, upload, first, options);
  if (record.registered === total) return record;
  for await (const action of registrationActions(upload, record.registered)) {
    const job: Job<undefined> = {
      subjects: subjectsOf(upload),
      decide: () => ({ action, basis: undefined }),
    };
    const written = await context.writer.write(job, options.signal);
    const after = await recordAfter(context, upload, written, options);
    if (after === undefined || after.registered <= record.registered) throw refused(upload, written);
    record = after;
  }
  if (record.registered !== total) throw tooFewSegments(upload);
  return record;
}

/** What the chain has already stays. */
async function registerFirst(
  context: NamesContext,
  upload: UploadedObject,
  action: Action,
  options: CallOptions,
): Promise<ObjectRecord> {
  const job: Job<undefined> = {
    subjects: subjectsOf(upload),
    decide: (state) => {
      const record = objectOf(state, upload.object);
      if (record !== undefined) throw new Known(record);
      return { action, basis: undefined };
    },
  };
  try {
    const written = await context.writer.write(job, options.signal);
    const record = await recordAfter(context, upload, written, options);
    if (record === undefined) throw refused(upload, written);
    return record;
  } catch (error) {
    if (!(error instanceof Known)) throw error;
    checkSame(upload, error.record);
    return error.record;
  }
}

/** Ends a decision: there is nothing to be done. */
class Known extends Error {
  readonly record: ObjectRecord;

  constructor(record: ObjectRecord) {
    super('the chain has the object');
    this.record = record;
  }
}

function subjectsOf({ object }: UploadedObject): readonly string[] {
  return [subjectOfObject(object)];
}

async function recordAfter(
  { chain, owner }: NamesContext,
  upload: UploadedObject,
  { height }: Written<unknown>,
  options: CallOptions,
): Promise<ObjectRecord | undefined> {
  const way = [accountHome(owner), objectHome(upload.object)] as const;
  const { value } = await readSettled(chain, way, (state) => objectOf(state, upload.object), {
    sentAt: height,
    ...options,
  });
  if (value !== undefined) checkSame(upload, value);
  return value;
}

function checkSame({ object, manifest }: UploadedObject, record: ObjectRecord): void {
  if (equal(record.manifest.digest, manifest.digest) && !record.isLeaving) return;
  throw new StoreError('ALREADY_EXISTS', `object ${short(object)} is registered with another manifest`, {
    next: 'Put the bytes again: they become an object of their own.',
  });
}

// ---- Actions ------------------------------------------------------------------------------------------------

/**
 * The actions that put the object on the chain, in order: `register-object` with the first segments, then `add-segments`. With
 * `registered`, the number of segments that the chain has already, what is left of them. Throws INVALID_ARGUMENT.
 */
export async function* registrationActions(
  upload: UploadedObject,
  registered?: number,
): AsyncGenerator<Action, undefined> {
  const { object, shape } = upload;
  let isFirst = registered === undefined;
  let first = registered ?? 0;
  const head = isFirst ? headOf(upload) : undefined;
  let part = createPart(head === undefined ? 0 : head.manifest.confirmations.length * KEEPER_LENGTH);
  const finish = (): Action => {
    const { segments } = part;
    const action: Action = isFirst
      ? { kind: 'register-object', parameters: { ...head!, segments } satisfies RegisterObject }
      : { kind: 'add-segments', parameters: { object, shape, first, segments } satisfies AddSegments };
    isFirst = false;
    first += segments.length;
    part = createPart(0);
    return action;
  };
  for await (const segment of upload.segments(first)) {
    const trimmed = withQuorum(upload, first + part.segments.length, segment);
    if (!part.add(trimmed)) {
      yield finish();
      if (!part.add(trimmed)) throw tooManyPieces(upload);
    }
  }
  if (isFirst || part.segments.length > 0) yield finish();
  return undefined;
}

function headOf(upload: UploadedObject): Omit<RegisterObject, 'segments'> {
  const { object, salt, shape, keyCheck, manifest, expiresAtMs } = upload;
  return {
    object,
    salt,
    shape,
    keyCheck,
    manifest: withKeepers(upload, manifest),
    expiresAtMs,
    payment: 0n,
  };
}

/** The chain wants exactly a quorum: every confirmation more is a signature that every validator checks for nothing. */
function withKeepers({ shape }: UploadedObject, manifest: ManifestCertificate): ManifestCertificate {
  const byNode = new Map(
    manifest.confirmations.map(([node, signature]) => [toHex(node), [node, signature]] as const),
  );
  const confirmations = [...byNode.values()].slice(0, recordQuorum(shape.code));
  return { ...manifest, confirmations: confirmations as (readonly [NodeId, Signature])[] };
}

function withQuorum({ object, shape }: UploadedObject, index: number, segment: SegmentRecord): SegmentRecord {
  const wanted = putQuorum(shape.code);
  const byPiece = new Map(
    segment.confirmations.map((confirmation) => [confirmation.pieceIndex, confirmation]),
  );
  const confirmations = [...byPiece.values()].slice(0, wanted);
  if (confirmations.length === wanted) return { ...segment, confirmations };
  throw new StoreError(
    'INVALID_ARGUMENT',
    `segment ${index} of object ${short(object)} has ${confirmations.length} confirmations, the chain wants ${wanted}`,
    { next: 'Wait until the upload has its quorum.' },
  );
}

// ---- What goes wrong -----------------------------------------------------------------------------------------

function refused({ object }: UploadedObject, { refusal }: Written<unknown>): StoreError {
  const what = `register object ${short(object)}`;
  if (refusal === 'invalid-certificate') {
    return new StoreError(
      'REFUSED',
      `${what}: not all of its holders are members of this epoch, each of another operator`,
      {
        next: 'Put the object again: it is then placed with those who are.',
      },
    );
  }
  return refusedBecause(what, refusal ?? 'expired');
}

function tooFewSegments({ object }: UploadedObject): StoreError {
  return new StoreError('INVALID_ARGUMENT', `object ${short(object)} has more segments than were given`);
}

function tooManyPieces({ object }: UploadedObject): StoreError {
  return new StoreError(
    'INVALID_ARGUMENT',
    `a segment of object ${short(object)} does not fit into a transaction`,
    {
      next: 'Choose a code with fewer pieces.',
    },
  );
}
