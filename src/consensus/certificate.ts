// Certificates: votes put together so that whoever was not there can check what they amount to. Accepted or refused as a
// whole (L6): distinct members, every single signature good, and weight enough. One bad signature refuses all of it; to
// drop it and count the rest would accept two encodings of one certificate, and bytes that nobody checked.

import { assert } from '../base/assert.ts';
import type { NetworkId } from '../base/ids.ts';
import type { Verify } from '../base/ports.ts';
import { formProblem } from './form.ts';
import { isSigned, signBytes } from './sign-bytes.ts';
import {
  type Certificate,
  type CertificateSignature,
  type CommitCertificate,
  NO_ROUND,
  type PolkaCertificate,
  type RoundCertificate,
  type ValidatorSet,
  type Vote,
} from './types.ts';
import { exceeds, powerOf, QUORUM, type Threshold, WEAK } from './validator-set.ts';

export type CertificateProblem = 'malformed' | 'not-a-member' | 'wrong-vote' | 'too-light' | 'bad-signature';

// ---- Making ----------------------------------------------------------------------------------------------------

/** Of all prevotes at hand, alike and of distinct validators. Whether they are enough is the caller's to know. */
export function polkaCertificate(votes: readonly Vote[]): PolkaCertificate {
  const { kind, height, round, blockId, validRound } = alike(votes);
  assert(kind === 'prevote' && blockId !== null, 'a polka is of prevotes for a block');
  const signatures = signaturesOf(votes);
  return checked({ kind: 'polka-certificate', height, round, blockId, validRound, signatures });
}

/** Of all precommits at hand, alike and of distinct validators. */
export function commitCertificate(votes: readonly Vote[]): CommitCertificate {
  const { kind, height, round, blockId } = alike(votes);
  assert(kind === 'precommit' && blockId !== null, 'a commit is of precommits for a block');
  return checked({ kind: 'commit-certificate', height, round, blockId, signatures: signaturesOf(votes) });
}

/** Of votes of distinct validators that each support `reason` for entering `round`. */
export function roundCertificate(
  round: number,
  reason: RoundCertificate['reason'],
  votes: readonly Vote[],
): RoundCertificate {
  assert(votes.length > 0, 'a certificate has votes');
  const { height } = votes[0]!;
  const certificate = { kind: 'round-certificate', height, round, reason, votes: ascending(votes) } as const;
  assert(
    votes.every((vote) => supports(certificate, vote)),
    'every vote supports the reason',
  );
  return checked(certificate);
}

function alike(votes: readonly Vote[]): Vote {
  const first = votes[0];
  assert(first !== undefined, 'a certificate has votes');
  assert(
    votes.every((vote) => saysTheSame(first, vote)),
    'the votes of a certificate are alike',
  );
  return first;
}

function saysTheSame(a: Vote, b: Vote): boolean {
  return (
    a.kind === b.kind &&
    a.height === b.height &&
    a.round === b.round &&
    a.blockId === b.blockId &&
    a.validRound === b.validRound
  );
}

function ascending(votes: readonly Vote[]): Vote[] {
  return votes.toSorted((a, b) => a.validator - b.validator);
}

function signaturesOf(votes: readonly Vote[]): CertificateSignature[] {
  return ascending(votes).map(({ validator, signature }) => ({ validator, signature }));
}

function checked<T extends Certificate>(certificate: T): T {
  assert(formProblem(certificate) === undefined, 'a certificate that is made is in form');
  return certificate;
}

// ---- Taking apart ----------------------------------------------------------------------------------------------

/** The votes that a certificate stands for. */
export function votesOf(certificate: Certificate): readonly Vote[] {
  if (certificate.kind === 'round-certificate') return certificate.votes;
  const { height, round, blockId } = certificate;
  const isPolka = certificate.kind === 'polka-certificate';
  const kind = isPolka ? 'prevote' : 'precommit';
  const validRound = isPolka ? certificate.validRound : NO_ROUND;
  return certificate.signatures.map(({ validator, signature }) => ({
    kind,
    height,
    round,
    blockId,
    validRound,
    validator,
    signature,
  }));
}

// ---- Checking --------------------------------------------------------------------------------------------------

/** Why the certificate is no good, cheapest reasons first; undefined when it is. `set` is the one of its height. */
export function checkCertificate(
  network: NetworkId,
  set: ValidatorSet,
  certificate: Certificate,
  verify: Verify,
): CertificateProblem | undefined {
  if (formProblem(certificate) !== undefined) return 'malformed';
  const signers = certificate.kind === 'round-certificate' ? certificate.votes : certificate.signatures;
  // In form they ascend, so the last one stands for all.
  if (signers.at(-1)!.validator >= set.validators.length) return 'not-a-member';
  if (
    certificate.kind === 'round-certificate' &&
    !certificate.votes.every((vote) => supports(certificate, vote))
  )
    return 'wrong-vote';
  const power = signers.reduce((sum, { validator }) => sum + powerOf(set, validator), 0n);
  if (!exceeds(thresholdOf(certificate), power, set.totalPower)) return 'too-light';
  return areSigned(network, set, certificate, verify) ? undefined : 'bad-signature';
}

function supports(certificate: RoundCertificate, vote: Vote): boolean {
  switch (certificate.reason) {
    case 'precommit-any':
      return vote.kind === 'precommit' && vote.round === certificate.round - 1;
    case 'skip':
      return vote.round >= certificate.round;
  }
}

function thresholdOf(certificate: Certificate): Threshold {
  return certificate.kind === 'round-certificate' && certificate.reason === 'skip' ? WEAK : QUORUM;
}

function areSigned(network: NetworkId, set: ValidatorSet, certificate: Certificate, verify: Verify): boolean {
  const votes = votesOf(certificate);
  if (certificate.kind === 'round-certificate')
    return votes.every((vote) => isSigned(network, set, vote, verify));
  // One text for all of them.
  const text = signBytes(network, votes[0]!);
  return votes.every((vote) => verify(set.validators[vote.validator]!.node, text, vote.signature));
}
