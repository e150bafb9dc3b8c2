// Everything that one validator has been told, written down as it came, and what follows from it by the rules' own words: which quorums are
// there, which proposals, which verdicts. Kept apart from the engine, and counted anew every time: the dumb twin of the vote keeper.

import {
  type BlockId,
  NO_ROUND,
  type PolkaCertificate,
  type CommitCertificate,
  type Proposal,
  type Vote,
  type VoteKind,
  type VoteValue,
} from '../../src/consensus/types.ts';

type Meant = (vote: Vote) => boolean;

export class Ledger {
  readonly votes: Vote[] = [];
  readonly proposals: Proposal[] = [];
  readonly polkas: PolkaCertificate[] = [];
  readonly commits: CommitCertificate[] = [];
  readonly verdicts: Map<BlockId, boolean> = new Map<BlockId, boolean>();
  readonly #powers: readonly number[];
  readonly #total: number;

  constructor(powers: readonly number[]) {
    this.#powers = powers;
    this.#total = powers.reduce((sum, power) => sum + power, 0);
  }

  addVote(vote: Vote): void {
    const isKnown = this.votes.some(
      (other) =>
        other.validator === vote.validator &&
        other.round === vote.round &&
        other.kind === vote.kind &&
        other.blockId === vote.blockId &&
        other.validRound === vote.validRound,
    );
    if (!isKnown) this.votes.push(vote);
  }

  copyFrom(other: Ledger): void {
    this.votes.push(...other.votes);
    this.proposals.push(...other.proposals);
    this.polkas.push(...other.polkas);
    this.commits.push(...other.commits);
    for (const [blockId, isValid] of other.verdicts) this.verdicts.set(blockId, isValid);
  }

  /** Power of the distinct validators with a vote that is meant. */
  powerOf(isMeant: Meant): number {
    const voters = new Set(this.votes.filter(isMeant).map((vote) => vote.validator));
    return [...voters].reduce((sum, validator) => sum + this.#powers[validator]!, 0);
  }

  isQuorum(isMeant: Meant): boolean {
    return 3 * this.powerOf(isMeant) > 2 * this.#total;
  }

  isWeak(isMeant: Meant): boolean {
    return 3 * this.powerOf(isMeant) > this.#total;
  }

  hasQuorumOf(kind: VoteKind, round: number, blockId: VoteValue, validRound: number): boolean {
    return this.isQuorum(
      (vote) =>
        vote.kind === kind &&
        vote.round === round &&
        vote.blockId === blockId &&
        vote.validRound === validRound,
    );
  }

  hasPolka(round: number, blockId: BlockId, validRound: number): boolean {
    return (
      this.hasQuorumOf('prevote', round, blockId, validRound) ||
      this.polkas.some(
        (polka) => polka.round === round && polka.blockId === blockId && polka.validRound === validRound,
      )
    );
  }

  /** With whatever validRound. */
  hasSomePolka(round: number, blockId: BlockId): boolean {
    const claims = [...this.votes, ...this.polkas].map((one) => one.validRound);
    return [...new Set(claims)].some((validRound) => this.hasPolka(round, blockId, validRound));
  }

  hasCommit(round: number, blockId: BlockId): boolean {
    return (
      this.hasQuorumOf('precommit', round, blockId, NO_ROUND) ||
      this.commits.some((commit) => commit.round === round && commit.blockId === blockId)
    );
  }

  /** Votes of a kind in a round, for whatever; a polka certificate shows a quorum of prevotes. */
  hasQuorumIn(kind: VoteKind, round: number): boolean {
    return (
      this.isQuorum((vote) => vote.kind === kind && vote.round === round) ||
      (kind === 'prevote' && this.polkas.some((polka) => polka.round === round))
    );
  }

  isValid(blockId: BlockId): boolean {
    return this.verdicts.get(blockId) === true;
  }

  hasProposal(round: number, blockId: BlockId, validRound: number): boolean {
    return this.proposals.some(
      (one) => one.round === round && one.blockId === blockId && one.validRound === validRound,
    );
  }

  /** Rounds before `round` with a polka for a block that `verdicts` find valid. */
  polkaRoundsBelow(round: number, verdicts: ReadonlyMap<BlockId, boolean>): number[] {
    const blocks = [...verdicts].filter(([, isValid]) => isValid).map(([blockId]) => blockId);
    return Array.from({ length: round }, (_, index) => index).filter((index) =>
      blocks.some((blockId) => this.hasSomePolka(index, blockId)),
    );
  }
}
