// The tie between what is explored and what runs. The explorer gives the round machine quorum-level inputs; here the real driver and vote
// keeper of one validator are told single messages, in any order, and two things are checked against a ledger of those messages.
// Soundness: whatever the validator says or does, some rule allowed it by the messages at hand. Completeness: when it falls silent, no
// rule stands that would have made it act. Both are phrased over what was said, never over the engine's variables: a bug that
// corrupts a lock would corrupt a check that reads the lock.

import type { DriverState, DriverTransition } from '../../src/consensus/driver.ts';
import type { RoundOutput } from '../../src/consensus/round.ts';
import {
  type BlockId,
  type CommitCertificate,
  NO_ROUND,
  type PolkaCertificate,
  type Proposal,
  type TimeoutKind,
  type UnsignedMessage,
  type Vote,
  type VoteValue,
} from '../../src/consensus/types.ts';
import type { Engine } from './engine.ts';
import { describe, faultOf } from './judge.ts';
import { Ledger } from './ledger.ts';
import { setOf } from './network.ts';
import { nameOf } from './vocabulary.ts';

export interface Setting {
  readonly powers: readonly number[];
  readonly self: number;
  /** Proposer by round, over and over. */
  readonly slots: readonly number[];
}

/** Anything that may happen to one validator. */
export type Event =
  | { readonly kind: 'start' }
  | { readonly kind: 'proposal'; readonly proposal: Proposal }
  | { readonly kind: 'vote'; readonly vote: Vote }
  | { readonly kind: 'polka'; readonly certificate: PolkaCertificate }
  | { readonly kind: 'commit'; readonly certificate: CommitCertificate }
  | { readonly kind: 'verdict'; readonly blockId: BlockId; readonly isValid: boolean }
  | { readonly kind: 'value'; readonly round: number; readonly blockId: BlockId }
  | {
      readonly kind: 'timeout';
      readonly timeout: Exclude<TimeoutKind, 'rebroadcast'>;
      readonly round: number;
    };

const SIGNATURE = new Uint8Array(64) as Vote['signature'];
/** The keeper drops what lies further ahead than this but for each validator's highest round. */
const ROUNDS_AHEAD = 1;
/** The driver keeps two proposals of a round; only the first is answered. */
const VOTES_PER_SLOT = 2;

/** The driver under test, and what it was told and said. Throws nothing; `problem` tells the first breach. */
export class Refinement {
  state: DriverState;
  problem: string | undefined;
  round = 0;
  readonly ledger: Ledger;
  readonly said: UnsignedMessage[] = [];
  readonly timers: Extract<RoundOutput, { kind: 'schedule' }>[] = [];
  requests: number[] = [];
  #isStarted = false;
  #awaited: BlockId | undefined;
  #decided: VoteValue = null;
  #event: Event | undefined;
  /** Votes that the keeper must have kept. */
  readonly #kept: Ledger;
  readonly #firstProposals = new Map<number, Proposal>();
  readonly #setting: Setting;
  readonly #engine: Engine;

  constructor(engine: Engine, setting: Setting) {
    const { powers, self, slots } = setting;
    this.#engine = engine;
    this.#setting = setting;
    this.ledger = new Ledger(powers);
    this.#kept = new Ledger(powers);
    this.state = engine.driver.driverOf({
      height: 1,
      validators: setOf(engine, powers),
      proposers: { firstHeight: 1, slots },
      self,
    });
  }

  /** The same validator with the same past, to go on differently. */
  fork(): Refinement {
    const copy = new Refinement(this.#engine, this.#setting);
    copy.state = this.state;
    copy.problem = this.problem;
    copy.round = this.round;
    copy.ledger.copyFrom(this.ledger);
    copy.#kept.copyFrom(this.#kept);
    copy.said.push(...this.said);
    copy.timers.push(...this.timers);
    copy.requests = [...this.requests];
    copy.#isStarted = this.#isStarted;
    copy.#awaited = this.#awaited;
    copy.#decided = this.#decided;
    for (const [round, proposal] of this.#firstProposals) copy.#firstProposals.set(round, proposal);
    return copy;
  }

  get isOver(): boolean {
    return this.#decided !== null || this.problem !== undefined;
  }

  isProposer(round: number): boolean {
    const { slots, self } = this.#setting;
    return slots[round % slots.length] === self;
  }

  /** One event, the validator's own messages coming back to it at once, and all checks. */
  take(event: Event): void {
    this.#event = event;
    const polkasBefore =
      event.kind === 'value' ? this.#kept.polkaRoundsBelow(this.round, this.ledger.verdicts) : [];
    this.#record(event);
    this.#follow(this.#drive(event), polkasBefore);
    if (this.problem === undefined) this.#checkRest();
  }

  #drive(event: Event): DriverTransition {
    const { driver } = this.#engine;
    switch (event.kind) {
      case 'start':
        return driver.driveStart(this.state);
      case 'proposal':
        return driver.driveProposal(this.state, event.proposal);
      case 'vote':
        return driver.driveVote(this.state, event.vote);
      case 'polka':
        return driver.drivePolka(this.state, event.certificate);
      case 'commit':
        return driver.driveCommit(this.state, event.certificate);
      case 'verdict':
        return driver.driveVerdict(this.state, event);
      case 'value':
        return driver.driveValue(this.state, event.round, event.blockId);
      case 'timeout':
        return driver.driveTimeout(this.state, event.timeout, event.round);
    }
  }

  #record(event: Event): void {
    const { ledger } = this;
    switch (event.kind) {
      case 'start':
        this.#isStarted = true;
        return;
      case 'vote':
        ledger.addVote(event.vote);
        if (event.vote.round <= this.round + ROUNDS_AHEAD) this.#keep(event.vote);
        return;
      case 'proposal':
        ledger.proposals.push(event.proposal);
        if (
          event.proposal.round <= this.round + ROUNDS_AHEAD &&
          !this.#firstProposals.has(event.proposal.round)
        )
          this.#firstProposals.set(event.proposal.round, event.proposal);
        return;
      case 'polka':
        ledger.polkas.push(event.certificate);
        for (const vote of votesOf(event.certificate)) ledger.addVote(vote);
        this.#kept.polkas.push(event.certificate);
        return;
      case 'commit':
        ledger.commits.push(event.certificate);
        for (const vote of votesOf(event.certificate)) ledger.addVote(vote);
        this.#kept.commits.push(event.certificate);
        return;
      case 'verdict':
        if (!ledger.verdicts.has(event.blockId)) ledger.verdicts.set(event.blockId, event.isValid);
        return;
      case 'value':
      case 'timeout':
        return;
    }
  }

  #judgeOwn(event: Event | undefined): void {
    if (event?.kind === 'value' && !this.ledger.verdicts.has(event.blockId))
      this.ledger.verdicts.set(event.blockId, true);
  }

  /** One of the first two things that a validator ever said there is remembered, from when it is of the present or next round. */
  #keep(vote: Vote): void {
    const before = this.ledger.votes.filter(
      (other) =>
        other.validator === vote.validator &&
        other.round === vote.round &&
        other.kind === vote.kind &&
        (other.blockId !== vote.blockId || other.validRound !== vote.validRound),
    );
    const different = new Set(before.map((other) => `${other.blockId} ${other.validRound}`));
    if (different.size < VOTES_PER_SLOT) this.#kept.addVote(vote);
  }

  #follow({ state, outputs }: DriverTransition, polkasBefore: readonly number[]): void {
    this.state = state;
    // A block that comes too late to be proposed is forgotten, and with it that it is valid.
    const isProposal = this.#event?.kind === 'value' && outputs.some((output) => output.kind === 'propose');
    if (isProposal) this.#judgeOwn(this.#event);
    for (const output of outputs) {
      this.problem ??= this.#breachOf(output, polkasBefore);
      this.#note(output);
    }
    for (const output of outputs) {
      const message = this.#messageOf(output);
      if (message === undefined || this.problem !== undefined) continue;
      if (message.kind === 'proposal')
        this.#own({ kind: 'proposal', proposal: { ...message, signature: SIGNATURE } });
      else this.#own({ kind: 'vote', vote: { ...message, kind: message.kind, signature: SIGNATURE } });
    }
  }

  #own(event: Event): void {
    this.#event = event;
    this.#record(event);
    this.#follow(this.#drive(event), []);
  }

  #messageOf(output: RoundOutput): UnsignedMessage | undefined {
    if (output.kind !== 'propose' && output.kind !== 'prevote' && output.kind !== 'precommit')
      return undefined;
    const { round, blockId } = output;
    const from = { height: 1, validator: this.#setting.self, round };
    if (output.kind === 'precommit') return { ...from, kind: 'precommit', blockId, validRound: NO_ROUND };
    const { validRound } = output;
    return output.kind === 'prevote'
      ? { ...from, kind: 'prevote', blockId, validRound }
      : { ...from, kind: 'proposal', blockId: output.blockId, validRound };
  }

  #note(output: RoundOutput): void {
    const message = this.#messageOf(output);
    if (message !== undefined) this.said.push(message);
    if (output.kind === 'enter-round') this.round = output.round;
    if (output.kind === 'schedule') this.timers.push(output);
    if (output.kind === 'request-value') this.requests.push(output.round);
    if (output.kind === 'await-block') this.#awaited = output.blockId;
    if (output.kind === 'decide') this.#decided = output.blockId;
  }

  hasSaid(kind: UnsignedMessage['kind'], round: number): boolean {
    return this.said.some((message) => message.kind === kind && message.round === round);
  }

  // ---- Soundness ---------------------------------------------------------------------------------------------

  #breachOf(output: RoundOutput, polkasBefore: readonly number[]): string | undefined {
    const { ledger } = this;
    const { round } = output;
    if (output.kind === 'enter-round') return this.#breachOfEntry(round);
    if (output.kind === 'decide' || output.kind === 'await-block') return this.#breachOfEnd(output);
    if (round !== this.round) return `${output.kind} for round ${round} in round ${this.round}`;
    const message = this.#messageOf(output);
    if (message !== undefined) {
      if (this.#awaited !== undefined) return `${describe(message)} after a quorum has decided`;
      const fault = faultOf(message, this.said, this.#decided, (at) => this.isProposer(at));
      if (fault !== undefined && !fault.startsWith('validity')) return fault;
    }
    switch (output.kind) {
      case 'propose':
        return this.#breachOfProposal(output, polkasBefore);
      case 'prevote':
        return this.#breachOfPrevote(output);
      case 'precommit':
        return this.#breachOfPrecommit(output);
      case 'schedule':
        if (output.timeout === 'propose') return undefined;
        return ledger.hasQuorumIn(output.timeout, round)
          ? undefined
          : `schedules ${output.timeout} without a quorum`;
      case 'request-value':
        return this.isProposer(round) ? undefined : 'asks for a block though it is not the proposer';
      case 'lock':
        return undefined;
    }
  }

  #isTimeout(timeout: TimeoutKind, round: number): boolean {
    return this.#event?.kind === 'timeout' && this.#event.timeout === timeout && this.#event.round === round;
  }

  #breachOfEntry(round: number): string | undefined {
    if (round === 0) return this.#event?.kind === 'start' ? undefined : 'enters round 0 again';
    if (round <= this.round) return `enters round ${round} from round ${this.round}`;
    if (round === this.round + 1 && this.#isTimeout('precommit', this.round)) return undefined;
    const isSkip = this.ledger.isWeak((vote) => vote.round >= round && vote.validator !== this.#setting.self);
    return isSkip ? undefined : `enters round ${round} without cause`;
  }

  #breachOfEnd(output: Extract<RoundOutput, { kind: 'decide' | 'await-block' }>): string | undefined {
    const { kind, round, blockId } = output;
    if (this.#decided !== null) return 'decides twice';
    if (!this.ledger.hasCommit(round, blockId)) return `${kind} without a commit quorum`;
    return kind === 'decide' && !this.ledger.isValid(blockId)
      ? 'decides what was not found valid'
      : undefined;
  }

  #breachOfProposal(
    { round, blockId, validRound }: Extract<RoundOutput, { kind: 'propose' }>,
    polkasBefore: readonly number[],
  ): string | undefined {
    if (validRound !== NO_ROUND)
      return validRound < round && this.ledger.hasSomePolka(validRound, blockId)
        ? undefined
        : `proposes ${nameOf(blockId)} on a polka that is not there`;
    if (polkasBefore.length > 0)
      return `proposes a fresh block though round ${polkasBefore.join()} has a polka`;
    const isOwed =
      this.#event?.kind === 'value' && this.#event.round === round && this.#event.blockId === blockId;
    return isOwed ? undefined : 'proposes a block that the application has not made for this round';
  }

  #breachOfPrevote(output: Extract<RoundOutput, { kind: 'prevote' }>): string | undefined {
    const { round, blockId, validRound } = output;
    const { ledger } = this;
    if (blockId === null) {
      const isRefusal = ledger.proposals.some(
        (proposal) => proposal.round === round && this.#isRefused(proposal),
      );
      return isRefusal || this.#isTimeout('propose', round)
        ? undefined
        : `prevotes nil in round ${round} without cause`;
    }
    if (!ledger.isValid(blockId)) return `prevotes ${nameOf(blockId)}, which was not found valid`;
    if (!ledger.hasProposal(round, blockId, validRound))
      return `prevotes ${nameOf(blockId)}, which was not proposed so`;
    if (validRound === NO_ROUND || ledger.hasSomePolka(validRound, blockId)) return undefined;
    return `prevotes ${nameOf(blockId)} on a polka that is not there`;
  }

  /** Not valid, or less than what this validator has precommitted since. */
  #isRefused({ blockId, validRound }: Proposal): boolean {
    const locked = this.said.filter((message) => message.kind === 'precommit' && message.blockId !== null);
    return (
      this.ledger.verdicts.get(blockId) === false || locked.some((precommit) => precommit.round > validRound)
    );
  }

  #breachOfPrecommit({ round, blockId }: Extract<RoundOutput, { kind: 'precommit' }>): string | undefined {
    const { ledger } = this;
    if (!this.hasSaid('prevote', round)) return `precommits in round ${round} before it has prevoted`;
    if (blockId === null) {
      const hasNil = ledger.hasQuorumOf('prevote', round, null, NO_ROUND);
      return hasNil || this.#isTimeout('prevote', round)
        ? undefined
        : `precommits nil in round ${round} without cause`;
    }
    const isCarried = ledger.proposals.some(
      (one) =>
        one.round === round && one.blockId === blockId && ledger.hasPolka(round, blockId, one.validRound),
    );
    return isCarried && ledger.isValid(blockId)
      ? undefined
      : `precommits ${nameOf(blockId)} without its polka`;
  }

  // ---- Completeness ------------------------------------------------------------------------------------------

  /** No rule is left that has not acted, as far as the keeper must remember. */
  #checkRest(): void {
    this.problem ??= this.#unfiredCommit();
    if (!this.#isStarted || this.#decided !== null || this.#awaited !== undefined) return;
    this.problem ??= this.#unfiredSkip() ?? this.#unfiredVote() ?? this.#unfiredTimer();
  }

  #unfiredCommit(): string | undefined {
    if (this.#decided !== null) return undefined;
    const committed = [...this.#kept.votes, ...this.#kept.commits].filter(
      ({ round, blockId }) => blockId !== null && this.#kept.hasCommit(round, blockId),
    );
    // Two blocks take more liars than a validator must stand; it may then hold on to either.
    const blockId = committed[0]?.blockId;
    if (blockId === undefined || blockId === null || this.#hasOtherCommit(blockId)) return undefined;
    if (this.ledger.isValid(blockId)) return `has not decided ${nameOf(blockId)}`;
    return this.#awaited === undefined ? `does not wait for ${nameOf(blockId)}` : undefined;
  }

  #hasOtherCommit(blockId: BlockId): boolean {
    return [...this.ledger.votes, ...this.ledger.commits].some(
      (one) =>
        one.blockId !== null && one.blockId !== blockId && this.ledger.hasCommit(one.round, one.blockId),
    );
  }

  #unfiredSkip(): string | undefined {
    const isBehind = this.ledger.isWeak(
      (vote) => vote.round > this.round && vote.validator !== this.#setting.self,
    );
    return isBehind ? `stays in round ${this.round}, which is over` : undefined;
  }

  #unfiredVote(): string | undefined {
    const { round } = this;
    if (this.hasSaid('precommit', round)) return undefined;
    if (!this.hasSaid('prevote', round)) return this.#unfiredPrevote();
    if (this.#kept.hasQuorumOf('prevote', round, null, NO_ROUND))
      return `does not precommit nil in round ${round}`;
    const proposal = this.#firstProposals.get(round);
    if (proposal === undefined || !this.ledger.isValid(proposal.blockId)) return undefined;
    return this.#kept.hasPolka(round, proposal.blockId, proposal.validRound)
      ? `does not precommit ${nameOf(proposal.blockId)} in round ${round}`
      : undefined;
  }

  #unfiredPrevote(): string | undefined {
    const proposal = this.#firstProposals.get(this.round);
    if (proposal === undefined || !this.ledger.verdicts.has(proposal.blockId)) return undefined;
    const { validRound, blockId, round } = proposal;
    const isReady = validRound === NO_ROUND || this.#kept.hasSomePolka(validRound, blockId);
    return isReady ? `does not answer the proposal of round ${round}` : undefined;
  }

  #unfiredTimer(): string | undefined {
    const { round } = this;
    const isDue = (timeout: 'prevote' | 'precommit'): boolean =>
      this.#kept.hasQuorumIn(timeout, round) &&
      !this.timers.some((timer) => timer.timeout === timeout && timer.round === round);
    if (this.hasSaid('prevote', round) && !this.hasSaid('precommit', round) && isDue('prevote'))
      return `does not time the prevotes of round ${round}`;
    return isDue('precommit') ? `does not time the precommits of round ${round}` : undefined;
  }
}

/** Who signed a certificate has said what it says; whether the keeper remembers it singly is its own affair. */
function votesOf(certificate: PolkaCertificate | CommitCertificate): Vote[] {
  const { height, round, blockId, signatures } = certificate;
  return signatures.map(({ validator, signature }) =>
    certificate.kind === 'polka-certificate'
      ? { kind: 'prevote', height, round, blockId, validRound: certificate.validRound, validator, signature }
      : { kind: 'precommit', height, round, blockId, validRound: NO_ROUND, validator, signature },
  );
}
