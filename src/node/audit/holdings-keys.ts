// Keys and values of the index of holdings, in the database of the chain, whose own keys begin with another byte.
//
//     mark  = 0xc1 | 0                                                how far the index is: height, stage, cursor, holders
//     total = 0xc1 | 1 | node 32                                      -> by size class: u64 count | u64 weight
//     place = 0xc1 | 2 | node 32 | u8 class | u64 place hash | place 37  -> u32 weight
//
// Numbers are big-endian, so the places of a node sort as audits draw them.

import { assert } from '../../base/assert.ts';
import { concat } from '../../base/bytes.ts';
import type { Sha256 } from '../../base/hash.ts';
import { DIGEST_LENGTH, type NodeId } from '../../base/ids.ts';
import { Reader, Writer } from '../../consensus/binary.ts';
import type { ClassTotal, HashRange, HeldPlace } from '../../proofs/draw.ts';
import {
  PLACE_LENGTH,
  placeBytes,
  placeHash,
  placeSchema,
  SIZE_CLASSES,
  sizeClass,
} from '../../proofs/place.ts';
import type { KeyRange } from '../chain/store-keys.ts';

const FIRST = 0xc1;
const SUBJECT = { mark: 0, total: 1, place: 2, end: 3 } as const;
const CIRCLE = 1n << 64n;

const subjectKey = (subject: keyof typeof SUBJECT): Uint8Array => new Uint8Array([FIRST, SUBJECT[subject]]);

export const MARK_KEY: Uint8Array = subjectKey('mark');
/** All of the index but its mark. */
export const INDEX_RANGE: KeyRange = { from: subjectKey('total'), to: subjectKey('end') };

// ---- Places --------------------------------------------------------------------------------------------------

export function placeKey(node: NodeId, { place, weight }: HeldPlace, sha256: Sha256): Uint8Array {
  const from = hashKey(node, sizeClass(weight), placeHash(place, sha256));
  return concat(from, placeBytes(place));
}

function hashKey(node: NodeId, drawn: number, hash: bigint): Uint8Array {
  const tail = new Uint8Array(9);
  tail[0] = drawn;
  new DataView(tail.buffer).setBigUint64(1, hash);
  return concat(subjectKey('place'), node, tail);
}

/** Places of a class of a node, with hashes in `range`. */
export function hashRange(node: NodeId, drawn: number, { from, to }: HashRange): KeyRange {
  assert(0 <= drawn && drawn < SIZE_CLASSES, 'pieces are of a size class');
  assert(0n <= from && from <= to && to <= CIRCLE, 'hashes are 64 bits');
  const end = to === CIRCLE ? hashKey(node, drawn + 1, 0n) : hashKey(node, drawn, to);
  return { from: hashKey(node, drawn, from), to: end };
}

/** All places of a node, or those behind the one under `after`. */
export function nodeRange(node: NodeId, after?: Uint8Array): KeyRange {
  const from = after === undefined ? hashKey(node, 0, 0n) : concat(after, new Uint8Array(1));
  return { from, to: hashKey(node, SIZE_CLASSES, 0n) };
}

export function encodeWeight(weight: number): Uint8Array {
  const writer = new Writer(4);
  writer.uint32(weight);
  return writer.finish();
}

export function readHeld(key: Uint8Array, value: Uint8Array): HeldPlace {
  const place = placeSchema.parse(key.subarray(key.length - PLACE_LENGTH));
  const reader = new Reader(value, 'weight of a place');
  const weight = reader.uint32();
  reader.end();
  return { place, weight };
}

// ---- Totals --------------------------------------------------------------------------------------------------

export function totalKey(node: NodeId): Uint8Array {
  return concat(subjectKey('total'), node);
}

/** Totals of all nodes that hold something, or of those behind `after`. */
export function totalsRange(after?: NodeId): KeyRange {
  const from = after === undefined ? subjectKey('total') : concat(totalKey(after), new Uint8Array(1));
  return { from, to: subjectKey('place') };
}

export function nodeOfTotal(key: Uint8Array): NodeId {
  return key.slice(key.length - DIGEST_LENGTH) as NodeId;
}

export function encodeTotals(totals: readonly ClassTotal[]): Uint8Array {
  const writer = new Writer(16 * SIZE_CLASSES);
  for (const { count, weight } of totals) {
    writer.uint64(count);
    writer.uint64(weight);
  }
  return writer.finish();
}

/** Of every size class. Undefined bytes: nothing. */
export function decodeTotals(bytes: Uint8Array | undefined): readonly ClassTotal[] {
  const reader = new Reader(bytes ?? new Uint8Array(16 * SIZE_CLASSES), 'totals of a node');
  const totals = Array.from({ length: SIZE_CLASSES }, () => ({
    count: reader.uint64(),
    weight: reader.uint64(),
  }));
  reader.end();
  return totals;
}
