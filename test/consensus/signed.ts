// Validators with real keys and what they sign, for tests of wire forms, certificates, the border and evidence.

import fc from 'fast-check';
import { compare } from '../../src/base/bytes.ts';
import type { NetworkId, NodeId, Signature } from '../../src/base/ids.ts';
import { HEIGHT_MAX, ROUND_MAX, VALIDATORS_MAX } from '../../src/base/limits.ts';
import type { Signer } from '../../src/base/ports.ts';
import { signBytes } from '../../src/consensus/sign-bytes.ts';
import type {
  BlockId,
  CertificateSignature,
  Message,
  Proposal,
  RoundCertificate,
  UnsignedMessage,
  UnsignedVote,
  ValidatorSet,
  Vote,
} from '../../src/consensus/types.ts';
import { validatorSet } from '../../src/consensus/validator-set.ts';
import { nativeSigner } from '../../src/runtime/crypto.ts';
import { digestFrom } from '../helpers/records.ts';

export const network: NetworkId = digestFrom<NetworkId>('network');
export const A = 'aa'.repeat(32) as BlockId;
export const B = 'bb'.repeat(32) as BlockId;
export const C = '0c'.repeat(32) as BlockId;

/** Validator i of the set has `powers[i]` and signs with `signers[i]`. */
export interface Cast {
  readonly set: ValidatorSet;
  readonly signers: readonly Signer[];
}

export function castOf(...powers: readonly number[]): Cast {
  const signers = powers
    .map((_, index) => nativeSigner(digestFrom(`validator ${index}`)))
    .sort((a, b) => compare(a.publicKey, b.publicKey));
  const validators = signers.map((signer, index) => ({
    node: signer.publicKey as NodeId,
    power: BigInt(powers[index]!),
  }));
  return { set: validatorSet(validators), signers };
}

export function signed<T extends UnsignedMessage>(
  cast: Cast,
  message: T,
  on: NetworkId = network,
): T & { readonly signature: Signature } {
  return { ...message, signature: cast.signers[message.validator]!.sign(signBytes(on, message)) };
}

export function vote(cast: Cast, validator: number, fields: Partial<UnsignedVote> = {}): Vote {
  const plain = { kind: 'prevote', height: 5, round: 2, blockId: A, validRound: -1 } as const;
  return signed(cast, { ...plain, validator, ...fields });
}

export const precommit = (cast: Cast, validator: number, fields: Partial<UnsignedVote> = {}): Vote =>
  vote(cast, validator, { kind: 'precommit', ...fields });

export function proposal(cast: Cast, validator: number, fields: Partial<Proposal> = {}): Proposal {
  const plain = { kind: 'proposal', height: 5, round: 2, blockId: A, validRound: -1 } as const;
  return signed(cast, { ...plain, validator, ...fields });
}

/** One bit of the signature turned. */
export function forged<T extends { readonly signature: Signature }>(message: T): T {
  const signature = Uint8Array.from(message.signature);
  signature[20]! ^= 1;
  return { ...message, signature: signature as Signature };
}

// ---- Any message in form, with noise for signatures ------------------------------------------------------------

const heights = fc.oneof(fc.integer({ min: 0, max: HEIGHT_MAX }), fc.constantFrom(0, 1, HEIGHT_MAX));
const rounds = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constantFrom(ROUND_MAX - 1, ROUND_MAX));
const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Uint8Array.from(array));
const blockIds = bytes(32).map((array) => Buffer.from(array).toString('hex') as BlockId);
const validators = fc.integer({ min: 0, max: VALIDATORS_MAX - 1 });
const signature = bytes(64) as fc.Arbitrary<Signature>;
const validRoundBelow = (round: number): fc.Arbitrary<number> => fc.integer({ min: -1, max: round - 1 });

export const anyProposal: fc.Arbitrary<Proposal> = rounds.chain((round) =>
  fc.record({
    kind: fc.constant('proposal' as const),
    height: heights,
    round: fc.constant(round),
    blockId: blockIds,
    validRound: validRoundBelow(round),
    validator: validators,
    signature,
  }),
);

export const anyVote: fc.Arbitrary<Vote> = fc
  .tuple(fc.constantFrom('prevote' as const, 'precommit' as const), rounds, fc.option(blockIds))
  .chain(([kind, round, blockId]) =>
    fc.record({
      kind: fc.constant(kind),
      height: heights,
      round: fc.constant(round),
      blockId: fc.constant(blockId),
      validRound: kind === 'prevote' && blockId !== null ? validRoundBelow(round) : fc.constant(-1),
      validator: validators,
      signature,
    }),
  );

/** Distinct signers in ascending order, 1 to `maxLength` of them. */
function ascending<T extends { readonly validator: number }>(
  item: fc.Arbitrary<T>,
  maxLength: number,
): fc.Arbitrary<T[]> {
  return fc
    .uniqueArray(item, { minLength: 1, maxLength, selector: ({ validator }) => validator })
    .map((list) => list.sort((a, b) => a.validator - b.validator));
}

const signatures: fc.Arbitrary<CertificateSignature[]> = ascending(
  fc.record({ validator: validators, signature }),
  8,
);

const anyRoundCertificate: fc.Arbitrary<RoundCertificate> = fc
  .record({
    kind: fc.constant('round-certificate' as const),
    height: heights,
    round: rounds.map((round) => Math.max(1, round)),
    reason: fc.constantFrom('precommit-any' as const, 'skip' as const),
    votes: ascending(anyVote, 8),
  })
  .map((certificate) => ({
    ...certificate,
    votes: certificate.votes.map((each) => ({ ...each, height: certificate.height })),
  }));

export const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  anyProposal,
  anyVote,
  rounds.chain((round) =>
    fc.record({
      kind: fc.constant('polka-certificate' as const),
      height: heights,
      round: fc.constant(round),
      blockId: blockIds,
      validRound: validRoundBelow(round),
      signatures,
    }),
  ),
  fc.record({
    kind: fc.constant('commit-certificate' as const),
    height: heights,
    round: rounds,
    blockId: blockIds,
    signatures,
  }),
  anyRoundCertificate,
);
