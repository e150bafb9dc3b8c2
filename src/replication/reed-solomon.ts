// Reed-Solomon over whole pieces: encode, decode from any k, rebuild one, check a code word. What differs between
// machines is only how a linear combination of pieces is computed, so that step is a parameter: `combineBytes` is the
// plain TypeScript one, and the runtime brings one in SIMD that must agree with it byte for byte.
//
// `pieces` is always the n pieces of one code word in column order, all of the same length; those not yet known are
// written in place.

import { assert } from '../base/assert.ts';
import { CELL_ALIGNMENT } from '../base/limits.ts';
import { type Combine, combineBytes } from './combine-bytes.ts';
import { combinationRows, parityRows } from './matrix.ts';

/** Computes the parity pieces from the k data pieces. */
export function encode(k: number, pieces: readonly Uint8Array[], combine: Combine = combineBytes): void {
  combine(parityRows(k, pieces.length), pieces.slice(0, k), pieces.slice(k));
}

/** Computes the data pieces that are not among the k columns `present`. */
export function decode(
  k: number,
  pieces: readonly Uint8Array[],
  present: readonly number[],
  combine: Combine = combineBytes,
): void {
  const lost = lostData(k, present);
  if (lost.length === 0) return;
  combine(
    combinationRows(k, pieces.length, present, lost),
    present.map((column) => pieces[column]!),
    lost.map((column) => pieces[column]!),
  );
}

/** Computes column `target` from the k columns `present`, which it is not one of. */
export function rebuild(
  k: number,
  pieces: readonly Uint8Array[],
  present: readonly number[],
  target: number,
  combine: Combine = combineBytes,
): void {
  assert(!present.includes(target), 'the rebuilt column is not one of its sources');
  combine(
    combinationRows(k, pieces.length, present, [target]),
    present.map((column) => pieces[column]!),
    [pieces[target]!],
  );
}

/**
 * True when the parity pieces are those of the data pieces. The expected ones are computed strip by strip in `scratch`,
 * at least CELL_ALIGNMENT bytes per parity piece.
 */
export function verify(
  k: number,
  pieces: readonly Uint8Array[],
  combine: Combine = combineBytes,
  scratch: Uint8Array = new Uint8Array(pieces.length * VERIFY_LENGTH),
): boolean {
  const rows = parityRows(k, pieces.length);
  if (rows.length === 0) return true;
  const length = pieces[0]!.length;
  const strip = Math.floor(scratch.length / rows.length / CELL_ALIGNMENT) * CELL_ALIGNMENT;
  assert(strip > 0, 'the scratch has room for every parity piece');
  for (let start = 0; start < length; start += strip) {
    const end = Math.min(length, start + strip);
    const strips = pieces.map((piece) => piece.subarray(start, end));
    const expected = rows.map((_, row) => scratch.subarray(row * strip, row * strip + end - start));
    combine(rows, strips.slice(0, k), expected);
    if (!expected.every((parity, row) => isSame(parity, strips[k + row]!))) return false;
  }
  return true;
}

/** Data columns that are not present, ascending. */
function lostData(k: number, present: readonly number[]): number[] {
  const known = new Set(present);
  return Array.from({ length: k }, (_, column) => column).filter((column) => !known.has(column));
}

/** Bytes of each piece checked at a time. */
const VERIFY_LENGTH = 16_384;

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}
