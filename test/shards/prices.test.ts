import fc from 'fast-check';
import { expect, test } from 'vitest';
import { weightOf } from '../../src/proofs/place.ts';
import { manifestCopies } from '../../src/replication/code.ts';
import { type ObjectShape, pieceLengthOf, segmentCount } from '../../src/shards/object-shape.ts';
import { costOf, keptKib } from '../../src/shards/prices.ts';
import { shapeOf } from './objects.ts';

const HOUR = 3_600_000;
const shapes: fc.Arbitrary<ObjectShape> = fc
  .record({
    segments: fc.integer({ min: 1, max: 6 }),
    k: fc.integer({ min: 1, max: 8 }),
    more: fc.nat(8),
    short: fc.nat(900_000),
  })
  .map(({ segments, k, more, short }) => {
    const shape = shapeOf(segments, { code: { k, n: k + more } });
    return { ...shape, lengthBytes: Math.max(1, shape.lengthBytes - short) };
  });

test('holders keep what audits weigh: every piece of every segment, and the copies of the manifest', () => {
  fc.assert(
    fc.property(shapes, fc.nat(200_000), (shape, manifestLength) => {
      let kib = manifestCopies(shape.code) * weightOf(manifestLength);
      for (let segment = 0; segment < segmentCount(shape); segment++) {
        for (let piece = 0; piece < shape.code.n; piece++) kib += weightOf(pieceLengthOf(shape, segment));
      }
      expect(keptKib(shape, manifestLength)).toBe(kib);
    }),
  );
});

test('an inline object is its manifest', () => {
  const shape = shapeOf(1, { isInline: true, lengthBytes: 900 });
  expect(keptKib(shape, 1500)).toBe(2 * manifestCopies(shape.code));
});

test('every epoch that begins is paid for, and no token is given away in parts', () => {
  const shape = shapeOf(2);
  const kib = BigInt(keptKib(shape, 900));
  const cost = (perGib: bigint, lastingMs: number) =>
    costOf({ perGib, epochMs: HOUR }, shape, 900, 5 * HOUR, 5 * HOUR + lastingMs);
  expect(cost(2n ** 20n, 3 * HOUR)).toEqual({ perEpoch: kib, epochs: 3, total: 3n * kib });
  expect(cost(2n ** 20n, 3 * HOUR + 1).epochs).toBe(4);
  expect(cost(2n ** 20n, 0).epochs).toBe(1);
  expect(cost(1n, HOUR)).toEqual({ perEpoch: 1n, epochs: 1, total: 1n });
  expect(cost(0n, HOUR).total).toBe(0n);
});
