import { describe, expect, it } from 'vitest';
import {
  FIELD_POLYNOMIAL,
  inverse,
  multiply,
  nibbleTables,
  productTable,
} from '../../src/replication/galois.ts';

/** Schoolbook product of polynomials over GF(2), reduced. */
function slowMultiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product <<= 1;
    if (product & 0x100) product ^= FIELD_POLYNOMIAL;
    if ((b >> bit) & 1) product ^= a;
  }
  return product;
}

describe('GF(2^8)', () => {
  it('multiplies every pair like polynomials modulo 0x11D', () => {
    const wrong: string[] = [];
    for (let a = 0; a < 256; a++) {
      for (let b = 0; b < 256; b++) if (multiply(a, b) !== slowMultiply(a, b)) wrong.push(`${a} * ${b}`);
    }
    expect(wrong).toEqual([]);
  });

  it('has an inverse for every element but zero', () => {
    for (let a = 1; a < 256; a++) expect(slowMultiply(a, inverse(a))).toBe(1);
    expect(() => inverse(0)).toThrow('inverse');
  });

  it('gives the same products through product and nibble tables', () => {
    for (let coefficient = 0; coefficient < 256; coefficient++) {
      const [products, nibbles] = [productTable(coefficient), nibbleTables(coefficient)];
      const byNibbles = Array.from({ length: 256 }, (_, v) => nibbles[v & 15]! ^ nibbles[16 + (v >> 4)]!);
      expect(Array.from(products)).toEqual(byNibbles);
      expect(products[77]).toBe(slowMultiply(coefficient, 77));
    }
  });
});
