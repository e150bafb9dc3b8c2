// What the votes of one round amount to: power behind each value, and behind "any". It counts pairs of (validator, value), because an
// equivocator's first vote must not hide the quorum that its second completes.
//
// Invariants: a validator counts at most once towards a value, and at most once towards "any"; per validator and kind two different
// votes are kept, no more. Which rounds there are is the business of `vote-keeper.ts`.

import type { ValidatorSet, Vote, VoteKind, VoteValue } from './types.ts';
import { isQuorum, powerOf } from './validator-set.ts';

/** Power behind one value of one kind of vote in one round. */
export interface Tally {
  readonly kind: VoteKind;
  readonly blockId: VoteValue;
  readonly validRound: number;
  readonly power: bigint;
  readonly isQuorum: boolean;
}

export interface RoundVotes {
  readonly round: number;
  /** First votes, by validator. */
  readonly prevotes: readonly (Vote | undefined)[];
  readonly precommits: readonly (Vote | undefined)[];
  /** Second, different votes: at most one per validator and kind. */
  readonly seconds: readonly Vote[];
  readonly tallies: readonly Tally[];
  /** Power of distinct validators that prevoted, and precommitted, whatever. */
  readonly prevotePower: bigint;
  readonly precommitPower: bigint;
  readonly hasPrevoteQuorum: boolean;
  readonly hasPrecommitQuorum: boolean;
}

export function emptyRound(round: number, set: ValidatorSet): RoundVotes {
  const none = set.validators.map(() => undefined);
  return {
    round,
    prevotes: none,
    precommits: none,
    seconds: [],
    tallies: [],
    prevotePower: 0n,
    precommitPower: 0n,
    hasPrevoteQuorum: false,
    hasPrecommitQuorum: false,
  };
}

/** Counts a vote. The very same votes come back when it is known, or a third of its signer. */
export function countVote(set: ValidatorSet, before: RoundVotes, vote: Vote): RoundVotes {
  const first = firstVotes(before, vote.kind)[vote.validator];
  if (first === undefined) return countFirst(set, before, vote);
  if (isSameVote(first, vote) || before.seconds.some((second) => isSameSlot(second, vote))) return before;
  return {
    ...before,
    seconds: [...before.seconds, vote],
    tallies: tallied(set, before.tallies, vote),
  };
}

function countFirst(set: ValidatorSet, before: RoundVotes, vote: Vote): RoundVotes {
  const tallies = tallied(set, before.tallies, vote);
  const power = powerOf(set, vote.validator);
  if (vote.kind === 'prevote') {
    const prevotePower = before.prevotePower + power;
    const hasPrevoteQuorum = isQuorum(set, prevotePower);
    const prevotes = before.prevotes.with(vote.validator, vote);
    return { ...before, prevotes, tallies, prevotePower, hasPrevoteQuorum };
  }
  const precommitPower = before.precommitPower + power;
  const hasPrecommitQuorum = isQuorum(set, precommitPower);
  const precommits = before.precommits.with(vote.validator, vote);
  return { ...before, precommits, tallies, precommitPower, hasPrecommitQuorum };
}

function tallied(set: ValidatorSet, tallies: readonly Tally[], vote: Vote): readonly Tally[] {
  const { kind, blockId, validRound } = vote;
  const at = tallies.findIndex(
    (tally) => tally.kind === kind && tally.blockId === blockId && tally.validRound === validRound,
  );
  const power = powerOf(set, vote.validator) + (at === -1 ? 0n : tallies[at]!.power);
  const tally: Tally = { kind, blockId, validRound, power, isQuorum: isQuorum(set, power) };
  return at === -1 ? [...tallies, tally] : tallies.with(at, tally);
}

/** First votes of the kind, by validator. */
export function firstVotes(votes: RoundVotes, kind: VoteKind): readonly (Vote | undefined)[] {
  return kind === 'prevote' ? votes.prevotes : votes.precommits;
}

/** Is there a quorum for exactly these? */
export function isTallied(
  votes: RoundVotes | undefined,
  kind: VoteKind,
  blockId: VoteValue,
  validRound: number,
): boolean {
  if (votes === undefined) return false;
  for (const tally of votes.tallies) {
    if (
      tally.isQuorum &&
      tally.kind === kind &&
      tally.blockId === blockId &&
      tally.validRound === validRound
    ) {
      return true;
    }
  }
  return false;
}

/** They say the same in the same place. */
export function isSameVote(a: Vote, b: Vote): boolean {
  return isSameSlot(a, b) && a.round === b.round && a.blockId === b.blockId && a.validRound === b.validRound;
}

function isSameSlot(a: Vote, b: Vote): boolean {
  return a.validator === b.validator && a.kind === b.kind;
}
