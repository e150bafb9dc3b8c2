// The border: what a message must pass before the engine sees it. Cheapest check first, signatures last. `ignore` is for
// what an honest validator may send though it is of no use here; `reject` for what none ever sends.
//
// What only the engine knows is left to it: one slot per validator for votes of rounds far ahead, two proposals of a round.
// Its word that a message is known already spares a signature, and nothing else depends on it.

import type { NetworkId } from '../base/ids.ts';
import type { Verify } from '../base/ports.ts';
import { type CertificateProblem, checkCertificate } from './certificate.ts';
import { formProblem } from './form.ts';
import { isVote } from './message-kinds.ts';
import { proposerAt } from './proposer.ts';
import { isSigned } from './sign-bytes.ts';
import type { HeightStart, Message, Proposal, Vote } from './types.ts';

declare const verified: unique symbol;

/** A message that passed `verifyMessage` for the height that it names. */
export type Verified<T extends Message> = T & { readonly [verified]: true };

export interface VerifyContext {
  readonly network: NetworkId;
  /** Where this validator stands. */
  readonly height: number;
  readonly round: number;
  /** Who votes and proposes at a height, as far as it is known here: this one, the next, some below. */
  startOf(height: number): Pick<HeightStart, 'validators' | 'proposers'> | undefined;
  readonly verify: Verify;
  /** Whether the engine has such a message: of this signer, place and content, whatever its signature. */
  isKnown?(message: Message): boolean;
}

export type Verdict =
  | { readonly verdict: 'accept'; readonly message: Verified<Message> }
  | { readonly verdict: 'ignore'; readonly reason: IgnoreReason }
  | { readonly verdict: 'reject'; readonly reason: RejectReason };

/** `over`: the height or round is past. `ahead`: of a height whose validators are not known yet. */
export type IgnoreReason = 'over' | 'ahead' | 'known';
export type RejectReason = CertificateProblem | 'not-the-proposer';

/** Never throws on what `decodeMessage` gave. */
export function verifyMessage(context: VerifyContext, message: Message): Verdict {
  if (formProblem(message) !== undefined) return { verdict: 'reject', reason: 'malformed' };
  const start = context.startOf(message.height);
  const useless = uselessness(context, message, start !== undefined);
  if (useless !== undefined) return { verdict: 'ignore', reason: useless };
  const problem = problemOf(context, start!, message);
  if (problem !== undefined) return { verdict: 'reject', reason: problem };
  return { verdict: 'accept', message: message as Verified<Message> };
}

function uselessness(
  context: VerifyContext,
  message: Message,
  isKnownHeight: boolean,
): IgnoreReason | undefined {
  const { height, round } = context;
  if (message.height > height + 1) return 'ahead';
  if (message.height < height) {
    // A vote from below tells that its signer needs the decision (L7), so it must prove to be that signer's.
    if (!isKnownHeight || !isVote(message)) return 'over';
  } else if (!isKnownHeight) return 'ahead';
  const isEntered =
    message.kind === 'round-certificate' && message.height === height && message.round <= round;
  if (isEntered) return 'over';
  return context.isKnown?.(message) === true ? 'known' : undefined;
}

function problemOf(
  context: VerifyContext,
  start: Pick<HeightStart, 'validators' | 'proposers'>,
  message: Message,
): RejectReason | undefined {
  switch (message.kind) {
    case 'proposal':
      if (message.validator !== proposerAt(start.proposers, message.height, message.round))
        return 'not-the-proposer';
      return signatureProblem(context, start, message);
    case 'prevote':
    case 'precommit':
      return signatureProblem(context, start, message);
    case 'polka-certificate':
    case 'commit-certificate':
    case 'round-certificate':
      return checkCertificate(context.network, start.validators, message, context.verify);
  }
}

function signatureProblem(
  context: VerifyContext,
  start: Pick<HeightStart, 'validators'>,
  message: Proposal | Vote,
): RejectReason | undefined {
  if (message.validator >= start.validators.validators.length) return 'not-a-member';
  return isSigned(context.network, start.validators, message, context.verify) ? undefined : 'bad-signature';
}
