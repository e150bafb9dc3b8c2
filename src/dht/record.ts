// What nodes say in the DHT: three kinds of signed records, kept by strangers under keys that follow from their content.
//
//     record = dag-cbor [ body, signature ]             body: the bytes of one of
//     node   = dag-cbor [ network, node, sequence, expiresAtMs, [control address..], [bulk address..] ]
//     shard  = dag-cbor [ network, node, sequence, expiresAtMs, shard, epoch ]
//     object = dag-cbor [ network, node, sequence, expiresAtMs, digest ]
//
// The node signs the body under the domain of its kind, so that no record passes for another. A record is a hint: it shows who
// said something and that the speaker is a member; whether it is true, the user of the record finds out by using it. Pure.

import { z } from 'zod';
import { compare, equal, short, toHex, toUtf8 } from '../base/bytes.ts';
import { bytesOf, bytesUpTo, decodeCanonical, digestOf, encode, listOf, text, uint } from '../base/codec.ts';
import { StoreError } from '../base/errors.ts';
import { type Domain, signedBytes } from '../base/hash.ts';
import {
  type Digest,
  type Epoch,
  type NetworkId,
  type NodeId,
  SIGNATURE_LENGTH,
  type ShardId,
} from '../base/ids.ts';
import {
  ADDRESS_LENGTH_MAX,
  ADDRESSES_MAX,
  DHT_RECORD_LENGTH_MAX,
  DHT_RECORD_LIFETIME_MAX_MS,
} from '../base/limits.ts';
import type { NodeAddresses, Signer, Verify } from '../base/ports.ts';

interface Stamp {
  readonly network: NetworkId;
  /** Who says it and signs it. */
  readonly node: NodeId;
  /** Of two records under one key the higher is the newer; makers take the wall clock. */
  readonly sequence: number;
  readonly expiresAtMs: number;
}

/** "I can be reached here." */
export interface NodeRecord extends Stamp {
  readonly kind: 'node';
  readonly addresses: NodeAddresses;
}

/** "I serve this shard in this epoch." */
export interface ShardRecord extends Stamp {
  readonly kind: 'shard';
  readonly shard: ShardId;
  readonly epoch: Epoch;
}

/** "There is a public object of which this is the CID's digest; ask me." */
export interface ObjectRecord extends Stamp {
  readonly kind: 'object';
  readonly object: Digest;
}

export type DhtRecord = NodeRecord | ShardRecord | ObjectRecord;

/** What a reader knows that a record must agree with. */
export interface RecordRules {
  readonly network: NetworkId;
  readonly verify: Verify;
  readonly isMember: (node: NodeId) => boolean;
}

/** Namespaces of the DHT, which libp2p reads out of the key. */
export const NAMESPACES = { node: 'hf-node', shard: 'hf-shard', object: 'hf-object' } as const;

const DOMAIN: Readonly<Record<DhtRecord['kind'], Domain>> = {
  node: 'node-record',
  shard: 'shard-record',
  object: 'object-record',
};

// ---- Keys --------------------------------------------------------------------------------------------------

/** `/hf-node/<node, hex>` */
export function nodeKey(node: NodeId): Uint8Array {
  return toUtf8(`/${NAMESPACES.node}/${toHex(node)}`);
}

/** `/hf-shard/<shard>-<node, hex>`: a record per server, so that no server's record pushes out another's. */
export function shardKey(shard: ShardId, node: NodeId): Uint8Array {
  return toUtf8(`/${NAMESPACES.shard}/${shard}-${toHex(node)}`);
}

/** `/hf-object/<digest, hex>` */
export function objectKey(object: Digest): Uint8Array {
  return toUtf8(`/${NAMESPACES.object}/${toHex(object)}`);
}

/** The one key that a record may stand under. */
export function keyOf(record: DhtRecord): Uint8Array {
  switch (record.kind) {
    case 'node':
      return nodeKey(record.node);
    case 'shard':
      return shardKey(record.shard, record.node);
    case 'object':
      return objectKey(record.object);
  }
}

// ---- Making ------------------------------------------------------------------------------------------------

/** The signed bytes of `record`. Throws INVALID_ARGUMENT when it is longer than a record may be. */
export function signRecord(record: DhtRecord, signer: Signer): Uint8Array {
  const body = encode(bodyOf(record));
  const bytes = encode([body, signer.sign(signedBytes(DOMAIN[record.kind], body))]);
  if (bytes.length > DHT_RECORD_LENGTH_MAX || !equal(signer.publicKey, record.node)) {
    throw new StoreError('INVALID_ARGUMENT', `${record.kind} record is too long or not signed by its node`);
  }
  return bytes;
}

function bodyOf(record: DhtRecord): unknown[] {
  const stamp = [record.network, record.node, record.sequence, record.expiresAtMs];
  switch (record.kind) {
    case 'node':
      return [...stamp, record.addresses.control, record.addresses.bulk];
    case 'shard':
      return [...stamp, record.shard, record.epoch];
    case 'object':
      return [...stamp, record.object];
  }
}

// ---- Checking ----------------------------------------------------------------------------------------------

const addresses = listOf(text(ADDRESS_LENGTH_MAX), ADDRESSES_MAX);
const stampFields = [digestOf<NetworkId>(), digestOf<NodeId>(), uint(), uint()] as const;
const envelope = z.tuple([bytesUpTo(DHT_RECORD_LENGTH_MAX), bytesOf(SIGNATURE_LENGTH)]);
const SCHEMAS = {
  node: z.tuple([...stampFields, addresses, addresses]).transform(
    ([network, node, sequence, expiresAtMs, control, bulk]): NodeRecord => ({
      kind: 'node',
      network,
      node,
      sequence,
      expiresAtMs,
      addresses: { control, bulk },
    }),
  ),
  shard: z.tuple([...stampFields, uint(2 ** 16 - 1), uint()]).transform(
    ([network, node, sequence, expiresAtMs, shard, epoch]): ShardRecord => ({
      kind: 'shard',
      network,
      node,
      sequence,
      expiresAtMs,
      shard: shard as ShardId,
      epoch: epoch as Epoch,
    }),
  ),
  object: z.tuple([...stampFields, digestOf()]).transform(
    ([network, node, sequence, expiresAtMs, object]): ObjectRecord => ({
      kind: 'object',
      network,
      node,
      sequence,
      expiresAtMs,
      object,
    }),
  ),
} satisfies Record<DhtRecord['kind'], z.ZodType<DhtRecord>>;

/**
 * The record in `bytes`, fit to stand under `key` at `nowMs`. The signature comes last: it costs most. Throws INVALID_ENCODING, PROTOCOL
 * (wrong key), WRONG_NETWORK, NOT_FOUND (expired, or from too far in the future), UNAUTHORIZED (no member), INVALID_SIGNATURE.
 */
export function checkRecord(
  key: Uint8Array,
  bytes: Uint8Array,
  rules: RecordRules,
  nowMs: number,
): DhtRecord {
  const kind = kindOfKey(key);
  const [body, signature] = decodeCanonical(envelope, bytes, DHT_RECORD_LENGTH_MAX, `${kind} record`);
  const record: DhtRecord = decodeCanonical<DhtRecord>(
    SCHEMAS[kind],
    body,
    DHT_RECORD_LENGTH_MAX,
    `${kind} record`,
  );
  const name = `${kind} record of ${short(record.node)}`;
  if (!equal(keyOf(record), key)) throw new StoreError('PROTOCOL', `${name} stands under another key`);
  if (!equal(record.network, rules.network)) {
    throw new StoreError('WRONG_NETWORK', `${name} belongs to network ${short(record.network)}`);
  }
  if (record.expiresAtMs <= nowMs || record.expiresAtMs > nowMs + DHT_RECORD_LIFETIME_MAX_MS) {
    throw new StoreError('NOT_FOUND', `${name} has expired, or never will`);
  }
  if (!rules.isMember(record.node))
    throw new StoreError('UNAUTHORIZED', `${name}: not a member of the network`);
  if (!rules.verify(record.node, signedBytes(DOMAIN[kind], body), signature)) {
    throw new StoreError('INVALID_SIGNATURE', `${name} is not signed by it`);
  }
  return record;
}

/** Index of the newest of records that passed `checkRecord`, the same on every node whatever their order. */
export function selectNewest(
  records: readonly Uint8Array[],
  recordOf: (bytes: Uint8Array) => DhtRecord,
): number {
  let best = 0;
  for (let index = 1; index < records.length; index++) {
    if (compareAge(recordOf(records[index]!), recordOf(records[best]!), records[index]!, records[best]!) > 0)
      best = index;
  }
  return best;
}

/** Positive when `a` is the newer one. */
export function compareAge(a: DhtRecord, b: DhtRecord, aBytes: Uint8Array, bBytes: Uint8Array): number {
  return a.sequence - b.sequence || a.expiresAtMs - b.expiresAtMs || compare(aBytes, bBytes);
}

function kindOfKey(key: Uint8Array): DhtRecord['kind'] {
  for (const kind of ['node', 'shard', 'object'] as const) {
    const prefix = toUtf8(`/${NAMESPACES[kind]}/`);
    if (key.length <= 200 && equal(key.subarray(0, prefix.length), prefix)) return kind;
  }
  throw new StoreError('PROTOCOL', 'a key of no namespace of ours');
}
