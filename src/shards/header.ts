// Headers: what a block says of itself and of the state it builds on. A light client needs nothing else of a block: its id is the
// digest of the header, and the header binds everything the block carries.
//
// The state is the one after the parent, so that nobody has to execute a block before proposing it: stateRoot and shardsRoot of
// block h + 1 are of the state after block h, with the shards there were then.

import { z } from 'zod';
import { bytesOf, decodeCanonical, digestOf, encode, uint } from '../base/codec.ts';
import { digest, type Sha256 } from '../base/hash.ts';
import {
  DIGEST_LENGTH,
  type Digest,
  type Epoch,
  type NetworkId,
  type NodeId,
  type ShardId,
} from '../base/ids.ts';
import { BLOCK_HEADER_LENGTH_MAX, HEIGHT_MAX, SHARD_BITS_MAX } from '../base/limits.ts';
import { merkleRoot } from '../base/merkle.ts';

export interface Header {
  readonly network: NetworkId;
  /** 1 for the first; genesis is 0 and no block. */
  readonly height: number;
  readonly epoch: Epoch;
  /** Milliseconds since 1970, later than the parent's. */
  readonly timeMs: number;
  /** Id of the parent; of the first block, whatever genesis says. */
  readonly parent: Digest;
  /** Of the certificate for the parent that the block carries; zeros in the first block. */
  readonly lastCommit: Digest;
  /** Of the validators of this height, and of the next. */
  readonly validators: Digest;
  readonly nextValidators: Digest;
  /** There were 2^shardBits shards after the parent. */
  readonly shardBits: number;
  /** Merkle root over the state roots of the shards. */
  readonly stateRoot: Digest;
  /** Merkle root over the shard headers. */
  readonly shardsRoot: Digest;
  /** Merkle roots over the ids of the transactions, the digests of the receipts executed, and the digests of the evidence. */
  readonly transactionsRoot: Digest;
  readonly receiptsRoot: Digest;
  readonly evidenceRoot: Digest;
  /** Everything that the block carries. */
  readonly body: Digest;
  readonly proposer: NodeId;
  /** The proposer's next preimage for the beacon, or null. */
  readonly reveal: Uint8Array | null;
}

const headerSchema = z
  .tuple([
    digestOf<NetworkId>(),
    uint(HEIGHT_MAX),
    uint(),
    uint(),
    digestOf(),
    digestOf(),
    digestOf(),
    digestOf(),
    uint(SHARD_BITS_MAX),
    digestOf(),
    digestOf(),
    digestOf(),
    digestOf(),
    digestOf(),
    digestOf(),
    digestOf<NodeId>(),
    bytesOf(DIGEST_LENGTH).nullable(),
  ])
  .transform((fields): Header => {
    const [network, height, epoch, timeMs, parent, lastCommit, validators, nextValidators, ...rest] = fields;
    const [shardBits, stateRoot, shardsRoot, transactionsRoot, receiptsRoot, evidenceRoot, body, ...last] =
      rest;
    const [proposer, reveal] = last;
    return {
      network,
      height,
      epoch: epoch as Epoch,
      timeMs,
      parent,
      lastCommit,
      validators,
      nextValidators,
      shardBits,
      stateRoot,
      shardsRoot,
      transactionsRoot,
      receiptsRoot,
      evidenceRoot,
      body,
      proposer,
      reveal,
    };
  });

export function encodeHeader(header: Header): Uint8Array {
  return encode([
    header.network,
    header.height,
    header.epoch,
    header.timeMs,
    header.parent,
    header.lastCommit,
    header.validators,
    header.nextValidators,
    header.shardBits,
    header.stateRoot,
    header.shardsRoot,
    header.transactionsRoot,
    header.receiptsRoot,
    header.evidenceRoot,
    header.body,
    header.proposer,
    header.reveal,
  ]);
}

/** Throws INVALID_ENCODING. */
export function decodeHeader(bytes: Uint8Array): Header {
  return decodeCanonical(headerSchema, bytes, BLOCK_HEADER_LENGTH_MAX, 'block header');
}

/** The id of the block under an encoded header. */
export function headerId(bytes: Uint8Array, sha256?: Sha256): Digest {
  return digest('block', [bytes], sha256);
}

// ---- Shards --------------------------------------------------------------------------------------------------

/** What a block says of one shard after the parent. */
export interface ShardHeader {
  readonly shardBits: number;
  readonly shard: ShardId;
  /** Digest of the shard's state tree. */
  readonly stateRoot: Digest;
  /** Over the batches of receipts that the shard sent in the parent. */
  readonly outboxRoot: Digest;
}

const shardHeaderSchema = z
  .tuple([uint(SHARD_BITS_MAX), uint(2 ** SHARD_BITS_MAX - 1), digestOf(), digestOf(), z.null()])
  .refine(([shardBits, shard]) => shard < 2 ** shardBits, 'no such shard')
  .transform(
    ([shardBits, shard, stateRoot, outboxRoot]): ShardHeader => ({
      shardBits,
      shard: shard as ShardId,
      stateRoot,
      outboxRoot,
    }),
  );

/** The last field is for the endorsement of a committee; where all execute all shards it is null. */
export function encodeShardHeader({ shardBits, shard, stateRoot, outboxRoot }: ShardHeader): Uint8Array {
  return encode([shardBits, shard, stateRoot, outboxRoot, null]);
}

/** Throws INVALID_ENCODING. */
export function decodeShardHeader(bytes: Uint8Array): ShardHeader {
  return decodeCanonical(shardHeaderSchema, bytes, BLOCK_HEADER_LENGTH_MAX, 'shard header');
}

export function shardHeaderDigest(header: ShardHeader, sha256?: Sha256): Digest {
  return digest('shard-header', [encodeShardHeader(header)], sha256);
}

/** Headers of all shards, of the digests of their trees and of the roots of what they sent. */
export function shardHeaders(
  shardBits: number,
  stateRoots: readonly Digest[],
  outboxRoots: readonly Digest[],
): readonly ShardHeader[] {
  return stateRoots.map((stateRoot, shard) => ({
    shardBits,
    shard: shard as ShardId,
    stateRoot,
    outboxRoot: outboxRoots[shard]!,
  }));
}

export function stateRootOf(shards: readonly ShardHeader[], sha256?: Sha256): Digest {
  return merkleRoot(
    shards.map(({ stateRoot }) => stateRoot),
    sha256,
  );
}

export function shardsRootOf(shards: readonly ShardHeader[], sha256?: Sha256): Digest {
  return merkleRoot(
    shards.map((header) => shardHeaderDigest(header, sha256)),
    sha256,
  );
}
