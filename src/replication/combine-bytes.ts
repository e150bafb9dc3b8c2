// Linear combinations of pieces in plain TypeScript: the step of Reed-Solomon that takes all the time. One look-up per source
// byte serves four rows; up to two rows of long pieces go to combine-row.ts.

import { COMBINE_ROW_WORDS_MIN, combineRow } from './combine-row.ts';
import { productTable } from './galois.ts';
import type { Matrix } from './matrix.ts';

/** targets[t] = sum over j of rows[t][j] * sources[j]; all arrays of one length, targets apart from sources. */
export type Combine = (rows: Matrix, sources: readonly Uint8Array[], targets: readonly Uint8Array[]) => void;

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
  // Four rows of at least four sources: the last four products go from registers into the targets.
  const isFused = rows.length === ROW_GROUP && sources.length >= 4;
  const summed = isFused ? sources.length - 4 : sources.length;
  for (let start = 0; start < length; start += STRIP_WORDS) {
    const end = Math.min(length, start + STRIP_WORDS);
    if (summed > 0 || !isFused) sums.fill(0);
    let column = 0;
    for (; column + 3 < summed; column += 4) addFour(sums, tables, sources, column, start, end);
    for (; column < summed; column++) addOne(sums, tables[column]!, sources[column]!, start, end);
    if (isFused) addLastFour(sums, tables.slice(-4), sources.slice(-4), targets, start, end);
    else for (const [row, target] of targets.entries()) unpack(sums, 8 * row, target, start, end);
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

/** As `addFour` and then `unpack` for each of four targets, of which the sums see nothing. */
function addLastFour(
  sums: Int32Array,
  tables: readonly Int32Array[],
  sources: readonly Int32Array[],
  targets: readonly Int32Array[],
  start: number,
  end: number,
): void {
  const [t0, t1] = [tables[0]!, tables[1]!];
  const [t2, t3] = [tables[2]!, tables[3]!];
  const [s0, s1] = [sources[0]!, sources[1]!];
  const [s2, s3] = [sources[2]!, sources[3]!];
  const [r0, r1] = [targets[0]!, targets[1]!];
  const [r2, r3] = [targets[2]!, targets[3]!];
  for (let at = start, sum = 0; at < end; at++, sum += 4) {
    const a = s0[at]!;
    const b = s1[at]!;
    const c = s2[at]!;
    const d = s3[at]!;
    const p = sums[sum]! ^ t0[a & 255]! ^ t1[b & 255]! ^ t2[c & 255]! ^ t3[d & 255]!;
    const q =
      sums[sum + 1]! ^
      t0[(a >>> 8) & 255]! ^
      t1[(b >>> 8) & 255]! ^
      t2[(c >>> 8) & 255]! ^
      t3[(d >>> 8) & 255]!;
    const r =
      sums[sum + 2]! ^
      t0[(a >>> 16) & 255]! ^
      t1[(b >>> 16) & 255]! ^
      t2[(c >>> 16) & 255]! ^
      t3[(d >>> 16) & 255]!;
    const s = sums[sum + 3]! ^ t0[a >>> 24]! ^ t1[b >>> 24]! ^ t2[c >>> 24]! ^ t3[d >>> 24]!;
    // The four by four bytes of the sums, transposed in two steps.
    const pq = (p & 0x00ff00ff) | ((q & 0x00ff00ff) << 8);
    const rs = (r & 0x00ff00ff) | ((s & 0x00ff00ff) << 8);
    const high = ((p >>> 8) & 0x00ff00ff) | (q & 0xff00ff00);
    const last = ((r >>> 8) & 0x00ff00ff) | (s & 0xff00ff00);
    r0[at] = (pq & 0xffff) | (rs << 16);
    r1[at] = (high & 0xffff) | (last << 16);
    r2[at] = (pq >>> 16) | (rs & 0xffff0000);
    r3[at] = (high >>> 16) | (last & 0xffff0000);
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
