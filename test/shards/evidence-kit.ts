// Misbehaviour of nodes of a ledger, signed with their real keys.

import { toHex } from '../../src/base/bytes.ts';
import type { Signer } from '../../src/base/ports.ts';
import { encodeEvidence } from '../../src/consensus/evidence.ts';
import { signBytes } from '../../src/consensus/sign-bytes.ts';
import type {
  BlockId,
  CommitCertificate,
  Evidence,
  Proposal,
  UnsignedProposal,
  UnsignedVote,
  Vote,
} from '../../src/consensus/types.ts';
import type { ReportEvidence } from '../../src/shards/operations/report-evidence.ts';
import { idOf, keyNamed, type Ledger, nameOf, NETWORK } from './stake-kit.ts';

export const A = 'aa'.repeat(32) as BlockId;
export const B = 'bb'.repeat(32) as BlockId;

export interface Place {
  readonly height: number;
  readonly epoch: number;
  readonly round?: number;
}

/** Where the ledger is now. */
export const here = (ledger: Ledger): Place => ({ height: ledger.height, epoch: ledger.epoch });

/** Index of a key in the set of an epoch. */
function indexOf(ledger: Ledger, epoch: number, key: string): number {
  return ledger.set(epoch).findIndex(({ node }) => toHex(node) === toHex(idOf(key)));
}

function sign<T extends UnsignedVote | UnsignedProposal>(message: T, signer: Signer) {
  return { ...message, signature: signer.sign(signBytes(NETWORK, message)) };
}

export function voteOf(ledger: Ledger, key: string, at: Place, fields: Partial<UnsignedVote> = {}): Vote {
  const vote: UnsignedVote = {
    kind: 'precommit',
    height: at.height,
    round: at.round ?? 0,
    blockId: A,
    validRound: -1,
    validator: indexOf(ledger, at.epoch, key),
    ...fields,
  };
  return sign(vote, keyNamed(key));
}

export function doubleVote(ledger: Ledger, key: string, at: Place = here(ledger)): Evidence {
  const first = voteOf(ledger, key, at);
  return { kind: 'double-vote', first, second: voteOf(ledger, key, at, { blockId: B }) };
}

export function doubleProposal(ledger: Ledger, key: string, at: Place = here(ledger)): Evidence {
  const of = (blockId: BlockId): Proposal => {
    const { height, round = 0 } = at;
    const validator = indexOf(ledger, at.epoch, key);
    return sign({ kind: 'proposal', height, round, blockId, validRound: -1, validator }, keyNamed(key));
  };
  return { kind: 'double-proposal', first: of(A), second: of(B) };
}

export function amnesia(ledger: Ledger, key: string, at: Place = here(ledger)): Evidence {
  const prevote = { kind: 'prevote', round: 3, blockId: B, validRound: 0 } as const;
  return {
    kind: 'amnesia',
    precommit: voteOf(ledger, key, { ...at, round: 1 }),
    prevote: voteOf(ledger, key, at, prevote),
  };
}

/** All of the set sign both. */
export function attack(ledger: Ledger, at: Place = here(ledger), secondRound = 0): Evidence {
  const of = (blockId: BlockId, round: number): CommitCertificate => ({
    kind: 'commit-certificate',
    height: at.height,
    round,
    blockId,
    signatures: ledger.set(at.epoch).map(({ node }, validator) => {
      const { signature } = voteOf(ledger, nameOf(node), { ...at, round }, { blockId, validator });
      return { validator, signature };
    }),
  });
  return { kind: 'light-client-attack', conflicting: of(A, 0), committed: of(B, secondRound) };
}

export const report = (evidence: Evidence): ReportEvidence => ({ evidence: encodeEvidence(evidence) });
