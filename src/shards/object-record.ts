// What the chain knows of an object: whose it is, how it is coded, and of every segment the salt, the piece roots and who holds each piece. Its
// home is its id, so its records are in the shard whose members hold its pieces.
//
// With these records and the content key an object that is not inline can be read when no copy of its manifest is left. Segments are registered in
// order, in as many transactions as it takes; records of segments hold as many as `segmentsPerRecord` says, so none is too long.

import { z } from 'zod';
import { assert } from '../base/assert.ts';
import { uint32 } from '../base/bytes.ts';
import { bytesOf, digestOf, listOf, uint } from '../base/codec.ts';
import type { Digest, NodeId, ObjectId, OwnerId } from '../base/ids.ts';
import { CODE_PIECES_MAX, MANIFEST_LENGTH_MAX } from '../base/limits.ts';
import { KEY_CHECK_LENGTH, SALT_LENGTH } from '../replication/object.ts';
import { type Deposit, depositsSchema, depositTuple } from './deposits.ts';
import {
  type ObjectShape,
  segmentCount,
  segmentsPerRecord,
  shapeSchema,
  shapeTuple,
} from './object-shape.ts';
import { readAll } from './read-all.ts';
import type { RecordType } from './record.ts';
import { type PlacedSegment, segmentsRecord } from './segments.ts';
import { objectHome, type StateKey, stateKey } from './state-key.ts';
import type { Overlay } from './view.ts';

/** The manifest, and who confirmed a copy of it. */
export interface KeptManifest {
  readonly digest: Digest;
  readonly lengthBytes: number;
  readonly holders: readonly NodeId[];
}

export interface ObjectRecord {
  readonly owner: OwnerId;
  /** Object id = `objectIdOf` network, owner and this. */
  readonly salt: Uint8Array;
  readonly shape: ObjectShape;
  /** Commitment to the content key; null for an object that is not encrypted. */
  readonly keyCheck: Uint8Array | null;
  readonly manifest: KeptManifest;
  /** Segments whose records there are: the first so many. The object is complete when that is all of them. */
  readonly registered: number;
  /** The block in which any of it was registered last. */
  readonly registeredAtHeight: number;
  /** Milliseconds since 1970; null: kept until it is deleted. */
  readonly expiresAtMs: number | null;
  /** Its records are being taken away: nothing else is done with it. */
  readonly isLeaving: boolean;
  /** What was paid for it, as far as it has not run out when something about it changed; none where storage is free. */
  readonly deposits: readonly Deposit[];
}

// ---- Form ----------------------------------------------------------------------------------------------------

const keptManifestSchema: z.ZodType<KeptManifest> = z
  .tuple([digestOf<Digest>(), uint(MANIFEST_LENGTH_MAX), listOf(digestOf<NodeId>(), CODE_PIECES_MAX)])
  .transform(([digest, lengthBytes, holders]): KeptManifest => ({ digest, lengthBytes, holders }));

const keptManifestTuple = ({ digest, lengthBytes, holders }: KeptManifest): readonly unknown[] => [
  digest,
  lengthBytes,
  holders,
];

export const objectSchema: z.ZodType<ObjectRecord> = z
  .tuple([
    digestOf<OwnerId>(),
    bytesOf(SALT_LENGTH),
    shapeSchema,
    bytesOf(KEY_CHECK_LENGTH).nullable(),
    keptManifestSchema,
    z.tuple([uint(), uint(), uint().nullable(), z.boolean()]),
    depositsSchema,
  ])
  .transform(
    ([
      owner,
      salt,
      shape,
      keyCheck,
      manifest,
      [registered, registeredAtHeight, expiresAtMs, isLeaving],
      deposits,
    ]): ObjectRecord => ({
      owner,
      salt,
      shape,
      keyCheck,
      manifest,
      registered,
      registeredAtHeight,
      expiresAtMs,
      isLeaving,
      deposits,
    }),
  )
  .refine(({ shape, registered }) => registered <= segmentCount(shape), 'more segments than it has')
  .refine(({ shape, keyCheck }) => shape.isEncrypted === (keyCheck !== null), 'a key check without a key');

export const objectTuple = (object: ObjectRecord): readonly unknown[] => [
  object.owner,
  object.salt,
  shapeTuple(object.shape),
  object.keyCheck,
  keptManifestTuple(object.manifest),
  [object.registered, object.registeredAtHeight, object.expiresAtMs, object.isLeaving],
  object.deposits.map(depositTuple),
];

export const objectRecord: RecordType<ObjectRecord> = {
  name: 'object',
  schema: objectSchema,
  tuple: objectTuple,
};

// ---- In the state --------------------------------------------------------------------------------------------

export function objectKey(object: ObjectId): StateKey {
  return stateKey(objectHome(object), 'object');
}

/** Record number `part` of the object's segments. */
export function segmentsKey(object: ObjectId, part: number): StateKey {
  return stateKey(objectHome(object), 'segments', uint32(part));
}

export function objectOf(state: Overlay, object: ObjectId): ObjectRecord | undefined {
  return state.get(objectKey(object), objectRecord);
}

export function putObject(state: Overlay, id: ObjectId, object: ObjectRecord): void {
  state.put(objectKey(id), objectRecord, object);
}

export function isExpired({ expiresAtMs }: ObjectRecord, timeMs: number): boolean {
  return expiresAtMs !== null && timeMs > expiresAtMs;
}

/** Segments of record number `part`, as far as they are registered. */
export function segmentsOf(state: Overlay, id: ObjectId, part: number): readonly PlacedSegment[] {
  return state.get(segmentsKey(id, part), segmentsRecord) ?? [];
}

export function putSegments(
  state: Overlay,
  id: ObjectId,
  part: number,
  segments: readonly PlacedSegment[],
): void {
  state.put(segmentsKey(id, part), segmentsRecord, segments);
}

/** The object with `segments` behind those that it has. */
export function appendSegments(
  state: Overlay,
  id: ObjectId,
  object: ObjectRecord,
  segments: readonly PlacedSegment[],
): ObjectRecord {
  const size = segmentsPerRecord(object.shape.code);
  let { registered } = object;
  const end = registered + segments.length;
  assert(end <= segmentCount(object.shape), 'an object has no more segments than its length makes');
  while (registered < end) {
    const part = Math.floor(registered / size);
    const from = segments.length - (end - registered);
    const upTo = Math.min(segments.length, from + size - (registered % size));
    const before = registered % size === 0 ? [] : segmentsOf(state, id, part);
    putSegments(state, id, part, [...before, ...segments.slice(from, upTo)]);
    registered += upTo - from;
  }
  return { ...object, registered };
}

/** Takes away at most `limit` records of segments, from the end. */
export function dropSegments(
  state: Overlay,
  id: ObjectId,
  object: ObjectRecord,
  limit: number,
): ObjectRecord {
  const size = segmentsPerRecord(object.shape.code);
  const parts = Math.ceil(object.registered / size);
  const kept = Math.max(0, parts - limit);
  const keys = Array.from({ length: parts - kept }, (_, index) => segmentsKey(id, kept + index));
  readAll(state, keys);
  for (const key of keys) state.remove(key);
  return { ...object, registered: Math.min(object.registered, kept * size) };
}
