// What a validator owes the others beyond the rules, so that what one honest validator knows, all come to know. The
// paper assumes a gossip that does this; votes sent once over streams that break do not.
//
// L1 who enters a round after the first sends the votes that let it. L2 a re-proposal is accompanied by the
// polka that carried the block. L3 who locks after round 0 passes on the polka and the proposal: else a liar can complete a
// polka for one honest validator just before its time is up, and the locks of the others hold the height for ever (the hidden lock). L4 in
// a round that lasts, a validator repeats its votes, its reason to be there and the polka it would propose.

import { commitCertificate, polkaCertificate } from './certificate.ts';
import type { DriverState } from './driver.ts';
import { proposalFor } from './driver.ts';
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
import { committed, polkaFor, precommitsOf, votesFor, votesFrom, votesIn } from './vote-keeper.ts';

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

/** L2: the polka for `blockId` in `round`. Undefined for a fresh proposal, whose round is NO_ROUND. */
export function polkaCertificateOf(
  driver: DriverState,
  round: number,
  blockId: BlockId,
): PolkaCertificate | undefined {
  if (round === NO_ROUND) return undefined;
  const certified = driver.votes.polkas.find((polka) => polka.round === round && polka.blockId === blockId);
  if (certified !== undefined) return certified;
  const validRound = polkaFor(driver.votes, round, blockId);
  if (validRound === undefined) return undefined;
  return polkaCertificate(votesFor(driver.votes, 'prevote', round, blockId, validRound));
}

/** The proof that `blockId` is decided; undefined while it is not. */
export function commitCertificateOf(driver: DriverState, blockId: BlockId): CommitCertificate | undefined {
  const found = committed(driver.votes);
  if (found === undefined || found.blockId !== blockId) return undefined;
  if (driver.votes.commit !== undefined) return driver.votes.commit;
  return commitCertificate(votesFor(driver.votes, 'precommit', found.round, blockId, NO_ROUND));
}

/** L3: the polka of `round` for `blockId`, and the proposal that it is for. */
export function reoffered(driver: DriverState, round: number, blockId: BlockId): readonly Message[] {
  return [proposalFor(driver, round, blockId), polkaCertificateOf(driver, round, blockId)].filter(
    (message) => message !== undefined,
  );
}

/** L4: own votes, and the proposal of this round if it is one's own; the reason to be here; the best polka known. */
export function repeated(
  driver: DriverState,
  own: {
    readonly proposal: Proposal | undefined;
    readonly prevote: Vote | undefined;
    readonly precommit: Vote | undefined;
  },
  roundCertificate: RoundCertificate | undefined,
): readonly Message[] {
  const { round, validRound, validBlock, step, committedBlock } = driver.round;
  if (driver.start.self === undefined) return [];
  if (step === 'awaiting') return [commitCertificateOf(driver, committedBlock!)!];
  const proposal = own.proposal?.round === round ? own.proposal : undefined;
  const polka = validBlock === null ? undefined : polkaCertificateOf(driver, validRound, validBlock);
  return [roundCertificate, polka, proposal, own.prevote, own.precommit].filter(
    (message) => message !== undefined,
  );
}
