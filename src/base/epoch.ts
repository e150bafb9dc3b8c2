// The epoch record: who belongs to the network, with what stake and capacity, and the parameters in force. The first is
// signed by the genesis key, whose digest the network id is; every later one is the chain's, whose state names its digest.
// Everything a client must trust follows from one pinned value, the network id.

import { z } from 'zod';
import { compare, equal, short } from './bytes.ts';
import { bigUint, bytesOf, decodeCanonical, digestOf, encode, label, listOf, text, uint } from './codec.ts';
import { StoreError } from './errors.ts';
import { digest, portableSha256, type Sha256, signedBytes } from './hash.ts';
import type { Digest, Epoch, NetworkId, NodeId, OperatorId, ShardId, Signature, Stake } from './ids.ts';
import { DOMAIN_LABELS_MAX, EPOCH_RECORD_LENGTH_MAX, LABEL_LENGTH_MAX, MEMBERS_MAX } from './limits.ts';
import type { NetworkParams } from './params.ts';
import type { Signer, Verify } from './ports.ts';

/** What a network is founded on. Its digest is the network id. */
export interface Genesis {
  readonly name: string;
  /** ed25519 key that signs what the network begins with. */
  readonly genesisKey: Uint8Array;
  readonly createdAtMs: number;
  /** 16 random bytes: two networks of the same name and second differ. */
  readonly nonce: Uint8Array;
}

export interface Member {
  readonly node: NodeId;
  readonly operator: OperatorId;
  readonly stake: Stake;
  /** Bytes the member offers; at least one GiB counts. */
  readonly capacityBytes: number;
  /** Drawn for the member after it registered, so that nobody chooses a position by choosing a key. */
  readonly admissionSeed: Digest;
  /** Failure domains, e.g. ['rack', 'r1']: sorted by label, one value a label. */
  readonly domains: readonly (readonly [label: string, value: string])[];
  /** It has been silent in audits: it keeps what it holds, and gets something new only when nobody else is left. */
  readonly isSuspended?: true;
}

export interface EpochRecord {
  readonly network: NetworkId;
  readonly epoch: Epoch;
  /** Digest of the previous record; zeros for epoch 0. */
  readonly previous: Digest;
  readonly seed: Digest;
  readonly params: NetworkParams;
  /** Sorted by node id, each node once. */
  readonly members: readonly Member[];
}

/** A record with everything needed to verify it against a network id. */
export interface SignedEpoch {
  readonly genesis: Genesis;
  readonly record: EpochRecord;
  readonly signature: Signature;
}

const genesisSchema = z
  .tuple([text(LABEL_LENGTH_MAX), bytesOf(32), uint(), bytesOf(16)])
  .transform(([name, genesisKey, createdAtMs, nonce]): Genesis => ({ name, genesisKey, createdAtMs, nonce }));

const memberSchema = z
  .tuple([
    digestOf<NodeId>(),
    label,
    bigUint,
    uint(),
    digestOf<Digest>(),
    listOf(z.tuple([label, label]), DOMAIN_LABELS_MAX),
    z.boolean(),
  ])
  .transform(
    ([node, operator, stake, capacityBytes, admissionSeed, domains, isSuspended]): Member => ({
      node,
      operator: operator as OperatorId,
      stake: stake as Stake,
      capacityBytes,
      admissionSeed,
      domains,
      ...(isSuspended ? { isSuspended } : {}),
    }),
  );

const paramsSchema = z
  .tuple([uint(16), uint(MEMBERS_MAX), uint(MEMBERS_MAX), z.boolean()])
  .refine(([, , divisor]) => divisor >= 1)
  .transform(
    ([shardBits, shardMembersMin, operatorShareDivisor, isTrial]): NetworkParams => ({
      shardBits,
      shardMembersMin,
      operatorShareDivisor,
      isTrial,
    }),
  );

const recordSchema = z
  .tuple([
    digestOf<NetworkId>(),
    uint(),
    digestOf<Digest>(),
    digestOf<Digest>(),
    paramsSchema,
    listOf(memberSchema, MEMBERS_MAX),
  ])
  .transform(
    ([network, epoch, previous, seed, params, members]): EpochRecord => ({
      network,
      epoch: epoch as Epoch,
      previous,
      seed,
      params,
      members,
    }),
  );

const signedSchema = z.tuple([genesisSchema, recordSchema, bytesOf(64)]).transform(
  ([genesis, record, signature]): SignedEpoch => ({
    genesis,
    record,
    signature: signature as Signature,
  }),
);

const genesisTuple = (genesis: Genesis): unknown[] => [
  genesis.name,
  genesis.genesisKey,
  genesis.createdAtMs,
  genesis.nonce,
];

const memberTuple = (member: Member): unknown[] => [
  member.node,
  member.operator,
  member.stake,
  member.capacityBytes,
  member.admissionSeed,
  member.domains,
  member.isSuspended ?? false,
];

const recordTuple = (record: EpochRecord): unknown[] => [
  record.network,
  record.epoch,
  record.previous,
  record.seed,
  [
    record.params.shardBits,
    record.params.shardMembersMin,
    record.params.operatorShareDivisor,
    record.params.isTrial,
  ],
  record.members.map(memberTuple),
];

/** A record as it is kept: whoever reads it knows from elsewhere that it holds. */
export function encodeEpochRecord(record: EpochRecord): Uint8Array {
  return encode(recordTuple(record));
}

/** Throws INVALID_ENCODING, WRONG_NETWORK. */
export function decodeEpochRecord(bytes: Uint8Array, network: NetworkId): EpochRecord {
  const record = decodeCanonical(recordSchema, bytes, EPOCH_RECORD_LENGTH_MAX, 'epoch record');
  if (!equal(record.network, network)) throw foreign(record, network);
  for (let index = 0; index < record.members.length; index++) checkMember(record, index);
  return record;
}

export function networkIdOf(genesis: Genesis, sha256: Sha256 = portableSha256): NetworkId {
  return digest('network', [encode(genesisTuple(genesis))], sha256) as Uint8Array as NetworkId;
}

export function epochDigest(record: EpochRecord, sha256: Sha256 = portableSha256): Digest {
  return digest('epoch-record', [encode(recordTuple(record))], sha256);
}

export function signEpoch(genesis: Genesis, record: EpochRecord, genesisSigner: Signer): SignedEpoch {
  const sorted = { ...record, members: [...record.members].sort((a, b) => compare(a.node, b.node)) };
  const signature = genesisSigner.sign(signedBytes('epoch-record', encode(recordTuple(sorted))));
  return { genesis, record: sorted, signature };
}

export function encodeEpoch(signed: SignedEpoch): Uint8Array {
  return encode([genesisTuple(signed.genesis), recordTuple(signed.record), signed.signature]);
}

/** Parses and verifies. Throws INVALID_ENCODING, WRONG_NETWORK, INVALID_SIGNATURE. */
export function decodeEpoch(bytes: Uint8Array, network: NetworkId, verify: Verify): SignedEpoch {
  const signed = decodeCanonical(signedSchema, bytes, EPOCH_RECORD_LENGTH_MAX, 'epoch record');
  verifyEpoch(signed, network, verify);
  return signed;
}

/** Throws WRONG_NETWORK, INVALID_ENCODING or INVALID_SIGNATURE unless `signed` is a sound record of `network`. */
export function verifyEpoch(signed: SignedEpoch, network: NetworkId, verify: Verify): void {
  const { genesis, record, signature } = signed;
  if (!equal(networkIdOf(genesis), network) || !equal(record.network, network)) {
    throw foreign(record, network);
  }
  if (!verify(genesis.genesisKey, signedBytes('epoch-record', encode(recordTuple(record))), signature)) {
    throw new StoreError(
      'INVALID_SIGNATURE',
      `epoch record ${record.epoch} is not signed by the genesis key`,
    );
  }
  for (let index = 0; index < record.members.length; index++) checkMember(record, index);
}

function foreign(record: EpochRecord, network: NetworkId): StoreError {
  return new StoreError(
    'WRONG_NETWORK',
    `epoch record of network ${short(record.network)}, expected network ${short(network)}`,
  );
}

function checkMember(record: EpochRecord, index: number): void {
  const member = record.members[index]!;
  if (index > 0 && compare(record.members[index - 1]!.node, member.node) >= 0) {
    throw new StoreError('INVALID_ENCODING', 'epoch record: members are not sorted or one stands twice');
  }
  for (let at = 1; at < member.domains.length; at++) {
    if (member.domains[at - 1]![0] >= member.domains[at]![0]) {
      throw new StoreError('INVALID_ENCODING', 'epoch record: failure domains are not sorted');
    }
  }
}

export function findMember(record: EpochRecord, node: Uint8Array): Member | undefined {
  return record.members.find((member) => equal(member.node, node));
}

/** The shard of a key: the first `shardBits` bits of its digest, so that a shard is a Kademlia subtree. */
export function shardOf(keyDigest: Uint8Array, shardBits: number): ShardId {
  const first = ((keyDigest[0]! << 16) | (keyDigest[1]! << 8) | keyDigest[2]!) >>> 0;
  return (first >>> (24 - shardBits)) as ShardId;
}
