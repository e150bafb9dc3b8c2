// How a storage node names what it keeps, in one log of pieces. The first byte is the kind; the object comes before the
// segment and the segment before the piece, so that a prefix lists an object or a segment.
//
//     'p' object[32] segment u32 piece u8 root[32]     a piece
//     'r' digest[32]                                   a record: manifest root or page, by its SHA-256
//     'o' object[32] digest[32]                        says that this record belongs to this object; no payload
//
// A record's digest fixes its bytes, and its bytes name its object: a record never belongs to two objects.

import { concat, uint32 } from '../base/bytes.ts';
import { bytesUpTo, decodeCanonical, digestOf, encode, uint } from '../base/codec.ts';
import type { Digest, ObjectId, OwnerId, PieceRoot } from '../base/ids.ts';
import { CODE_PIECES_MAX, ENTRY_META_LENGTH_MAX } from '../base/limits.ts';
import type { LocatedPiece } from '../replication/messages.ts';
import { z } from 'zod';

const PIECE = 0x70;
const RECORD = 0x72;
const RECORD_OF_OBJECT = 0x6f;
/** Every key of ours begins with one of these. */
export const ENTRY_KINDS: readonly number[] = [PIECE, RECORD_OF_OBJECT, RECORD];

/** Where the parts of a piece's key begin. */
const PIECE_INDEX_AT = 1 + 32 + 4;
const ROOT_AT = PIECE_INDEX_AT + 1;

export interface PiecePlace {
  readonly object: ObjectId;
  readonly segmentIndex: number;
  readonly pieceIndex: number;
  readonly root: PieceRoot;
}

/** What a node remembers about a piece besides its bytes; the log carries it in front of them. */
export interface PieceMeta extends PiecePlace {
  readonly owner: OwnerId;
  /** Group level of the piece's tree, from which ranges are proved. */
  readonly outboard: Uint8Array;
}

export function pieceKey(place: PiecePlace): Uint8Array {
  return concat(
    segmentPrefix(place.object, place.segmentIndex),
    new Uint8Array([place.pieceIndex]),
    place.root,
  );
}

export function objectPrefix(object: ObjectId): Uint8Array {
  return concat(new Uint8Array([PIECE]), object);
}

export function segmentPrefix(object: ObjectId, segmentIndex: number): Uint8Array {
  return concat(objectPrefix(object), uint32(segmentIndex));
}

/** The piece that a key of kind 'p' names. */
export function locatedPiece(key: Uint8Array): LocatedPiece {
  return { pieceIndex: key[PIECE_INDEX_AT]!, root: key.slice(ROOT_AT) as PieceRoot };
}

/** What an entry is of: a piece, or a record and what belongs to it. Of a record's own key the object is not known. */
export type EntrySubject =
  | {
      readonly kind: 'piece';
      readonly object: ObjectId;
      readonly segmentIndex: number;
      readonly pieceIndex: number;
    }
  | { readonly kind: 'record'; readonly object: ObjectId | undefined };

export function subjectOf(key: Uint8Array): EntrySubject | undefined {
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  const object = key.slice(1, 1 + 32) as ObjectId;
  if (key[0] === PIECE) {
    return { kind: 'piece', object, segmentIndex: view.getUint32(1 + 32), pieceIndex: key[PIECE_INDEX_AT]! };
  }
  if (key[0] === RECORD_OF_OBJECT) return { kind: 'record', object };
  return key[0] === RECORD ? { kind: 'record', object: undefined } : undefined;
}

export function recordKey(digest: Digest): Uint8Array {
  return concat(new Uint8Array([RECORD]), digest);
}

export function objectRecordsPrefix(object: ObjectId): Uint8Array {
  return concat(new Uint8Array([RECORD_OF_OBJECT]), object);
}

export function objectRecordKey(object: ObjectId, digest: Digest): Uint8Array {
  return concat(objectRecordsPrefix(object), digest);
}

/** The record that a key of kind 'o' points to. */
export function recordOfObject(key: Uint8Array): Digest {
  return key.slice(1 + 32) as Digest;
}

const pieceMetaSchema = z
  .tuple([
    digestOf<ObjectId>(),
    digestOf<OwnerId>(),
    uint(),
    uint(CODE_PIECES_MAX),
    digestOf<PieceRoot>(),
    bytesUpTo(ENTRY_META_LENGTH_MAX),
  ])
  .transform(
    ([object, owner, segmentIndex, pieceIndex, root, outboard]): PieceMeta => ({
      object,
      owner,
      segmentIndex,
      pieceIndex,
      root,
      outboard,
    }),
  );

export function encodePieceMeta(meta: PieceMeta): Uint8Array {
  return encode([meta.object, meta.owner, meta.segmentIndex, meta.pieceIndex, meta.root, meta.outboard]);
}

/** Throws INVALID_ENCODING when the disk gave back something else. */
export function decodePieceMeta(bytes: Uint8Array): PieceMeta {
  return decodeCanonical(pieceMetaSchema, bytes, ENTRY_META_LENGTH_MAX, 'meta of a stored piece');
}
