import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RankedHeap } from '../../../src/node/chain/ranked-heap.ts';

test('has the first at hand whatever came, went and changed its rank, and gives all in order', () => {
  const change = fc.record({ which: fc.nat(9), rank: fc.nat(20), isGone: fc.boolean() });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const members = Array.from({ length: 10 }, (_, which) => ({ which, rank: 0 }));
      const compare = (a: { which: number; rank: number }, b: { which: number; rank: number }) =>
        a.rank - b.rank || a.which - b.which;
      const heap = new RankedHeap(compare);
      const twin = new Set<(typeof members)[number]>();
      for (const { which, rank, isGone } of changes) {
        const member = members[which]!;
        if (isGone) {
          heap.delete(member);
          twin.delete(member);
        } else {
          member.rank = rank;
          heap.put(member);
          twin.add(member);
        }
        expect(heap.first).toBe([...twin].sort(compare)[0]);
        for (let place = 1; place < heap.size; place++) {
          expect(compare(heap.at((place - 1) >> 1)!, heap.at(place)!)).toBeLessThan(0);
        }
      }
      const sorted = [...twin].sort(compare);
      expect(sorted.map(() => heap.takeFirst())).toEqual(sorted);
      expect(heap.takeFirst()).toBe(undefined);
    }),
  );
});
