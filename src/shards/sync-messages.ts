// What nodes ask each other to catch up: decisions one after the other, or a checkpoint and the state after it in chunks. Requests and
// replies travel as in `chain-messages.ts`. Each reply can be checked by itself, against a validator set or a header that is trusted.

import { z } from 'zod';
import { bytesUpTo, decodeCanonical, encode, listOf, text, uint } from '../base/codec.ts';
import { StoreError } from '../base/errors.ts';
import type { Sha256 } from '../base/hash.ts';
import {
  BLOCK_HEADER_LENGTH_MAX,
  CHUNK_LEAVES_MAX,
  CHUNK_RECORDS_LENGTH_MAX,
  DECISIONS_LENGTH_MAX,
  DECISIONS_MAX,
  HEIGHT_MAX,
  LIGHT_BLOCK_LENGTH_MAX,
  SERVICE_HEADER_LENGTH_MAX,
  SHARD_HEADERS_LENGTH_MAX,
  STATE_CHUNK_LENGTH_MAX,
  STATE_RECORD_LENGTH_MAX,
} from '../base/limits.ts';
import {
  CHAIN_SERVICES,
  DECISION_LENGTH_MAX,
  type DecisionReply,
  decisionSchema,
  decisionTuple,
  shardHeadersSchema,
} from './chain-messages.ts';
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts';
import { decodeShardHeader, encodeShardHeader, type ShardHeader } from './header.ts';
import { decodeCommit, decodeLightBlock, encodeLightBlock, type LightBlock } from './light-block.ts';
import { decodeChunk, encodeChunk, type StateChunk } from './tree/chunk.ts';
import { PATH_BITS, type Prefix } from './tree/path.ts';

// ---- chain-decisions: consecutive decisions -----------------------------------------------------------------------------

export interface DecisionsRequest {
  /** Height of the first. */
  readonly from: number;
  /** At most so many, and so many bytes of them; the first is given however long it is. */
  readonly count: number;
  readonly lengthBytes: number;
}

const decisionsSchema = z
  .tuple([uint(HEIGHT_MAX), uint(DECISIONS_MAX), uint(DECISIONS_LENGTH_MAX)])
  .transform(([from, count, lengthBytes]): DecisionsRequest => ({ from, count, lengthBytes }));

export const encodeDecisions = ({ from, count, lengthBytes }: DecisionsRequest): Uint8Array =>
  encode([from, count, lengthBytes]);
export const decodeDecisions = (bytes: Uint8Array): DecisionsRequest =>
  decodeCanonical(decisionsSchema, bytes, SERVICE_HEADER_LENGTH_MAX, `${CHAIN_SERVICES.decisions} request`);

export const DECISIONS_REPLY_LENGTH_MAX: number = DECISIONS_LENGTH_MAX + DECISION_LENGTH_MAX;

const decisionsReplySchema = listOf(decisionSchema, DECISIONS_MAX);

/** In the order of heights; empty when the first is not there yet. */
export const encodeDecisionsReply = (decisions: readonly DecisionReply[]): Uint8Array =>
  encode(decisions.map(decisionTuple));
/** Form only: which heights they are of is not checked. */
export const decodeDecisionsReply = (bytes: Uint8Array): readonly DecisionReply[] =>
  decodeCanonical(decisionsReplySchema, bytes, DECISIONS_REPLY_LENGTH_MAX, 'chain-decisions reply').map(
    ([block, certificate]) => ({ block, certificate: decodeCommit(certificate) }),
  );

// ---- chain-checkpoint: where state sync may start; the request is empty --------------------------------------------------

export interface CheckpointReply {
  readonly checkpoint: Checkpoint;
  /** Of the checkpoint's height: its time is that of the state. */
  readonly last: LightBlock;
  /** Of the height after it, whose header names the state. */
  readonly first: LightBlock;
  /** Of the state: their root is `first.header.shardsRoot`. */
  readonly shards: readonly ShardHeader[];
}

const checkpointReplySchema = z.tuple([
  bytesUpTo(BLOCK_HEADER_LENGTH_MAX),
  bytesUpTo(LIGHT_BLOCK_LENGTH_MAX),
  bytesUpTo(LIGHT_BLOCK_LENGTH_MAX),
  shardHeadersSchema,
]);

export const CHECKPOINT_REPLY_LENGTH_MAX: number =
  2 * LIGHT_BLOCK_LENGTH_MAX + SHARD_HEADERS_LENGTH_MAX + 2 * BLOCK_HEADER_LENGTH_MAX;

export function encodeCheckpointReply({ checkpoint, last, first, shards }: CheckpointReply): Uint8Array {
  return encode([
    encodeCheckpoint(checkpoint),
    encodeLightBlock(last),
    encodeLightBlock(first),
    shards.map(encodeShardHeader),
  ]);
}

/** Form only. */
export function decodeCheckpointReply(bytes: Uint8Array, sha256?: Sha256): CheckpointReply {
  const [checkpoint, last, first, shards] = decodeCanonical(
    checkpointReplySchema,
    bytes,
    CHECKPOINT_REPLY_LENGTH_MAX,
    'chain-checkpoint reply',
  );
  return {
    checkpoint: decodeCheckpoint(checkpoint),
    last: decodeLightBlock(last, sha256),
    first: decodeLightBlock(first, sha256),
    shards: shards.map(decodeShardHeader),
  };
}

// ---- chain-chunk: a part of the state --------------------------------------------------------------------------------------

export interface ChunkRequest {
  /** The state after this height: that of a checkpoint. NOT_FOUND when it is not kept any more. */
  readonly height: number;
  /** Lies within one shard. The reply covers the left end of what is under it, or more. */
  readonly prefix: Prefix;
}

const prefixSchema = text(PATH_BITS).refine((prefix) => /^[01]*$/.test(prefix), 'not binary digits');

const chunkSchema = z
  .tuple([uint(HEIGHT_MAX), prefixSchema])
  .transform(([height, prefix]): ChunkRequest => ({ height, prefix: prefix as Prefix }));

export const encodeChunkRequest = ({ height, prefix }: ChunkRequest): Uint8Array => encode([height, prefix]);
export const decodeChunkRequest = (bytes: Uint8Array): ChunkRequest =>
  decodeCanonical(chunkSchema, bytes, SERVICE_HEADER_LENGTH_MAX, `${CHAIN_SERVICES.chunk} request`);

export interface ChunkReply {
  readonly chunk: StateChunk;
  /** Of its leaves, in their order: CHUNK_RECORDS_LENGTH_MAX bytes at most, by which the chunk is cut. */
  readonly records: readonly Uint8Array[];
}

const chunkReplySchema = z.tuple([
  bytesUpTo(STATE_CHUNK_LENGTH_MAX),
  listOf(bytesUpTo(STATE_RECORD_LENGTH_MAX), CHUNK_LEAVES_MAX),
]);

/** A record has at most five bytes in front. */
export const CHUNK_REPLY_LENGTH_MAX: number =
  STATE_CHUNK_LENGTH_MAX + CHUNK_RECORDS_LENGTH_MAX + 5 * CHUNK_LEAVES_MAX + 64;

export const encodeChunkReply = ({ chunk, records }: ChunkReply): Uint8Array =>
  encode([encodeChunk(chunk), records]);

/** Form only: `chunkProblem` and `recordDigest` of each record tell whether it is of the tree. Throws INVALID_ENCODING. */
export function decodeChunkReply(bytes: Uint8Array): ChunkReply {
  const [packed, records] = decodeCanonical(
    chunkReplySchema,
    bytes,
    CHUNK_REPLY_LENGTH_MAX,
    'chain-chunk reply',
  );
  const chunk = decodeChunk(packed);
  if (chunk.leaves.length !== records.length) {
    throw new StoreError(
      'INVALID_ENCODING',
      `chain-chunk reply: ${records.length} records of ${chunk.leaves.length} leaves`,
    );
  }
  return { chunk, records };
}
