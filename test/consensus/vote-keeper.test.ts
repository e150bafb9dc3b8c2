// What is enumerated here, against a twin that recounts from the list of votes:
// - every partition of every total power up to 12 into at most 8 validators, every way of each to vote A, nil or not at all;
// - every partition of every total up to 12 into 3 or 4 validators, all orders of 5 votes with an equivocator among them;
// - all orders of 8 votes of eight validators, over every partition of a total up to 12 into eight;
// - all orders of 7 or 8 votes, or votes and entered rounds, of 3 or 4 validators in several histories: everybody equivocates, third
//   values, valid rounds, two kinds, several rounds with votes ahead. Powers with ties at exactly 1/3 and exactly 2/3.
// Every prefix of an order is checked, not only its end.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { conflictOf, guiltyOf } from '../../src/consensus/evidence.ts';
import {
  NO_ROUND,
  type Evidence,
  type ValidatorSet,
  type Vote,
  type VoteValue,
} from '../../src/consensus/types.ts';
import {
  addCommit,
  addPolka,
  addVote,
  committed,
  emptyKeeper,
  enterRound,
  hasNilPolka,
  hasPolka,
  hasPrevoteQuorum,
  knowsVote,
  polkaBlocks,
  polkaFor,
  precommitsOf,
  skipRound,
  type VoteKeeper,
  votesFor,
  votesFrom,
  votesIn,
} from '../../src/consensus/vote-keeper.ts';
import { A, B, C, commit, ordersOf, polka, precommit, prevote, say, setOf } from '../helpers/agreement.ts';

// ---- The twin ---------------------------------------------------------------------------------------------------------

/** A vote, or a round that is entered. */
type Event = Vote | number;

const isAlike = (a: Vote, b: Vote): boolean => say(a) === say(b);
const isOfSlot = (a: Vote, b: Vote): boolean =>
  a.validator === b.validator && a.kind === b.kind && a.round === b.round;

/** What is remembered of a history, by going through it anew. */
function remember(history: readonly Event[]): { round: number; counted: Vote[]; ahead: Vote[] } {
  let round = 0;
  let counted: Vote[] = [];
  let ahead: Vote[] = [];
  const count = (vote: Vote): void => {
    const kept = counted.filter((other) => isOfSlot(other, vote));
    if (kept.length < 2 && !kept.some((other) => isAlike(other, vote))) counted = [...counted, vote];
  };
  for (const event of history) {
    if (typeof event === 'number') {
      round = Math.max(round, event);
      for (const vote of ahead) if (vote.round <= round + 1) count(vote);
      ahead = ahead.filter((vote) => vote.round > round + 1);
    } else if (event.round <= round + 1) {
      count(event);
    } else {
      const ofSame = ahead.filter((vote) => vote.validator === event.validator);
      const isLower = ofSame.some((vote) => vote.round > event.round);
      const isTaken = ofSame.some((vote) => vote.round === event.round && vote.kind === event.kind);
      if (isLower || isTaken) continue;
      ahead = [
        ...ahead.filter((vote) => vote.validator !== event.validator || vote.round === event.round),
        event,
      ];
    }
  }
  return { round, counted, ahead };
}

/** Power of the distinct validators that cast such a vote, as a plain number. */
function powerBehind(set: ValidatorSet, votes: readonly Vote[], isMeant: (vote: Vote) => boolean): number {
  const voters = new Set(votes.filter(isMeant).map((vote) => vote.validator));
  return [...voters].reduce((sum, voter) => sum + Number(set.validators[voter]!.power), 0);
}

const CLAIMS = [NO_ROUND, 0];
const VALUES: readonly VoteValue[] = [A, B, C, null];

/** All that can be asked, as one text. */
function twinAnswers(set: ValidatorSet, history: readonly Event[], rounds: readonly number[]): string {
  const { round: current, counted, ahead } = remember(history);
  const total = Number(set.totalPower);
  const isQuorum = (votes: readonly Vote[], isMeant: (vote: Vote) => boolean): boolean =>
    3 * powerBehind(set, votes, isMeant) > 2 * total;
  const lines: string[] = [];
  for (const round of rounds) {
    const votes = counted.filter((vote) => vote.round === round);
    for (const value of VALUES) {
      for (const claim of CLAIMS) {
        const isMeant = (vote: Vote): boolean =>
          vote.kind === 'prevote' && vote.blockId === value && vote.validRound === claim;
        if (isQuorum(votes, isMeant)) lines.push(`polka ${round} ${value} ${claim}`);
        const voters = votes.filter(isMeant).map((vote) => vote.validator);
        if (voters.length > 0)
          lines.push(`prevotes ${round} ${value} ${claim}: ${voters.sort((a, b) => a - b).join()}`);
      }
      const isMeant = (vote: Vote): boolean => vote.kind === 'precommit' && vote.blockId === value;
      if (value !== null && isQuorum(votes, isMeant)) lines.push(`commit ${round} ${value}`);
    }
    if (isQuorum(votes, (vote) => vote.kind === 'prevote')) lines.push(`prevote any ${round}`);
    if (isQuorum(votes, (vote) => vote.kind === 'precommit')) lines.push(`precommit any ${round}`);
  }
  for (const self of [undefined, 0]) {
    const reached = rounds.filter(
      (round) =>
        round > current &&
        3 *
          powerBehind(set, [...counted, ...ahead], (vote) => vote.round >= round && vote.validator !== self) >
          total,
    );
    lines.push(`skip without ${self}: ${reached.at(-1)}`);
  }
  return lines.join('\n');
}

/** The same of the keeper. */
function keeperAnswers(keeper: VoteKeeper, rounds: readonly number[]): string {
  const lines: string[] = [];
  for (const round of rounds) {
    for (const value of VALUES) {
      for (const claim of CLAIMS) {
        if (hasPolka(keeper, round, value, claim)) lines.push(`polka ${round} ${value} ${claim}`);
        const voters = votesFor(keeper, 'prevote', round, value, claim).map((vote) => vote.validator);
        if (voters.length > 0) lines.push(`prevotes ${round} ${value} ${claim}: ${voters.join()}`);
      }
      const quorums = votesIn(keeper, round)?.tallies.filter((tally) => tally.isQuorum) ?? [];
      if (value !== null && quorums.some((tally) => tally.kind === 'precommit' && tally.blockId === value)) {
        lines.push(`commit ${round} ${value}`);
      }
    }
    if (hasPrevoteQuorum(keeper, round)) lines.push(`prevote any ${round}`);
    if (votesIn(keeper, round)?.hasPrecommitQuorum === true) lines.push(`precommit any ${round}`);
  }
  for (const self of [undefined, 0]) lines.push(`skip without ${self}: ${skipRound(keeper, self)}`);
  return lines.join('\n');
}

function apply(keeper: VoteKeeper, event: Event): VoteKeeper {
  if (typeof event !== 'number') return addVote(keeper, event).keeper;
  return event > keeper.round ? enterRound(keeper, event).keeper : keeper;
}

const sayEvent = (event: Event): string => (typeof event === 'number' ? `enter ${event}` : say(event));

/** Follows every order of `events`, with the twin beside it at every prefix. Returns how many prefixes. */
function followAllOrders(set: ValidatorSet, events: readonly Event[]): number {
  let prefixes = 0;
  // What is remembered depends on the order only where something is dropped; then every order is recounted.
  const isOrdered = events.some((event) => typeof event === 'number' || event.round > 1) || hasThirds(events);
  const known = new Map<number, string>();
  const rounds = [...new Set(events.map((event) => (typeof event === 'number' ? event : event.round)))].sort(
    (a, b) => a - b,
  );
  const go = (keeper: VoteKeeper, used: number, history: readonly Event[]): void => {
    prefixes++;
    const recount = (): string => twinAnswers(set, history, rounds);
    let expected = isOrdered ? undefined : known.get(used);
    if (expected === undefined) {
      expected = recount();
      if (!isOrdered) known.set(used, expected);
    }
    const actual = keeperAnswers(keeper, rounds);
    if (actual !== expected) {
      expect(actual, history.map(sayEvent).join('; ')).toBe(expected);
    }
    for (const [index, event] of events.entries()) {
      if ((used & (1 << index)) === 0) go(apply(keeper, event), used | (1 << index), [...history, event]);
    }
  };
  go(emptyKeeper(set), 0, []);
  return prefixes;
}

const hasThirds = (events: readonly Event[]): boolean =>
  events.some(
    (event) =>
      typeof event !== 'number' &&
      events.filter((other) => typeof other !== 'number' && isOfSlot(other, event)).length > 2,
  );

/** Ways to write `total` as a sum of `count` powers, largest first. */
function partitions(total: number, count: number, largest: number = total): number[][] {
  if (count === 0) return total === 0 ? [[]] : [];
  const found: number[][] = [];
  for (let first = Math.min(largest, total); first >= 1; first--) {
    for (const rest of partitions(total - first, count - 1, first)) found.push([first, ...rest]);
  }
  return found;
}

const TOTALS = Array.from({ length: 12 }, (_, index) => index + 1);
const partitionsInto = (count: number): number[][] => TOTALS.flatMap((total) => partitions(total, count));

/** Prefixes of all orders of so many things. */
const prefixesOf = (count: number): number => (count === 0 ? 1 : 1 + count * prefixesOf(count - 1));

// ---- All there is, in small ----------------------------------------------------------------------------------------------

describe('against the twin', () => {
  test('every partition of a total up to 12 into at most 8 validators, every way to vote A, nil or nothing', () => {
    let cases = 0;
    const go = (keeper: VoteKeeper, next: number, forA: number, forNil: number): void => {
      const set = keeper.validators;
      if (next < set.validators.length) {
        const power = Number(set.validators[next]!.power);
        go(keeper, next + 1, forA, forNil);
        go(addVote(keeper, prevote(next, 0, A)).keeper, next + 1, forA + power, forNil);
        go(addVote(keeper, prevote(next, 0, null)).keeper, next + 1, forA, forNil + power);
        return;
      }
      cases++;
      const total = Number(set.totalPower);
      const actual = [hasPolka(keeper, 0, A, NO_ROUND), hasNilPolka(keeper, 0), hasPrevoteQuorum(keeper, 0)];
      const expected = [3 * forA > 2 * total, 3 * forNil > 2 * total, 3 * (forA + forNil) > 2 * total];
      if (actual.join() !== expected.join())
        expect(actual, set.validators.map((one) => one.power).join(' ')).toEqual(expected);
    };
    for (const count of [1, 2, 3, 4, 5, 6, 7, 8]) {
      for (const powers of partitionsInto(count)) go(emptyKeeper(setOf(...powers)), 0, 0, 0);
    }
    expect(cases).toBeGreaterThan(150_000);
  });

  test('every partition of a total up to 12 into 3 or 4, all orders of 5 votes with an equivocator', () => {
    const votes = [
      prevote(0, 0, A),
      prevote(0, 0, B),
      prevote(1, 0, A),
      prevote(2, 0, B),
      precommit(1, 0, A),
    ];
    let prefixes = 0;
    for (const powers of [...partitionsInto(3), ...partitionsInto(4)]) {
      prefixes += followAllOrders(setOf(...powers), votes);
    }
    expect(prefixes).toBe((partitionsInto(3).length + partitionsInto(4).length) * prefixesOf(5));
  });

  const eight = Array.from({ length: 8 }, (_, index) => index);
  test('all orders of the votes of eight, over every partition of a total up to 12 into eight', () => {
    for (const powers of partitionsInto(8)) {
      const set = setOf(...powers);
      const total = Number(set.totalPower);
      const go = (keeper: VoteKeeper, used: number, power: number): void => {
        if (hasPolka(keeper, 0, A, NO_ROUND) !== 3 * power > 2 * total) {
          expect.unreachable(
            `${power} of ${total} in powers ${powers.join(' ')}, voters ${used.toString(2)}`,
          );
        }
        for (const index of eight) {
          if ((used & (1 << index)) !== 0) continue;
          const next = addVote(keeper, prevote(index, 0, A)).keeper;
          go(next, used | (1 << index), power + powers[index]!);
        }
      };
      go(emptyKeeper(set), 0, 0);
    }
  });

  const HISTORIES: readonly (readonly [string, ValidatorSet, readonly Event[]])[] = [
    [
      'everybody prevotes two blocks; equal powers',
      setOf(1, 1, 1, 1),
      [0, 1, 2, 3].flatMap((validator) => [prevote(validator, 0, A), prevote(validator, 0, B)]),
    ],
    [
      'three validators of a third each: two of them are exactly 2/3',
      setOf(4, 4, 4),
      [
        ...[0, 1, 2].flatMap((validator) => [prevote(validator, 0, A), precommit(validator, 0, A)]),
        precommit(0, 0, B),
        precommit(1, 0, B),
      ],
    ],
    [
      'third values; powers 3 2 1, ties at exactly 1/3 and 2/3',
      setOf(3, 2, 1),
      [
        prevote(0, 0, A),
        prevote(0, 0, B),
        prevote(0, 0, null),
        prevote(1, 0, A),
        prevote(1, 0, B),
        prevote(1, 0, C),
        prevote(2, 0, A),
      ],
    ],
    [
      'one block on two valid rounds; powers 3 2 2 2',
      setOf(3, 2, 2, 2),
      [0, 1, 2, 3].flatMap((validator) => [
        prevote(validator, 1, A, { validRound: 0 }),
        prevote(validator, 1, A, { validRound: validator === 0 ? 0 : NO_ROUND }),
      ]),
    ],
    [
      'votes ahead, and the rounds are entered; powers 5 1 1 1',
      setOf(5, 1, 1, 1),
      [prevote(1, 2, A), precommit(1, 3, A), prevote(2, 3, A), prevote(3, 2, A), prevote(3, 2, B), 1, 2],
    ],
    [
      'votes ahead of both kinds; exactly a third is not weak; powers 2 2 2',
      setOf(2, 2, 2),
      [
        prevote(1, 2, A),
        precommit(1, 2, null),
        prevote(1, 1, A),
        prevote(2, 3, A),
        prevote(2, 1, null),
        precommit(0, 3, B),
        2,
      ],
    ],
  ];
  for (const [title, set, events] of HISTORIES) {
    test(`all orders: ${title}`, () => {
      expect(followAllOrders(set, events)).toBe(prefixesOf(events.length));
    });
  }
});

// ---- Rules -----------------------------------------------------------------------------------------------------------

const four = setOf(1, 1, 1, 1);
const keeperWith = (votes: readonly Vote[], set: ValidatorSet = four): VoteKeeper =>
  votes.reduce((keeper, vote) => addVote(keeper, vote).keeper, emptyKeeper(set));

function evidenceOf(votes: readonly Vote[]): Evidence[] {
  let keeper = emptyKeeper(four);
  const found: Evidence[] = [];
  for (const vote of votes) {
    const { keeper: next, evidence } = addVote(keeper, vote);
    keeper = next;
    found.push(...evidence);
  }
  return found;
}

describe('counting', () => {
  test('an equivocator counts for each of its values, and once for any', () => {
    const keeper = keeperWith([prevote(0, 0, A), prevote(0, 0, B), prevote(1, 0, A), prevote(2, 0, B)]);
    expect(votesFor(keeper, 'prevote', 0, A, NO_ROUND).map((one) => one.validator)).toEqual([0, 1]);
    expect(votesFor(keeper, 'prevote', 0, B, NO_ROUND).map((one) => one.validator)).toEqual([0, 2]);
    expect(votesIn(keeper, 0)!.prevotePower).toBe(3n);
  });

  test('an equivocator’s first vote does not hide the quorum that its second completes', () => {
    const keeper = keeperWith([precommit(0, 0, B), precommit(1, 0, A), precommit(2, 0, A)]);
    expect(committed(keeper)).toBeUndefined();
    expect(committed(addVote(keeper, precommit(0, 0, A)).keeper)).toEqual({ round: 0, blockId: A });
  });

  test('a third value is dropped: the very same keeper, unknown, no evidence', () => {
    const keeper = keeperWith([prevote(0, 0, A), prevote(0, 0, B)]);
    const added = addVote(keeper, prevote(0, 0, C));
    expect(added.keeper).toBe(keeper);
    expect(added.evidence).toEqual([]);
    expect(knowsVote(keeper, prevote(0, 0, C))).toBe(false);
    expect(knowsVote(keeper, prevote(0, 0, B))).toBe(true);
  });

  test('a known vote leaves the very same keeper, whatever its signature', () => {
    const keeper = keeperWith([prevote(0, 0, A), prevote(0, 5, A)]);
    const resigned = { ...prevote(0, 0, A), signature: prevote(3, 0, A).signature };
    expect(addVote(keeper, resigned).keeper).toBe(keeper);
    expect(addVote(keeper, prevote(0, 5, A)).keeper).toBe(keeper);
    expect(knowsVote(keeper, prevote(0, 5, A))).toBe(true);
  });

  test('prevotes of one block on different valid rounds are no polka together', () => {
    const votes = [0, 1, 2].map((one) => prevote(one, 2, A, { validRound: one === 2 ? 1 : 0 }));
    expect(polkaFor(keeperWith(votes), 2, A)).toBeUndefined();
    expect(hasPrevoteQuorum(keeperWith(votes), 2)).toBe(false); // ahead: not counted yet
    const keeper = enterRound(keeperWith(votes), 1).keeper;
    expect(polkaFor(keeper, 2, A)).toBeUndefined();
    expect(hasPrevoteQuorum(keeper, 2)).toBe(true);
  });

  test('powers near 2^62 are exact', () => {
    const third = 2n ** 60n;
    const exact = setOf(third, third, third);
    const votes = [precommit(0, 0, A), precommit(1, 0, A)];
    expect(committed(keeperWith(votes, exact))).toBeUndefined();
    expect(committed(keeperWith(votes, setOf(third, third + 1n, third)))).toBeDefined();
  });
});

describe('votes ahead', () => {
  const votesHeld = (keeper: VoteKeeper): number =>
    keeper.ahead.flat().length +
    keeper.rounds.reduce(
      (sum, { prevotes, precommits, seconds }) =>
        sum + [...prevotes, ...precommits].filter((one) => one !== undefined).length + seconds.length,
      0,
    );

  test('a liar who votes in a thousand rounds costs two votes, and cannot make anybody skip', () => {
    const lies = Array.from({ length: 1000 }, (_, index) => [
      prevote(1, index + 2, A),
      prevote(1, index + 2, B),
      precommit(1, index + 2, A),
    ]).flat();
    const keeper = keeperWith(lies);
    expect(votesHeld(keeper)).toBe(2);
    expect(keeper.highest[1]).toBe(1001);
    expect(skipRound(keeper, 0)).toBeUndefined();
  });

  test('only the highest round of each counts, and lower ones that come later are dropped', () => {
    const keeper = keeperWith([prevote(1, 5, A)]);
    expect(addVote(keeper, prevote(1, 4, A)).keeper).toBe(keeper);
    expect(keeperWith([prevote(1, 4, A), prevote(1, 5, A)]).ahead[1]!.map(say)).toEqual([
      say(prevote(1, 5, A)),
    ]);
  });

  test('they are counted when their round or the one before it is entered', () => {
    const ahead = keeperWith([0, 1, 2].map((one) => prevote(one, 3, A)));
    expect(hasPolka(enterRound(ahead, 1).keeper, 3, A, NO_ROUND)).toBe(false);
    for (const round of [2, 3, 4]) {
      const entered = enterRound(ahead, round).keeper;
      expect(hasPolka(entered, 3, A, NO_ROUND)).toBe(true);
      expect(entered.ahead.flat()).toEqual([]);
    }
  });

  test('a double vote shows when they are counted beside one of the same place', () => {
    const keeper = keeperWith([prevote(1, 3, A)]);
    const entered = enterRound(keeper, 2).keeper;
    expect(addVote(entered, prevote(1, 3, B)).evidence.map((one) => one.kind)).toEqual(['double-vote']);
  });

  test('skip: to the highest round that weak weight has reached, kinds counted together and each validator once', () => {
    const keeper = keeperWith([
      prevote(1, 4, A),
      precommit(1, 4, A),
      precommit(2, 7, null),
      prevote(3, 3, null),
    ]);
    expect(skipRound(keeperWith([prevote(1, 4, A), precommit(1, 4, A)]), 0)).toBeUndefined();
    expect(skipRound(keeper, 0)).toBe(4);
    expect(votesFrom(keeper, 4).map(say)).toEqual([say(prevote(1, 4, A)), say(precommit(2, 7, null))]);
  });

  test('skip: one’s own vote is no reason', () => {
    const keeper = keeperWith([prevote(0, 1, A), prevote(1, 1, A)]);
    expect(skipRound(keeper, undefined)).toBe(1);
    expect(skipRound(keeper, 0)).toBeUndefined();
  });
});

describe('certificates', () => {
  test('L5: an equivocator’s earlier vote does not make a polka certificate uncountable', () => {
    const keeper = keeperWith([prevote(0, 0, B), prevote(0, 0, C), prevote(1, 0, null)]);
    const certified = addPolka(keeper, polka(0, A, [0, 1, 2]));
    expect(hasPolka(certified, 0, A, NO_ROUND)).toBe(true);
    expect(polkaFor(certified, 0, A)).toBe(NO_ROUND);
    expect(polkaBlocks(certified, 0)).toEqual([A]);
    expect(hasPrevoteQuorum(certified, 0)).toBe(true);
  });

  test('L5: nor a commit certificate, of whatever round', () => {
    const keeper = keeperWith([precommit(0, 0, B), precommit(0, 0, C)]);
    expect(committed(addCommit(keeper, commit(0, A, [0, 1, 2])))).toMatchObject({ round: 0, blockId: A });
    expect(committed(addCommit(keeper, commit(9, A, [0, 1, 2])))).toMatchObject({ round: 9, blockId: A });
  });

  test('a certificate for what is known already leaves the very same keeper', () => {
    const votes = keeperWith([0, 1, 2].map((one) => prevote(one, 0, A)));
    expect(addPolka(votes, polka(0, A, [1, 2, 3]))).toBe(votes);
    const certified = addPolka(emptyKeeper(four), polka(0, A, [0, 1, 2]));
    expect(addPolka(certified, polka(0, A, [1, 2, 3]))).toBe(certified);
    const decided = addCommit(emptyKeeper(four), commit(0, A, [0, 1, 2]));
    expect(addCommit(decided, commit(1, A, [0, 1, 2]))).toBe(decided);
  });

  test('it stands for its own round, block and valid round only', () => {
    const keeper = addPolka(emptyKeeper(four), polka(2, A, [0, 1, 2], { validRound: 0 }));
    expect(hasPolka(keeper, 2, A, 0)).toBe(true);
    expect(hasPolka(keeper, 2, A, NO_ROUND)).toBe(false);
    expect(hasPolka(keeper, 1, A, 0)).toBe(false);
    expect(hasPolka(keeper, 2, B, 0)).toBe(false);
    expect(polkaBlocks(keeper, 1)).toEqual([]);
  });

  test('a quorum of precommits for nil, or for nothing in common, is a reason to leave the round and no decision', () => {
    const split = keeperWith([precommit(0, 0, A), precommit(1, 0, null), precommit(2, 0, B)]);
    expect(precommitsOf(split, 0).length).toBe(3);
    expect(votesIn(split, 0)!.hasPrecommitQuorum).toBe(true);
    expect(committed(split)).toBeUndefined();
    expect(committed(keeperWith([0, 1, 2, 3].map((one) => precommit(one, 0, null))))).toBeUndefined();
  });
});

describe('evidence', () => {
  const PAIRS: readonly (readonly [string, Vote, Vote, Evidence['kind']])[] = [
    ['E1: prevotes of two blocks', prevote(1, 0, A), prevote(1, 0, B), 'double-vote'],
    ['E1: prevotes of a block and nil', prevote(1, 0, A), prevote(1, 0, null), 'double-vote'],
    [
      'E1: prevotes of one block on two valid rounds',
      prevote(1, 1, A),
      prevote(1, 1, A, { validRound: 0 }),
      'double-vote',
    ],
    ['E1: precommits of two blocks', precommit(1, 0, A), precommit(1, 0, B), 'double-vote'],
    ['E3: a later prevote of another block, fresh', precommit(1, 0, A), prevote(1, 1, B), 'amnesia'],
  ];
  for (const [title, first, second, kind] of PAIRS) {
    test(`${title}, in either order of arrival, once`, () => {
      for (const votes of ordersOf([first, second])) {
        const found = evidenceOf([...votes, ...votes]);
        expect(found).toEqual([conflictOf(first, second)]);
        expect(found[0]!.kind).toBe(kind);
      }
    });
  }

  test('E3: on the word of a polka older than the precommit, and never on one as late', () => {
    const guilty = [precommit(1, 1, A), prevote(1, 2, B, { validRound: 0 })];
    const honest = [precommit(1, 1, A), prevote(1, 2, B, { validRound: 1 })];
    const inRound = (votes: readonly Vote[]): Evidence[] => {
      let keeper = enterRound(emptyKeeper(four), 2).keeper;
      return votes.flatMap((one) => {
        const { keeper: next, evidence } = addVote(keeper, one);
        keeper = next;
        return evidence;
      });
    };
    for (const votes of ordersOf(guilty)) expect(inRound(votes).map((one) => one.kind)).toEqual(['amnesia']);
    for (const votes of ordersOf(honest)) expect(inRound(votes)).toEqual([]);
  });

  test('nil and the precommitted block itself forget nothing', () => {
    expect(
      evidenceOf([precommit(1, 0, A), prevote(1, 1, null), prevote(1, 0, A), precommit(1, 1, null)]),
    ).toEqual([]);
    expect(evidenceOf([precommit(1, 0, A), prevote(1, 1, A, { validRound: 0 })])).toEqual([]);
    expect(evidenceOf([precommit(1, 0, A), prevote(1, 1, A)])).toEqual([]);
  });

  test('different validators, rounds and kinds contradict nobody', () => {
    expect(evidenceOf([prevote(1, 0, A), prevote(2, 0, B), prevote(1, 1, B), precommit(1, 1, C)])).toEqual(
      [],
    );
  });

  test('in every order, whoever cannot be honest is named and nobody else', () => {
    const votes = [
      precommit(0, 0, A),
      prevote(0, 1, B),
      prevote(1, 0, A),
      prevote(1, 0, B),
      precommit(2, 0, A),
      prevote(2, 1, A, { validRound: 0 }),
      prevote(3, 1, B),
    ];
    for (const order of ordersOf(votes)) {
      const guilty = new Set(evidenceOf(order).flatMap(guiltyOf));
      const names = [...guilty].sort((a, b) => a - b);
      if (names.join() !== '0,1') expect(names, order.map(say).join('; ')).toEqual([0, 1]);
    }
  });

  test('an honest validator’s history, whatever it saw, is no evidence in any order of arrival', () => {
    // Honest: one vote of a kind a round; a block is prevoted on a polka at least as late as the lock; locks never fall.
    const rounds = fc.array(
      fc.record({ value: fc.constantFrom(A, B, null), lag: fc.nat(3), locks: fc.boolean() }),
      { minLength: 1, maxLength: 5 },
    );
    const anyOrder = fc.array(fc.nat(), { minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(rounds, anyOrder, (chosen, order) => {
        let lockedRound = NO_ROUND;
        const votes: Vote[] = [];
        for (const [round, { value, lag, locks }] of chosen.entries()) {
          const validRound = Math.max(round - 1 - lag, NO_ROUND);
          const said = lockedRound <= validRound ? value : null;
          votes.push(prevote(1, round, said, said === null ? {} : { validRound }));
          const lock = locks ? (said ?? A) : null;
          if (lock !== null) lockedRound = round;
          votes.push(precommit(1, round, lock));
        }
        const shuffled = votes
          .map((one, index) => ({ one, place: order[index]! }))
          .sort((a, b) => a.place - b.place)
          .map(({ one }) => one);
        let keeper = enterRound(emptyKeeper(four), 5).keeper;
        for (const one of shuffled) {
          const { keeper: next, evidence } = addVote(keeper, one);
          expect(evidence).toEqual([]);
          keeper = next;
        }
      }),
      { numRuns: 1000 },
    );
  });
});
