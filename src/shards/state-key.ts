// Where a record lies in the state. Every record belongs to a home (an account, a node, a bucket, an object, or the system
// itself); the home decides the shard, so all records of one home are in one shard, whatever the number of shards is.
//
// path = first byte of the home's digest ++ last 31 bytes of H(state-record, kind, home's digest, id). One byte is what at most 256
// shards need; every further bit that the records of a home shared would cost each of them an inner node of the tree.

import { concat, toHex, uint32 } from '../base/bytes.ts';
import { shardOf } from '../base/epoch.ts';
import { digest, type Sha256 } from '../base/hash.ts';
import { DIGEST_LENGTH, type Digest, type ObjectId, type ShardId } from '../base/ids.ts';

/** The homes there are, numbered as they are hashed. */
export const HOME_TAGS = { system: 0, account: 1, node: 2, bucket: 3, object: 4, shard: 5 } as const;
export type HomeKind = keyof typeof HOME_TAGS;

/** Whoever has records of its own. `digest` places it among the shards. */
export interface Home {
  readonly kind: HomeKind;
  /** What distinguishes homes of one kind: a public key or a digest, 32 bytes. Empty for the system; bits and number of a shard. */
  readonly id: Uint8Array;
  readonly digest: Digest;
}

/** Kinds of records, numbered as they are hashed. A number is never given to another kind. */
export const RECORD_TAGS = {
  account: 0,
  parameters: 1,
  epoch: 2,
  'validator-set': 3,
  'node-index': 4,
  node: 5,
  unbonding: 6,
  beacon: 7,
  offence: 8,
  bucket: 9,
  'directory-page': 10,
  object: 11,
  segments: 12,
  outbox: 13,
  receipt: 14,
  cursor: 15,
  proposal: 16,
  supply: 17,
  batch: 18,
  lanes: 19,
  'lane-index': 20,
  fees: 21,
  operator: 24,
  'node-key': 25,
  bonds: 26,
  members: 27,
  turns: 28,
  audit: 29,
  anchor: 30,
  standing: 31,
  escrow: 32,
  'escrow-change': 33,
  earned: 34,
  disputes: 35,
} as const;
export type RecordKind = keyof typeof RECORD_TAGS;

export interface StateKey {
  readonly home: Home;
  readonly kind: RecordKind;
  /** Distinguishes records of one kind and home; empty when there is one. */
  readonly id: Uint8Array;
  /** 32 bytes: its place in the tree. */
  readonly path: Digest;
  /** `path` as hex, for maps. */
  readonly text: string;
}

const NO_ID: Uint8Array = new Uint8Array(0);
/** SHARD_BITS_MAX bits. */
const SHARED_LENGTH = 1;

/** The home of `id`, of any kind but a shard. An object's digest is its id, so that its record is in the shard whose members hold its pieces. */
export function homeOf(kind: Exclude<HomeKind, 'shard'>, id: Uint8Array = NO_ID, sha256?: Sha256): Home {
  if (kind === 'object') return { kind, id, digest: id as Uint8Array as Digest };
  return { kind, id, digest: digest('state-home', [new Uint8Array([HOME_TAGS[kind]]), id], sha256) };
}

export function objectHome(object: ObjectId): Home {
  return homeOf('object', object);
}

export function stateKey(home: Home, kind: RecordKind, id: Uint8Array = NO_ID, sha256?: Sha256): StateKey {
  const record = digest('state-record', [new Uint8Array([RECORD_TAGS[kind]]), home.digest, id], sha256);
  const path = concat(home.digest.subarray(0, SHARED_LENGTH), record.subarray(SHARED_LENGTH)) as Digest;
  return { home, kind, id, path, text: toHex(path) };
}

/**
 * The home of a shard's own records, such as its lanes: the bits of its prefix, then zeros. After a split it lies in the left one of
 * the two, after a merge in the one; other numbers of shards have homes in the same place, so ids of records name the bits.
 */
export function shardHome(shardBits: number, shard: number): Home {
  const prefix = shardBits === 0 ? 0 : (shard << (32 - shardBits)) >>> 0;
  const place = new Uint8Array(DIGEST_LENGTH);
  place.set(uint32(prefix));
  return { kind: 'shard', id: new Uint8Array([shardBits, ...uint32(shard)]), digest: place as Digest };
}

export function shardOfHome(home: Home, shardBits: number): ShardId {
  return shardOf(home.digest, shardBits);
}
