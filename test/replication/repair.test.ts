import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Member } from '../../src/base/epoch.ts';
import type { OperatorId } from '../../src/base/ids.ts';
import { type Code, defaultCode, repairThreshold } from '../../src/replication/code.ts';
import {
  type Holding,
  needsRepair,
  planRepair,
  returnedPiece,
  type SegmentState,
  segmentHealth,
  type Standing,
} from '../../src/replication/repair.ts';
import { sampleMember, sampleMembers } from '../helpers/records.ts';

const POOL = sampleMembers(64);
const STANDINGS = ['healthy', 'suspended', 'lost', 'leaving', 'gone'] as const;

function holding(
  index: number,
  standing: Standing,
  isDamaged = false,
  member: Member = POOL[index]!,
): Holding {
  return { node: member.node, member: standing === 'gone' ? undefined : member, standing, isDamaged };
}

/** n pieces: so many of each standing, the rest healthy. */
function segment(code: Code, counts: Partial<Record<Standing | 'damaged', number>>): Holding[] {
  const words = (['lost', 'gone', 'suspended', 'leaving', 'damaged'] as const).flatMap((word) =>
    Array.from({ length: counts[word] ?? 0 }, () => word),
  );
  return Array.from({ length: code.n }, (_, index) => {
    const word = words[index] ?? 'healthy';
    return word === 'damaged' ? holding(index, 'healthy', true) : holding(index, word);
  });
}

const codes = fc
  .tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 40 }))
  .map(([k, more]): Code => ({ k, n: k + more }));
const segments = codes.chain((code) =>
  fc
    .array(fc.tuple(fc.constantFrom(...STANDINGS), fc.integer({ min: 0, max: 9 })), {
      minLength: code.n,
      maxLength: code.n,
    })
    .map((pieces) => ({
      code,
      holdings: pieces.map(([standing, chance], index) => holding(index, standing, chance === 0)),
    })),
);

test.each<[string, Code, Partial<Record<Standing | 'damaged', number>>, SegmentState, boolean]>([
  ['all there', { k: 4, n: 12 }, {}, 'whole', false],
  ['a leaving holder still serves', { k: 4, n: 12 }, { leaving: 3 }, 'whole', false],
  ['wide code, three lost', { k: 4, n: 12 }, { lost: 3 }, 'reduced', false],
  ['wide code, at the threshold', { k: 4, n: 12 }, { lost: 4 }, 'repair', true],
  [
    'damage and members that are gone count like losses',
    { k: 4, n: 12 },
    { lost: 1, gone: 1, damaged: 2 },
    'repair',
    true,
  ],
  ['silence is no loss', { k: 4, n: 12 }, { suspended: 6 }, 'reduced', false],
  ['silence makes a loss urgent', { k: 4, n: 12 }, { lost: 1, suspended: 6 }, 'urgent', true],
  ['silence alone gives nothing to do', { k: 4, n: 12 }, { suspended: 7 }, 'urgent', false],
  ['narrow code, first loss', { k: 3, n: 7 }, { lost: 1 }, 'repair', true],
  ['narrow code, silence', { k: 3, n: 7 }, { suspended: 1 }, 'reduced', false],
  ['ten pieces, first loss', { k: 4, n: 10 }, { lost: 1 }, 'repair', true],
  ['two of four, one lost', { k: 2, n: 4 }, { lost: 1 }, 'urgent', true],
  ['one more would be fatal', { k: 4, n: 12 }, { lost: 8 }, 'urgent', true],
  ['margin of one', { k: 4, n: 12 }, { lost: 7 }, 'urgent', true],
  ['margin of two', { k: 4, n: 12 }, { lost: 6 }, 'repair', true],
  ['fewer than k alive', { k: 4, n: 12 }, { lost: 9 }, 'lost', false],
  ['fewer than k answer, k alive', { k: 4, n: 12 }, { lost: 8, suspended: 1 }, 'urgent', true],
  ['two copies, both there', { k: 1, n: 2 }, {}, 'whole', false],
  ['two copies, one lost', { k: 1, n: 2 }, { gone: 1 }, 'urgent', true],
  ['one copy', { k: 1, n: 1 }, {}, 'whole', false],
  ['one copy, lost', { k: 1, n: 1 }, { lost: 1 }, 'lost', false],
])('%s', (_, code, counts, state, isRepaired) => {
  const health = segmentHealth(code, segment(code, counts));
  expect([health.state, needsRepair(health)]).toEqual([state, isRepaired]);
});

test('a segment is repaired exactly when a loss is confirmed and the threshold or the last margin is reached', () => {
  fc.assert(
    fc.property(segments, ({ code, holdings }) => {
      const health = segmentHealth(code, holdings);
      const lost = holdings.filter(
        ({ standing, isDamaged }) => isDamaged || standing === 'lost' || standing === 'gone',
      ).length;
      const silent = holdings.filter(
        ({ standing, isDamaged }) => !isDamaged && standing === 'suspended',
      ).length;
      const alive = code.n - lost;
      const isDue = alive <= repairThreshold(code) || alive - silent - code.k <= 1;
      expect(needsRepair(health)).toBe(lost > 0 && alive >= code.k && isDue);
      expect(health.alive).toBe(alive);
      expect(health.margin).toBe(alive - silent - code.k);
      expect(health.state === 'lost').toBe(alive < code.k);
    }),
  );
});

test('one more confirmed loss never makes a segment safer', () => {
  const order: readonly SegmentState[] = ['whole', 'reduced', 'repair', 'urgent', 'lost'];
  fc.assert(
    fc.property(segments, fc.nat(), ({ code, holdings }, which) => {
      const worse = holdings.with(which % code.n, holding(which % code.n, 'lost'));
      const states = [holdings, worse].map((each) => order.indexOf(segmentHealth(code, each).state));
      expect(states[1]).toBeGreaterThanOrEqual(states[0]!);
    }),
  );
});

test('every default code is repaired before it can be lost by one more loss', () => {
  for (let operators = 3; operators <= 80; operators++) {
    const code = defaultCode(operators);
    const healths = Array.from({ length: code.n }, (_, lost) => segmentHealth(code, segment(code, { lost })));
    const firstRepair = healths.findIndex(needsRepair);
    expect(code.n - firstRepair).toBeGreaterThan(code.k);
  }
});

test('operators and failure domains with several pieces are named, the most dangerous first', () => {
  const place = (operator: string, rack: string, index: number): Member =>
    sampleMember(index, { operator: operator as OperatorId, domains: [['rack', rack]] });
  const members = [
    place('a', 'r1', 0),
    place('a', 'r1', 1),
    place('b', 'r1', 2),
    place('c', 'r2', 3),
    place('d', 'r2', 4),
  ];
  const holdings = members.map((member, index) =>
    holding(index, index === 4 ? 'suspended' : 'healthy', false, member),
  );
  const health = segmentHealth({ k: 2, n: 5 }, holdings);
  expect(health.riskGroups).toEqual([
    { label: 'rack', value: 'r1', pieces: [0, 1, 2] },
    { label: 'operator', value: 'a', pieces: [0, 1] },
  ]);
  expect(health.sharedRisk).toBe(3);
  expect(segmentHealth({ k: 4, n: 12 }, segment({ k: 4, n: 12 }, {})).sharedRisk).toBe(1);
});

test('a leaving holder hands its pieces over although nothing is missing', () => {
  const code = { k: 4, n: 12 };
  const plan = planRepair(code, segment(code, { leaving: 2 }));
  expect(plan.steps.map(({ means, pieceIndex }) => [means, pieceIndex])).toEqual([
    ['copy', 0],
    ['copy', 1],
  ]);
  expect(plan.sources).toEqual([]);
});

test('a holder that returned leaves nothing to move', () => {
  const code = { k: 2, n: 4 };
  expect(planRepair(code, segment(code, { lost: 1 })).steps).toEqual([{ means: 'rebuild', pieceIndex: 0 }]);
  expect(planRepair(code, segment(code, {})).steps).toEqual([]);
});

test('pieces are rebuilt from k that answer, those who stay before those who leave', () => {
  fc.assert(
    fc.property(segments, ({ code, holdings }) => {
      const { steps, sources } = planRepair(code, holdings);
      const health = segmentHealth(code, holdings);
      const rebuilt = steps.filter(({ means }) => means === 'rebuild').map(({ pieceIndex }) => pieceIndex);
      const isPossible = needsRepair(health) && health.answering >= code.k;
      expect(rebuilt).toEqual(isPossible ? health.missing : []);
      expect(sources.length).toBe(isPossible ? code.k : 0);
      expect(new Set(sources).size).toBe(sources.length);
      for (const index of sources) expect(['healthy', 'leaving']).toContain(holdings[index]!.standing);
      for (const index of sources) expect(holdings[index]!.isDamaged).toBe(false);
      const stayers = holdings.filter(
        ({ standing, isDamaged }) => standing === 'healthy' && !isDamaged,
      ).length;
      const used = sources.filter((index) => holdings[index]!.standing === 'healthy').length;
      expect(used).toBe(isPossible ? Math.min(code.k, stayers) : 0);
    }),
  );
});

test('a piece that comes back is dropped when its replacement holds, kept in danger, and taken back when the replacement is lost too', () => {
  const code = { k: 4, n: 12 };
  const last = code.n - 1;
  expect(returnedPiece(code, segment(code, {}), last)).toBe('drop');
  expect(returnedPiece(code, segment(code, { lost: 2 }), last)).toBe('drop');
  expect(returnedPiece(code, segment(code, { lost: 4 }), last)).toBe('keep');
  expect(returnedPiece(code, segment(code, { suspended: 1 }), 0)).toBe('keep');
  expect(returnedPiece(code, segment(code, { lost: 1 }), 0)).toBe('reclaim');
  expect(returnedPiece(code, segment(code, { lost: 10 }), last)).toBe('keep');
});
