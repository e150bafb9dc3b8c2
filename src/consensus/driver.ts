// The driver of one height: it holds the proposals, the votes and the application's verdicts, tells the round machine which of
// its inputs they amount to, and goes on until nothing more follows. It is the only place where "the votes say" becomes "the
// rule applies"; the order in which it looks is the order of the rules.
//
// Invariants: after every call no rule is enabled that has not acted; an input is given to the round machine only when the
// messages held prove it; at most two proposals of a round are kept, and one more for each polka that names it.

import { assert } from '../base/assert.ts';
import { votesOf } from './certificate.ts';
import { proposerAt } from './proposer.ts';
import {
  applyRound,
  type RoundInput,
  type RoundOutput,
  type RoundState,
  type RoundTransition,
  UNSTARTED,
} from './round.ts';
import type {
  BlockId,
  CommitCertificate,
  Evidence,
  HeightStart,
  PolkaCertificate,
  Proposal,
  TimeoutKind,
  Vote,
} from './types.ts';
import { NO_ROUND } from './types.ts';
import {
  type Added,
  addCommit,
  addPolka,
  addVote,
  committed,
  emptyKeeper,
  enterRound,
  hasNilPolka,
  hasPolka,
  hasPrevoteQuorum,
  polkaBlocks,
  polkaFor,
  roundsWithQuorum,
  skipRound,
  type VoteKeeper,
  votesIn,
} from './vote-keeper.ts';

export interface Verdict {
  readonly blockId: BlockId;
  readonly isValid: boolean;
}

export interface DriverState {
  readonly start: HeightStart;
  readonly round: RoundState;
  readonly votes: VoteKeeper;
  /** In order of arrival. */
  readonly proposals: readonly Proposal[];
  readonly verdicts: readonly Verdict[];
}

export interface DriverTransition {
  readonly state: DriverState;
  readonly outputs: readonly RoundOutput[];
  readonly evidence: readonly Evidence[];
}

/** Proposals of a round that are kept though no polka names them: the first to answer, the second as evidence. */
const PROPOSALS_PER_ROUND = 2;
/** Every step but the last changes the round, its step or one of its marks, so few can follow from one input. */
const STEPS_MAX = 64;

const NO_OUTPUTS: readonly RoundOutput[] = [];
const NO_EVIDENCE: readonly Evidence[] = [];

export function driverOf(start: HeightStart): DriverState {
  return {
    start,
    round: UNSTARTED,
    votes: emptyKeeper(start.validators),
    proposals: [],
    verdicts: [],
  };
}

// ---- Inputs. Each leaves the very same state object when it changes nothing. -----------------------------------

export function driveStart(state: DriverState): DriverTransition {
  return drive(state, { kind: 'start', round: 0 });
}

export function driveProposal(state: DriverState, proposal: Proposal): DriverTransition {
  const ofRound = state.proposals.filter((other) => other.round === proposal.round);
  if (ofRound.some((other) => isSameProposal(other, proposal))) return unchanged(state);
  const isNamed = hasPolka(state.votes, proposal.round, proposal.blockId, proposal.validRound);
  if (ofRound.length >= PROPOSALS_PER_ROUND && !isNamed) return unchanged(state);
  if (proposal.round > state.round.round + 1 && !isNamed) return unchanged(state);
  const evidence: readonly Evidence[] =
    ofRound.length === 0 ? NO_EVIDENCE : [{ kind: 'double-proposal', first: ofRound[0]!, second: proposal }];
  return settle({ ...state, proposals: [...state.proposals, proposal] }, NO_OUTPUTS, evidence);
}

export function driveVote(state: DriverState, vote: Vote): DriverTransition {
  return withVotes(state, addVote(state.votes, vote));
}

export function drivePolka(state: DriverState, certificate: PolkaCertificate): DriverTransition {
  return withVotes(state, addSigners(state, addPolka(state.votes, certificate), certificate));
}

export function driveCommit(state: DriverState, certificate: CommitCertificate): DriverTransition {
  return withVotes(state, addSigners(state, addCommit(state.votes, certificate), certificate));
}

/**
 * The certificate counts as a whole already; its votes are added singly, too, because who signed it may have said otherwise elsewhere.
 * Nothing when the keeper had no use for the certificate.
 */
function addSigners(
  state: DriverState,
  keeper: VoteKeeper,
  certificate: PolkaCertificate | CommitCertificate,
): Added {
  if (keeper === state.votes) return { keeper, evidence: NO_EVIDENCE };
  let added: Added = { keeper, evidence: NO_EVIDENCE };
  for (const vote of votesOf(certificate)) {
    if (vote.validator === state.start.self) continue;
    const { keeper: next, evidence } = addVote(added.keeper, vote);
    added = { keeper: next, evidence: [...added.evidence, ...evidence] };
  }
  return added;
}

/** The first verdict on a block stands: the application's answer is a pure function of the block and its parent. */
export function driveVerdict(state: DriverState, verdict: Verdict): DriverTransition {
  if (verdictOn(state, verdict.blockId) !== undefined) return unchanged(state);
  const { blockId, isValid } = verdict;
  return settle({ ...state, verdicts: [...state.verdicts, { blockId, isValid }] }, NO_OUTPUTS, NO_EVIDENCE);
}

export function driveValue(state: DriverState, round: number, blockId: BlockId): DriverTransition {
  const { state: next, outputs } = apply(state, { kind: 'value', round, blockId });
  if (next === state) return unchanged(state);
  const isJudged = verdictOn(next, blockId) !== undefined;
  const verdicts = isJudged ? next.verdicts : [...next.verdicts, { blockId, isValid: true }];
  return settle({ ...next, verdicts }, outputs, NO_EVIDENCE);
}

export function driveTimeout(
  state: DriverState,
  timeout: Exclude<TimeoutKind, 'rebroadcast'>,
  round: number,
): DriverTransition {
  return drive(state, { kind: 'timeout', timeout, round });
}

// ---- What the driver knows --------------------------------------------------------------------------------------

export function verdictOn(state: DriverState, blockId: BlockId): boolean | undefined {
  return state.verdicts.find((verdict) => verdict.blockId === blockId)?.isValid;
}

export function isProposer(state: DriverState, round: number): boolean {
  const { proposers, height, self } = state.start;
  return self !== undefined && proposerAt(proposers, height, round) === self;
}

/** The proposal of `round` for exactly these. */
export function proposalFor(
  state: DriverState,
  round: number,
  blockId: BlockId,
  validRound: number,
): Proposal | undefined {
  return state.proposals.find(
    (proposal) =>
      proposal.round === round && proposal.blockId === blockId && proposal.validRound === validRound,
  );
}

// ---- To a fixpoint ----------------------------------------------------------------------------------------------

function withVotes(state: DriverState, { keeper, evidence }: Added): DriverTransition {
  if (keeper === state.votes) return unchanged(state);
  return settle({ ...state, votes: keeper }, NO_OUTPUTS, evidence);
}

function drive(state: DriverState, input: RoundInput): DriverTransition {
  const { state: next, outputs } = apply(state, input);
  return next === state ? unchanged(state) : settle(next, outputs, NO_EVIDENCE);
}

/** Applies rules until none is enabled. */
function settle(
  state: DriverState,
  outputs: readonly RoundOutput[],
  evidence: readonly Evidence[],
): DriverTransition {
  let current: DriverTransition = { state, outputs, evidence };
  for (let steps = 0; steps < STEPS_MAX; steps++) {
    const entered = withRound(current);
    const input = enabled(entered.state);
    if (input === undefined) return entered;
    const { state: next, outputs: more } = apply(entered.state, input);
    assert(next !== entered.state, `an enabled input acts: ${input.kind}`);
    current = { state: next, outputs: [...entered.outputs, ...more], evidence: entered.evidence };
  }
  assert(false, 'rules come to rest');
}

/** Lets the keeper follow the round machine: votes that were kept ahead count now. */
function withRound(transition: DriverTransition): DriverTransition {
  const { state, outputs, evidence } = transition;
  if (state.votes.round === state.round.round) return transition;
  const added = enterRound(state.votes, state.round.round);
  return {
    state: { ...state, votes: added.keeper },
    outputs,
    evidence: added.evidence.length === 0 ? evidence : [...evidence, ...added.evidence],
  };
}

function apply(
  state: DriverState,
  input: RoundInput,
): { readonly state: DriverState; readonly outputs: readonly RoundOutput[] } {
  const { state: round, outputs }: RoundTransition = applyRound(state.round, input, (at) =>
    isProposer(state, at),
  );
  return { state: round === state.round ? state : { ...state, round }, outputs };
}

/** The first rule that is enabled and has not acted, in the order of the rules; undefined at rest. */
export function enabled(state: DriverState): RoundInput | undefined {
  const { step } = state.round;
  if (step === 'decided') return undefined;
  const commit = enabledCommit(state);
  if (commit !== undefined || step === 'unstarted' || step === 'awaiting') return commit;
  return (
    enabledSkip(state) ??
    enabledPolka(state) ??
    enabledEarlierPolka(state) ??
    enabledNilPolka(state) ??
    enabledProposal(state) ??
    enabledTimers(state)
  );
}

/** Rule 1. */
function enabledCommit(state: DriverState): RoundInput | undefined {
  const found = committed(state.votes);
  if (found === undefined) return undefined;
  const { round, blockId } = found;
  const isValid = verdictOn(state, blockId) === true;
  if (!isValid && state.round.step === 'awaiting') return undefined;
  return { kind: 'commit', round, blockId, isValid };
}

/** Rule 2. */
function enabledSkip(state: DriverState): RoundInput | undefined {
  const { highest, round: current } = state.votes;
  if (!highest.some((round) => round > current)) return undefined;
  const round = skipRound(state.votes, state.start.self);
  return round === undefined ? undefined : { kind: 'skip', round };
}

/** Rule 3. */
function enabledPolka(state: DriverState): RoundInput | undefined {
  const { round, step, hasSeenPolka } = state.round;
  if (hasSeenPolka || step === 'propose') return undefined;
  for (const proposal of state.proposals) {
    const { blockId, validRound } = proposal;
    if (proposal.round !== round || verdictOn(state, blockId) !== true) continue;
    if (hasPolka(state.votes, round, blockId, validRound)) {
      return { kind: 'polka', round, blockId, validRound };
    }
  }
  return undefined;
}

/** Rule 3b, the latest such round. Looked for where votes are: of rounds skipped over there may be very many. */
function enabledEarlierPolka(state: DriverState): RoundInput | undefined {
  const { round: current, validRound } = state.round;
  if (current - 1 <= validRound) return undefined;
  for (const round of roundsWithQuorum(state.votes, validRound, current)) {
    const blockId = polkaBlocks(state.votes, round).find((block) => verdictOn(state, block) === true);
    if (blockId !== undefined) return { kind: 'earlier-polka', round, blockId };
  }
  return undefined;
}

/** Rule 4. */
function enabledNilPolka(state: DriverState): RoundInput | undefined {
  const { round, step } = state.round;
  return step === 'prevote' && hasNilPolka(state.votes, round) ? { kind: 'nil-polka', round } : undefined;
}

/** Rules 5 and 6: the first proposal of the round is the one to answer. */
function enabledProposal(state: DriverState): RoundInput | undefined {
  const { round, step } = state.round;
  if (step !== 'propose') return undefined;
  const proposal = state.proposals.find((other) => other.round === round);
  if (proposal === undefined) return undefined;
  const { blockId, validRound } = proposal;
  const isValid = verdictOn(state, blockId);
  if (isValid === undefined) return undefined;
  if (validRound === NO_ROUND) return { kind: 'fresh-proposal', round, blockId, isValid };
  if (polkaFor(state.votes, validRound, blockId) === undefined) return undefined;
  return { kind: 're-proposal', round, blockId, validRound, isValid };
}

/** Rules 7 and 8. */
function enabledTimers(state: DriverState): RoundInput | undefined {
  const { round, step, isPrevoteTimed, isPrecommitTimed } = state.round;
  if (isPrecommitTimed && (isPrevoteTimed || step !== 'prevote')) return undefined;
  const hasPrevotes = !isPrevoteTimed && step === 'prevote' && hasPrevoteQuorum(state.votes, round);
  if (hasPrevotes) return { kind: 'prevote-any', round };
  const hasPrecommits = !isPrecommitTimed && votesIn(state.votes, round)?.hasPrecommitQuorum === true;
  return hasPrecommits ? { kind: 'precommit-any', round } : undefined;
}

function isSameProposal(a: Proposal, b: Proposal): boolean {
  return a.blockId === b.blockId && a.validRound === b.validRound;
}

function unchanged(state: DriverState): DriverTransition {
  return { state, outputs: NO_OUTPUTS, evidence: NO_EVIDENCE };
}
