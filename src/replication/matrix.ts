// Which linear combination of the data pieces each piece is, and how to undo it. The code is systematic: piece i < k is
// data piece i, and parity piece k + r is the sum over c of row[r][c] * data piece c in GF(2^8).
//
// The rule for parity rows is part of the storage format. Both kinds are MDS: any k pieces determine the others.
//
// Narrow codes, n - k <= 8: the Cauchy matrix 1 / (x_r + y_c) with x_r = k + r and y_c = c, its columns scaled so that
// the first row is all ones, then its rows scaled so that the first column is all ones:
//
//   row[r][c] = (x_0 + y_c) (x_r + y_0) / ((x_r + y_c) (x_0 + y_0))
//
// Scaling keeps every square submatrix regular. The ones save multiplications, and a lost data piece is the plain XOR
// of its siblings and the first parity piece.
//
// Wide codes, n - k > 8: the data bytes are the values at the points 0 .. k-1 of a polynomial of degree below k, and
// parity piece k + r is its value at the point p + r. p is the smallest power of two >= k if all points then fit the
// field (p + n - k <= 256), else k. With p a power of two an additive FFT can encode, over zero pieces for k .. p-1:
// that code is klauspost/reedsolomon's default one for (p, p + n - k), shortened.
//
//   row[r][c] = product over i != c, i < p, of (x_r + i) / (c + i)      (p = k: the same over i < k)
//
// With k = 1 every rule gives ones: whole copies.

import { assert } from '../base/assert.ts';
import { CODE_PIECES_MAX } from '../base/limits.ts';
import { inverse, multiply } from './galois.ts';

/** Rows of coefficients, all of the same length. */
export type Matrix = readonly Uint8Array[];

/** Most parity pieces of a narrow code. */
export const NARROW_PARITY_MAX = 8;

/** The n - k parity rows of the code (k, n): how parity pieces follow from the data pieces. Do not change the rows. */
export function parityRows(k: number, n: number): Matrix {
  const key = 256 * k + n;
  const known = recentRows.get(key);
  if (known) return known;
  assert(Number.isInteger(k) && Number.isInteger(n), 'a code has whole numbers');
  assert(k >= 1 && k <= n && n <= CODE_PIECES_MAX, 'a code has 1 <= k <= n <= 255');
  const rows = n - k <= NARROW_PARITY_MAX ? cauchyRows(k, n) : lagrangeRows(k, n);
  if (recentRows.size === RECENT_CODES_MAX) recentRows.clear();
  recentRows.set(key, rows);
  return rows;
}

/** A node meets a handful of codes; the rows of the largest take milliseconds to compute. */
const RECENT_CODES_MAX = 32;
const recentRows = new Map<number, Matrix>();

/**
 * How the columns `targets` follow from the k columns `present`: row t times the present pieces is piece targets[t].
 * Serves decoding (targets: lost data pieces), repair (one target) and checking (targets: the other columns).
 */
export function combinationRows(
  k: number,
  n: number,
  present: readonly number[],
  targets: readonly number[],
): Matrix {
  assert(present.length === k && new Set(present).size === k, 'exactly k different columns are present');
  assert(
    [...present, ...targets].every((column) => isIndexBelow(column, n)),
    'columns are 0..n-1',
  );
  const parity = parityRows(k, n);
  const generatorRow = (column: number): Uint8Array =>
    column < k ? unitRow(k, column) : parity[column - k]!;
  const dataFromPresent = invert(present.map(generatorRow));
  return targets.map((target) =>
    target < k ? dataFromPresent[target]! : timesMatrix(generatorRow(target), dataFromPresent),
  );
}

/** The point p of a wide code, at which its first parity piece is the polynomial's value. */
export function firstParityPoint(k: number, n: number): number {
  const power = 2 ** Math.ceil(Math.log2(k));
  return power + n - k <= 256 ? power : k;
}

/** The inverse of a regular square matrix, by Gauss-Jordan elimination. */
export function invert(matrix: Matrix): Matrix {
  const size = matrix.length;
  const left = matrix.map((row) => row.slice());
  const right = left.map((_, index) => unitRow(size, index));
  for (let column = 0; column < size; column++) {
    const pivot = left.findIndex((row, index) => index >= column && row[column] !== 0);
    assert(pivot >= 0, 'the matrix is regular');
    swapRows(left, pivot, column);
    swapRows(right, pivot, column);
    const scale = inverse(left[column]![column]!);
    scaleRow(left[column]!, scale);
    scaleRow(right[column]!, scale);
    for (let row = 0; row < size; row++) {
      const factor = left[row]![column]!;
      if (row === column || factor === 0) continue;
      addScaledRow(left[row]!, left[column]!, factor);
      addScaledRow(right[row]!, right[column]!, factor);
    }
  }
  return right;
}

/** The row with a one at `index`. */
export function unitRow(length: number, index: number): Uint8Array {
  const row = new Uint8Array(length);
  row[index] = 1;
  return row;
}

function cauchyRows(k: number, n: number): Matrix {
  const x0 = k;
  return Array.from({ length: n - k }, (_, parity) => {
    const x = k + parity;
    return Uint8Array.from({ length: k }, (_, y) =>
      multiply(multiply(x0 ^ y, x), inverse(multiply(x ^ y, x0))),
    );
  });
}

/** As x_r differs from every i < p, row[r][c] is the product over all i of (x_r + i), over (x_r + c) and its divisor. */
function lagrangeRows(k: number, n: number): Matrix {
  const points = firstParityPoint(k, n);
  const indices = Array.from({ length: points }, (_, index) => index);
  const product = (factors: readonly number[]): number => factors.reduce(multiply, 1);
  const divisors = indices
    .slice(0, k)
    .map((column) => product(indices.filter((i) => i !== column).map((i) => column ^ i)));
  return Array.from({ length: n - k }, (_, parity) => {
    const x = points + parity;
    const all = product(indices.map((i) => x ^ i));
    return Uint8Array.from({ length: k }, (_, column) =>
      multiply(all, inverse(multiply(x ^ column, divisors[column]!))),
    );
  });
}

function timesMatrix(row: Uint8Array, matrix: Matrix): Uint8Array {
  const product = new Uint8Array(matrix[0]!.length);
  for (const [index, factor] of row.entries()) addScaledRow(product, matrix[index]!, factor);
  return product;
}

function addScaledRow(target: Uint8Array, source: Uint8Array, factor: number): void {
  for (let index = 0; index < target.length; index++) {
    target[index] = target[index]! ^ multiply(factor, source[index]!);
  }
}

function scaleRow(row: Uint8Array, factor: number): void {
  for (let index = 0; index < row.length; index++) row[index] = multiply(factor, row[index]!);
}

function swapRows(rows: Uint8Array[], a: number, b: number): void {
  [rows[a], rows[b]] = [rows[b]!, rows[a]!];
}

function isIndexBelow(value: number, bound: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < bound;
}
