// The requests between clients and storage nodes, as canonical records: one section per service, request then reply.
// Bodies (pieces, records, ranges) travel raw behind these headers. Everything decoded here is hostile until checked.

import { z } from 'zod';
import { bytesOf, bytesUpTo, decodeCanonical, digestOf, encode, listOf, text, uint } from '../base/codec.ts';
import type { Digest, ObjectId, OwnerId, PieceRoot, Signature } from '../base/ids.ts';
import {
  CODE_PIECES_MAX,
  DHT_RECORD_LENGTH_MAX,
  MANIFEST_PAGES_MAX,
  MEMBERS_MAX,
  OBJECT_LOCATIONS_MAX,
  PAGE_SEGMENTS_MAX,
  PIECE_LENGTH_MAX,
} from '../base/limits.ts';
import { SALT_LENGTH } from './object.ts';

/** Names of the services of a storage node. */
export const SERVICES = {
  members: 'members',
  putPiece: 'put-piece',
  getPiece: 'get-piece',
  locatePieces: 'locate-pieces',
  putRecord: 'put-record',
  getRecord: 'get-record',
  locateRecord: 'locate-record',
  removeObject: 'remove-object',
  nodeStatus: 'node-status',
} as const;

const SEGMENT_MAX = MANIFEST_PAGES_MAX * PAGE_SEGMENTS_MAX;
const REQUEST_LENGTH_MAX = 16 * 1024;
/** A reply of `locate-pieces`: every piece of a segment, twice over. */
const LOCATED_MAX = 2 * CODE_PIECES_MAX;
/** Nodes of a proof: two sides of a path in the largest piece. */
const PROOF_NODES_MAX = 128;

// ---- members: where they are; who they are, the chain says --------------------------------------------------

export interface MembersReply {
  /** Signed node records (`dht/record.ts`) of the members this node can reach. */
  readonly nodeRecords: readonly Uint8Array[];
}

const membersReplySchema = z
  .tuple([listOf(bytesUpTo(DHT_RECORD_LENGTH_MAX), MEMBERS_MAX)])
  .transform(([nodeRecords]): MembersReply => ({ nodeRecords }));

/** Travels as a reply body, because it can be longer than a header may be. */
export const encodeMembersReply = (reply: MembersReply): Uint8Array => encode([reply.nodeRecords]);
export const MEMBERS_REPLY_LENGTH_MAX: number = MEMBERS_MAX * 512;
export const decodeMembersReply = (bytes: Uint8Array): MembersReply =>
  decodeCanonical(membersReplySchema, bytes, MEMBERS_REPLY_LENGTH_MAX, 'members reply');

// ---- put-piece: body is the piece ---------------------------------------------------------------------------

export interface PutPiece {
  readonly owner: OwnerId;
  readonly objectSalt: Uint8Array;
  readonly segmentIndex: number;
  readonly pieceIndex: number;
  readonly root: PieceRoot;
  readonly lengthBytes: number;
  readonly expiresAtMs: number;
  /** Owner's signature over the put claim. */
  readonly ticket: Signature;
}

const putPieceSchema = z
  .tuple([
    digestOf<OwnerId>(),
    bytesOf(SALT_LENGTH),
    uint(SEGMENT_MAX),
    uint(CODE_PIECES_MAX),
    digestOf<PieceRoot>(),
    uint(PIECE_LENGTH_MAX),
    uint(),
    bytesOf(64),
  ])
  .transform(
    ([owner, objectSalt, segmentIndex, pieceIndex, root, lengthBytes, expiresAtMs, ticket]): PutPiece => ({
      owner,
      objectSalt,
      segmentIndex,
      pieceIndex,
      root,
      lengthBytes,
      expiresAtMs,
      ticket: ticket as Signature,
    }),
  );

export const encodePutPiece = (put: PutPiece): Uint8Array =>
  encode([
    put.owner,
    put.objectSalt,
    put.segmentIndex,
    put.pieceIndex,
    put.root,
    put.lengthBytes,
    put.expiresAtMs,
    put.ticket,
  ]);
export const decodePutPiece = (bytes: Uint8Array): PutPiece =>
  decodeCanonical(putPieceSchema, bytes, REQUEST_LENGTH_MAX, 'put-piece request');

/** Reply of put-piece and put-record: the node's confirmation. */
const putReplySchema = z.tuple([bytesOf(64)]).transform(([confirmation]) => confirmation as Signature);
export const encodePutReply = (confirmation: Signature): Uint8Array => encode([confirmation]);
export const decodePutReply = (bytes: Uint8Array): Signature =>
  decodeCanonical(putReplySchema, bytes, REQUEST_LENGTH_MAX, 'put reply');

// ---- get-piece: the reply's body is the bytes -----------------------------------------------------------------

export interface GetPiece {
  readonly object: ObjectId;
  readonly segmentIndex: number;
  readonly pieceIndex: number;
  readonly root: PieceRoot;
  /** Undefined: the whole piece, which the caller checks against the root. Else whole groups covering the range, with a proof. */
  readonly range: { readonly offset: number; readonly length: number } | undefined;
}

const getPieceSchema = z
  .tuple([
    digestOf<ObjectId>(),
    uint(SEGMENT_MAX),
    uint(CODE_PIECES_MAX),
    digestOf<PieceRoot>(),
    z.union([z.null(), z.tuple([uint(PIECE_LENGTH_MAX), uint(PIECE_LENGTH_MAX)])]),
  ])
  .transform(
    ([object, segmentIndex, pieceIndex, root, range]): GetPiece => ({
      object,
      segmentIndex,
      pieceIndex,
      root,
      range: range === null ? undefined : { offset: range[0], length: range[1] },
    }),
  );

export const encodeGetPiece = (get: GetPiece): Uint8Array =>
  encode([
    get.object,
    get.segmentIndex,
    get.pieceIndex,
    get.root,
    get.range === undefined ? null : [get.range.offset, get.range.length],
  ]);
export const decodeGetPiece = (bytes: Uint8Array): GetPiece =>
  decodeCanonical(getPieceSchema, bytes, REQUEST_LENGTH_MAX, 'get-piece request');

export interface GetPieceReply {
  readonly pieceLength: number;
  /** Sibling chaining values of the range, `replication/piece-tree.ts` order; empty for a whole piece. */
  readonly proof: readonly Uint8Array[];
}

const getPieceReplySchema = z
  .tuple([uint(PIECE_LENGTH_MAX), listOf(bytesOf(32), PROOF_NODES_MAX)])
  .transform(([pieceLength, proof]): GetPieceReply => ({ pieceLength, proof }));
export const encodeGetPieceReply = (reply: GetPieceReply): Uint8Array =>
  encode([reply.pieceLength, reply.proof]);
export const decodeGetPieceReply = (bytes: Uint8Array): GetPieceReply =>
  decodeCanonical(getPieceReplySchema, bytes, REQUEST_LENGTH_MAX, 'get-piece reply');

// ---- locate-pieces: which pieces of a segment a node holds ------------------------------------------------------

export interface LocatePieces {
  readonly object: ObjectId;
  readonly segmentIndex: number;
}

const locateSchema = z
  .tuple([digestOf<ObjectId>(), uint(SEGMENT_MAX)])
  .transform(([object, segmentIndex]): LocatePieces => ({ object, segmentIndex }));
export const encodeLocatePieces = (locate: LocatePieces): Uint8Array =>
  encode([locate.object, locate.segmentIndex]);
export const decodeLocatePieces = (bytes: Uint8Array): LocatePieces =>
  decodeCanonical(locateSchema, bytes, REQUEST_LENGTH_MAX, 'locate-pieces request');

export interface LocatedPiece {
  readonly pieceIndex: number;
  readonly root: PieceRoot;
}

const locatedSchema = listOf(
  z
    .tuple([uint(CODE_PIECES_MAX), digestOf<PieceRoot>()])
    .transform(([pieceIndex, root]): LocatedPiece => ({ pieceIndex, root })),
  LOCATED_MAX,
);
export const encodeLocated = (pieces: readonly LocatedPiece[]): Uint8Array =>
  encode(pieces.slice(0, LOCATED_MAX).map((piece) => [piece.pieceIndex, piece.root]));
export const decodeLocated = (bytes: Uint8Array): readonly LocatedPiece[] =>
  decodeCanonical(locatedSchema, bytes, 64 * 1024, 'locate-pieces reply');

// ---- put-record, get-record: manifests and pages, as whole copies ------------------------------------------------

export interface PutRecord {
  readonly owner: OwnerId;
  readonly objectSalt: Uint8Array;
  /** SHA-256 of the body. */
  readonly digest: Digest;
  readonly lengthBytes: number;
  readonly expiresAtMs: number;
  readonly ticket: Signature;
}

const putRecordSchema = z
  .tuple([digestOf<OwnerId>(), bytesOf(SALT_LENGTH), digestOf<Digest>(), uint(), uint(), bytesOf(64)])
  .transform(
    ([owner, objectSalt, digest, lengthBytes, expiresAtMs, ticket]): PutRecord => ({
      owner,
      objectSalt,
      digest,
      lengthBytes,
      expiresAtMs,
      ticket: ticket as Signature,
    }),
  );
export const encodePutRecord = (put: PutRecord): Uint8Array =>
  encode([put.owner, put.objectSalt, put.digest, put.lengthBytes, put.expiresAtMs, put.ticket]);
export const decodePutRecord = (bytes: Uint8Array): PutRecord =>
  decodeCanonical(putRecordSchema, bytes, REQUEST_LENGTH_MAX, 'put-record request');

const getRecordSchema = z.tuple([digestOf<Digest>()]).transform(([digest]) => digest);
export const encodeGetRecord = (digest: Digest): Uint8Array => encode([digest]);
export const decodeGetRecord = (bytes: Uint8Array): Digest =>
  decodeCanonical(getRecordSchema, bytes, REQUEST_LENGTH_MAX, 'get-record request');

// ---- locate-record: who says that it has the manifest of a public object -----------------------------------------

const locateRecordSchema = z.tuple([digestOf<Digest>()]).transform(([digest]) => digest);
export const encodeLocateRecord = (digest: Digest): Uint8Array => encode([digest]);
export const decodeLocateRecord = (bytes: Uint8Array): Digest =>
  decodeCanonical(locateRecordSchema, bytes, REQUEST_LENGTH_MAX, 'locate-record request');

/** Signed object records (`dht/record.ts`), which whoever asked checks one by one. */
const locationsSchema = listOf(bytesUpTo(DHT_RECORD_LENGTH_MAX), OBJECT_LOCATIONS_MAX);
export const encodeLocations = (records: readonly Uint8Array[]): Uint8Array =>
  encode(records.slice(0, OBJECT_LOCATIONS_MAX));
export const decodeLocations = (bytes: Uint8Array): readonly Uint8Array[] =>
  decodeCanonical(
    locationsSchema,
    bytes,
    OBJECT_LOCATIONS_MAX * (DHT_RECORD_LENGTH_MAX + 8),
    'locate-record reply',
  );

// ---- remove-object -----------------------------------------------------------------------------------------------

export interface RemoveObject {
  readonly owner: OwnerId;
  readonly objectSalt: Uint8Array;
  readonly ticket: Signature;
}

const removeSchema = z
  .tuple([digestOf<OwnerId>(), bytesOf(SALT_LENGTH), bytesOf(64)])
  .transform(
    ([owner, objectSalt, ticket]): RemoveObject => ({ owner, objectSalt, ticket: ticket as Signature }),
  );
export const encodeRemoveObject = (remove: RemoveObject): Uint8Array =>
  encode([remove.owner, remove.objectSalt, remove.ticket]);
export const decodeRemoveObject = (bytes: Uint8Array): RemoveObject =>
  decodeCanonical(removeSchema, bytes, REQUEST_LENGTH_MAX, 'remove-object request');

/** How many pieces and records the node dropped. */
const removeReplySchema = z.tuple([uint()]).transform(([count]) => count);
export const encodeRemoveReply = (count: number): Uint8Array => encode([count]);
export const decodeRemoveReply = (bytes: Uint8Array): number =>
  decodeCanonical(removeReplySchema, bytes, REQUEST_LENGTH_MAX, 'remove-object reply');

// ---- node-status: for people -------------------------------------------------------------------------------------

export interface NodeStatus {
  readonly agent: string;
  readonly epoch: number;
  readonly logState: string;
  readonly entries: number;
  readonly liveBytes: number;
  readonly logBytes: number;
  readonly quotaBytes: number;
  readonly freeBytes: number;
  /** Entries found damaged and no longer served. */
  readonly damagedEntries: number;
  readonly uptimeMs: number;
  /** Node ids of connected peers. */
  readonly peers: readonly Uint8Array[];
}

const statusSchema = z
  .tuple([
    text(64),
    uint(),
    text(16),
    uint(),
    uint(),
    uint(),
    uint(),
    uint(),
    uint(),
    uint(),
    listOf(bytesOf(32), MEMBERS_MAX),
  ])
  .transform(
    ([
      agent,
      epoch,
      logState,
      entries,
      liveBytes,
      logBytes,
      quotaBytes,
      freeBytes,
      damagedEntries,
      uptimeMs,
      peers,
    ]): NodeStatus => ({
      agent,
      epoch,
      logState,
      entries,
      liveBytes,
      logBytes,
      quotaBytes,
      freeBytes,
      damagedEntries,
      uptimeMs,
      peers,
    }),
  );
export const encodeNodeStatus = (status: NodeStatus): Uint8Array =>
  encode([
    status.agent,
    status.epoch,
    status.logState,
    status.entries,
    status.liveBytes,
    status.logBytes,
    status.quotaBytes,
    status.freeBytes,
    status.damagedEntries,
    status.uptimeMs,
    status.peers,
  ]);
export const decodeNodeStatus = (bytes: Uint8Array): NodeStatus =>
  decodeCanonical(statusSchema, bytes, 256 * 1024, 'node-status reply');
