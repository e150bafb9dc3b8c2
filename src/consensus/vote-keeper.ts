// The vote keeper: what the votes of a height amount to, round by round (`tally.ts`), with the certificates; and what two
// votes of one validator prove.
//
// Invariants: of rounds beyond `round + 1` only each validator's highest is kept, so that a liar who votes in a thousand rounds
// costs no more than one who votes in one. A certificate counts as a whole (L5), whatever votes of its signers came before. Verification of signatures is over before a vote comes here (`verify.ts`).

import { conflictOf } from './evidence.ts';
import {
  type BlockId,
  type CommitCertificate,
  type Evidence,
  NO_ROUND,
  type PolkaCertificate,
  type ValidatorIndex,
  type ValidatorSet,
  type Vote,
  type VoteKind,
  type VoteValue,
} from './types.ts';
import { countVote, emptyRound, firstVotes, isSameVote, isTallied, type RoundVotes } from './tally.ts';
import { isWeak, powerOf } from './validator-set.ts';

export interface VoteKeeper {
  readonly validators: ValidatorSet;
  /** The round the validator is in: votes beyond the next one are kept in `ahead`. */
  readonly round: number;
  /** Ascending by round; rounds without votes are absent. */
  readonly rounds: readonly RoundVotes[];
  /** By validator: its votes in the highest round beyond `round + 1`, at most one of each kind. */
  readonly ahead: readonly (readonly Vote[])[];
  /** By validator: the highest round in which it voted, or -1. */
  readonly highest: readonly number[];
  /** Certificates that were applied as a whole, at most one for each (round, block, validRound). */
  readonly polkas: readonly PolkaCertificate[];
  readonly commit: CommitCertificate | undefined;
}

export interface Added {
  readonly keeper: VoteKeeper;
  readonly evidence: readonly Evidence[];
}

const NO_VOTES: readonly Vote[] = [];
const NO_EVIDENCE: readonly Evidence[] = [];

export function emptyKeeper(validators: ValidatorSet): VoteKeeper {
  return {
    validators,
    round: 0,
    rounds: [],
    ahead: validators.validators.map(() => NO_VOTES),
    highest: validators.validators.map(() => -1),
    polkas: [],
    commit: undefined,
  };
}

// ---- Adding ----------------------------------------------------------------------------------------------------

/** Counts a vote. The very same keeper comes back when it is known, or more than is kept. */
export function addVote(keeper: VoteKeeper, vote: Vote): Added {
  if (vote.round > keeper.round + 1) return { keeper: keepAhead(keeper, vote), evidence: NO_EVIDENCE };
  const at = positionOf(keeper.rounds, vote.round);
  const found = keeper.rounds[at];
  const isThere = found !== undefined && found.round === vote.round;
  const before = isThere ? found : emptyRound(vote.round, keeper.validators);
  const after = countVote(keeper.validators, before, vote);
  if (after === before) return { keeper, evidence: NO_EVIDENCE };
  const rounds = isThere
    ? keeper.rounds.with(at, after)
    : [...keeper.rounds.slice(0, at), after, ...keeper.rounds.slice(at)];
  return {
    keeper: { ...keeper, rounds, highest: raised(keeper.highest, vote) },
    evidence: evidenceOf(keeper.rounds, vote),
  };
}

/** Moves to `round`; votes that were kept ahead are counted as soon as they are of this round or the next. */
export function enterRound(keeper: VoteKeeper, round: number): Added {
  let added: Added = { keeper: { ...keeper, round }, evidence: NO_EVIDENCE };
  for (const [validator, votes] of keeper.ahead.entries()) {
    if (votes.length === 0 || votes[0]!.round > round + 1) continue;
    const emptied = { ...added.keeper, ahead: added.keeper.ahead.with(validator, NO_VOTES) };
    added = { keeper: emptied, evidence: added.evidence };
    for (const vote of votes) {
      const { keeper: next, evidence } = addVote(added.keeper, vote);
      added = { keeper: next, evidence: [...added.evidence, ...evidence] };
    }
  }
  return added;
}

/** A verified certificate: it stands for its quorum from now on. */
export function addPolka(keeper: VoteKeeper, certificate: PolkaCertificate): VoteKeeper {
  const { round, blockId, validRound } = certificate;
  if (hasPolka(keeper, round, blockId, validRound)) return keeper;
  return { ...keeper, polkas: [...keeper.polkas, certificate] };
}

/** The first verified commit certificate is as good as any. */
export function addCommit(keeper: VoteKeeper, certificate: CommitCertificate): VoteKeeper {
  return keeper.commit === undefined ? { ...keeper, commit: certificate } : keeper;
}

function keepAhead(keeper: VoteKeeper, vote: Vote): VoteKeeper {
  const kept = keeper.ahead[vote.validator]!;
  const keptRound = kept[0]?.round ?? -1;
  if (vote.round < keptRound) return keeper;
  const isKnown = vote.round === keptRound && kept.some((other) => other.kind === vote.kind);
  if (isKnown) return keeper;
  const votes = vote.round === keptRound ? [...kept, vote] : [vote];
  return {
    ...keeper,
    ahead: keeper.ahead.with(vote.validator, votes),
    highest: raised(keeper.highest, vote),
  };
}

function raised(highest: readonly number[], vote: Vote): readonly number[] {
  return vote.round > highest[vote.validator]! ? highest.with(vote.validator, vote.round) : highest;
}

/** What the new vote proves together with the votes of the same validator that stand already. */
function evidenceOf(rounds: readonly RoundVotes[], vote: Vote): readonly Evidence[] {
  let found: Evidence[] | undefined;
  for (const votes of rounds) {
    const prevote = votes.prevotes[vote.validator];
    const precommit = votes.precommits[vote.validator];
    const first = prevote === undefined ? undefined : conflictOf(prevote, vote);
    const second = precommit === undefined ? undefined : conflictOf(precommit, vote);
    if (first !== undefined) (found ??= []).push(first);
    if (second !== undefined) (found ??= []).push(second);
  }
  return found ?? NO_EVIDENCE;
}

// ---- Asking ----------------------------------------------------------------------------------------------------

export function votesIn(keeper: VoteKeeper, round: number): RoundVotes | undefined {
  const found = keeper.rounds[positionOf(keeper.rounds, round)];
  return found?.round === round ? found : undefined;
}

/** True when `vote` has been counted or kept already. */
export function knowsVote(keeper: VoteKeeper, vote: Vote): boolean {
  const votes = votesIn(keeper, vote.round);
  const first = votes === undefined ? undefined : firstVotes(votes, vote.kind)[vote.validator];
  if (first === undefined) return keeper.ahead[vote.validator]!.some((kept) => isSameVote(kept, vote));
  return isSameVote(first, vote) || votes!.seconds.some((second) => isSameVote(second, vote));
}

/** Is there a polka for exactly these, from votes or a certificate? */
export function hasPolka(keeper: VoteKeeper, round: number, blockId: VoteValue, validRound: number): boolean {
  return (
    isTallied(votesIn(keeper, round), 'prevote', blockId, validRound) ||
    keeper.polkas.some((polka) => isPolkaFor(polka, round, blockId, validRound))
  );
}

/** The validRound of a polka for `blockId` in `round`, or undefined when there is none. */
export function polkaFor(keeper: VoteKeeper, round: number, blockId: BlockId): number | undefined {
  const tally = votesIn(keeper, round)?.tallies.find(
    (other) => other.isQuorum && other.kind === 'prevote' && other.blockId === blockId,
  );
  if (tally !== undefined) return tally.validRound;
  return keeper.polkas.find((polka) => polka.round === round && polka.blockId === blockId)?.validRound;
}

/** The blocks that have a polka in `round`. More than one only when a third of the power lies. */
export function polkaBlocks(keeper: VoteKeeper, round: number): readonly BlockId[] {
  const blocks: BlockId[] = [];
  for (const tally of votesIn(keeper, round)?.tallies ?? []) {
    if (tally.isQuorum && tally.kind === 'prevote' && tally.blockId !== null) blocks.push(tally.blockId);
  }
  for (const polka of keeper.polkas) {
    if (polka.round === round && !blocks.includes(polka.blockId)) blocks.push(polka.blockId);
  }
  return blocks;
}

/** The rounds between `after` and `before`, both left out, in which a quorum prevoted; latest first. Of a polka certificate, too. */
export function roundsWithQuorum(keeper: VoteKeeper, after: number, before: number): readonly number[] {
  const rounds: number[] = [];
  for (const { round, hasPrevoteQuorum: isReached } of keeper.rounds) {
    if (isReached && round > after && round < before) rounds.push(round);
  }
  for (const { round } of keeper.polkas) {
    if (round > after && round < before && !rounds.includes(round)) rounds.push(round);
  }
  return rounds.sort((a, b) => b - a);
}

/** A quorum prevoted whatever in `round`. */
export function hasPrevoteQuorum(keeper: VoteKeeper, round: number): boolean {
  return (
    votesIn(keeper, round)?.hasPrevoteQuorum === true || keeper.polkas.some((polka) => polka.round === round)
  );
}

export function hasNilPolka(keeper: VoteKeeper, round: number): boolean {
  return isTallied(votesIn(keeper, round), 'prevote', null, NO_ROUND);
}

/** The decision that the votes, or a certificate, prove. */
export function committed(keeper: VoteKeeper): { round: number; blockId: BlockId } | undefined {
  if (keeper.commit !== undefined) return keeper.commit;
  for (const votes of keeper.rounds) {
    if (!votes.hasPrecommitQuorum) continue;
    for (const { kind, blockId, isQuorum: isReached } of votes.tallies) {
      if (isReached && kind === 'precommit' && blockId !== null) return { round: votes.round, blockId };
    }
  }
  return undefined;
}

/** The round whose votes commit `blockId`, or undefined. There are commits of two blocks only when a third of the power lies. */
export function commitRound(keeper: VoteKeeper, blockId: BlockId): number | undefined {
  return keeper.rounds.find((votes) => isTallied(votes, 'precommit', blockId, NO_ROUND))?.round;
}

/**
 * The highest round beyond `round` that validators of weak weight, without `self`, have reached: one of them is honest, so the
 * rounds below it are over for somebody honest (L55). Undefined when there is none.
 */
export function skipRound(keeper: VoteKeeper, self: ValidatorIndex | undefined): number | undefined {
  const ahead = keeper.highest
    .map((round, validator) => ({ round, validator }))
    .filter(({ round, validator }) => round > keeper.round && validator !== self)
    .sort((a, b) => b.round - a.round);
  let power = 0n;
  for (const { round, validator } of ahead) {
    power += powerOf(keeper.validators, validator);
    if (isWeak(keeper.validators, power)) return round;
  }
  return undefined;
}

// ---- Certificates' parts ---------------------------------------------------------------------------------------

/** All votes at hand for exactly these, one a validator, ascending. */
export function votesFor(
  keeper: VoteKeeper,
  kind: VoteKind,
  round: number,
  blockId: VoteValue,
  validRound: number,
): readonly Vote[] {
  const votes = votesIn(keeper, round);
  if (votes === undefined) return NO_VOTES;
  const isMeant = (vote: Vote | undefined): vote is Vote =>
    vote !== undefined && vote.kind === kind && vote.blockId === blockId && vote.validRound === validRound;
  return [...firstVotes(votes, kind).filter(isMeant), ...votes.seconds.filter(isMeant)].sort(byValidator);
}

/** One precommit of `round` per validator, ascending: with a quorum, the reason to enter the next round. */
export function precommitsOf(keeper: VoteKeeper, round: number): readonly Vote[] {
  return votesIn(keeper, round)?.precommits.filter((vote) => vote !== undefined) ?? NO_VOTES;
}

/** One vote in `round` or beyond per validator, ascending: with weak weight, the reason to skip to `round`. */
export function votesFrom(keeper: VoteKeeper, round: number): readonly Vote[] {
  const votes: Vote[] = [];
  for (const [validator, highest] of keeper.highest.entries()) {
    if (highest < round) continue;
    const counted = votesIn(keeper, highest);
    const vote =
      keeper.ahead[validator]![0] ?? counted?.precommits[validator] ?? counted?.prevotes[validator];
    if (vote !== undefined) votes.push(vote);
  }
  return votes;
}

// ---- Helpers ---------------------------------------------------------------------------------------------------

/** Where `round` stands or belongs. Looked for from the end, where the current rounds are. */
function positionOf(rounds: readonly RoundVotes[], round: number): number {
  let at = rounds.length;
  while (at > 0 && rounds[at - 1]!.round >= round) at--;
  return at;
}

function isPolkaFor(polka: PolkaCertificate, round: number, blockId: VoteValue, validRound: number): boolean {
  return polka.round === round && polka.blockId === blockId && polka.validRound === validRound;
}

const byValidator = (a: Vote, b: Vote): number => a.validator - b.validator;
