// What is audited: a place is where a node has to have bytes, a piece of a segment or a copy of an object's manifest. Places and their
// weights follow from the chain's records, so everybody knows who has to show what.
//
// place bytes = object id 32 | u32 segment | u8 piece. A copy of the manifest has COPY_SEGMENT for its segment, and for its piece its place among
//               the manifest's holders.
// place hash  = first 8 bytes of digest('audit-place', place bytes), big-endian: a point on a circle of 2^64
// weight      = leaves: of a piece those that it has, of a copy as many as its bytes would make. A copy is shown whole.
// size class  = floor(log2 weight), 0 to 16: weights of one class differ by less than a factor of two

import type { z } from 'zod';
import { assert } from '../base/assert.ts';
import { compare, concat, uint32 } from '../base/bytes.ts';
import { bytesOf } from '../base/codec.ts';
import { digest, portableSha256, type Sha256 } from '../base/hash.ts';
import { DIGEST_LENGTH, type Digest, type ObjectId } from '../base/ids.ts';
import { CODE_PIECES_MAX, MANIFEST_PAGES_MAX, PAGE_SEGMENTS_MAX, PIECE_LENGTH_MAX } from '../base/limits.ts';
import { leafCount } from '../replication/piece-tree.ts';

export interface Place {
  readonly object: ObjectId;
  /** COPY_SEGMENT for a copy of the manifest. */
  readonly segmentIndex: number;
  readonly pieceIndex: number;
}

/** Segment index that no segment has. */
export const COPY_SEGMENT: number = 2 ** 32 - 1;
export const PLACE_LENGTH: number = DIGEST_LENGTH + 4 + 1;
/** One above the class of the largest piece. */
export const SIZE_CLASSES: number = sizeClass(leafCount(PIECE_LENGTH_MAX)) + 1;

const SEGMENTS_MAX = MANIFEST_PAGES_MAX * PAGE_SEGMENTS_MAX;

export function isCopy({ segmentIndex }: Place): boolean {
  return segmentIndex === COPY_SEGMENT;
}

/** Null for the segment names a copy, as the chain's operations do. */
export function placeOf(object: ObjectId, segmentIndex: number | null, pieceIndex: number): Place {
  return { object, segmentIndex: segmentIndex ?? COPY_SEGMENT, pieceIndex };
}

export function placeBytes(place: Place): Uint8Array {
  assert(isInForm(place), 'a place is of a segment and a piece that an object can have');
  return concat(place.object, uint32(place.segmentIndex), new Uint8Array([place.pieceIndex]));
}

export const placeSchema: z.ZodType<Place> = bytesOf(PLACE_LENGTH)
  .transform(parse)
  .refine(isInForm, 'not a place that an object can have');

function parse(bytes: Uint8Array): Place {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    object: bytes.slice(0, DIGEST_LENGTH) as ObjectId,
    segmentIndex: view.getUint32(DIGEST_LENGTH),
    pieceIndex: bytes[PLACE_LENGTH - 1]!,
  };
}

function isInForm(place: Place): boolean {
  const { object, segmentIndex, pieceIndex } = place;
  return (
    object.length === DIGEST_LENGTH &&
    Number.isSafeInteger(segmentIndex) &&
    segmentIndex >= 0 &&
    (segmentIndex < SEGMENTS_MAX || isCopy(place)) &&
    Number.isSafeInteger(pieceIndex) &&
    pieceIndex >= 0 &&
    pieceIndex < CODE_PIECES_MAX
  );
}

/** The order of objects, then segments, then pieces; copies of a manifest come last. */
export function comparePlaces(a: Place, b: Place): number {
  return compare(a.object, b.object) || a.segmentIndex - b.segmentIndex || a.pieceIndex - b.pieceIndex;
}

/** Where on the circle of 2^64 the place lies. Whoever names the object has it to choose, so nothing may hang on it alone. */
export function placeHash(place: Place, sha256: Sha256 = portableSha256): bigint {
  return wordOf(digest('audit-place', [placeBytes(place)], sha256), 0);
}

/** Of a piece or copy of `lengthBytes`. */
export function weightOf(lengthBytes: number): number {
  return leafCount(lengthBytes);
}

/** floor(log2 weight). */
export function sizeClass(weight: number): number {
  assert(Number.isSafeInteger(weight) && weight >= 1 && weight < 2 ** 32, 'what is held weighs something');
  return 31 - Math.clz32(weight);
}

/** Big-endian word number `index` of the four in a digest. */
export function wordOf(value: Digest, index: number): bigint {
  return new DataView(value.buffer, value.byteOffset, value.length).getBigUint64(8 * index);
}
