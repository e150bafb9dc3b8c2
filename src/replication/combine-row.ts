// One row of a linear combination in plain TypeScript, two bytes per look-up: a table per coefficient has the products of
// every pair of bytes. Twice as fast as the packed tables of combine-bytes.ts where one or two rows are wanted, as when a piece
// is rebuilt. A table is 128 KiB and costs about as much to make as one pass over 64 KiB, so it pays for long pieces only,
// and the last ones are kept.

import { assert } from '../base/assert.ts';
import { PAIR_TABLES_MAX } from '../base/limits.ts';
import { productTable } from './galois.ts';

/** Words of a piece from which on the tables pay: a cell of 64 KiB. */
export const COMBINE_ROW_WORDS_MIN = 16_384;

/** By coefficient, the one made last at the end. */
const pairTables: Map<number, Uint16Array> = new Map();

/**
 * target = sum over j of coefficients[j] * sources[j], all of one length. The order of bytes in words does not matter,
 * because each byte of a product stands where its factor stood.
 */
export function combineRow(
  coefficients: Uint8Array,
  sources: readonly Int32Array[],
  target: Int32Array,
): void {
  assert(coefficients.length === sources.length, 'a coefficient for every source');
  target.fill(0);
  const tables = Array.from(coefficients, pairTable);
  let column = 0;
  for (; column + 1 < sources.length; column += 2) {
    addTwo(target, sources[column]!, sources[column + 1]!, tables[column]!, tables[column + 1]!);
  }
  if (column < sources.length) addOne(target, sources[column]!, tables[column]!);
}

/** Two sources in one pass: more would not keep their tables in the second-level cache. */
function addTwo(sum: Int32Array, s0: Int32Array, s1: Int32Array, t0: Uint16Array, t1: Uint16Array): void {
  for (let at = 0; at < sum.length; at++) {
    const a = s0[at]!;
    const b = s1[at]!;
    sum[at]! ^= t0[a & 0xffff]! ^ t1[b & 0xffff]! ^ ((t0[a >>> 16]! ^ t1[b >>> 16]!) << 16);
  }
}

function addOne(sum: Int32Array, source: Int32Array, table: Uint16Array): void {
  for (let at = 0; at < sum.length; at++) {
    const word = source[at]!;
    sum[at]! ^= table[word & 0xffff]! ^ (table[word >>> 16]! << 16);
  }
}

/** Entry `256 * high + low` holds the products of both bytes in their places. */
function pairTable(coefficient: number): Uint16Array {
  const known = pairTables.get(coefficient);
  if (known !== undefined) return known;
  const products = productTable(coefficient);
  const table = new Uint16Array(65_536);
  for (let high = 0, at = 0; high < 256; high++) {
    const shifted = products[high]! << 8;
    for (let low = 0; low < 256; low++, at++) table[at] = shifted | products[low]!;
  }
  if (pairTables.size >= PAIR_TABLES_MAX) pairTables.delete(pairTables.keys().next().value!);
  pairTables.set(coefficient, table);
  return table;
}
