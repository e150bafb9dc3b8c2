// What the chain has, as JSON for people and programs: the HTTP interface shows it, and so do commands.
//
// One rule for everything: bytes are lower-case hexadecimal digits; integers of 64 bits are decimal text, as JSON's numbers of many
// programs are not exact; heights, times and lengths, which stay below 2^53, are numbers; what is absent is null. A pair of an asset and
// its amount, the one pair of a number and a big integer that the ledger has, is an object.

import { toHex } from '../../../base/bytes.ts';
import type { Digest, ObjectId, OwnerId } from '../../../base/ids.ts';
import { isCopy } from '../../../proofs/place.ts';
import type { AuditView } from '../../audit/audit-view.ts';
import type { CommitCertificate } from '../../../consensus/types.ts';
import type { Account } from '../../../shards/account.ts';
import type { Block } from '../../../shards/block.ts';
import type { Bond, Unbonding } from '../../../shards/bonds.ts';
import type { Bucket, BucketId } from '../../../shards/bucket.ts';
import { type EpochState, firstHeightOf, lastHeightOf } from '../../../shards/epoch-state.ts';
import { encodeShardHeader, type Header, type ShardHeader } from '../../../shards/header.ts';
import type { Lanes } from '../../../shards/lane.ts';
import { encodeLightBlock, type LightBlock } from '../../../shards/light-block.ts';
import type { NodeRecord, OperatorRecord } from '../../../shards/node.ts';
import type { ObjectRecord } from '../../../shards/object-record.ts';
import { segmentCount, segmentsPerRecord } from '../../../shards/object-shape.ts';
import type { RefusalCode } from '../../../shards/operation.ts';
import { type Parameters, parametersDigest } from '../../../shards/parameters.ts';
import type { PlacedSegment } from '../../../shards/segments.ts';
import type { SignedTransaction } from '../../../shards/transaction.ts';
import { powerOfAll, type SetEntries } from '../../../shards/validator-sets.ts';

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

/** Plain data of the ledger by the rule above. */
export function toJson(value: unknown): Json {
  if (value === null || value === undefined) return null;
  if (value instanceof Uint8Array) return toHex(value);
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return isAmount(value) ? amountJson(value) : value.map(toJson);
  if (typeof value === 'object') return objectJson(value);
  return value as boolean | number | string;
}

export function objectJson(value: object): JsonObject {
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, toJson(member)]));
}

type Amount = readonly [asset: number, amount: bigint];

function isAmount(list: readonly unknown[]): list is Amount {
  return list.length === 2 && typeof list[0] === 'number' && typeof list[1] === 'bigint';
}

const amountJson = ([asset, amount]: Amount): Json => ({ asset, amount: amount.toString() });

// ---- Blocks ------------------------------------------------------------------------------------------------------

export function headerJson(header: Header, id: Digest): JsonObject {
  return { id: toHex(id), ...objectJson(header) };
}

/** `bytes` is the whole, as the protocol has it. */
export function lightJson(light: LightBlock): JsonObject {
  return {
    header: headerJson(light.header, light.id),
    certificate: objectJson(light.certificate),
    validators: objectJson(light.validators),
    bytes: toHex(encodeLightBlock(light)),
  };
}

/** `refusals` in the order of the transactions: undefined for those that were done. */
export function blockJson(
  { header, id, body, bytes }: Block,
  certificate: CommitCertificate,
  refusals: readonly (RefusalCode | undefined)[],
): JsonObject {
  return {
    header: headerJson(header, id),
    lengthBytes: bytes.length,
    certificate: objectJson(certificate),
    lastCommit: toJson(body.lastCommit),
    evidence: toJson(body.evidence),
    reclaims: toJson(body.reclaims),
    parcels: toJson(body.parcels),
    transactions: body.transactions.map((signed, index) => ({
      ...transactionJson(signed),
      refusal: refusals[index] ?? null,
    })),
  };
}

export function transactionJson({ id, transaction, signature, lengthBytes }: SignedTransaction): JsonObject {
  return {
    id: toHex(id),
    ...objectJson(transaction),
    signature: toHex(signature),
    lengthBytes,
  };
}

// ---- State -------------------------------------------------------------------------------------------------------

export function accountJson(
  owner: OwnerId,
  account: Account,
  buckets: readonly string[],
  operator: OperatorRecord,
): JsonObject {
  return { owner: toHex(owner), ...objectJson(account), buckets, operator: objectJson(operator) };
}

export function validatorsJson(epoch: number, entries: SetEntries): JsonObject {
  return {
    epoch,
    totalPower: powerOfAll(entries).toString(),
    validators: entries.map(objectJson),
  };
}

export function nodeJson(
  node: NodeRecord,
  bonds: readonly Bond[],
  unbonding: readonly Unbonding[],
): JsonObject {
  return {
    ...objectJson(node),
    domains: node.domains.map(([label, value]) => ({ label, value })),
    bonds: bonds.map(objectJson),
    unbonding: unbonding.map(objectJson),
  };
}

/** Of the epochs before, which the record remembers too, only the first is told. */
export function epochJson(state: EpochState): JsonObject {
  const { starts, ...rest } = state;
  return {
    ...objectJson(rest),
    firstHeight: firstHeightOf(state),
    lastHeight: lastHeightOf(state),
    startedAtMs: starts.at(-1)!.timeMs,
    oldestEpoch: state.epoch - starts.length + 1,
  };
}

/** `shards` are those of the state, of which the next block may have more or fewer. */
export function shardsJson(shards: readonly ShardHeader[], lanes: Lanes): JsonObject {
  return {
    shardBits: shards[0]!.shardBits,
    nextShardBits: lanes.current.shardBits,
    receiptsWaiting: lanes.current.pending + (lanes.previous?.pending ?? 0),
    shards: shards.map((shard) => ({
      shard: shard.shard,
      stateRoot: toHex(shard.stateRoot),
      outboxRoot: toHex(shard.outboxRoot),
      bytes: toHex(encodeShardHeader(shard)),
    })),
  };
}

export function parametersJson(parameters: Parameters): JsonObject {
  return { digest: toHex(parametersDigest(parameters)), ...objectJson(parameters) };
}

export function bucketJson(id: BucketId, bucket: Bucket): JsonObject {
  return { id: toHex(id), ...objectJson(bucket) };
}

/** `segments` are those of one record, if they were asked for. */
export function objectRecordJson(
  id: ObjectId,
  object: ObjectRecord,
  segments: readonly PlacedSegment[] | undefined,
): JsonObject {
  const { shape, registered } = object;
  return {
    id: toHex(id),
    ...objectJson(object),
    segments: segmentCount(shape),
    isComplete: registered === segmentCount(shape),
    segmentsPerPart: segmentsPerRecord(shape.code),
    part: toJson(segments),
  };
}

export function auditsJson({ pieces, leaves, rounds }: AuditView): JsonObject {
  return {
    pieces,
    leaves,
    rounds: rounds.map(({ round, height, timeMs, group, auditors, audits, asked }) => ({
      round,
      height,
      timeMs,
      group: group ?? null,
      auditors,
      audits,
      asked: asked.map(({ place, leafIndex }) => ({
        object: toHex(place.object),
        segment: isCopy(place) ? null : place.segmentIndex,
        piece: place.pieceIndex,
        leaf: leafIndex,
      })),
    })),
  };
}
