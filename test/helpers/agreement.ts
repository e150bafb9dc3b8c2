// Words of agreement for tests: small sets, votes, proposals, certificates and the start of a height. Signatures are bytes that
// nobody checks, because the engine gets verified messages only; the border has tests of its own.

import { assert } from '../../src/base/assert.ts';
import type { NodeId, Signature } from '../../src/base/ids.ts';
import {
  type BlockId,
  type CertificateSignature,
  type CommitCertificate,
  type HeightStart,
  type Message,
  NO_ROUND,
  type PolkaCertificate,
  type Proposal,
  type ProposerSchedule,
  type RoundCertificate,
  type UnsignedMessage,
  type ValidatorIndex,
  type ValidatorSet,
  type Vote,
  type VoteKind,
  type VoteValue,
} from '../../src/consensus/types.ts';
import { validatorSet } from '../../src/consensus/validator-set.ts';

export const HEIGHT = 1;

/** A block named by one hex digit. */
export function block(name: string): BlockId {
  assert(/^[0-9a-f]$/.test(name), 'the name of a block is one hex digit');
  return name.repeat(64) as BlockId;
}

export const A: BlockId = block('a');
export const B: BlockId = block('b');
export const C: BlockId = block('c');

export const nameOf = (value: VoteValue): string =>
  value === null ? 'nil' : value.slice(0, 1).toUpperCase();

/** The validators 0, 1, 2, ... with these powers. */
export function setOf(...powers: readonly (number | bigint)[]): ValidatorSet {
  return validatorSet(
    powers.map((power, index) => ({
      node: new Uint8Array(32).fill(index + 1) as NodeId,
      power: BigInt(power),
    })),
  );
}

/** Proposers of the rounds 0, 1, 2, ... of `HEIGHT`, again from the front when they are used up. */
export const proposersFrom = (...slots: readonly ValidatorIndex[]): ProposerSchedule => ({
  firstHeight: HEIGHT,
  slots,
});

/** Of four equal validators of whom 0 proposes first and then each in turn; `self` is 0. */
export function heightStart(changes: Partial<HeightStart> = {}): HeightStart {
  const validators = changes.validators ?? setOf(1, 1, 1, 1);
  const proposers = proposersFrom(...validators.validators.keys());
  return { height: HEIGHT, validators, proposers, self: 0, ...changes };
}

const SIGNATURES: readonly Signature[] = Array.from(
  { length: 100 },
  (_, index) => new Uint8Array(64).fill(index) as Signature,
);

export const signed = <M extends UnsignedMessage>(message: M): M & { readonly signature: Signature } => ({
  ...message,
  signature: SIGNATURES[message.validator]!,
});

export interface VoteOptions {
  readonly validRound?: number;
  readonly height?: number;
}

export function vote(
  kind: VoteKind,
  validator: ValidatorIndex,
  round: number,
  blockId: VoteValue,
  { validRound = NO_ROUND, height = HEIGHT }: VoteOptions = {},
): Vote {
  return signed({ kind, height, round, blockId, validRound, validator });
}

export const prevote = (
  validator: ValidatorIndex,
  round: number,
  blockId: VoteValue,
  options: VoteOptions = {},
): Vote => vote('prevote', validator, round, blockId, options);

export const precommit = (
  validator: ValidatorIndex,
  round: number,
  blockId: VoteValue,
  options: VoteOptions = {},
): Vote => vote('precommit', validator, round, blockId, options);

export function proposal(
  validator: ValidatorIndex,
  round: number,
  blockId: BlockId,
  { validRound = NO_ROUND, height = HEIGHT }: VoteOptions = {},
): Proposal {
  return signed({ kind: 'proposal', height, round, blockId, validRound, validator });
}

const signatures = (signers: readonly ValidatorIndex[]): CertificateSignature[] =>
  signers.map((validator) => ({ validator, signature: SIGNATURES[validator]! }));

export function polka(
  round: number,
  blockId: BlockId,
  signers: readonly ValidatorIndex[],
  { validRound = NO_ROUND, height = HEIGHT }: VoteOptions = {},
): PolkaCertificate {
  return { kind: 'polka-certificate', height, round, blockId, validRound, signatures: signatures(signers) };
}

export function commit(
  round: number,
  blockId: BlockId,
  signers: readonly ValidatorIndex[],
  { height = HEIGHT }: VoteOptions = {},
): CommitCertificate {
  return { kind: 'commit-certificate', height, round, blockId, signatures: signatures(signers) };
}

export function roundReason(
  round: number,
  reason: RoundCertificate['reason'],
  votes: readonly Vote[],
): RoundCertificate {
  return { kind: 'round-certificate', height: votes[0]!.height, round, reason, votes };
}

/** Every order of `items`. */
export function* ordersOf<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length === 0) yield [];
  for (const [index, first] of items.entries()) {
    for (const rest of ordersOf(items.toSpliced(index, 1))) yield [first, ...rest];
  }
}

/** One line that says it all, for titles, failures and transcripts. */
export function say(message: Message | UnsignedMessage): string {
  const place = `${message.height}/${message.round}`;
  switch (message.kind) {
    case 'proposal':
    case 'prevote':
    case 'precommit': {
      const claim = message.validRound === NO_ROUND ? '' : ` on polka ${message.validRound}`;
      return `${message.kind} ${place} ${nameOf(message.blockId)}${claim} by ${message.validator}`;
    }
    case 'polka-certificate': {
      const claim = message.validRound === NO_ROUND ? '' : ` on polka ${message.validRound}`;
      return `polka ${place} ${nameOf(message.blockId)}${claim} of ${signersOf(message)}`;
    }
    case 'commit-certificate':
      return `commit ${place} ${nameOf(message.blockId)} of ${signersOf(message)}`;
    case 'round-certificate': {
      const votes = message.votes.map(
        (one) => `${one.kind} ${one.round} ${nameOf(one.blockId)} by ${one.validator}`,
      );
      return `reason ${place} ${message.reason}: ${votes.join(', ')}`;
    }
  }
}

const signersOf = (certificate: PolkaCertificate | CommitCertificate): string =>
  certificate.signatures.map(({ validator }) => validator).join(' ');
