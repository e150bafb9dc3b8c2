import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { compare, concat } from '../../src/base/bytes.ts';
import { digest } from '../../src/base/hash.ts';
import { PIECE_LENGTH_MAX } from '../../src/base/limits.ts';
import {
  COPY_SEGMENT,
  comparePlaces,
  isCopy,
  PLACE_LENGTH,
  type Place,
  placeBytes,
  placeHash,
  placeOf,
  placeSchema,
  SIZE_CLASSES,
  sizeClass,
  weightOf,
} from '../../src/proofs/place.ts';
import { object } from './kit.ts';

const place = fc
  .tuple(fc.nat(3), fc.oneof(fc.nat(2 ** 23 - 1), fc.nat(3), fc.constant(null)), fc.nat(254))
  .map(([of, segment, piece]) => placeOf(object(of), segment, piece));

describe('a place', () => {
  test('has one form of 37 bytes, in which it sorts as it does by its parts', () => {
    fc.assert(
      fc.property(place, place, (a, b) => {
        expect(placeBytes(a).length).toBe(PLACE_LENGTH);
        expect(placeSchema.parse(placeBytes(a))).toEqual(a);
        expect(Math.sign(comparePlaces(a, b))).toBe(Math.sign(compare(placeBytes(a), placeBytes(b))));
      }),
    );
  });

  test('of a copy has the segment that no segment has', () => {
    expect(placeOf(object(0), null, 3).segmentIndex).toBe(COPY_SEGMENT);
    expect(isCopy(placeOf(object(0), null, 3))).toBe(true);
    expect(isCopy(placeOf(object(0), 0, 3))).toBe(false);
  });

  test('that no object can have is refused when read, and stops the process when written', () => {
    const odd: Place[] = [
      { ...placeOf(object(0), 0, 0), pieceIndex: 255 },
      { ...placeOf(object(0), 0, 0), pieceIndex: -1 },
      { ...placeOf(object(0), 0, 0), segmentIndex: 2 ** 23 },
      { ...placeOf(object(0), 0, 0), segmentIndex: COPY_SEGMENT - 1 },
      { ...placeOf(object(0), 0, 0), segmentIndex: 0.5 },
    ];
    for (const each of odd) expect(() => placeBytes(each)).toThrow(AssertionError);
    const bytes = placeBytes(placeOf(object(0), 0, 0));
    for (const each of [
      bytes.subarray(1),
      concat(bytes, bytes.subarray(36)),
      bytes.with(36, 255),
      bytes.with(32, 1),
    ]) {
      expect(placeSchema.safeParse(Uint8Array.from(each)).success).toBe(false);
    }
  });

  test('lies where its digest says', () => {
    const some = placeOf(object(1), 2, 3);
    const hex = Buffer.from(digest('audit-place', [placeBytes(some)])).toString('hex');
    expect(placeHash(some)).toBe(BigInt(`0x${hex.slice(0, 16)}`));
  });
});

describe('weights', () => {
  test('are leaves, of nothing one', () => {
    expect([0, 1, 1024, 1025, PIECE_LENGTH_MAX].map(weightOf)).toEqual([1, 1, 1, 2, 65_600]);
  });

  test('of one class differ by less than a factor of two, and the largest piece is in the last', () => {
    const isRight = (weight: number): boolean =>
      2 ** sizeClass(weight) <= weight && weight < 2 ** (sizeClass(weight) + 1);
    expect(Array.from({ length: 70_000 }, (_, index) => index + 1).every(isRight)).toBe(true);
    expect(sizeClass(weightOf(PIECE_LENGTH_MAX))).toBe(SIZE_CLASSES - 1);
    expect(() => sizeClass(0)).toThrow(AssertionError);
  });
});
