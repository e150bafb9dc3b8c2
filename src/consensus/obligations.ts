// What a validator owes the others beyond the rules, so that what one honest validator knows, all come to know. The
// paper assumes a gossip that does this; votes sent once over streams that break do not.
//
// L1 who enters a round after the first sends the votes that let it. L2 a re-proposal is accompanied by the
// polka that carried the block. L3 who locks after round 0 passes on the polka and the proposal, and with every round that is
// entered goes the best polka known: else a liar can complete a polka for one honest validator just before its time is up, and the
// locks of the others hold the height for ever (the hidden lock). L4 in
// a round that lasts, a validator repeats its votes, its reason to be there and the polka it would propose.

import { commitCertificate, polkaCertificate } from './certificate.ts';
import type { DriverState } from './driver.ts';
import { isProposer, proposalFor } from './driver.ts';
import type {
  BlockId,
  CommitCertificate,
  Message,
  PolkaCertificate,
  Proposal,
  RoundCertificate,
  TimeoutKind,
  TimeoutParams,
  Vote,
} from './types.ts';
import { NO_ROUND } from './types.ts';
import { commitRound, polkaFor, precommitsOf, votesFor, votesFrom, votesIn } from './vote-keeper.ts';

/** How long a phase of `round` lasts, and how long until a validator repeats itself: all phases together. */
export function phaseMs(timeouts: TimeoutParams, timeout: TimeoutKind, round: number): number {
  const { proposeMs, proposeGrowthMs, voteMs, voteGrowthMs } = timeouts;
  const propose = proposeMs + round * proposeGrowthMs;
  const vote = voteMs + round * voteGrowthMs;
  switch (timeout) {
    case 'propose':
      return propose;
    case 'prevote':
    case 'precommit':
      return vote;
    case 'rebroadcast':
      return propose + 2 * vote;
  }
}

/** L1: the reason to be in `round`; undefined in round 0. */
export function entryCertificate(driver: DriverState, round: number): RoundCertificate | undefined {
  if (round === 0) return undefined;
  const { height } = driver.start;
  const kind = 'round-certificate';
  if (votesIn(driver.votes, round - 1)?.hasPrecommitQuorum === true) {
    const votes = precommitsOf(driver.votes, round - 1);
    return { kind, height, round, reason: 'precommit-any', votes };
  }
  return { kind, height, round, reason: 'skip', votes: votesFrom(driver.votes, round) };
}

/**
 * What goes out when `round` is entered: the reason to be there (L1), and the polka of the block that this validator would
 * propose (L3), for whoever locked in round 0 told nobody. A proposer sends that polka with its proposal (L2).
 */
export function entering(driver: DriverState, round: number): readonly Message[] {
  const { validRound, validBlock } = driver.round;
  const polka =
    validBlock === null || isProposer(driver, round)
      ? undefined
      : polkaCertificateOf(driver, validRound, validBlock);
  return [entryCertificate(driver, round), polka].filter((message) => message !== undefined);
}

/** L2: the polka for `blockId` in `round`. Undefined for a fresh proposal, whose round is NO_ROUND. */
export function polkaCertificateOf(
  driver: DriverState,
  round: number,
  blockId: BlockId,
): PolkaCertificate | undefined {
  const validRound = polkaFor(driver.votes, round, blockId);
  return validRound === undefined ? undefined : exactPolka(driver, round, blockId, validRound);
}

/** The polka of exactly these, which is there. */
function exactPolka(
  driver: DriverState,
  round: number,
  blockId: BlockId,
  validRound: number,
): PolkaCertificate {
  const certified = driver.votes.polkas.find(
    (polka) => polka.round === round && polka.blockId === blockId && polka.validRound === validRound,
  );
  return certified ?? polkaCertificate(votesFor(driver.votes, 'prevote', round, blockId, validRound));
}

/** The proof that `blockId` is decided; undefined while it is not. */
export function commitCertificateOf(driver: DriverState, blockId: BlockId): CommitCertificate | undefined {
  const { commit } = driver.votes;
  if (commit?.blockId === blockId) return commit;
  const round = commitRound(driver.votes, blockId);
  if (round === undefined) return undefined;
  return commitCertificate(votesFor(driver.votes, 'precommit', round, blockId, NO_ROUND));
}

/**
 * L3: the polka that was locked on, and the proposal that it is for. In this order: who keeps two other proposals of the round
 * already keeps a third only if a polka names it.
 */
export function reoffered(
  driver: DriverState,
  locked: { readonly round: number; readonly blockId: BlockId; readonly validRound: number },
): readonly Message[] {
  const { round, blockId, validRound } = locked;
  const proposal = proposalFor(driver, round, blockId, validRound);
  const polka = exactPolka(driver, round, blockId, validRound);
  return proposal === undefined ? [polka] : [polka, proposal];
}

/** L4: own votes, and the proposal of this round if it is one's own; the reason to be here; the best polka known. */
export function repeated(
  driver: DriverState,
  own: {
    readonly proposal: Proposal | undefined;
    readonly prevote: Vote | undefined;
    readonly precommit: Vote | undefined;
  },
): readonly Message[] {
  const { round, validRound, validBlock, step, committedBlock } = driver.round;
  if (step === 'awaiting') return [commitCertificateOf(driver, committedBlock!)!];
  const proposal = own.proposal?.round === round ? own.proposal : undefined;
  const polka = validBlock === null ? undefined : polkaCertificateOf(driver, validRound, validBlock);
  return [entryCertificate(driver, round), polka, proposal, own.prevote, own.precommit].filter(
    (message) => message !== undefined,
  );
}
