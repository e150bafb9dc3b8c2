// What a message must be by itself, whoever said it: numbers within their ranges, signers distinct and in ascending order,
// a valid round below the round, and none where none belongs. Encoding, signing and the border ask the same question here.

import { HEIGHT_MAX, ROUND_MAX, VALIDATORS_MAX } from '../base/limits.ts';
import {
  type Message,
  NO_ROUND,
  type PolkaCertificate,
  type RoundCertificate,
  type UnsignedMessage,
} from './types.ts';

/** The rule that `message` breaks, or undefined. Does not look at signatures and ids, which are checked where they are made. */
export function formProblem(message: Message | UnsignedMessage): string | undefined {
  if (!isWithin(message.height, 0, HEIGHT_MAX)) return 'the height is out of range';
  if (!isWithin(message.round, 0, ROUND_MAX)) return 'the round is out of range';
  switch (message.kind) {
    case 'proposal':
    case 'prevote':
    case 'precommit':
      return signerProblem(message.validator) ?? validRoundProblem(message);
    case 'polka-certificate':
      return validRoundProblem(message) ?? signersProblem(message.signatures);
    case 'commit-certificate':
      return signersProblem(message.signatures);
    case 'round-certificate':
      return votesProblem(message);
  }
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function signerProblem(validator: number): string | undefined {
  return isWithin(validator, 0, VALIDATORS_MAX - 1) ? undefined : 'a signer is out of range';
}

function validRoundProblem(message: UnsignedMessage | PolkaCertificate): string | undefined {
  const isFree = message.kind !== 'precommit' && message.blockId !== null;
  const most = isFree ? message.round - 1 : NO_ROUND;
  return isWithin(message.validRound, NO_ROUND, most) ? undefined : 'the valid round is out of range';
}

function signersProblem(signers: readonly { readonly validator: number }[]): string | undefined {
  if (signers.length === 0 || signers.length > VALIDATORS_MAX) return `it has ${signers.length} signers`;
  let previous = -1;
  for (const { validator } of signers) {
    const problem = signerProblem(validator);
    if (problem !== undefined) return problem;
    if (validator <= previous) return 'signers are repeated or not in ascending order';
    previous = validator;
  }
  return undefined;
}

function votesProblem(certificate: RoundCertificate): string | undefined {
  if (certificate.round === 0) return 'round 0 needs no reason';
  const problem = signersProblem(certificate.votes);
  if (problem !== undefined) return problem;
  for (const vote of certificate.votes) {
    if (vote.height !== certificate.height) return 'a vote is of another height';
    const problem = formProblem(vote);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
