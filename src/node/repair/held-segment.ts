// What the chain's records say of one segment, or of the copies of a manifest: what each piece is and who holds it. Copies count as a segment
// of which every piece is the whole, so that one of them is enough: what is repaired is decided alike for both.

import { type EpochRecord, type Member, shardOf } from '../../base/epoch.ts';
import type { NodeId, ObjectId } from '../../base/ids.ts';
import { COPY_SEGMENT, type Place } from '../../proofs/place.ts';
import type { Code } from '../../replication/code.ts';
import { segmentIdOf } from '../../replication/object.ts';
import { rank, shardMembers } from '../../replication/placement.ts';
import { objectOf, type ObjectRecord, segmentsKey, segmentsOf } from '../../shards/object-record.ts';
import { pieceLengthOf, segmentsPerRecord } from '../../shards/object-shape.ts';
import { LoadedState, Overlay } from '../../shards/view.ts';
import { type RecordSource, settle } from '../chain/settle.ts';

export interface HeldSegment {
  readonly object: ObjectId;
  readonly record: ObjectRecord;
  /** COPY_SEGMENT for the copies of the manifest. */
  readonly segmentIndex: number;
  /** Of the segment; of copies, one of as many as there are. */
  readonly code: Code;
  /** Root of piece i, or of every copy the manifest's digest. */
  readonly roots: readonly Uint8Array[];
  /** Holder of piece i at index i. */
  readonly holders: readonly NodeId[];
  /** Of each piece. */
  readonly lengthBytes: number;
}

export function isOfCopies({ segmentIndex }: Pick<HeldSegment, 'segmentIndex'>): boolean {
  return segmentIndex === COPY_SEGMENT;
}

/** Undefined when there is no such thing any more, or its object is being deleted. */
export async function heldSegment(
  source: RecordSource,
  { object: id, segmentIndex }: Pick<Place, 'object' | 'segmentIndex'>,
): Promise<HeldSegment | undefined> {
  const { held } = await settle(source, new LoadedState(), (loaded) => {
    const state = new Overlay(loaded);
    const record = objectOf(state, id);
    if (record === undefined || record.isLeaving) return { held: undefined };
    return {
      held: segmentIndex === COPY_SEGMENT ? copiesIn(id, record) : segmentIn(state, id, record, segmentIndex),
    };
  });
  return held;
}

function copiesIn(object: ObjectId, record: ObjectRecord): HeldSegment | undefined {
  const { digest, lengthBytes, holders } = record.manifest;
  if (holders.length === 0) return undefined;
  const code = { k: 1, n: holders.length };
  const roots = holders.map(() => digest);
  return { object, record, segmentIndex: COPY_SEGMENT, code, roots, holders, lengthBytes };
}

function segmentIn(
  state: Overlay,
  object: ObjectId,
  record: ObjectRecord,
  segmentIndex: number,
): HeldSegment | undefined {
  const { shape, registered } = record;
  if (segmentIndex >= registered) return undefined;
  const size = segmentsPerRecord(shape.code);
  state.read(segmentsKey(object, Math.floor(segmentIndex / size)));
  const segment = segmentsOf(state, object, Math.floor(segmentIndex / size))[segmentIndex % size];
  if (segment === undefined) return undefined;
  const { roots, holders } = segment;
  const lengthBytes = pieceLengthOf(shape, segmentIndex);
  return { object, record, segmentIndex, code: shape.code, roots, holders, lengthBytes };
}

/** Members in the order in which they are to hold the pieces, or the copies. */
export function holderOrder(
  epoch: EpochRecord,
  { object, segmentIndex, roots }: HeldSegment,
): readonly Member[] {
  const members = shardMembers(epoch, shardOf(object, epoch.params.shardBits));
  return segmentIndex === COPY_SEGMENT
    ? rank(members, 'manifest', roots[0]!)
    : rank(members, 'placement', segmentIdOf(object, segmentIndex));
}
