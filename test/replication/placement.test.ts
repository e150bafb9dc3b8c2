import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Member } from '../../src/base/epoch.ts';
import type { ObjectId, OperatorId, SegmentId, ShardId, Stake } from '../../src/base/ids.ts';
import { placeSegment, rank, shardMembers, weightOf } from '../../src/replication/placement.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { digestFrom, sampleEpoch, sampleMember, sampleMembers } from '../helpers/records.ts';

const object = digestFrom<ObjectId>('object');
const segment = (index: number): SegmentId => digestFrom<SegmentId>(`segment ${index}`);
const name = (member: Member): string => member.operator;

test('placement of a known epoch and segment never changes', () => {
  const record = sampleEpoch(sampleMembers(9));
  const holders = placeSegment(record, object, segment(0), 5).holders.map(name);
  expect(holders).toMatchInlineSnapshot(`
    [
      "operator-1",
      "operator-6",
      "operator-3",
      "operator-0",
      "operator-2",
    ]
  `);
});

test('holders are distinct operators and spares are everybody else', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 1000 }), (n, key) => {
      const members = sampleMembers(15).map((member, index) => ({
        ...member,
        operator: `operator-${index % 12}` as OperatorId,
      }));
      const { holders, spares } = placeSegment(sampleEpoch(members), object, segment(key), n);
      expect(new Set(holders.map(name)).size).toBe(n);
      expect(new Set([...holders, ...spares]).size).toBe(15);
    }),
    { numRuns: 50 },
  );
});

test('too few operators is a refusal that names both numbers, unless the trial flag is given', () => {
  const members = sampleMembers(6, { operator: 'one' as OperatorId });
  const error = expectCode('NOT_ENOUGH_OPERATORS', () =>
    placeSegment(sampleEpoch(members), object, segment(0), 4),
  );
  expect(error.message).toBe('the code wants 4 holders, the shard has 1 independent operators');
  const trial = placeSegment(sampleEpoch(members), object, segment(0), 4, { allowSameOperator: true });
  expect(trial.holders.length).toBe(4);
  expectCode('NOT_ENOUGH_OPERATORS', () =>
    placeSegment(sampleEpoch(members), object, segment(0), 7, { allowSameOperator: true }),
  );
});

test('a suspended member gets a piece only when there is nobody else, and nobody else moves for it', () => {
  const members = sampleMembers(9);
  const before = placeSegment(sampleEpoch(members), object, segment(0), 5);
  const silent = before.holders[2]!;
  const suspended = members.map(
    (member): Member => (member.node === silent.node ? { ...member, isSuspended: true } : member),
  );
  const after = placeSegment(sampleEpoch(suspended), object, segment(0), 5);
  const stayed = before.holders.filter((member) => member !== silent).map(name);
  expect(after.holders.map(name)).toEqual([...stayed, name(before.spares[0]!)]);
  expect(after.spares.map(name).at(-1)).toBe(name(silent));
  const all = placeSegment(sampleEpoch(suspended), object, segment(0), 9);
  expect(all.holders.map(name)).toContain(name(silent));
});

test('the share of a member follows its weight', () => {
  // Stake 4:1 at equal capacity is weight 2:1; of 3000 first places the heavy half gets 2/3.
  const members = sampleMembers(10).map((member, index) => ({
    ...member,
    stake: (index < 5 ? 400n : 100n) as Stake,
  }));
  expect(Number(weightOf(members[0]!)) / Number(weightOf(members[9]!))).toBeCloseTo(2, 5);
  let heavy = 0;
  for (let key = 0; key < 3000; key++) {
    if (rank(members, 'placement', segment(key))[0]!.stake === 400n) heavy++;
  }
  // 2000 expected, standard deviation 26.
  expect(heavy).toBeGreaterThan(1850);
  expect(heavy).toBeLessThan(2150);
});

test('one member that joins takes only its share, and one that leaves moves only its own', () => {
  const before = sampleMembers(20);
  const after = [...before, sampleMember(20)];
  let moved = 0;
  for (let key = 0; key < 500; key++) {
    const old = rank(before, 'placement', segment(key)).slice(0, 5);
    const grown = rank(after, 'placement', segment(key)).slice(0, 5);
    const fresh = grown.filter((member) => !old.includes(member));
    // Whoever is new among the first five is the joiner: nobody else's order changed.
    expect(fresh.every((member) => member.operator === 'operator-20')).toBe(true);
    moved += fresh.length;
  }
  // 500 x 5 places over 21 members: 119 expected.
  expect(moved).toBeGreaterThan(80);
  expect(moved).toBeLessThan(160);
});

test('pieces spread evenly over failure domains while there is a choice', () => {
  const members = sampleMembers(12).map((member, index) => ({
    ...member,
    domains: [['rack', `r${index % 3}`]] as const,
  }));
  for (let key = 0; key < 100; key++) {
    const { holders } = placeSegment(sampleEpoch(members), object, segment(key), 6);
    const racks = holders.map((member) => member.domains[0]![1]);
    for (const rack of ['r0', 'r1', 'r2']) expect(racks.filter((r) => r === rack).length).toBe(2);
  }
});

test('failure domains never make a possible placement fail', () => {
  const members = sampleMembers(5).map((member, index) => ({
    ...member,
    domains: [['rack', index === 0 ? 'lonely' : 'crowded']] as const,
  }));
  expect(placeSegment(sampleEpoch(members), object, segment(1), 5).holders.length).toBe(5);
});

test('shard members: at most a quarter of the seats for one operator, at least sixteen seats', () => {
  const members = sampleMembers(80).map((member, index) => ({
    ...member,
    operator: (index < 40 ? 'whale' : member.operator) as OperatorId,
  }));
  const record = sampleEpoch(members, { shardBits: 4 });
  for (let shard = 0; shard < 16; shard++) {
    const chosen = shardMembers(record, shard as ShardId);
    expect(chosen.length).toBe(16);
    expect(chosen.filter((member) => member.operator === 'whale').length).toBeLessThanOrEqual(4);
  }
});
