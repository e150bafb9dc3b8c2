// Branded ids: two 32-byte things are two types, so that a piece root is never passed where a node id belongs.
// A brand is made in one place, after the bytes were checked; inside, nothing is checked again.

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** Any 32-byte hash whose kind does not matter where it is used. */
export type Digest = Branded<Uint8Array, 'Digest'>;
/** A node's ed25519 public key, 32 bytes: the node's identity everywhere. Its libp2p peer id is derived from it. */
export type NodeId = Branded<Uint8Array, 'NodeId'>;
/** The ed25519 public key, 32 bytes, that owns objects and may remove them. */
export type OwnerId = Branded<Uint8Array, 'OwnerId'>;
/** Digest of a network's genesis: two nodes with different ones never exchange data. */
export type NetworkId = Branded<Uint8Array, 'NetworkId'>;
/** Digest of (owner, salt): an object's position in the key space. */
export type ObjectId = Branded<Uint8Array, 'ObjectId'>;
/** Digest of (object, segment index): the unit of placement. */
export type SegmentId = Branded<Uint8Array, 'SegmentId'>;
/** BLAKE3 digest of a piece. */
export type PieceRoot = Branded<Uint8Array, 'PieceRoot'>;
/** 32 random bytes that encrypt one object. Secret. */
export type ContentKey = Branded<Uint8Array, 'ContentKey'>;
/** ed25519 signature, 64 bytes. */
export type Signature = Branded<Uint8Array, 'Signature'>;

/** Name of whoever runs a node; pieces of one segment go to different operators. */
export type OperatorId = Branded<string, 'OperatorId'>;
/** Index of a shard, from 0 to 2^shardBits - 1. */
export type ShardId = Branded<number, 'ShardId'>;
/** Number of an epoch, from 0 (genesis). */
export type Epoch = Branded<number, 'Epoch'>;
/** Tokens at risk. */
export type Stake = Branded<bigint, 'Stake'>;

export const DIGEST_LENGTH = 32;
export const SIGNATURE_LENGTH = 64;
