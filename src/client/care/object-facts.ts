// What a proven state says of an object: its record, who holds which piece, and how the holders stand. Pure: the same is read from the chain, a few records at a
// time, and from a bundle that somebody sent.

import { short, toHex } from '../../base/bytes.ts';
import type { EpochRecord } from '../../base/epoch.ts';
import { StoreError } from '../../base/errors.ts';
import type { NetworkId, NodeId, ObjectId } from '../../base/ids.ts';
import type { AuditRules } from '../../shards/audit-rules.ts';
import { type HolderFacts, holdersFacts } from '../../shards/holders.ts';
import { objectOf, type ObjectRecord, segmentsKey, segmentsOf } from '../../shards/object-record.ts';
import { segmentsPerRecord } from '../../shards/object-shape.ts';
import { parametersOf } from '../../shards/parameters.ts';
import { readAll } from '../../shards/read-all.ts';
import type { PlacedSegment } from '../../shards/segments.ts';
import { currentEpochRecord, StorageMembers } from '../../shards/storage-members.ts';
import type { Overlay } from '../../shards/view.ts';

/** Of the state at one height. */
export interface NetworkFacts {
  readonly epoch: EpochRecord;
  readonly members: StorageMembers;
  readonly rules: AuditRules;
}

export interface PartFacts {
  /** Number of the first segment. */
  readonly first: number;
  readonly segments: readonly PlacedSegment[];
}

export type Holders = ReadonlyMap<string, HolderFacts>;

/** Throws MissingRecords. */
export function networkFacts(state: Overlay, network: NetworkId): NetworkFacts {
  const epoch = currentEpochRecord(state, network);
  return { epoch, members: new StorageMembers(epoch), rules: parametersOf(state).audit };
}

/** Throws MissingRecords; NOT_FOUND when the chain does not know the object. */
export function objectRecordOf(state: Overlay, object: ObjectId): ObjectRecord {
  const record = objectOf(state, object);
  if (record !== undefined) return record;
  throw new StoreError('NOT_FOUND', `the chain does not know object ${short(object)}`, {
    next: 'It was removed, or is not registered yet: the next command of the home that put it goes on with that.',
  });
}

/** Records of segments that the object has. */
export function partCount({ registered, shape }: ObjectRecord): number {
  return Math.ceil(registered / segmentsPerRecord(shape.code));
}

/** What records `from` to `to`, that one not included, say of the object's segments. Throws MissingRecords. */
export function partFacts(
  state: Overlay,
  object: ObjectId,
  { shape }: ObjectRecord,
  from: number,
  to: number,
): PartFacts {
  const parts = Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index);
  readAll(
    state,
    parts.map((part) => segmentsKey(object, part)),
  );
  const segments = parts.flatMap((part) => segmentsOf(state, object, part));
  return { first: from * segmentsPerRecord(shape.code), segments };
}

/** How everybody stands who holds a piece of these segments, or a copy of the manifest. Throws MissingRecords. */
export function holdersOf(
  state: Overlay,
  { members, rules }: NetworkFacts,
  { manifest }: ObjectRecord,
  segments: readonly PlacedSegment[],
): Holders {
  const nodes = new Map<string, NodeId>();
  for (const node of [...manifest.holders, ...segments.flatMap(({ holders }) => holders)])
    nodes.set(toHex(node), node);
  return holdersFacts(state, members, rules, nodes.values());
}
