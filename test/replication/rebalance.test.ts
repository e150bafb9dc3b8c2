import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import type { EpochRecord, Member } from '../../src/base/epoch.ts';
import type { NodeId, ObjectId, OperatorId, SegmentId } from '../../src/base/ids.ts';
import { placeSegment } from '../../src/replication/placement.ts';
import { type HeldSegment, type Move, Rebalancer } from '../../src/replication/rebalance.ts';
import { digestFrom, sampleEpoch, sampleMembers } from '../helpers/records.ts';

const object = digestFrom<ObjectId>('object');
const N = 5;
const POOL = sampleMembers(22);

function placed(record: EpochRecord, index: number): HeldSegment {
  const segment = digestFrom<SegmentId>(`segment ${index}`);
  return {
    object,
    segment,
    holders: placeSegment(record, object, segment, N).holders.map(({ node }) => node),
  };
}

function after(held: HeldSegment, moves: readonly Move[]): readonly NodeId[] {
  const holders = [...held.holders];
  for (const { pieceIndex, from, to } of moves) {
    expect(toHex(holders[pieceIndex]!)).toBe(toHex(from));
    holders[pieceIndex] = to.node;
  }
  return holders;
}

const names = (nodes: readonly NodeId[]): string[] => nodes.map((node) => toHex(node)).sort();

test('a node that joins takes what placement gives it, and nothing else moves', () => {
  const before = sampleEpoch(POOL.slice(0, 20));
  const grown = sampleEpoch([...before.members, POOL[20]!]);
  const rebalancer = new Rebalancer(before, grown);
  let moved = 0;
  for (let index = 0; index < 400; index++) {
    const held = placed(before, index);
    const moves = rebalancer.moves(held);
    const target = placeSegment(grown, object, held.segment, N).holders.map(({ node }) => node);
    expect(names(after(held, moves))).toEqual(names(target));
    expect(moves.every(({ to }) => to.operator === 'operator-20')).toBe(true);
    moved += moves.length;
  }
  // 400 x 5 places over 21 members: 95 expected, standard deviation 8.5.
  expect(moved).toBeGreaterThan(55);
  expect(moved).toBeLessThan(140);
});

test('of a node that goes, its own pieces move, to whom placement names next, and nobody else moves anything', () => {
  const before = sampleEpoch(POOL.slice(0, 20));
  const gone = before.members[7]!;
  const shrunk = sampleEpoch(before.members.filter((member) => member !== gone));
  const rebalancer = new Rebalancer(before, shrunk);
  for (let index = 0; index < 200; index++) {
    const held = placed(before, index);
    const moves = rebalancer.moves(held);
    expect(moves.map(({ from }) => toHex(from))).toEqual(
      held.holders.filter((node) => toHex(node) === toHex(gone.node)).map((node) => toHex(node)),
    );
    const target = placeSegment(shrunk, object, held.segment, N).holders.map(({ node }) => node);
    expect(names(after(held, moves))).toEqual(names(target));
  }
});

test('equal members move nothing, wherever the pieces lie', () => {
  const record = sampleEpoch(POOL.slice(0, 12));
  const rebalancer = new Rebalancer(record, record);
  const holders = record.members.slice(0, N).map(({ node }) => node);
  expect(rebalancer.moves({ object, segment: digestFrom<SegmentId>('elsewhere'), holders })).toEqual([]);
});

const changes = fc.record({
  joined: fc.integer({ min: 0, max: 4 }),
  left: fc.subarray([...Array(14).keys()], { maxLength: 6 }),
  operators: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 18, maxLength: 18 }),
  /** Where repair may have put things. */
  holders: fc.shuffledSubarray([...Array(14).keys()], { minLength: N, maxLength: N }),
  index: fc.nat(500),
});

test('moves keep operators apart, take from each piece once, fill newcomers that placement names, and settle', () => {
  fc.assert(
    fc.property(changes, ({ joined, left, operators, holders, index }) => {
      const all: Member[] = POOL.slice(0, 18).map((member, at) => ({
        ...member,
        operator: `operator-${operators[at]}` as OperatorId,
      }));
      fc.pre(new Set(holders.map((at) => operators[at])).size === N);
      const before = sampleEpoch(all.slice(0, 14));
      const now = sampleEpoch([
        ...all.slice(0, 14).filter((_, at) => !left.includes(at)),
        ...all.slice(14, 14 + joined),
      ]);
      const held: HeldSegment = {
        object,
        segment: digestFrom<SegmentId>(`segment ${index}`),
        holders: holders.map((at) => all[at]!.node),
      };
      const moves = new Rebalancer(before, now).moves(held);
      const result = after(held, moves);
      expect(new Set(moves.map(({ pieceIndex }) => pieceIndex)).size).toBe(moves.length);
      const found = result.map((node) => now.members.find((member) => toHex(member.node) === toHex(node)));
      const present = found.filter((member) => member !== undefined);
      expect(new Set(present.map(({ operator }) => operator)).size).toBe(present.length);
      // Each move has one of the two reasons.
      const isKnown = (node: NodeId): boolean =>
        before.members.some((member) => toHex(member.node) === toHex(node));
      const isPresent = (node: NodeId): boolean =>
        now.members.some((member) => toHex(member.node) === toHex(node));
      for (const { from, to } of moves) expect(!isPresent(from) || !isKnown(to.node)).toBe(true);
      // A second plan has nothing to add, unless operators stood in the way of the first.
      const again = new Rebalancer(before, now).moves({ ...held, holders: result });
      const isCrowded = new Set(now.members.map(({ operator }) => operator)).size < now.members.length;
      if (!isCrowded) expect(again).toEqual([]);
    }),
    { numRuns: 200 },
  );
});

test('a round has a bound, and rounds one after the other come to the same end', () => {
  const before = sampleEpoch(POOL.slice(0, 12));
  const grown = sampleEpoch([...before.members, POOL[20]!, POOL[21]!]);
  let segments = Array.from({ length: 60 }, (_, index) => placed(before, index));
  const rebalancer = new Rebalancer(before, grown);
  const wanted = segments.flatMap((held) => rebalancer.moves(held)).length;
  let total = 0;
  for (let round = 0; round < 60; round++) {
    const moves = rebalancer.round(segments, 7);
    const count = moves.reduce((sum, each) => sum + each.moves.length, 0);
    expect(count).toBeLessThanOrEqual(7);
    total += count;
    const done = new Map(moves.map((each) => [each.held, after(each.held, each.moves)]));
    segments = segments.map((held) => ({ ...held, holders: done.get(held) ?? held.holders }));
    if (count === 0) break;
  }
  expect(total).toBe(wanted);
  for (const held of segments) {
    const target = placeSegment(grown, object, held.segment, N).holders.map(({ node }) => node);
    expect(names(held.holders)).toEqual(names(target));
  }
});
