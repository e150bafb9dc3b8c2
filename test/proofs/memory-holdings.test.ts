import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import type { HeldPlace } from '../../src/proofs/draw.ts';
import { MemoryHoldings } from '../../src/proofs/memory-holdings.ts';
import { placeHash, SIZE_CLASSES, sizeClass } from '../../src/proofs/place.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { heldPlaces } from './kit.ts';

const CIRCLE = 2n ** 64n;

test('holdings are those added and not removed, by class and place hash', () => {
  const all = heldPlaces(40, [1, 2, 3, 100]);
  fc.assert(
    fc.property(fc.array(fc.nat(39), { maxLength: 80 }), (changes) => {
      const holdings = new MemoryHoldings([], nativeSha256);
      const held = new Set<HeldPlace>();
      for (const each of changes.map((index) => all[index]!)) {
        if (held.delete(each)) holdings.remove(each);
        else {
          held.add(each);
          holdings.add(each);
        }
      }
      for (let drawn = 0; drawn < SIZE_CLASSES; drawn++) {
        const expected = [...held].filter(({ weight }) => sizeClass(weight) === drawn);
        const weight = expected.reduce((sum, each) => sum + each.weight, 0);
        expect(holdings.classes()[drawn]).toEqual({ count: expected.length, weight });
        const hashOf = ({ place }: HeldPlace) => placeHash(place, nativeSha256);
        const sorted = expected.toSorted((a, b) => (hashOf(a) < hashOf(b) ? -1 : 1));
        const places = [...holdings.range(drawn, { from: 0n, to: CIRCLE })].map(({ place }) => place);
        expect(places).toEqual(sorted.map(({ place }) => place));
        const half = [...holdings.range(drawn, { from: CIRCLE / 4n, to: CIRCLE / 2n })];
        const inHalf = (each: HeldPlace) => hashOf(each) >= CIRCLE / 4n && hashOf(each) < CIRCLE / 2n;
        expect(half.length).toBe(sorted.filter(inHalf).length);
      }
    }),
    { numRuns: 40 },
  );
});

test('a place is held once, and only what is held is removed', () => {
  const [one, other] = heldPlaces(2, [1]) as [HeldPlace, HeldPlace];
  const holdings = new MemoryHoldings([one]);
  expect(() => holdings.add(one)).toThrow(AssertionError);
  expect(() => holdings.remove(other)).toThrow(AssertionError);
});
