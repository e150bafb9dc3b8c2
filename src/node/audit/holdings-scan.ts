// Reads who holds what from the state itself, a bounded step at a time. Records do not say what they are: one that reads as an object is
// one when its own id leads to its path.

import { assert } from '../../base/assert.ts';
import { equal, short } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NetworkId, ObjectId } from '../../base/ids.ts';
import { SEGMENTS_RECORD_PIECES } from '../../base/limits.ts';
import { objectIdOf } from '../../replication/object.ts';
import { objectKey, type ObjectRecord, objectRecord, segmentsKey } from '../../shards/object-record.ts';
import { segmentsRecord } from '../../shards/segments.ts';
import { decodeRecord } from '../../shards/view.ts';
import type { StillState } from '../chain/types.ts';
import { COPIES, copiesOf, type Holding, partCount, piecesOfPart } from './holdings-diff.ts';
import { ALL_PARTS, type Cursor } from './holdings-mark.ts';

export interface ScanStep {
  readonly found: readonly Holding[];
  /** Where the next step goes on; undefined when everything has been read. */
  readonly cursor: Cursor | undefined;
}

export interface StepSize {
  readonly records: number;
  /** A step that has so many takes no further record. */
  readonly places: number;
}

export async function scanStep(state: StillState, from: Cursor, size: StepSize): Promise<ScanStep> {
  assert(size.records > 1, 'a step begins with the record at which the last one ended');
  const found: Holding[] = [];
  let cursor = from;
  let left = size.records;
  for await (const [path, bytes] of state.latest(from.path, size.records)) {
    left--;
    const first = equal(path, from.path) ? from.part : COPIES;
    const object = bytes === null ? undefined : objectAt(path, bytes, state.network);
    const end = object === undefined ? ALL_PARTS : await scanObject(state, object, first, size.places, found);
    cursor = { path, part: end };
    if (found.length >= size.places) return { found, cursor };
  }
  return { found, cursor: left === 0 ? cursor : undefined };
}

interface FoundObject {
  readonly id: ObjectId;
  readonly object: ObjectRecord;
}

/** Adds to `found` until there are enough; says from which part on it did not. */
async function scanObject(
  state: StillState,
  { id, object }: FoundObject,
  first: number,
  places: number,
  found: Holding[],
): Promise<number> {
  if (first === COPIES) found.push(...copiesOf(id, object));
  const parts = partCount(object);
  let next = Math.max(first, 0);
  while (next < parts && found.length < places) {
    const wanted = Math.ceil((places - found.length) / SEGMENTS_RECORD_PIECES);
    const count = Math.min(wanted, parts - next);
    const keys = Array.from({ length: count }, (_, at) => segmentsKey(id, next + at));
    for (const [at, bytes] of (await state.load(keys)).entries()) {
      if (bytes === null)
        throw new StoreError('DAMAGED', `a record of segments of object ${short(id)} is gone`);
      found.push(...piecesOfPart(id, object, next + at, decodeRecord(segmentsRecord, bytes)));
    }
    next += count;
  }
  return next < parts ? next : ALL_PARTS;
}

function objectAt(path: Uint8Array, bytes: Uint8Array, network: NetworkId): FoundObject | undefined {
  const object = decodedObject(bytes);
  if (object === undefined) return undefined;
  const id = objectIdOf(network, object.owner, object.salt);
  return equal(objectKey(id).path, path) ? { id, object } : undefined;
}

function decodedObject(bytes: Uint8Array): ObjectRecord | undefined {
  try {
    return decodeRecord(objectRecord, bytes);
  } catch (error) {
    if (error instanceof StoreError && error.code === 'INVALID_ENCODING') return undefined;
    throw error;
  }
}
