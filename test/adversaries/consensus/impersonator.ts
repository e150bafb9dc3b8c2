// Impersonator: speaks with the voices of others. It signs their votes and proposals with its own key, moves their true signatures to
// other rounds and other blocks, and fills up certificates with signatures that it made or heard elsewhere. It hopes that one check of
// one signature is missing somewhere. Nothing of it may get past the border, and nobody whom it speaks for may be blamed.

import { isVote } from '../../../src/consensus/message-kinds.ts';
import { powerOf } from '../../../src/consensus/validator-set.ts';
import type {
  BlockId,
  CertificateSignature,
  CommitCertificate,
  PolkaCertificate,
  Proposal,
  ValidatorSet,
  Vote,
} from '../../../src/consensus/types.ts';
import { NO_ROUND } from '../../../src/consensus/types.ts';
import { proposerAt } from '../../../src/consensus/proposer.ts';
import type { ParticipantFactory, Place } from '../../sim/world.ts';
import { signAt, withIncoming } from '../../sim/wrapped.ts';
import { type Liar, othersIn, puppet, type Shelf } from './liar.ts';

export const impersonator: Liar = (options) => (place) => {
  /** The last votes of others, for their signatures. */
  const heard: Vote[] = [];
  const speaking = puppet(options, (_place, shelf) => (frame) => {
    const { message } = frame;
    if (!isVote(message)) return [frame];
    const forged = forgeries(place, shelf, message, heard);
    return [frame, ...forged.map((one) => ({ ...frame, message: one, block: undefined }))];
  });
  return listening(speaking, heard)(place);
};

const HEARD_MAX = 30;

function listening(inner: ParticipantFactory, heard: Vote[]): ParticipantFactory {
  return withIncoming(inner, () => (frame) => {
    if (isVote(frame.message)) heard.push(frame.message);
    if (heard.length > HEARD_MAX) heard.shift();
    return [frame];
  });
}

function forgeries(
  place: Place,
  shelf: Shelf,
  own: Vote,
  heard: readonly Vote[],
): (Vote | Proposal | PolkaCertificate | CommitCertificate)[] {
  const { height, round } = own;
  const { validators, proposers } = place.chain.start(height);
  const victims = othersIn(validators, own.validator);
  if (victims.length === 0) return [];
  const rival = shelf.make(height, true)?.blockId;
  const blockId = rival ?? own.blockId;
  const victim = place.random.pick(victims);
  const forged: (Vote | Proposal | PolkaCertificate | CommitCertificate)[] = [
    // The signature is its own, the name is another's.
    signAt(place, { ...own, blockId, validRound: NO_ROUND, validator: victim }) as Vote,
    signAt(place, {
      ...own,
      round: round + 1,
      blockId: null,
      validRound: NO_ROUND,
      validator: victim,
    }) as Vote,
    ...moved(place, heard, blockId),
  ];
  if (blockId === null) return forged;
  const validator = proposerAt(proposers, height, round);
  if (validator !== own.validator) {
    const proposal = { kind: 'proposal', height, round, blockId, validRound: NO_ROUND, validator } as const;
    forged.push(signAt(place, proposal) as Proposal);
  }
  return [...forged, ...certificates(place, validators, blockId, own, heard)];
}

/** A true signature below another text. */
function moved(place: Place, heard: readonly Vote[], blockId: BlockId | null): Vote[] {
  if (heard.length === 0) return [];
  const vote = place.random.pick(heard);
  const isOther = vote.blockId !== blockId;
  return [
    { ...vote, round: vote.round + 1 },
    ...(isOther ? [{ ...vote, blockId, validRound: NO_ROUND }] : []),
  ];
}

/** Quorums of signatures that are true for something else, or all but one true. */
function certificates(
  place: Place,
  set: ValidatorSet,
  blockId: BlockId,
  own: Vote,
  heard: readonly Vote[],
): (PolkaCertificate | CommitCertificate)[] {
  const { height, round, validator } = own;
  const signatures: CertificateSignature[] = [];
  for (const index of set.validators.keys()) {
    const known = heard.findLast((vote) => vote.validator === index && vote.height === height);
    const text = { kind: 'precommit', height, round, blockId, validRound: NO_ROUND, validator } as const;
    signatures.push({ validator: index, signature: (known ?? signAt(place, text)).signature });
  }
  const lone = set.validators.length === 1 || powerOf(set, validator) === set.totalPower;
  if (lone) return [];
  return [
    { kind: 'commit-certificate', height, round, blockId, signatures },
    { kind: 'polka-certificate', height, round, blockId, validRound: NO_ROUND, signatures },
  ];
}
