// Who holds what, as the chain's records say it, and how a block changes that: the holders of an object's pieces stand in its records of
// segments, those of the copies of its manifest in its own record.
//
// Invariant: what the changes of blocks add up to, from nothing, is what the records of the state say. So a place is lost and gained
// where its holder changed, and where its weight did: an object that was deleted may come back under its id in another shape, in one
// block, with records of segments that are the same to the byte.

import { equal, toHex } from '../../base/bytes.ts';
import type { NodeId, ObjectId } from '../../base/ids.ts';
import type { HeldPlace } from '../../proofs/draw.ts';
import { COPY_SEGMENT, weightOf } from '../../proofs/place.ts';
import { objectKey, type ObjectRecord, objectRecord, segmentsKey } from '../../shards/object-record.ts';
import { isSameShape, pieceLengthOf, segmentsPerRecord } from '../../shards/object-shape.ts';
import { type PlacedSegment, segmentsRecord } from '../../shards/segments.ts';
import type { StateKey } from '../../shards/state-key.ts';
import { type Change, decodeRecord, type Loaded } from '../../shards/view.ts';
import type { RecordSource } from '../chain/settle.ts';

export interface Holding extends HeldPlace {
  readonly node: NodeId;
}

/** What of an object's places stands in its own record and not in one of segments. Less than any of those. */
export const COPIES = -1;

/** What changed hands by one record. */
export interface HoldingChange {
  readonly object: ObjectId;
  /** Number of the record of segments, or COPIES. */
  readonly part: number;
  readonly lost: readonly Holding[];
  readonly gained: readonly Holding[];
}

// ---- What records say ----------------------------------------------------------------------------------------

/** In the order of their places. */
export function copiesOf(object: ObjectId, { manifest }: ObjectRecord): readonly Holding[] {
  const weight = weightOf(manifest.lengthBytes);
  return manifest.holders.map((node, pieceIndex) => ({
    node,
    weight,
    place: { object, segmentIndex: COPY_SEGMENT, pieceIndex },
  }));
}

/** Of record number `part`, in the order of their places. */
export function piecesOfPart(
  object: ObjectId,
  { shape }: ObjectRecord,
  part: number,
  segments: readonly PlacedSegment[],
): readonly Holding[] {
  const first = part * segmentsPerRecord(shape.code);
  return segments.flatMap(({ holders }, at) => {
    const segmentIndex = first + at;
    const weight = weightOf(pieceLengthOf(shape, segmentIndex));
    return holders.map((node, pieceIndex) => ({ node, weight, place: { object, segmentIndex, pieceIndex } }));
  });
}

/** Records of segments that the object has. */
export function partCount({ shape, registered }: ObjectRecord): number {
  return Math.ceil(registered / segmentsPerRecord(shape.code));
}

// ---- What a block changes ------------------------------------------------------------------------------------

/** In the order of objects and parts. `state` is that before `changes`. */
export async function holdingChanges(
  changes: readonly Change[],
  state: RecordSource,
): Promise<readonly HoldingChange[]> {
  const touched = touchedObjects(changes);
  await loadObjects(touched, state);
  await loadReshaped(touched, state);
  return touched.flatMap(changesOf);
}

/** A record before and after the block. */
interface Turn {
  readonly before: Loaded;
  readonly after: Loaded;
}

interface Touched {
  readonly id: ObjectId;
  object: Turn | undefined;
  readonly parts: Map<number, Turn>;
}

function touchedObjects(changes: readonly Change[]): Touched[] {
  const touched = new Map<string, Touched>();
  for (const change of changes) {
    const { home, kind, id: part } = change.key;
    if (kind !== 'object' && kind !== 'segments') continue;
    const id = home.id as ObjectId;
    const text = toHex(id);
    const known = touched.get(text) ?? { id, object: undefined, parts: new Map<number, Turn>() };
    touched.set(text, known);
    if (kind === 'object') known.object = change;
    else known.parts.set(new DataView(part.buffer, part.byteOffset, part.length).getUint32(0), change);
  }
  return [...touched].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

/** Objects whose own records are as they were. */
async function loadObjects(touched: readonly Touched[], state: RecordSource): Promise<void> {
  const unchanged = touched.filter(({ object }) => object === undefined);
  const turns = await loadUnchanged(
    unchanged.map(({ id }) => objectKey(id)),
    state,
  );
  for (const [index, each] of unchanged.entries()) each.object = turns[index]!;
}

/** Of objects in another shape than before, records of segments that are the same as before and mean other pieces. */
async function loadReshaped(touched: readonly Touched[], state: RecordSource): Promise<void> {
  const wanted = touched.flatMap((each) => {
    const { before, after } = recordsOf(each);
    if (before === undefined || after === undefined || isSameShape(before.shape, after.shape)) return [];
    const parts = Math.min(partCount(before), partCount(after));
    return Array.from({ length: parts }, (_, part) => ({ each, part })).filter(
      ({ part }) => !each.parts.has(part),
    );
  });
  const turns = await loadUnchanged(
    wanted.map(({ each, part }) => segmentsKey(each.id, part)),
    state,
  );
  for (const [index, { each, part }] of wanted.entries()) each.parts.set(part, turns[index]!);
}

async function loadUnchanged(keys: readonly StateKey[], state: RecordSource): Promise<readonly Turn[]> {
  if (keys.length === 0) return [];
  const records = await state.load(keys);
  return records.map((record) => ({ before: record, after: record }));
}

function recordsOf({ object }: Touched): {
  readonly before: ObjectRecord | undefined;
  readonly after: ObjectRecord | undefined;
} {
  const { before, after } = object!;
  const decoded = decodeObject(before);
  return { before: decoded, after: after === before ? decoded : decodeObject(after) };
}

const decodeObject = (bytes: Loaded): ObjectRecord | undefined =>
  bytes === null ? undefined : decodeRecord(objectRecord, bytes);

function changesOf(touched: Touched): readonly HoldingChange[] {
  const { id: object, parts } = touched;
  const { before, after } = recordsOf(touched);
  const copies = (record: ObjectRecord | undefined): readonly Holding[] =>
    record === undefined ? [] : copiesOf(object, record);
  const pieces = (record: ObjectRecord | undefined, part: number, bytes: Loaded): readonly Holding[] =>
    record === undefined || bytes === null
      ? []
      : piecesOfPart(object, record, part, decodeRecord(segmentsRecord, bytes));
  const changed = [...parts].sort(([a], [b]) => a - b);
  return [
    { object, part: COPIES, ...difference(copies(before), copies(after)) },
    ...changed.map(([part, turn]) => ({
      object,
      part,
      ...difference(pieces(before, part, turn.before), pieces(after, part, turn.after)),
    })),
  ].filter(({ lost, gained }) => lost.length > 0 || gained.length > 0);
}

function difference(
  before: readonly Holding[],
  after: readonly Holding[],
): Pick<HoldingChange, 'lost' | 'gained'> {
  return { lost: without(before, after), gained: without(after, before) };
}

/** Those of `list` that are not in `other`. Both are of one object. */
function without(list: readonly Holding[], other: readonly Holding[]): readonly Holding[] {
  const byPlace = new Map(other.map((each) => [placeNumber(each), each]));
  return list.filter((each) => {
    const same = byPlace.get(placeNumber(each));
    return same === undefined || same.weight !== each.weight || !equal(same.node, each.node);
  });
}

const placeNumber = ({ place }: Holding): number => place.segmentIndex * 256 + place.pieceIndex;
