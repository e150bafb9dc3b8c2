import * as zlib from 'node:zlib';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { toUtf8 } from '../../src/base/bytes.ts';
import { crc32 } from '../../src/base/crc32.ts';

test('gives the check value of the catalogue', () => {
  expect(crc32(toUtf8('123456789'))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array())).toBe(0);
});

test('agrees with zlib for any bytes, seed and range', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 100 }),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.nat(100),
      fc.nat(100),
      (bytes, seed, a, b) => {
        const from = Math.min(a, b, bytes.length);
        const to = Math.min(Math.max(a, b), bytes.length);
        expect(crc32(bytes, seed, from, to)).toBe(zlib.crc32(bytes.subarray(from, to), seed));
      },
    ),
    { numRuns: 1000 },
  );
});

test('of two parts one after the other is that of both', () => {
  const bytes = toUtf8('persist before you speak');
  expect(crc32(bytes.subarray(7), crc32(bytes.subarray(0, 7)))).toBe(crc32(bytes));
});
