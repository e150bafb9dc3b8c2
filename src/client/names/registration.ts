// An object that was uploaded comes onto the chain: the shape, the manifest with the word of those who keep it, and segment after segment
// with roots, holders and as many confirmations as the chain asks for, in parts that fit into a transaction each.
//
// Parts go one after the other: the lane to the object's shard takes about two of them in a block. The chain says how far it has got, so a
// registration that was interrupted goes on where it stopped.

import { equal, short, toHex } from '../../base/bytes.ts';
import { encode } from '../../base/codec.ts';
import { StoreError } from '../../base/errors.ts';
import type { NodeId, ObjectId, Signature } from '../../base/ids.ts';
import { PAGE_SEGMENTS_MAX, SIGNED_SEGMENTS_PIECES_MAX, TRANSACTION_LENGTH_MAX } from '../../base/limits.ts';
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
import type { Written } from './batch.ts';
import { type CallOptions, type NamesContext, refusedBecause } from './context.ts';
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

/** Of a part: header of the transaction, shape, manifest, and the confirmations of as many copies as a code can want. */
const PART_LENGTH_MAX: number = TRANSACTION_LENGTH_MAX - 1024;
/** Encoded node id of the table of holders. */
const NODE_LENGTH = 34;
/** Index of a holder in the table. */
const INDEX_LENGTH = 3;
/** Node id and signature of one who keeps the manifest. */
const KEEPER_LENGTH = 102;

export function subjectOfObject(object: ObjectId): string {
  return `object ${toHex(object)}`;
}

// ---- On the chain --------------------------------------------------------------------------------------------

/**
 * Resolves when the chain has all of the object. Throws REFUSED when the confirmations are not those of members of the epoch that runs,
 * ALREADY_EXISTS when another object has the id, INVALID_ARGUMENT when there are too few confirmations, and what writing throws.
 */
export async function registerObject(
  context: NamesContext,
  upload: UploadedObject,
  { signal }: CallOptions = {},
): Promise<ObjectRecord> {
  const more = signal === undefined ? {} : { signal };
  const { object, shape } = upload;
  let { value: record } = await context.chain.read((state) => objectOf(state, object), more);
  if (record !== undefined) checkSame(upload, record);
  const total = segmentCount(shape);
  if (record?.registered === total) return record;
  for await (const action of registrationActions(upload, record?.registered)) {
    const written = await context.writer.write(
      { subjects: [subjectOfObject(object)], decide: () => ({ action, basis: undefined }) },
      signal,
    );
    const before = record;
    record = await registered(context, upload, written, more);
    if (record === undefined) throw refused(upload, written);
    checkSame(upload, record);
    const isStuck = before !== undefined && record.registered <= before.registered;
    if (isStuck) throw refused(upload, written);
  }
  if (record?.registered !== total) throw tooFewSegments(upload);
  return record;
}

async function registered(
  { chain, owner }: NamesContext,
  { object }: UploadedObject,
  { height }: Written<unknown>,
  options: CallOptions,
): Promise<ObjectRecord | undefined> {
  const way = [accountHome(owner), objectHome(object)] as const;
  const { value } = await readSettled(chain, way, (state) => objectOf(state, object), {
    sentAt: height,
    ...options,
  });
  return value;
}

function checkSame({ object, manifest }: UploadedObject, record: ObjectRecord): void {
  if (equal(record.manifest.digest, manifest.digest) && !record.isLeaving) return;
  throw new StoreError('ALREADY_EXISTS', `object ${short(object)} is registered with another manifest`, {
    next: 'Put the bytes again: they become an object of their own.',
  });
}

// ---- Parts ---------------------------------------------------------------------------------------------------

/**
 * The actions that put the object on the chain, in order: `register-object` with the first segments, then `add-segments`. With
 * `registered`, the number of segments that the chain has already, what is left of them. Throws INVALID_ARGUMENT.
 */
export async function* registrationActions(
  upload: UploadedObject,
  registered?: number,
): AsyncGenerator<Action> {
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
}

function headOf(upload: UploadedObject): Omit<RegisterObject, 'segments'> {
  const { object, salt, shape, keyCheck, manifest, expiresAtMs } = upload;
  return { object, salt, shape, keyCheck, manifest: withKeepers(upload, manifest), expiresAtMs };
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

interface Part {
  readonly segments: readonly SegmentRecord[];
  /** False, and nothing changed, when the segment does not fit any more. */
  add(segment: SegmentRecord): boolean;
}

/** Lengths are upper bounds that add up, so that no part is encoded more than once. The message that travels on is shorter: it has no signatures. */
function createPart(headLength: number): Part {
  const segments: SegmentRecord[] = [];
  const holders = new Set<string>();
  let length = headLength;
  let pieces = 0;
  return {
    segments,
    add: (segment) => {
      const added = new Set(segment.holders.map(toHex).filter((holder) => !holders.has(holder)));
      const more = lengthOf(segment) + added.size * NODE_LENGTH;
      const isTooMuch =
        length + more > PART_LENGTH_MAX ||
        pieces + segment.roots.length > SIGNED_SEGMENTS_PIECES_MAX ||
        segments.length === PAGE_SEGMENTS_MAX;
      if (isTooMuch) return false;
      segments.push(segment);
      for (const holder of added) holders.add(holder);
      length += more;
      pieces += segment.roots.length;
      return true;
    },
  };
}

function lengthOf({ salt, roots, holders, confirmations }: SegmentRecord): number {
  const signed = confirmations.map(({ pieceIndex, signature }) => [pieceIndex, signature]);
  return encode([salt, roots, [], signed]).length + holders.length * INDEX_LENGTH + INDEX_LENGTH;
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
