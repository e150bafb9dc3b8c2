import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Member } from '../../src/base/epoch.ts';
import type { SegmentId, Stake } from '../../src/base/ids.ts';
import { Ranking } from '../../src/forecast/ranking.ts';
import { rank } from '../../src/replication/placement.ts';
import { digestFrom, sampleMembers } from '../helpers/records.ts';

const POOL = sampleMembers(24);
const names = (members: readonly Member[]): string[] => members.map(({ operator }) => operator);

test('the order is that of placement, for members of any weight', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 30, max: 45 })), {
        minLength: 24,
        maxLength: 24,
      }),
      fc.nat(),
      (weights, key) => {
        const members = POOL.map((member, index) => ({
          ...member,
          stake: BigInt(weights[index]![0]) as Stake,
          capacityBytes: 2 ** weights[index]![1],
        }));
        const segment = digestFrom<SegmentId>(`segment ${key}`);
        expect(names(new Ranking().order(members, segment))).toEqual(
          names(rank(members, 'placement', segment)),
        );
      },
    ),
    { numRuns: 100 },
  );
});

test('members whose draws are equal come in the order of placement too', () => {
  const seed = POOL[0]!.admissionSeed;
  const members = POOL.map((member, index) =>
    index % 3 === 0 ? { ...member, admissionSeed: seed } : member,
  );
  const ranking = new Ranking();
  for (let key = 0; key < 20; key++) {
    const segment = digestFrom<SegmentId>(`segment ${key}`);
    expect(names(ranking.order(members, segment))).toEqual(names(rank(members, 'placement', segment)));
  }
});

test('nobody has an order, and one member the first place', () => {
  const segment = digestFrom<SegmentId>('segment');
  expect(new Ranking().order([], segment)).toEqual([]);
  expect(new Ranking().order([POOL[3]!], segment)).toEqual([POOL[3]]);
});
