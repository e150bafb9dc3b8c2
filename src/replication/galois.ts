// Arithmetic in GF(2^8), the field of bytes with the polynomial x^8 + x^4 + x^3 + x^2 + 1 and generator 2. Addition is
// XOR. Everything is by tables, so nothing here is constant-time: the field sees ciphertext and public matrices only.

import { assert } from '../base/assert.ts';

/** 0x11D: the polynomial that ISA-L, klauspost/reedsolomon, zfec and RAID 6 use too. */
export const FIELD_POLYNOMIAL = 0x11d;
/** Order of the multiplicative group: every element but zero is a power of 2. */
const GROUP_ORDER = 255;

/** EXP[i] = 2^i, twice over so that the sum of two logarithms needs no modulo. */
const EXP = new Uint8Array(2 * GROUP_ORDER);
const LOG = new Uint8Array(256);

for (let power = 0, value = 1; power < GROUP_ORDER; power++) {
  EXP[power] = value;
  EXP[power + GROUP_ORDER] = value;
  LOG[value] = power;
  value <<= 1;
  if (value > 0xff) value ^= FIELD_POLYNOMIAL;
}

/** Product of two bytes. */
export function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : EXP[LOG[a]! + LOG[b]!]!;
}

/** The byte whose product with `a` is 1; `a` must not be zero. */
export function inverse(a: number): number {
  assert(a > 0 && a < 256, 'only 1..255 have an inverse');
  return EXP[GROUP_ORDER - LOG[a]!]!;
}

/** Products of `coefficient` with 0..255. */
export function productTable(coefficient: number): Uint8Array {
  const table = new Uint8Array(256);
  for (let value = 1; value < 256; value++) table[value] = multiply(coefficient, value);
  return table;
}

/**
 * Products of `coefficient` with 0..15, then with 0x00, 0x10, .. 0xF0: 32 bytes. As multiplication distributes over
 * XOR, c * v = table[v & 15] ^ table[16 + (v >> 4)]: two byte shuffles per sixteen bytes on a SIMD machine.
 */
export function nibbleTables(coefficient: number): Uint8Array {
  const tables = new Uint8Array(32);
  for (let nibble = 0; nibble < 16; nibble++) {
    tables[nibble] = multiply(coefficient, nibble);
    tables[16 + nibble] = multiply(coefficient, nibble << 4);
  }
  return tables;
}
