// What collection keeps or takes away as one: a piece, or a record with the entry that says whose it is.

import type { Digest, ObjectId, PieceRoot } from '../../base/ids.ts';
import { StoreError } from '../../base/errors.ts';
import type { PieceLog } from '../../base/ports.ts';
import { locatedPiece, objectRecordKey, recordKey, recordOfObject, subjectOf } from '../entry-keys.ts';

export interface KeptPiece {
  readonly segmentIndex: number;
  readonly pieceIndex: number;
  readonly root: PieceRoot;
}

export interface KeptEntry {
  /** Its key in the log; of a record, that of the record itself. */
  readonly id: Uint8Array;
  /** Undefined for a record whose head is damaged and that nothing points to. */
  readonly object: ObjectId | undefined;
  /** Undefined for a record. */
  readonly piece: KeptPiece | undefined;
}

const ID_LENGTH = 32;

/** The id of what a key of the log belongs to. */
export function idOfKey(key: Uint8Array): Uint8Array {
  const subject = subjectOf(key);
  const isPointer = subject?.kind === 'record' && subject.object !== undefined;
  return isPointer ? recordKey(recordOfObject(key)) : key;
}

/** Undefined for a key that is none of ours. */
export async function entryOf(log: Pick<PieceLog, 'stat'>, key: Uint8Array): Promise<KeptEntry | undefined> {
  const subject = subjectOf(key);
  if (subject === undefined) return undefined;
  const object = subject.object ?? (await objectOfMeta(log, key));
  return entryWith(idOfKey(key), object);
}

/** What `id` is of; a record's object does not stand in it. */
export function entryWith(id: Uint8Array, object: ObjectId | undefined): KeptEntry {
  const subject = subjectOf(id);
  if (subject?.kind !== 'piece') return { id, object, piece: undefined };
  const { segmentIndex } = subject;
  return { id, object: subject.object, piece: { segmentIndex, ...locatedPiece(id) } };
}

async function objectOfMeta(log: Pick<PieceLog, 'stat'>, key: Uint8Array): Promise<ObjectId | undefined> {
  try {
    const meta = (await log.stat(key))?.meta;
    return meta?.length === ID_LENGTH ? (meta as ObjectId) : undefined;
  } catch (error) {
    if (error instanceof StoreError && error.code === 'DAMAGED') return undefined;
    throw error;
  }
}

export function digestOfRecord({ id }: KeptEntry): Digest {
  return id.slice(1) as Digest;
}

/** In the order in which they are taken away: as long as a record may be there, it can be found. */
export function keysOf(entry: KeptEntry): readonly Uint8Array[] {
  if (entry.piece !== undefined || entry.object === undefined) return [entry.id];
  return [entry.id, objectRecordKey(entry.object, digestOfRecord(entry))];
}

export async function isInLog(log: Pick<PieceLog, 'keys'>, entry: KeptEntry): Promise<boolean> {
  // Keys of a kind are equally long, so none but this one begins with it. Also of entries too damaged for `stat`.
  for (const key of keysOf(entry)) for await (const _ of log.keys(key, 1)) return true;
  return false;
}

/** Payload bytes; none of one that is damaged. */
export async function lengthOf(log: Pick<PieceLog, 'stat'>, { id }: KeptEntry): Promise<number> {
  try {
    return (await log.stat(id))?.payloadLength ?? 0;
  } catch (error) {
    if (error instanceof StoreError && error.code === 'DAMAGED') return 0;
    throw error;
  }
}
