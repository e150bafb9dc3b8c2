// Reed-Solomon over whole pieces: encode, decode from any k, rebuild one, check a code word. What differs between
// machines is only how a linear combination of pieces is computed, so that step is a parameter: `combineBytes` below is
// the plain TypeScript one, and the runtime brings one in SIMD that must agree with it byte for byte.
//
// `pieces` is always the n pieces of one code word in column order, all of the same length; those not yet known are
// written in place.

import { assert } from '../base/assert.ts';
import { CELL_ALIGNMENT } from '../base/limits.ts';
import { COMBINE_ROW_WORDS_MIN, combineRow } from './combine-row.ts';
import { productTable } from './galois.ts';
import { combinationRows, type Matrix, parityRows } from './matrix.ts';

/** targets[t] = sum over j of rows[t][j] * sources[j]; all arrays of one length, targets apart from sources. */
export type Combine = (rows: Matrix, sources: readonly Uint8Array[], targets: readonly Uint8Array[]) => void;

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
/** Words of each piece worked on at a time: their sums, one word per byte, stay in the first-level cache. */
const STRIP_WORDS = 1024;
/** Rows computed at a time: one 32-bit table entry holds the products of a byte for four rows. */
const ROW_GROUP = 4;
/** Up to so many rows of long pieces are faster one by one. */
const SINGLE_ROWS_MAX = 2;

/**
 * The plain TypeScript combination: one look-up per source byte serves four rows. Bytes are read and written four at a
 * time; as both ends take the same byte of a word first, the order of bytes in words does not matter.
 */
export const combineBytes: Combine = (rows, sources, targets) => {
  if (rows.length === 0) return;
  const words = Math.ceil(targets[0]!.length / 4);
  const sourceWords = sources.map((source) => wordsOf(source) ?? paddedWords(source, words));
  const targetWords = targets.map((target) => wordsOf(target) ?? new Int32Array(words));
  for (let row = 0; row < rows.length; row += ROW_GROUP) {
    combineGroup(rows.slice(row, row + ROW_GROUP), sourceWords, targetWords.slice(row, row + ROW_GROUP));
  }
  for (const [row, target] of targets.entries()) copyUnlessShared(targetWords[row]!, target);
};

/** The same memory as words, if it lies on whole words. */
function wordsOf(bytes: Uint8Array): Int32Array | undefined {
  if (bytes.byteOffset % 4 !== 0 || bytes.length % 4 !== 0) return undefined;
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

function paddedWords(bytes: Uint8Array, words: number): Int32Array {
  const padded = new Uint8Array(4 * words);
  padded.set(bytes);
  return new Int32Array(padded.buffer);
}

function copyUnlessShared(words: Int32Array, target: Uint8Array): void {
  if (words.buffer === target.buffer) return;
  target.set(new Uint8Array(words.buffer, words.byteOffset, target.length));
}

function combineGroup(rows: Matrix, sources: readonly Int32Array[], targets: readonly Int32Array[]): void {
  const length = targets[0]!.length;
  if (rows.length <= SINGLE_ROWS_MAX && length >= COMBINE_ROW_WORDS_MIN) {
    for (const [row, target] of targets.entries()) combineRow(rows[row]!, sources, target);
    return;
  }
  const tables = sources.map((_, column) => packedTable(rows.map((row) => row[column]!)));
  const sums = new Int32Array(4 * Math.min(STRIP_WORDS, length));
  for (let start = 0; start < length; start += STRIP_WORDS) {
    const end = Math.min(length, start + STRIP_WORDS);
    sums.fill(0);
    let column = 0;
    for (; column + 3 < sources.length; column += 4) addFour(sums, tables, sources, column, start, end);
    for (; column < sources.length; column++) addOne(sums, tables[column]!, sources[column]!, start, end);
    for (const [row, target] of targets.entries()) unpack(sums, 8 * row, target, start, end);
  }
}

/** Entry v holds the products of v with up to four coefficients, the first in the lowest byte. */
function packedTable(coefficients: readonly number[]): Int32Array {
  const table = new Int32Array(256);
  for (const [row, coefficient] of coefficients.entries()) {
    const products = productTable(coefficient);
    for (let value = 0; value < 256; value++) table[value]! |= products[value]! << (8 * row);
  }
  return table;
}

/** Four sources in one pass: a quarter of the loads and stores of sums. */
function addFour(
  sums: Int32Array,
  tables: readonly Int32Array[],
  sources: readonly Int32Array[],
  column: number,
  start: number,
  end: number,
): void {
  const [t0, t1] = [tables[column]!, tables[column + 1]!];
  const [t2, t3] = [tables[column + 2]!, tables[column + 3]!];
  const [s0, s1] = [sources[column]!, sources[column + 1]!];
  const [s2, s3] = [sources[column + 2]!, sources[column + 3]!];
  for (let at = start, sum = 0; at < end; at++, sum += 4) {
    const a = s0[at]!;
    const b = s1[at]!;
    const c = s2[at]!;
    const d = s3[at]!;
    sums[sum]! ^= t0[a & 255]! ^ t1[b & 255]! ^ t2[c & 255]! ^ t3[d & 255]!;
    sums[sum + 1]! ^=
      t0[(a >>> 8) & 255]! ^ t1[(b >>> 8) & 255]! ^ t2[(c >>> 8) & 255]! ^ t3[(d >>> 8) & 255]!;
    sums[sum + 2]! ^=
      t0[(a >>> 16) & 255]! ^ t1[(b >>> 16) & 255]! ^ t2[(c >>> 16) & 255]! ^ t3[(d >>> 16) & 255]!;
    sums[sum + 3]! ^= t0[a >>> 24]! ^ t1[b >>> 24]! ^ t2[c >>> 24]! ^ t3[d >>> 24]!;
  }
}

function addOne(sums: Int32Array, table: Int32Array, source: Int32Array, start: number, end: number): void {
  for (let at = start, sum = 0; at < end; at++, sum += 4) {
    const word = source[at]!;
    sums[sum]! ^= table[word & 255]!;
    sums[sum + 1]! ^= table[(word >>> 8) & 255]!;
    sums[sum + 2]! ^= table[(word >>> 16) & 255]!;
    sums[sum + 3]! ^= table[word >>> 24]!;
  }
}

/** Byte `shift / 8` of every sum is a byte of the target. */
function unpack(sums: Int32Array, shift: number, target: Int32Array, start: number, end: number): void {
  for (let at = start, sum = 0; at < end; at++, sum += 4) {
    target[at] =
      ((sums[sum]! >>> shift) & 255) |
      (((sums[sum + 1]! >>> shift) & 255) << 8) |
      (((sums[sum + 2]! >>> shift) & 255) << 16) |
      ((sums[sum + 3]! >>> shift) << 24);
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}
