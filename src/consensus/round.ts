// The round machine: the rules of agreement, and nothing else. It knows no votes and no signatures; its inputs say what the
// votes amount to ("there is a polka for b in this round"), and the driver, or a model checker, says when one is true.
// Because every input may come at any time, in any order, or never, whatever a network can do to a validator is some sequence of
// inputs here, and the machine can be explored to exhaustion.
//
// The rules are those of Tendermint (Buchman, Kwon, Milosevic, "The latest gossip on BFT consensus", arXiv 1807.04938,
// algorithm 1; its line numbers stand as L..) in an accountable variant with strict locks: L23 and L29 without "or
// lockedValue = v", and prevotes repeat the proposal's validRound. So `lockedRound` never falls within a height and bounds
// every later validRound that this validator prevotes, and no honest pair of messages looks like amnesia.
//
// Invariants: validRound >= lockedRound; lockedRound <= round; at most one proposal, prevote and precommit a round;
// nothing but a commit moves the steps `awaiting` and `decided`.

import { unreachable } from '../base/assert.ts';
import { type BlockId, NO_ROUND, type TimeoutKind, type VoteValue } from './types.ts';

/** `awaiting`: a commit quorum exists, the block does not yet; all voting has stopped. */
export type Step = 'unstarted' | 'propose' | 'prevote' | 'precommit' | 'awaiting' | 'decided';

export interface RoundState {
  readonly round: number;
  readonly step: Step;
  /** What this validator last precommitted, and when. */
  readonly lockedRound: number;
  readonly lockedBlock: VoteValue;
  /** What it would propose again: the block of the latest polka it knows. */
  readonly validRound: number;
  readonly validBlock: VoteValue;
  /** Rules that act once a round: 3, 7, 8, and the proposal. */
  readonly hasSeenPolka: boolean;
  readonly isPrevoteTimed: boolean;
  readonly isPrecommitTimed: boolean;
  readonly hasProposed: boolean;
  /** The block of the commit quorum, in the steps `awaiting` and `decided`. */
  readonly committedRound: number;
  readonly committedBlock: VoteValue;
}

/** What is true of the messages at hand, numbered by the rule that it enables. */
export type RoundInput =
  | { readonly kind: 'start'; readonly round: number }
  /** The application's new block for this round. */
  | { readonly kind: 'value'; readonly round: number; readonly blockId: BlockId }
  /** 1: a quorum precommitted the block in `round`; `isValid`: it is held and was found valid. */
  | {
      readonly kind: 'commit';
      readonly round: number;
      readonly blockId: BlockId;
      readonly isValid: boolean;
    }
  /** 2: validators of weak weight are in `round` or beyond. */
  | { readonly kind: 'skip'; readonly round: number }
  /** 3: the proposal of `round`, valid, has a polka in `round`. */
  | {
      readonly kind: 'polka';
      readonly round: number;
      readonly blockId: BlockId;
      readonly validRound: number;
    }
  /** 3b: a valid block has a polka in a round that is over. */
  | { readonly kind: 'earlier-polka'; readonly round: number; readonly blockId: BlockId }
  /** 4: a quorum prevoted nil in `round`. */
  | { readonly kind: 'nil-polka'; readonly round: number }
  /** 5: the proposal of `round` repeats a block that has a polka in `validRound`. */
  | {
      readonly kind: 're-proposal';
      readonly round: number;
      readonly blockId: BlockId;
      readonly validRound: number;
      readonly isValid: boolean;
    }
  /** 6: the proposal of `round` is fresh. */
  | {
      readonly kind: 'fresh-proposal';
      readonly round: number;
      readonly blockId: BlockId;
      readonly isValid: boolean;
    }
  /** 7, 8: a quorum prevoted, or precommitted, whatever, in `round`. */
  | { readonly kind: 'prevote-any'; readonly round: number }
  | { readonly kind: 'precommit-any'; readonly round: number }
  /** 9: the time of a phase is over. */
  | {
      readonly kind: 'timeout';
      readonly timeout: Exclude<TimeoutKind, 'rebroadcast'>;
      readonly round: number;
    };

/** What the validator does next, in order. */
export type RoundOutput =
  | { readonly kind: 'enter-round'; readonly round: number }
  | { readonly kind: 'request-value'; readonly round: number }
  | {
      readonly kind: 'propose';
      readonly round: number;
      readonly blockId: BlockId;
      readonly validRound: number;
    }
  | {
      readonly kind: 'prevote';
      readonly round: number;
      readonly blockId: VoteValue;
      readonly validRound: number;
    }
  | { readonly kind: 'precommit'; readonly round: number; readonly blockId: VoteValue }
  | {
      readonly kind: 'lock';
      readonly round: number;
      readonly blockId: BlockId;
      readonly validRound: number;
    }
  | {
      readonly kind: 'schedule';
      readonly timeout: Exclude<TimeoutKind, 'rebroadcast'>;
      readonly round: number;
    }
  | { readonly kind: 'await-block'; readonly round: number; readonly blockId: BlockId }
  | { readonly kind: 'decide'; readonly round: number; readonly blockId: BlockId };

export interface RoundTransition {
  readonly state: RoundState;
  readonly outputs: readonly RoundOutput[];
}

export const UNSTARTED: RoundState = {
  round: 0,
  step: 'unstarted',
  lockedRound: NO_ROUND,
  lockedBlock: null,
  validRound: NO_ROUND,
  validBlock: null,
  hasSeenPolka: false,
  isPrevoteTimed: false,
  isPrecommitTimed: false,
  hasProposed: false,
  committedRound: NO_ROUND,
  committedBlock: null,
};

const NOTHING: readonly RoundOutput[] = [];

/**
 * The next state and what to do. An input that no rule applies to leaves the very same state object and no outputs.
 * `isProposer` says in which rounds of this height the validator is the proposer.
 */
export function applyRound(
  state: RoundState,
  input: RoundInput,
  isProposer: (round: number) => boolean,
): RoundTransition {
  if (input.kind === 'commit') return commit(state, input);
  if (state.step === 'unstarted') {
    return input.kind === 'start' ? startRound(state, input.round, isProposer) : stay(state);
  }
  if (state.step === 'awaiting' || state.step === 'decided') return stay(state);
  switch (input.kind) {
    case 'start':
      return stay(state);
    case 'skip':
      return input.round > state.round ? startRound(state, input.round, isProposer) : stay(state);
    case 'earlier-polka':
      return earlierPolka(state, input);
    case 'value':
    case 'polka':
    case 'nil-polka':
    case 're-proposal':
    case 'fresh-proposal':
    case 'prevote-any':
    case 'precommit-any':
    case 'timeout':
      return input.round === state.round ? applyCurrent(state, input, isProposer) : stay(state);
    default:
      return unreachable(input);
  }
}

type CurrentInput = Exclude<RoundInput, { kind: 'start' | 'commit' | 'skip' | 'earlier-polka' }>;

/** Rules about the round that the validator is in. */
function applyCurrent(
  state: RoundState,
  input: CurrentInput,
  isProposer: (round: number) => boolean,
): RoundTransition {
  switch (input.kind) {
    case 'value':
      return proposeNew(state, input.blockId, isProposer);
    case 'polka':
      return polka(state, input.blockId, input.validRound);
    case 'nil-polka':
      return state.step === 'prevote' ? precommit(state, null) : stay(state);
    case 're-proposal':
      return answerProposal(state, input, state.lockedRound <= input.validRound, input.validRound);
    case 'fresh-proposal':
      return answerProposal(state, input, state.lockedRound === NO_ROUND, NO_ROUND);
    case 'prevote-any':
      return timePrevotes(state);
    case 'precommit-any':
      return timePrecommits(state);
    case 'timeout':
      return timeout(state, input.timeout, isProposer);
    default:
      return unreachable(input);
  }
}

/** Rule 1 (L49). A quorum has decided: with the block at hand the height is over, without it voting stops all the same. */
function commit(state: RoundState, input: Extract<RoundInput, { kind: 'commit' }>): RoundTransition {
  const { round, blockId } = input;
  if (state.step === 'decided' || (state.step === 'awaiting' && !input.isValid)) return stay(state);
  return {
    state: {
      ...state,
      step: input.isValid ? 'decided' : 'awaiting',
      committedRound: round,
      committedBlock: blockId,
    },
    outputs: [{ kind: input.isValid ? 'decide' : 'await-block', round, blockId }],
  };
}

/** L11-L21, entered by the start of the height, rule 2 (L55) and rule 9 (L65). */
function startRound(
  state: RoundState,
  round: number,
  isProposer: (round: number) => boolean,
): RoundTransition {
  const { validBlock, validRound } = state;
  const outputs: RoundOutput[] = [{ kind: 'enter-round', round }];
  const repeats = isProposer(round) && validBlock !== null;
  if (repeats) outputs.push({ kind: 'propose', round, blockId: validBlock, validRound });
  else if (isProposer(round)) outputs.push({ kind: 'request-value', round });
  outputs.push({ kind: 'schedule', timeout: 'propose', round });
  return {
    state: {
      ...state,
      round,
      step: 'propose',
      hasSeenPolka: false,
      isPrevoteTimed: false,
      isPrecommitTimed: false,
      hasProposed: repeats,
    },
    outputs,
  };
}

/** L17-L19, when the application has made its block. A polka that was learned meanwhile (3b) comes first. */
function proposeNew(
  state: RoundState,
  blockId: BlockId,
  isProposer: (round: number) => boolean,
): RoundTransition {
  const { round, validBlock, validRound } = state;
  if (state.step !== 'propose' || state.hasProposed || !isProposer(round)) return stay(state);
  const output: RoundOutput =
    validBlock === null
      ? { kind: 'propose', round, blockId, validRound: NO_ROUND }
      : { kind: 'propose', round, blockId: validBlock, validRound };
  return { state: { ...state, hasProposed: true }, outputs: [output] };
}

/** Rule 3 (L36): lock and precommit; too late for that, remember the block as the one to propose again. */
function polka(state: RoundState, blockId: BlockId, validRound: number): RoundTransition {
  const { round } = state;
  if (state.hasSeenPolka || state.step === 'propose') return stay(state);
  const seen: RoundState = { ...state, hasSeenPolka: true, validRound: round, validBlock: blockId };
  if (state.step === 'precommit') return { state: seen, outputs: NOTHING };
  return {
    state: { ...seen, step: 'precommit', lockedRound: round, lockedBlock: blockId },
    outputs: [
      { kind: 'lock', round, blockId, validRound },
      { kind: 'precommit', round, blockId },
    ],
  };
}

/** Rule 3b (not in the paper): what to propose, never how to vote, so it is safe; it spares a proposer a round that locks refuse. */
function earlierPolka(
  state: RoundState,
  input: Extract<RoundInput, { kind: 'earlier-polka' }>,
): RoundTransition {
  if (input.round >= state.round || input.round <= state.validRound) return stay(state);
  return {
    state: { ...state, validRound: input.round, validBlock: input.blockId },
    outputs: NOTHING,
  };
}

/** Rule 4 (L44), and rule 9 after L61. A lock is never released by nil. */
function precommit(state: RoundState, blockId: VoteValue): RoundTransition {
  return {
    state: { ...state, step: 'precommit' },
    outputs: [{ kind: 'precommit', round: state.round, blockId }],
  };
}

/** Rules 5 (L28) and 6 (L22), with the strict lock: a lock yields to a later polka only, not to its own block. */
function answerProposal(
  state: RoundState,
  proposal: { readonly blockId: BlockId; readonly isValid: boolean },
  isUnlocked: boolean,
  validRound: number,
): RoundTransition {
  if (state.step !== 'propose') return stay(state);
  const isAccepted = proposal.isValid && isUnlocked;
  return isAccepted ? prevote(state, proposal.blockId, validRound) : prevote(state, null, NO_ROUND);
}

function prevote(state: RoundState, blockId: VoteValue, validRound: number): RoundTransition {
  return {
    state: { ...state, step: 'prevote' },
    outputs: [{ kind: 'prevote', round: state.round, blockId, validRound }],
  };
}

/** Rule 7 (L34). */
function timePrevotes(state: RoundState): RoundTransition {
  if (state.isPrevoteTimed || state.step !== 'prevote') return stay(state);
  return {
    state: { ...state, isPrevoteTimed: true },
    outputs: [{ kind: 'schedule', timeout: 'prevote', round: state.round }],
  };
}

/** Rule 8 (L47), in any step. */
function timePrecommits(state: RoundState): RoundTransition {
  if (state.isPrecommitTimed) return stay(state);
  return {
    state: { ...state, isPrecommitTimed: true },
    outputs: [{ kind: 'schedule', timeout: 'precommit', round: state.round }],
  };
}

/** Rule 9 (L57, L61, L65). A time-out of another round or of a step that is over is stale. */
function timeout(
  state: RoundState,
  kind: Exclude<TimeoutKind, 'rebroadcast'>,
  isProposer: (round: number) => boolean,
): RoundTransition {
  switch (kind) {
    case 'propose':
      return state.step === 'propose' ? prevote(state, null, NO_ROUND) : stay(state);
    case 'prevote':
      return state.step === 'prevote' ? precommit(state, null) : stay(state);
    case 'precommit':
      return startRound(state, state.round + 1, isProposer);
    default:
      return unreachable(kind);
  }
}

function stay(state: RoundState): RoundTransition {
  return { state, outputs: NOTHING };
}
