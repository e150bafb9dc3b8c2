// What the chain says is at places, and who is to have it: read from its records, all at once.

import { toHex } from '../../base/bytes.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Content } from '../../proofs/opening.ts';
import { isCopy, type Place, placeBytes } from '../../proofs/place.ts';
import type { ContentOf } from '../../proofs/response.ts';
import { objectKey, objectOf, segmentsKey, segmentsOf } from '../../shards/object-record.ts';
import { pieceLengthOf, segmentsPerRecord } from '../../shards/object-shape.ts';
import { readAll } from '../../shards/read-all.ts';
import { LoadedState, Overlay } from '../../shards/view.ts';
import { type RecordSource, settle } from '../chain/settle.ts';

export interface HeldContent extends Content {
  readonly holder: NodeId;
}

export class Contents {
  readonly #byPlace: ReadonlyMap<string, HeldContent>;

  constructor(byPlace: ReadonlyMap<string, HeldContent>) {
    this.#byPlace = byPlace;
  }

  /** Undefined when nothing is there any more. */
  at(place: Place): HeldContent | undefined {
    return this.#byPlace.get(placeText(place));
  }

  get of(): ContentOf {
    return (place) => this.at(place);
  }
}

export function placeText(place: Place): string {
  return toHex(placeBytes(place));
}

/** Of the state that `source` is at. */
export function contentsOf(source: RecordSource, places: readonly Place[]): Promise<Contents> {
  return settle(source, new LoadedState(), (loaded) => {
    const state = new Overlay(loaded);
    readAll(
      state,
      places.map(({ object }) => objectKey(object)),
    );
    readAll(
      state,
      places.flatMap((place) => partKeyOf(state, place) ?? []),
    );
    const found = places.flatMap((place) => {
      const content = contentAt(state, place);
      return content === undefined ? [] : [[placeText(place), content] as const];
    });
    return new Contents(new Map(found));
  });
}

function partKeyOf(state: Overlay, place: Place): ReturnType<typeof segmentsKey> | undefined {
  const object = objectOf(state, place.object);
  if (object === undefined || isCopy(place)) return undefined;
  return segmentsKey(place.object, Math.floor(place.segmentIndex / segmentsPerRecord(object.shape.code)));
}

function contentAt(state: Overlay, place: Place): HeldContent | undefined {
  const object = objectOf(state, place.object);
  if (object === undefined) return undefined;
  if (isCopy(place)) {
    const { digest, lengthBytes, holders } = object.manifest;
    const holder = holders[place.pieceIndex];
    return holder === undefined ? undefined : { root: digest, lengthBytes, holder };
  }
  const { segmentIndex, pieceIndex } = place;
  const size = segmentsPerRecord(object.shape.code);
  const segment = segmentsOf(state, place.object, Math.floor(segmentIndex / size))[segmentIndex % size];
  const root = segment?.roots[pieceIndex];
  const holder = segment?.holders[pieceIndex];
  if (root === undefined || holder === undefined) return undefined;
  return { root, holder, lengthBytes: pieceLengthOf(object.shape, segmentIndex) };
}
