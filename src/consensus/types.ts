// The words of agreement: what validators say to each other, what the engine is told and what it wants done. Plain
// readonly data, so that a state can be compared, logged and enumerated. What the words look like on the wire is
// in `messages.ts`; who may say them, in `verify.ts`; what follows from them, in `round.ts`, `driver.ts` and `engine.ts`.
//
// Block ids are strings of 64 hex digits inside the engine, because strings compare with === and serve as keys. Nil is
// null: a tag of its own, never an id of zeros. "No round" is -1 (NO_ROUND), as in the paper.

import type { NodeId, Signature } from '../base/ids.ts';

declare const brand: unique symbol;

/** Name of a block whose content is no business of the engine: the hex form of 32 bytes. */
export type BlockId = string & { readonly [brand]: 'BlockId' };

/** What a vote is for: a block, or nil. */
export type VoteValue = BlockId | null;

/** Position of a validator in the sorted set of its height. */
export type ValidatorIndex = number;

export const NO_ROUND = -1;

// ---- Who votes -------------------------------------------------------------------------------------------------

export interface Validator {
  readonly node: NodeId;
  /** Weight of its vote, at least 1. */
  readonly power: bigint;
}

/** The frozen set of a height: sorted by node id, each once; `totalPower` is at most 2^62. */
export interface ValidatorSet {
  readonly validators: readonly Validator[];
  readonly totalPower: bigint;
}

/** Who proposes when: `slots[(height - firstHeight + round) mod slots.length]`. */
export interface ProposerSchedule {
  readonly firstHeight: number;
  readonly slots: readonly ValidatorIndex[];
}

// ---- What they say ---------------------------------------------------------------------------------------------

export type VoteKind = 'prevote' | 'precommit';

export interface UnsignedProposal {
  readonly kind: 'proposal';
  readonly height: number;
  readonly round: number;
  readonly blockId: BlockId;
  /** Round of the polka that carried the block already, or NO_ROUND for a fresh one. Less than `round`. */
  readonly validRound: number;
  readonly validator: ValidatorIndex;
}

export interface UnsignedVote {
  readonly kind: VoteKind;
  readonly height: number;
  readonly round: number;
  readonly blockId: VoteValue;
  /** Of a prevote for a block: the proposal's `validRound`, repeated. NO_ROUND in every other vote. */
  readonly validRound: number;
  readonly validator: ValidatorIndex;
}

export type UnsignedMessage = UnsignedProposal | UnsignedVote;

export interface Proposal extends UnsignedProposal {
  readonly signature: Signature;
}

export interface Vote extends UnsignedVote {
  readonly signature: Signature;
}

/** One of a certificate's signatures; signers stand in ascending order. */
export interface CertificateSignature {
  readonly validator: ValidatorIndex;
  readonly signature: Signature;
}

/** A quorum of prevotes alike in height, round, block and validRound. */
export interface PolkaCertificate {
  readonly kind: 'polka-certificate';
  readonly height: number;
  readonly round: number;
  readonly blockId: BlockId;
  readonly validRound: number;
  readonly signatures: readonly CertificateSignature[];
}

/** A quorum of precommits for a block: the decision, provable to anybody who knows the set. */
export interface CommitCertificate {
  readonly kind: 'commit-certificate';
  readonly height: number;
  readonly round: number;
  readonly blockId: BlockId;
  readonly signatures: readonly CertificateSignature[];
}

/**
 * Why `round` may be entered. `precommit-any`: precommits of a quorum in `round - 1`, for whatever; `skip`: votes of weak
 * weight in rounds >= `round`. Votes of distinct validators, in ascending order of validator.
 */
export interface RoundCertificate {
  readonly kind: 'round-certificate';
  readonly height: number;
  readonly round: number;
  readonly reason: 'precommit-any' | 'skip';
  readonly votes: readonly Vote[];
}

export type Certificate = PolkaCertificate | CommitCertificate | RoundCertificate;
export type Message = Proposal | Vote | Certificate;

/** Two signed messages of one validator that cannot both be honest, or two decisions of one height. */
export type Evidence =
  | { readonly kind: 'double-vote'; readonly first: Vote; readonly second: Vote }
  | { readonly kind: 'double-proposal'; readonly first: Proposal; readonly second: Proposal }
  /** Precommitted `precommit.blockId`, later prevoted another block on the word of a polka older than that precommit. */
  | { readonly kind: 'amnesia'; readonly precommit: Vote; readonly prevote: Vote }
  /** `committed` is of our chain; whoever follows headers alone could have been shown `conflicting`. */
  | {
      readonly kind: 'light-client-attack';
      readonly conflicting: CommitCertificate;
      readonly committed: CommitCertificate;
    };

// ---- What the engine is told -----------------------------------------------------------------------------------

/** Phases of a round that end by time, and the interval after which a validator repeats itself (L4). */
export type TimeoutKind = 'propose' | 'prevote' | 'precommit' | 'rebroadcast';

export interface HeightStart {
  readonly height: number;
  readonly validators: ValidatorSet;
  readonly proposers: ProposerSchedule;
  /** This validator's place in the set, or undefined: it follows without a voice. */
  readonly self: ValidatorIndex | undefined;
}

/**
 * Everything that may happen. Messages have been verified (`verify.ts`): form, membership, signatures, and a proposal comes from
 * the proposer of its round. `signed` brings back what a `sign` effect asked for.
 */
export type Input =
  | { readonly kind: 'start-height'; readonly start: HeightStart }
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'signed'; readonly message: Proposal | Vote }
  /** The application's new block, asked for by `request-value`; it is held and valid. */
  | { readonly kind: 'value'; readonly height: number; readonly round: number; readonly blockId: BlockId }
  /** The block is held, and the application has judged it on the state of its parent. */
  | {
      readonly kind: 'verdict';
      readonly height: number;
      readonly blockId: BlockId;
      readonly isValid: boolean;
    }
  | {
      readonly kind: 'timeout';
      readonly timeout: TimeoutKind;
      readonly height: number;
      readonly round: number;
    };

// ---- What the engine wants done --------------------------------------------------------------------------------

/** To be performed in order; none begins before the one in front of it has ended. */
export type Effect =
  /** Add to the write-ahead log; durable not before the next `persist`. */
  | { readonly kind: 'append'; readonly input: Input }
  /** All that was appended is durable before the next effect. */
  | { readonly kind: 'persist' }
  /** Sign under the guard, then give it back as input `signed`. */
  | { readonly kind: 'sign'; readonly message: UnsignedMessage }
  /** To every other validator; a proposal travels with its block. */
  | { readonly kind: 'broadcast'; readonly message: Message }
  /** The validator is at a height that is over: send it that height's commit certificate and block, not too often (L7). */
  | { readonly kind: 'send-decision'; readonly to: ValidatorIndex; readonly height: number }
  | {
      readonly kind: 'schedule-timeout';
      readonly timeout: TimeoutKind;
      readonly height: number;
      readonly round: number;
      readonly durationMs: number;
    }
  | { readonly kind: 'cancel-timeouts' }
  | { readonly kind: 'request-value'; readonly height: number; readonly round: number }
  /** Get the block, from one of `holders` if it is not there, judge it, and answer by `verdict`. */
  | {
      readonly kind: 'validate';
      readonly height: number;
      readonly blockId: BlockId;
      readonly holders: readonly ValidatorIndex[];
    }
  | { readonly kind: 'evidence'; readonly evidence: Evidence }
  /** A message under this validator's own key that it did not sign: a second copy of the key is at work. Sign no more. */
  | { readonly kind: 'foreign-signature'; readonly message: Proposal | Vote }
  | {
      readonly kind: 'decide';
      readonly height: number;
      readonly blockId: BlockId;
      readonly certificate: CommitCertificate;
    }
  /** A quorum has decided what the application here found invalid. Nothing that follows could be right: stop, and have somebody look. */
  | {
      readonly kind: 'halt';
      readonly reason: 'commit-of-invalid-block';
      readonly height: number;
      readonly blockId: BlockId;
      readonly certificate: CommitCertificate;
    };

/** Time-outs grow linearly with the round, without end: X(r) = first + r * growth. Chain parameters, not local settings. */
export interface TimeoutParams {
  readonly proposeMs: number;
  readonly proposeGrowthMs: number;
  readonly voteMs: number;
  readonly voteGrowthMs: number;
}

export const DEFAULT_TIMEOUTS: TimeoutParams = {
  proposeMs: 1500,
  proposeGrowthMs: 500,
  voteMs: 500,
  voteGrowthMs: 250,
};
