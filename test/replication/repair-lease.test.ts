import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Member } from '../../src/base/epoch.ts';
import type { ObjectId, OperatorId, SegmentId } from '../../src/base/ids.ts';
import { placeSegment } from '../../src/replication/placement.ts';
import type { Holding } from '../../src/replication/repair.ts';
import { repairLease, repairOrder, repairTurn } from '../../src/replication/repair-lease.ts';
import { digestFrom, sampleEpoch, sampleMembers } from '../helpers/records.ts';

const object = digestFrom<ObjectId>('object');
const segmentId = (index: number): SegmentId => digestFrom<SegmentId>(`segment ${index}`);

/** Holdings as placement makes them, with the pieces at `lost` lost. */
function holdingsOf(
  members: readonly Member[],
  segment: SegmentId,
  n: number,
  lost: readonly number[],
): Holding[] {
  return placeSegment(sampleEpoch(members), object, segment, n).holders.map((member, index) => ({
    node: member.node,
    member,
    standing: lost.includes(index) ? 'lost' : 'healthy',
    isDamaged: false,
  }));
}

function lease(
  members: readonly Member[],
  index: number,
  missing: readonly number[],
  turn: number,
  dead: readonly Member[] = [],
) {
  const segment = segmentId(index);
  const holdings = holdingsOf(members, segment, 6, missing);
  const mayHold = (member: Member): boolean => !dead.includes(member);
  return repairLease(repairOrder(sampleEpoch(members), object, segment), {
    holdings,
    missing,
    mayHold,
    turn,
  });
}

const POOL = sampleMembers(18);
const MEMBERS = POOL.slice(0, 16);

test('a slot is counted from the moment of the confirmed loss', () => {
  expect(repairTurn(1000, 500, 100)).toBe(0);
  expect(repairTurn(1000, 1099, 100)).toBe(0);
  expect(repairTurn(1000, 1100, 100)).toBe(1);
});

test('all nodes that see the same chain name the same repairers, whatever order their lists have', () => {
  fc.assert(
    fc.property(
      fc.shuffledSubarray(MEMBERS, { minLength: 16 }),
      fc.nat(100),
      fc.nat(30),
      fc.subarray([0, 1, 2, 3, 4, 5], { minLength: 1, maxLength: 3 }),
      (shuffled, index, turn, missing) => {
        expect(lease(shuffled, index, missing, turn)).toEqual(lease(MEMBERS, index, missing, turn));
      },
    ),
    { numRuns: 50 },
  );
});

test('the first repairers are the spares of the placement, in its order', () => {
  for (let index = 0; index < 50; index++) {
    const { spares } = placeSegment(sampleEpoch(MEMBERS), object, segmentId(index), 6);
    const { lead, targets } = lease(MEMBERS, index, [1, 4], 0)!;
    expect(lead).toBe(spares[0]);
    expect(targets.map(({ pieceIndex, holder }) => [pieceIndex, holder])).toEqual([
      [1, spares[0]],
      [4, spares[1]],
    ]);
  }
});

test('the work of a lead that does not do it goes to another in the next slot, until all had their turn', () => {
  for (let index = 0; index < 20; index++) {
    const leads = Array.from({ length: 10 }, (_, turn) => lease(MEMBERS, index, [0], turn)!.lead);
    expect(new Set(leads).size).toBe(10);
    expect(lease(MEMBERS, index, [0], 10)!.lead).toBe(leads[0]);
  }
});

test('members that may not hold anything are passed over, and without any there is no lease', () => {
  const first = lease(MEMBERS, 3, [2], 0)!.lead;
  const second = lease(MEMBERS, 3, [2], 0, [first])!.lead;
  expect(second).toBe(lease(MEMBERS, 3, [2], 1)!.lead);
  expect(lease(MEMBERS, 3, [2], 0, MEMBERS)).toBeUndefined();
});

test('the work of many segments is spread evenly', () => {
  const counts = new Map<Member, number>();
  for (let index = 0; index < 640; index++) {
    const { lead } = lease(MEMBERS, index, [index % 6], 0)!;
    counts.set(lead, (counts.get(lead) ?? 0) + 1);
  }
  // 40 expected of each, standard deviation 6.1.
  expect(counts.size).toBe(16);
  expect(Math.min(...counts.values())).toBeGreaterThan(12);
  expect(Math.max(...counts.values())).toBeLessThan(72);
});

const worlds = fc.record({
  operators: fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 18, maxLength: 18 }),
  racks: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 18, maxLength: 18 }),
  dead: fc.subarray([...Array(18).keys()]),
  missing: fc.subarray([0, 1, 2, 3, 4, 5], { minLength: 1 }),
  index: fc.nat(1000),
  turn: fc.nat(40),
});

test('a new holder is able, holds nothing of the segment, and its operator no other piece; the lead is one of them', () => {
  fc.assert(
    fc.property(worlds, ({ operators, racks, dead, missing, index, turn }) => {
      const members = POOL.map((member, at) => ({
        ...member,
        operator: `operator-${operators[at]}` as OperatorId,
        domains: [['rack', `r${racks[at]}`]] as const,
      }));
      fc.pre(new Set(operators).size >= 6);
      const segment = segmentId(index);
      const holdings = holdingsOf(members, segment, 6, missing);
      const able: readonly Member[] = members.filter((_, at) => !dead.includes(at));
      const mayHold = (member: Member): boolean => able.includes(member);
      const order = repairOrder(sampleEpoch(members), object, segment);
      const found = repairLease(order, { holdings, missing, mayHold, turn });
      const targets = found?.targets ?? [];
      if (found !== undefined) expect(targets.map(({ holder }) => holder)).toContain(found.lead);
      const after = holdings.map(({ member }) => member!);
      for (const { pieceIndex, holder } of targets) {
        expect(missing).toContain(pieceIndex);
        expect(able).toContain(holder);
        expect(holdings.some(({ member }) => member === holder)).toBe(false);
        after[pieceIndex] = holder;
      }
      expect(new Set(targets.map(({ pieceIndex }) => pieceIndex)).size).toBe(targets.length);
      expect(new Set(after.map(({ operator }) => operator)).size).toBe(6);
      expect(targets.length).toBe(mostTargets(holdings, missing, able));
    }),
    { numRuns: 200 },
  );
});

/** By trying everything: how many of the missing pieces can have a new holder. */
function mostTargets(
  holdings: readonly Holding[],
  missing: readonly number[],
  able: readonly Member[],
): number {
  const isHolder = (member: Member): boolean => holdings.some((each) => each.member === member);
  const options = missing.map((pieceIndex) => {
    const others = new Set(
      holdings.filter((_, index) => index !== pieceIndex).map(({ member }) => member!.operator),
    );
    return new Set(
      able
        .filter((member) => !isHolder(member) && !others.has(member.operator))
        .map(({ operator }) => operator),
    );
  });
  const best = (at: number, used: ReadonlySet<string>): number => {
    if (at === options.length) return 0;
    const free = [...options[at]!].filter((operator) => !used.has(operator));
    return Math.max(
      best(at + 1, used),
      ...free.map((operator) => 1 + best(at + 1, new Set([...used, operator]))),
    );
  };
  return best(0, new Set());
}

test('replacements go where a failure domain has fewer than its share while there is such a member', () => {
  const members = POOL.map((member, at) => ({
    ...member,
    domains: [['rack', `r${at % 3}`]] as const,
  }));
  for (let index = 0; index < 60; index++) {
    const holdings = holdingsOf(members, segmentId(index), 6, [0]);
    const order = repairOrder(sampleEpoch(members), object, segmentId(index));
    const rack = holdings[0]!.member!.domains[0]![1];
    const mayHold = (member: Member): boolean => member.domains[0]![1] === rack;
    const lead = repairLease(order, { holdings, missing: [0], mayHold, turn: 0 })!;
    expect(lead.targets.length).toBe(1);
    const two = repairLease(order, { holdings, missing: [0, 1], mayHold: () => true, turn: 0 })!;
    const after = [
      ...two.targets.map(({ holder }) => holder),
      ...holdings.slice(2).map(({ member }) => member!),
    ];
    const largest = Math.max(
      ...['r0', 'r1', 'r2'].map((r) => after.filter(({ domains }) => domains[0]![1] === r).length),
    );
    // Two of each is even; the lead is taken in its turn whatever its rack.
    expect(largest).toBeLessThanOrEqual(3);
  }
});

test('in a trial one operator may hold everything', () => {
  const members = sampleMembers(8, { operator: 'one' as OperatorId });
  const segment = segmentId(0);
  const record = sampleEpoch(members, { isTrial: true });
  const holders = placeSegment(record, object, segment, 4, { allowSameOperator: true }).holders;
  const holdings = holders.map((member, index) => ({
    node: member.node,
    member,
    standing: index === 0 ? ('lost' as const) : ('healthy' as const),
    isDamaged: false,
  }));
  const request = { holdings, missing: [0], mayHold: () => true, turn: 0 };
  const order = repairOrder(record, object, segment);
  // The lost node's operator is this piece's own, so even without the flag its other nodes could not: they hold the other pieces' operator.
  expect(repairLease(order, request)).toBeUndefined();
  expect(repairLease(order, { ...request, allowSameOperator: true })!.targets.length).toBe(1);
});
