// The driver: votes, proposals and verdicts become rules, to a fixpoint. `Table` plays a validator whose own votes come back at
// once, so that a story is a list of what arrived and what was said.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type DriverState,
  type DriverTransition,
  driveCommit,
  drivePolka,
  driveProposal,
  driverOf,
  driveStart,
  driveTimeout,
  driveValue,
  driveVerdict,
  driveVote,
  enabled,
  isProposer,
  proposalFor,
  verdictOn,
} from '../../src/consensus/driver.ts';
import { guiltyOf } from '../../src/consensus/evidence.ts';
import type { RoundOutput } from '../../src/consensus/round.ts';
import {
  type BlockId,
  type Evidence,
  type HeightStart,
  type Message,
  NO_ROUND,
  type TimeoutKind,
} from '../../src/consensus/types.ts';
import {
  A,
  B,
  C,
  commit,
  heightStart,
  nameOf,
  ordersOf,
  polka,
  precommit,
  prevote,
  proposal,
  proposersFrom,
  say,
  setOf,
} from '../helpers/agreement.ts';

type Event =
  | Message
  | { readonly kind: 'verdict'; readonly blockId: BlockId; readonly isValid: boolean }
  | { readonly kind: 'value'; readonly round: number; readonly blockId: BlockId }
  | {
      readonly kind: 'timeout';
      readonly timeout: Exclude<TimeoutKind, 'rebroadcast'>;
      readonly round: number;
    };

const valid = (blockId: BlockId): Event => ({ kind: 'verdict', blockId, isValid: true });
const invalid = (blockId: BlockId): Event => ({ kind: 'verdict', blockId, isValid: false });
const timeout = (kind: Exclude<TimeoutKind, 'rebroadcast'>, round: number): Event => ({
  kind: 'timeout',
  timeout: kind,
  round,
});

function drive(state: DriverState, event: Event): DriverTransition {
  switch (event.kind) {
    case 'proposal':
      return driveProposal(state, event);
    case 'prevote':
    case 'precommit':
      return driveVote(state, event);
    case 'polka-certificate':
      return drivePolka(state, event);
    case 'commit-certificate':
      return driveCommit(state, event);
    case 'verdict':
      return driveVerdict(state, event);
    case 'value':
      return driveValue(state, event.round, event.blockId);
    case 'timeout':
      return driveTimeout(state, event.timeout, event.round);
    case 'round-certificate':
      throw new Error('its votes come singly');
  }
}

function sayOutput(output: RoundOutput): string {
  const value = 'blockId' in output ? ` ${nameOf(output.blockId)}` : '';
  const claim = 'validRound' in output && output.validRound !== NO_ROUND ? ` on ${output.validRound}` : '';
  const kind = output.kind === 'schedule' ? `schedule ${output.timeout}` : output.kind;
  return `${kind} ${output.round}${value}${claim}`;
}

class Table {
  state: DriverState;
  readonly evidence: Evidence[] = [];

  constructor(changes: Partial<HeightStart> = {}) {
    // Validator 0 looks on from the place of one who proposes late.
    this.state = driverOf(heightStart({ proposers: proposersFrom(1, 2, 3, 0), ...changes }));
    this.#take(driveStart(this.state));
  }

  /** What was said and scheduled because of these, in order. */
  hear(...events: readonly Event[]): string[] {
    return events.flatMap((event) => this.#take(drive(this.state, event)));
  }

  #take(transition: DriverTransition): string[] {
    this.state = transition.state;
    this.evidence.push(...transition.evidence);
    expect(enabled(this.state)).toBeUndefined();
    const said = transition.outputs.map(sayOutput);
    const { self } = this.state.start;
    for (const output of transition.outputs) {
      if (self === undefined) continue;
      if (output.kind === 'prevote') {
        said.push(
          ...this.hear(prevote(self, output.round, output.blockId, { validRound: output.validRound })),
        );
      }
      if (output.kind === 'precommit') said.push(...this.hear(precommit(self, output.round, output.blockId)));
    }
    return said;
  }
}

// ---- Any order -----------------------------------------------------------------------------------------------------

describe('whatever the order of arrival', () => {
  test('proposal, verdict and a commit quorum end in the decision: all orders, with prevotes among them', () => {
    const events: Event[] = [
      proposal(1, 0, A),
      valid(A),
      prevote(1, 0, A),
      prevote(2, 0, A),
      precommit(1, 0, A),
      precommit(2, 0, A),
      precommit(3, 0, A),
    ];
    let count = 0;
    for (const order of ordersOf(events)) {
      const table = new Table();
      const said = table.hear(...order);
      const { step, committedBlock, committedRound } = table.state.round;
      const decisions = said.filter((line) => line.startsWith('decide')).join();
      if (step !== 'decided' || committedBlock !== A || committedRound !== 0 || decisions !== 'decide 0 A') {
        expect.unreachable(order.map((event) => event.kind).join('; '));
      }
      count++;
    }
    expect(count).toBe(5040);
  });

  test('of any messages with a commit quorum among them: all orders agree on the decision', () => {
    const noise: Event[] = [
      prevote(1, 0, B),
      prevote(2, 1, null),
      precommit(1, 0, null),
      precommit(3, 2, B),
      proposal(2, 1, B),
      proposal(1, 0, B),
      valid(B),
      invalid(C),
      timeout('propose', 0),
      timeout('precommit', 0),
      timeout('prevote', 0),
      polka(0, A, [1, 2, 3]),
    ];
    const core: Event[] = [proposal(1, 0, A), valid(A), ...[1, 2, 3].map((one) => precommit(one, 0, A))];
    fc.assert(
      fc.property(
        fc
          .subarray(noise)
          .chain((some) => fc.shuffledSubarray([...core, ...some], { minLength: core.length + some.length })),
        (order) => {
          const table = new Table();
          table.hear(...order);
          expect(table.state.round).toMatchObject({ step: 'decided', committedBlock: A, committedRound: 0 });
        },
      ),
      { numRuns: 1500 },
    );
  });

  test('a polka locks on the same block, whichever comes last: proposal, verdict or a vote', () => {
    const events: Event[] = [proposal(1, 0, A), valid(A), prevote(1, 0, A), prevote(2, 0, A)];
    for (const order of ordersOf(events)) {
      const table = new Table();
      table.hear(...order);
      expect(table.state.round).toMatchObject({ step: 'precommit', lockedRound: 0, lockedBlock: A });
    }
  });

  test('no rule is enabled at rest, whatever was heard (checked after each call)', () => {
    const round = fc.nat(3);
    const validator = fc.integer({ min: 1, max: 3 });
    const blockId = fc.constantFrom(A, B, C);
    const value = fc.constantFrom(A, B, C, null);
    const anyEvent: fc.Arbitrary<Event> = fc.oneof(
      {
        weight: 3,
        arbitrary: fc
          .tuple(round, blockId, fc.boolean())
          .map(([r, b, late]) => proposal((r + 1) % 4, r, b, { validRound: late ? r - 1 : NO_ROUND })),
      },
      { weight: 6, arbitrary: fc.tuple(validator, round, value).map(([v, r, b]) => prevote(v, r, b)) },
      {
        weight: 3,
        arbitrary: fc
          .tuple(validator, round, blockId)
          .map(([v, r, b]) => prevote(v, r, b, { validRound: r - 1 })),
      },
      { weight: 4, arbitrary: fc.tuple(validator, round, value).map(([v, r, b]) => precommit(v, r, b)) },
      {
        weight: 3,
        arbitrary: fc.tuple(blockId, fc.boolean()).map(([b, isValid]) => (isValid ? valid(b) : invalid(b))),
      },
      {
        weight: 3,
        arbitrary: fc
          .tuple(fc.constantFrom('propose' as const, 'prevote' as const, 'precommit' as const), round)
          .map(([k, r]) => timeout(k, r)),
      },
      fc.tuple(round, blockId).map(([r, b]) => polka(r, b, [1, 2, 3])),
      fc.tuple(round, blockId).map(([r, b]): Event => ({ kind: 'value', round: r, blockId: b })),
    );
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 50 }), fc.constantFrom(undefined, 0), (events, self) => {
        const table = new Table({ self });
        for (const event of events) {
          const before = table.state;
          table.hear(event);
          const again = table.state;
          expect(again.round.validRound).toBeGreaterThanOrEqual(before.round.lockedRound);
          expect(again.votes.round).toBe(again.round.round);
          // The same message once more changes nothing (a time-out moves on, and then is stale).
          if (event.kind !== 'timeout') expect(drive(again, event).state).toBe(again);
        }
      }),
      { numRuns: 800 },
    );
  });
});

// ---- Rules meeting votes --------------------------------------------------------------------------------------------

describe('thresholds', () => {
  test('pitfall 5: a polka that was complete before the step changed counts when it does', () => {
    const table = new Table();
    expect(table.hear(...[1, 2, 3].map((one) => prevote(one, 0, A)), proposal(1, 0, A))).toEqual([]);
    expect(table.hear(valid(A))).toEqual(['prevote 0 A', 'lock 0 A', 'precommit 0 A']);
  });

  test('pitfall 5: "any" does not hide "nil": a nil polka is answered, not timed', () => {
    const table = new Table();
    table.hear(...[1, 2, 3].map((one) => prevote(one, 0, null)));
    expect(table.hear(timeout('propose', 0))).toEqual(['prevote 0 nil', 'precommit 0 nil']);
  });

  test('pitfall 5: precommits for anything do not hide a polka', () => {
    const table = new Table();
    expect(table.hear(...[1, 2, 3].map((one) => precommit(one, 0, null)))).toEqual(['schedule precommit 0']);
    table.hear(proposal(1, 0, A), valid(A));
    expect(table.hear(prevote(1, 0, A), prevote(2, 0, A))).toEqual(['lock 0 A', 'precommit 0 A']);
  });

  test('pitfall 3: precommits of a quorum for nil only start the time-out; the round ends by time', () => {
    const table = new Table();
    table.hear(timeout('propose', 0), ...[1, 2].map((one) => prevote(one, 0, null)));
    expect(table.hear(...[1, 2, 3].map((one) => precommit(one, 0, null)))).toEqual(['schedule precommit 0']);
    expect(table.state.round.round).toBe(0);
    expect(table.hear(timeout('precommit', 0))).toEqual(['enter-round 1', 'schedule propose 1']);
  });

  test('each time-out of a round is scheduled once, however many votes come', () => {
    const table = new Table();
    table.hear(timeout('propose', 0));
    const said = table.hear(
      prevote(1, 0, A),
      prevote(2, 0, B),
      prevote(3, 0, C),
      ...[1, 2, 3].map((one) => precommit(one, 0, null)),
    );
    expect(said).toEqual(['schedule prevote 0', 'schedule precommit 0']);
  });

  test('exactly two thirds are no quorum, exactly one third is not weak', () => {
    const table = new Table({ validators: setOf(2, 2, 2), proposers: proposersFrom(1) });
    table.hear(proposal(1, 0, A), valid(A));
    expect(table.hear(prevote(1, 0, A))).toEqual([]);
    expect(table.hear(prevote(2, 3, null))).toEqual([]);
    expect(table.hear(prevote(1, 3, null))).toEqual(['enter-round 3', 'schedule propose 3']);
  });

  test('one who holds all but a little cannot be done without', () => {
    const table = new Table({ validators: setOf(5, 1, 1, 1), self: 1, proposers: proposersFrom(2) });
    table.hear(
      proposal(2, 0, A),
      valid(A),
      prevote(2, 0, A),
      prevote(3, 0, A),
      precommit(2, 0, A),
      precommit(3, 0, A),
    );
    expect(table.state.round.step).toBe('prevote');
    expect(table.hear(prevote(0, 0, A))).toEqual(['lock 0 A', 'precommit 0 A']);
  });
});

describe('proposals', () => {
  test('pitfall 4: a re-proposal before the votes of its polka waits for them, and is answered when they come', () => {
    const table = new Table();
    table.hear(
      timeout('propose', 0),
      ...[1, 2, 3].map((one) => precommit(one, 0, null)),
      timeout('precommit', 0),
    );
    expect(table.hear(proposal(2, 1, A, { validRound: 0 }), valid(A))).toEqual([]);
    expect(table.hear(prevote(1, 0, A), prevote(2, 0, A))).toEqual([]);
    expect(table.hear(prevote(3, 0, A))).toEqual(['prevote 1 A on 0']);
  });

  test('pitfall 4: or is answered when the polka’s certificate comes', () => {
    const table = new Table();
    table.hear(prevote(1, 1, null), prevote(2, 1, null), proposal(2, 1, A, { validRound: 0 }), valid(A));
    expect(table.hear(polka(0, A, [1, 2, 3]))).toEqual(['prevote 1 A on 0', 'schedule prevote 1']);
  });

  test('pitfall 4: or gets nil when the time is over', () => {
    const table = new Table();
    table.hear(prevote(1, 1, null), prevote(2, 1, null), proposal(2, 1, A, { validRound: 0 }), valid(A));
    expect(table.hear(timeout('propose', 1))[0]).toBe('prevote 1 nil');
  });

  test('pitfall 21: an invalid proposal gets nil from everybody, and the next round comes', () => {
    const table = new Table();
    expect(table.hear(proposal(1, 0, A), invalid(A))).toEqual(['prevote 0 nil']);
    expect(table.hear(prevote(2, 0, null), prevote(3, 0, null))).toEqual(['precommit 0 nil']);
    expect(table.hear(precommit(2, 0, null), precommit(3, 0, null))).toEqual(['schedule precommit 0']);
    expect(table.hear(timeout('precommit', 0))).toEqual(['enter-round 1', 'schedule propose 1']);
    expect(table.hear(proposal(2, 1, B), valid(B))).toEqual(['prevote 1 B']);
  });

  test('pitfall 21: an invalid proposal with a polka behind it is not locked on', () => {
    const table = new Table();
    table.hear(proposal(1, 0, A), invalid(A), ...[1, 2, 3].map((one) => prevote(one, 0, A)));
    expect(table.state.round).toMatchObject({ step: 'prevote', lockedBlock: null, validBlock: null });
  });

  test('a proposal that nobody has judged waits, and its time goes on', () => {
    const table = new Table();
    expect(table.hear(proposal(1, 0, A))).toEqual([]);
    expect(table.hear(timeout('propose', 0))).toEqual(['prevote 0 nil']);
    expect(table.hear(valid(A))).toEqual([]);
  });

  test('of two the first is answered; the second is evidence, and may be locked on if a polka names it', () => {
    const table = new Table();
    expect(table.hear(proposal(1, 0, A), valid(A), proposal(1, 0, B), valid(B))).toEqual(['prevote 0 A']);
    expect(table.evidence).toEqual([
      { kind: 'double-proposal', first: proposal(1, 0, A), second: proposal(1, 0, B) },
    ]);
    expect(table.hear(...[1, 2, 3].map((one) => prevote(one, 0, B)))).toEqual([
      'schedule prevote 0',
      'lock 0 B',
      'precommit 0 B',
    ]);
  });

  test('of one block on two valid rounds, the polka’s own is the proposal to lock on', () => {
    const table = new Table();
    table.hear(polka(0, A, [1, 2, 3]), prevote(1, 1, null), prevote(2, 1, null), valid(A));
    table.hear(proposal(2, 1, A), proposal(2, 1, A, { validRound: 0 }));
    table.hear(polka(1, A, [1, 2, 3], { validRound: 0 }));
    expect(table.state.round).toMatchObject({ step: 'precommit', lockedRound: 1, lockedBlock: A });
    expect(proposalFor(table.state, 1, A, 0)).toEqual(proposal(2, 1, A, { validRound: 0 }));
  });

  test('a third of a round is kept only if a polka names it', () => {
    const table = new Table();
    table.hear(proposal(1, 0, A), proposal(1, 0, B));
    const before = table.state;
    table.hear(proposal(1, 0, C));
    expect(table.state).toBe(before);
    table.hear(polka(0, C, [1, 2, 3]), proposal(1, 0, C));
    expect(proposalFor(table.state, 0, C, NO_ROUND)).toBeDefined();
  });

  test('one of the next round is kept, one of a round beyond only if a polka names it', () => {
    const table = new Table();
    table.hear(proposal(2, 1, A), proposal(3, 2, A));
    expect(table.state.proposals.map(say)).toEqual([say(proposal(2, 1, A))]);
    table.hear(polka(2, A, [1, 2, 3]), proposal(3, 2, A));
    expect(table.state.proposals.length).toBe(2);
  });

  test('the first verdict stands', () => {
    const table = new Table();
    table.hear(invalid(A), valid(A));
    expect(verdictOn(table.state, A)).toBe(false);
    const proposer = new Table({ proposers: proposersFrom(0, 1, 2, 3) });
    proposer.hear(valid(A), { kind: 'value', round: 0, blockId: A });
    expect(proposer.state.verdicts).toEqual([{ blockId: A, isValid: true }]);
  });
});

describe('certificates', () => {
  test('a polka without votes is a polka: lock and precommit', () => {
    const table = new Table();
    table.hear(proposal(1, 0, A), valid(A));
    expect(table.hear(polka(0, A, [1, 2, 3]))).toEqual(['lock 0 A', 'precommit 0 A']);
  });

  test('L5: an equivocator’s earlier vote does not spoil a commit certificate that it signed', () => {
    const table = new Table();
    table.hear(precommit(1, 0, B), precommit(1, 0, null), proposal(1, 0, A), valid(A));
    expect(table.hear(commit(0, A, [1, 2, 3]))).toEqual(['decide 0 A']);
  });

  test('a commit quorum before the block: voting stops, and the decision falls when the block comes', () => {
    const table = new Table();
    expect(table.hear(...[1, 2, 3].map((one) => precommit(one, 0, A)))).toEqual(['await-block 0 A']);
    expect(
      table.hear(timeout('propose', 0), timeout('precommit', 0), prevote(1, 5, B), prevote(2, 5, B)),
    ).toEqual([]);
    expect(table.hear(proposal(1, 0, A))).toEqual([]);
    expect(table.hear(valid(A))).toEqual(['decide 0 A']);
    expect(table.hear(proposal(1, 0, B), valid(B), commit(0, A, [1, 2, 3]))).toEqual([]);
  });

  test('a liar that is shown only by a certificate is reported', () => {
    const before = driveVote(driverOf(heightStart()), prevote(1, 0, B)).state;
    const byPolka = drivePolka(before, polka(0, A, [1, 2, 3]));
    expect(byPolka.evidence.map(guiltyOf)).toEqual([[1]]);
    const spoken = driveVote(driverOf(heightStart()), precommit(2, 0, B)).state;
    const byCommit = driveCommit(spoken, commit(0, A, [1, 2, 3]));
    expect(byCommit.evidence.map(guiltyOf)).toEqual([[2]]);
    expect(drivePolka(byPolka.state, polka(0, A, [1, 2, 3])).evidence).toEqual([]);
  });

  test('rule 3b: a certificate of a round that is over changes what is proposed, not how is voted', () => {
    const table = new Table({ proposers: proposersFrom(1, 2, 0, 3) });
    table.hear(proposal(1, 0, A), valid(A), prevote(1, 1, null), prevote(2, 1, null));
    expect(table.hear(polka(0, A, [1, 2, 3]))).toEqual([]);
    expect(table.state.round).toMatchObject({
      round: 1,
      lockedRound: NO_ROUND,
      validRound: 0,
      validBlock: A,
    });
    table.hear(...[1, 2, 3].map((one) => precommit(one, 1, null)));
    expect(table.hear(timeout('precommit', 1))).toEqual([
      'enter-round 2',
      'propose 2 A on 0',
      'schedule propose 2',
    ]);
  });

  test('rule 3b: not before the block is held and valid', () => {
    const table = new Table();
    table.hear(prevote(1, 1, null), prevote(2, 1, null), polka(0, A, [1, 2, 3]));
    expect(table.state.round.validBlock).toBeNull();
    table.hear(valid(A));
    expect(table.state.round).toMatchObject({ validRound: 0, validBlock: A });
  });

  test('rule 3b: of several, the latest; and rounds skipped over cost nothing', () => {
    const table = new Table();
    table.hear(valid(A), valid(B), polka(0, A, [1, 2, 3]), polka(1, B, [1, 2, 3]));
    const far = 2 ** 30;
    table.hear(prevote(1, far, null), prevote(2, far, null));
    expect(table.state.round).toMatchObject({ round: far, validRound: 1, validBlock: B });
  });
});

describe('rule 2: skip', () => {
  test('pitfall 10: weak weight in later rounds takes a validator along, without time-outs', () => {
    const table = new Table();
    expect(table.hear(prevote(1, 3, null))).toEqual([]);
    expect(table.hear(precommit(2, 4, null))).toEqual([
      'enter-round 3',
      'request-value 3',
      'schedule propose 3',
    ]);
  });

  test('votes that were kept ahead count in the round that is entered', () => {
    const table = new Table();
    table.hear(prevote(1, 3, null), prevote(2, 3, null), prevote(3, 3, null));
    expect(table.state.round.round).toBe(3);
    expect(table.hear(timeout('propose', 3))).toEqual(['prevote 3 nil', 'precommit 3 nil']);
  });

  test('several rounds behind: straight to the last one, and a decision there is seen', () => {
    const table = new Table({ validators: setOf(5, 1, 1, 1), self: 3 });
    table.hear(valid(A), precommit(1, 4, A), precommit(2, 4, A));
    expect(table.state.round.round).toBe(0);
    expect(table.hear(precommit(0, 4, A))).toContain('decide 4 A');
  });
});

test('a proposer is who the schedule says, and a follower is none', () => {
  const proposers = proposersFrom(1, 0);
  const validator = driverOf(heightStart({ proposers }));
  expect([0, 1, 2, 3].map((round) => isProposer(validator, round))).toEqual([false, true, false, true]);
  const follower = driverOf(heightStart({ proposers, self: undefined }));
  expect([0, 1].map((round) => isProposer(follower, round))).toEqual([false, false]);
});
