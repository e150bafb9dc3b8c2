import { decode as decodeDagCbor, encode as encodeDagCbor } from '@ipld/dag-cbor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toUtf8 } from '../../src/base/bytes.ts';
import { decodePlain, encodePlain, NOT_PLAIN } from '../../src/base/cbor-plain.ts';
import { cidOf } from '../../src/base/cid.ts';
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX } from '../../src/base/limits.ts';

/** Where the header of an integer or of a length grows. */
const EDGES = [0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER];

const { value: plainValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.constantFrom(...EDGES, ...EDGES.map((edge) => -1 - edge).filter(Number.isSafeInteger)),
    fc.maxSafeInteger().map((number) => number + 0),
    fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
    fc.uint8Array().map((bytes) => Uint8Array.from(bytes)),
    fc.string({ unit: 'binary-ascii' }),
    fc.array(tie('value'), { maxLength: 30 }),
  ),
}));

describe('plain values', () => {
  test('have the bytes that the general library gives them, and come back as it gives them back', () => {
    fc.assert(
      fc.property(plainValue, (value) => {
        const bytes = encodePlain(value)!;
        expect(bytes).toEqual(new Uint8Array(encodeDagCbor(value)));
        expect(decodePlain(bytes)).toEqual(decodeDagCbor(bytes));
      }),
      { numRuns: 500 },
    );
  });

  test('of any length have these bytes', () => {
    for (const length of [0, 23, 24, 255, 256, 65_535, 65_536]) {
      const values = [new Uint8Array(length).fill(7), 'x'.repeat(length), Array.from({ length }, () => 1)];
      for (const value of values) expect(encodePlain(value)).toEqual(new Uint8Array(encodeDagCbor(value)));
    }
  });

  test('come back with byte strings of their own', () => {
    const bytes = encodePlain([new Uint8Array([1, 2, 3])])!;
    const [inner] = decodePlain(bytes) as [Uint8Array];
    bytes.fill(0);
    expect(inner).toEqual(new Uint8Array([1, 2, 3]));
    expect(inner.buffer.byteLength).toBe(3);
  });
});

describe('not plain', () => {
  test('is what the library is for, and what no record can hold', () => {
    const cid = cidOf(toUtf8('x'));
    const deep = Array.from({ length: CBOR_DEPTH_MAX + 1 }).reduce<unknown>((inner) => [inner], 1);
    const many = Array.from({ length: CBOR_ITEMS_MAX + 1 }, () => 0);
    const values = [{}, cid, 'ä', '\ufeff', '\ud800', 1.5, NaN, 2 ** 53, undefined, () => 1, deep, many];
    for (const value of [...values, 2n ** 64n, -(2n ** 64n) - 1n]) {
      expect(encodePlain(value)).toBe(undefined);
      expect(encodePlain([1, [value]])).toBe(undefined);
    }
  });

  test('are bytes of a map, of a CID or of other text, wherever they stand', () => {
    for (const value of [{ a: 1 }, cidOf(toUtf8('x')), 'ä']) {
      expect(decodePlain(new Uint8Array(encodeDagCbor(value)))).toBe(NOT_PLAIN);
      expect(decodePlain(new Uint8Array(encodeDagCbor([1, [value], 2])))).toBe(NOT_PLAIN);
    }
  });
});
