// Evidence: pairs of signed messages that prove misbehaviour to anybody who knows the validator set of their height.
// Nothing else is needed, and no honest validator can be convicted.
//
//   E1 double vote: two votes of one kind in one round that differ in block or, for one block, in valid round.
//   E2 double proposal: two proposals of one round that differ in block or valid round.
//   E3 amnesia: precommit of v in round r1, prevote of v' in r2 > r1, v' neither v nor nil, on a valid round below r1.
//      Locks are strict: the precommit sets the locked round to r1, it never falls again within the height, and an
//      honest validator prevotes a block only if its locked round is at most the valid round.
//   E4 light-client attack: commit certificates of one height for two blocks. Of one round: whoever signed both is guilty. Of
//      two rounds: the attack is proven, yet precommits alone convict nobody, since an honest validator may lock
//      again. Then the guilty are found by E1 and E3 among the votes of the height.

import { assert, unreachable } from '../base/assert.ts';
import type { NetworkId } from '../base/ids.ts';
import { CONSENSUS_MESSAGE_LENGTH_MAX } from '../base/limits.ts';
import type { Verify } from '../base/ports.ts';
import { Reader, Writer } from './binary.ts';
import { type CertificateProblem, checkCertificate } from './certificate.ts';
import { formProblem } from './form.ts';
import { CONSENSUS_PROTOCOL, messageLength, readMessage, readProtocol, writeMessage } from './messages.ts';
import { isSigned } from './sign-bytes.ts';
import type {
  CommitCertificate,
  Evidence,
  Message,
  Proposal,
  UnsignedMessage,
  ValidatorIndex,
  ValidatorSet,
  Vote,
} from './types.ts';

// ---- Finding ---------------------------------------------------------------------------------------------------

/** What two messages prove together against their signer, if anything. The order of the two does not matter. */
export function conflictOf(first: Proposal | Vote, second: Proposal | Vote): Evidence | undefined {
  if (first.validator !== second.validator || first.height !== second.height) return undefined;
  if (first.kind === 'proposal' || second.kind === 'proposal') return doubleProposal(first, second);
  if (first.kind === second.kind) return doubleVote(first, second);
  return first.kind === 'precommit' ? amnesia(first, second) : amnesia(second, first);
}

/** E2. */
function doubleProposal(a: Proposal | Vote, b: Proposal | Vote): Evidence | undefined {
  if (a.kind !== 'proposal' || b.kind !== 'proposal') return undefined;
  if (a.round !== b.round || order(a, b) === 0) return undefined;
  const [first, second] = order(a, b) < 0 ? [a, b] : [b, a];
  return { kind: 'double-proposal', first, second };
}

/** E1. */
function doubleVote(a: Vote, b: Vote): Evidence | undefined {
  if (a.round !== b.round || order(a, b) === 0) return undefined;
  const [first, second] = order(a, b) < 0 ? [a, b] : [b, a];
  return { kind: 'double-vote', first, second };
}

/** E3. */
function amnesia(precommit: Vote, prevote: Vote): Evidence | undefined {
  const hasForgotten =
    precommit.blockId !== null &&
    prevote.blockId !== null &&
    prevote.blockId !== precommit.blockId &&
    prevote.round > precommit.round &&
    prevote.validRound < precommit.round;
  return hasForgotten ? { kind: 'amnesia', precommit, prevote } : undefined;
}

/** E4, of two commit certificates in form. */
export function attackOf(conflicting: CommitCertificate, committed: CommitCertificate): Evidence | undefined {
  const isAttack = conflicting.height === committed.height && conflicting.blockId !== committed.blockId;
  return isAttack ? { kind: 'light-client-attack', conflicting, committed } : undefined;
}

/** Nil first, then by block id, then by valid round: so that a pair has one order. 0 for messages that say the same. */
function order(a: UnsignedMessage, b: UnsignedMessage): number {
  if (a.blockId === b.blockId) return a.validRound - b.validRound;
  if (a.blockId === null || b.blockId === null) return a.blockId === null ? -1 : 1;
  return a.blockId < b.blockId ? -1 : 1;
}

// ---- Judging ---------------------------------------------------------------------------------------------------

export type EvidenceProblem = 'no-conflict' | CertificateProblem;

/** Why the evidence proves nothing, cheapest reasons first; undefined when it does. `set` is the one of its height. */
export function verifyEvidence(
  network: NetworkId,
  set: ValidatorSet,
  evidence: Evidence,
  verify: Verify,
): EvidenceProblem | undefined {
  if (messagesOf(evidence).some((message) => formProblem(message) !== undefined)) return 'malformed';
  if (again(evidence)?.kind !== evidence.kind) return 'no-conflict';
  if (evidence.kind === 'light-client-attack') {
    const { conflicting, committed } = evidence;
    return (
      checkCertificate(network, set, conflicting, verify) ?? checkCertificate(network, set, committed, verify)
    );
  }
  const [first, second] = pairOf(evidence);
  if (first.validator >= set.validators.length) return 'not-a-member';
  const areSigned = isSigned(network, set, first, verify) && isSigned(network, set, second, verify);
  return areSigned ? undefined : 'bad-signature';
}

/** The evidence that its messages make, found anew. */
function again(evidence: Evidence): Evidence | undefined {
  if (evidence.kind === 'light-client-attack') return attackOf(evidence.conflicting, evidence.committed);
  // Otherwise the two would be put in order, and what was given would still be the wrong way round.
  if (evidence.kind === 'amnesia' && evidence.precommit.kind !== 'precommit') return undefined;
  return conflictOf(...pairOf(evidence));
}

/** What a validator has done, whichever evidence proves it: nobody answers twice for the same. */
export interface Offence {
  readonly validator: ValidatorIndex;
  readonly height: number;
  readonly round: number;
  /** Said twice, or `amnesia`. */
  readonly kind: 'proposal' | 'prevote' | 'precommit' | 'amnesia';
}

/** What verified evidence proves, ascending by validator. Empty for a light-client attack across rounds. */
export function offencesOf(evidence: Evidence): readonly Offence[] {
  switch (evidence.kind) {
    case 'double-vote':
    case 'double-proposal': {
      const { validator, height, round, kind } = evidence.first;
      return [{ validator, height, round, kind }];
    }
    case 'amnesia': {
      const { validator, height, round } = evidence.prevote;
      return [{ validator, height, round, kind: 'amnesia' }];
    }
    case 'light-client-attack': {
      const { height, round } = evidence.committed;
      return signersOfBoth(evidence).map((validator) => ({ validator, height, round, kind: 'precommit' }));
    }
    default:
      return unreachable(evidence);
  }
}

function signersOfBoth(evidence: Evidence & { kind: 'light-client-attack' }): ValidatorIndex[] {
  const { conflicting, committed } = evidence;
  if (conflicting.round !== committed.round) return [];
  const others = new Set(conflicting.signatures.map(({ validator }) => validator));
  return committed.signatures.map(({ validator }) => validator).filter((validator) => others.has(validator));
}

export function guiltyOf(evidence: Evidence): readonly ValidatorIndex[] {
  return offencesOf(evidence).map(({ validator }) => validator);
}

/** Equal for equal offences: what to remember of those that were dealt with. */
export function offenceKey({ validator, height, round, kind }: Offence): string {
  return `${height}/${round}/${kind}/${validator}`;
}

// ---- Wire form -------------------------------------------------------------------------------------------------

const KIND_TAGS: Readonly<Record<Evidence['kind'], number>> = {
  'double-vote': 1,
  'double-proposal': 2,
  amnesia: 3,
  'light-client-attack': 4,
};

/** Of evidence that holds; the pair is put in order. */
export function encodeEvidence(evidence: Evidence): Uint8Array {
  const ordered = again(evidence);
  assert(ordered?.kind === evidence.kind, 'evidence that is sent holds a conflict');
  const messages = messagesOf(ordered);
  const length = messages.reduce((sum, message) => sum + messageLength(message), 0);
  const writer = new Writer(2 + length);
  writer.uint8(CONSENSUS_PROTOCOL);
  writer.uint8(KIND_TAGS[ordered.kind]);
  for (const message of messages) writeMessage(writer, message);
  return writer.finish();
}

/**
 * Throws INVALID_ENCODING unless `bytes` are what `encodeEvidence` makes of two messages in form that contradict each other.
 * Whether they are signed, and by a member, is for `verifyEvidence` to say.
 */
export function decodeEvidence(bytes: Uint8Array): Evidence {
  const reader = new Reader(bytes, 'consensus evidence');
  if (bytes.length > CONSENSUS_MESSAGE_LENGTH_MAX) throw reader.refusal(`it has ${bytes.length} bytes`);
  readProtocol(reader);
  const tag = reader.uint8();
  const first = readMessage(reader);
  const second = readMessage(reader);
  reader.end();
  const evidence = evidenceOf(first, second);
  if (evidence === undefined || KIND_TAGS[evidence.kind] !== tag)
    throw reader.refusal(`two messages are no evidence of kind ${tag}`);
  if (messagesOf(evidence)[0] !== first) throw reader.refusal('its messages are in the wrong order');
  return evidence;
}

function evidenceOf(first: Message, second: Message): Evidence | undefined {
  if (first.kind === 'commit-certificate' && second.kind === 'commit-certificate')
    return attackOf(first, second);
  return isSaid(first) && isSaid(second) ? conflictOf(first, second) : undefined;
}

function isSaid(message: Message): message is Proposal | Vote {
  return message.kind === 'proposal' || message.kind === 'prevote' || message.kind === 'precommit';
}

function messagesOf(evidence: Evidence): readonly [Message, Message] {
  return evidence.kind === 'light-client-attack'
    ? [evidence.conflicting, evidence.committed]
    : pairOf(evidence);
}

function pairOf(
  evidence: Exclude<Evidence, { kind: 'light-client-attack' }>,
): readonly [Proposal | Vote, Proposal | Vote] {
  switch (evidence.kind) {
    case 'double-vote':
      return [evidence.first, evidence.second];
    case 'double-proposal':
      return [evidence.first, evidence.second];
    case 'amnesia':
      return [evidence.precommit, evidence.prevote];
  }
}
