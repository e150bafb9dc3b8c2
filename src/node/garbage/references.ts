// What of a node's entries the chain names it for: a piece by object, segment, index and root with this node as its holder; a record by its object,
// because pages of a manifest have no holders on the chain, and readers look for copies with everybody.

import { equal } from '../../base/bytes.ts';
import type { NodeId } from '../../base/ids.ts';
import {
  objectKey,
  objectOf,
  type ObjectRecord,
  segmentsKey,
  segmentsOf,
} from '../../shards/object-record.ts';
import { segmentCount, segmentsPerRecord } from '../../shards/object-shape.ts';
import { readAll } from '../../shards/read-all.ts';
import type { StateKey } from '../../shards/state-key.ts';
import { LoadedState, Overlay } from '../../shards/view.ts';
import { type RecordSource, settle } from '../chain/settle.ts';
import type { KeptEntry } from './kept-entry.ts';

export interface Reference {
  readonly isNamed: boolean;
  /**
   * How far the registration of its object is while more may come, and another number whenever it got on: a client may still be at work on it. Undefined
   * when the chain has all of the object, or is taking it away.
   */
  readonly progress: number | undefined;
}

/** Of the state that `source` is at, in the order of `entries`. */
export function referencesOf(
  source: RecordSource,
  self: NodeId,
  entries: readonly KeptEntry[],
): Promise<readonly Reference[]> {
  return settle(source, new LoadedState(), (loaded) => {
    const state = new Overlay(loaded);
    readAll(
      state,
      entries.flatMap(({ object }) => (object === undefined ? [] : [objectKey(object)])),
    );
    readAll(
      state,
      entries.flatMap((entry) => partKeyOf(state, entry) ?? []),
    );
    return entries.map((entry) => referenceOf(state, self, entry));
  });
}

function partKeyOf(state: Overlay, { object, piece }: KeptEntry): StateKey | undefined {
  if (object === undefined || piece === undefined) return undefined;
  const record = objectOf(state, object);
  if (record === undefined || piece.segmentIndex >= record.registered) return undefined;
  return segmentsKey(object, Math.floor(piece.segmentIndex / segmentsPerRecord(record.shape.code)));
}

function referenceOf(state: Overlay, self: NodeId, entry: KeptEntry): Reference {
  const { object, piece } = entry;
  const record = object === undefined ? undefined : objectOf(state, object);
  if (record === undefined) return { isNamed: false, progress: 0 };
  const isNamed = piece === undefined || isNamedPiece(state, self, entry, record);
  const isOpen = !record.isLeaving && record.registered < segmentCount(record.shape);
  return { isNamed, progress: isOpen ? record.registered + 1 : undefined };
}

function isNamedPiece(
  state: Overlay,
  self: NodeId,
  { object, piece }: KeptEntry,
  { shape, registered }: ObjectRecord,
): boolean {
  const { segmentIndex, pieceIndex, root } = piece!;
  if (segmentIndex >= registered) return false;
  const size = segmentsPerRecord(shape.code);
  const segment = segmentsOf(state, object!, Math.floor(segmentIndex / size))[segmentIndex % size];
  const [named, holder] = [segment?.roots[pieceIndex], segment?.holders[pieceIndex]];
  return named !== undefined && holder !== undefined && equal(named, root) && equal(holder, self);
}
