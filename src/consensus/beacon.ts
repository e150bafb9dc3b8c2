// Where seeds come from: each validator commits to the end of a hash chain beforehand, each block carries its proposer's
// next preimage, and every preimage is mixed into the value from which the next epoch's seed follows.
//
// - A reveal is fixed by the commitment. Nothing a proposer may choose (transactions, time, round) enters the mix.
// - It is always the one next preimage, checked by one hash. A slot without a reveal leaves mix and chain as they were: were
//   the position to move on with missed slots, a validator could choose among preimages by missing some.
// - So at a block there are two outcomes, revealed or not. One validator that holds the last k slots of an epoch chooses
//   among k + 1 mixes (only how many it reveals matters), a coalition among at most 2^k. A reveal that was shown in a failed
//   proposal is known before its turn and so hides nothing from the coalition's slot before it: k counts such slots too.
// - Order in time: set(e + 2) is frozen with the last block of e, seed(e + 2) follows from the mix after the last block of
//   e + 1. Stake is fixed for a whole epoch before anybody can know how the draw will fall.
//
// Left to others: keeping the secret (the node), penalties for `withheld` and for missed proposals (the ledger; without
// them, choosing among outcomes would be free), and carrying reveals and commitments (the block).

import { assert } from '../base/assert.ts';
import { equal } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import { digest, portableSha256, type Sha256 } from '../base/hash.ts';
import { DIGEST_LENGTH, type Digest, type Epoch, type NetworkId, type NodeId } from '../base/ids.ts';
import { BEACON_CHAIN_LENGTH_MAX, BEACON_CHAIN_SPACING } from '../base/limits.ts';
import type { ValidatorSet } from './types.ts';

// ---- Public side: what everybody checks --------------------------------------------------------------------------

/** Whose chain it is: part of every hash, so that one cannot commit to another's chain, nor use one in two networks. */
export interface ChainOwner {
  readonly network: NetworkId;
  readonly node: NodeId;
}

/** A chain as the others know it: the value that the next reveal must hash to, and how many reveals are left. */
export interface ChainPosition {
  readonly tip: Digest;
  readonly remaining: number;
}

/** A validator's standing in the beacon. The chain in force is `pending` from its epoch on, `current` before. */
export interface Contributor {
  readonly current: ChainPosition | undefined;
  readonly pending: (ChainPosition & { readonly fromEpoch: Epoch }) | undefined;
}

/** What a block does to the beacon. `refused` makes the block invalid; the others leave it valid. */
export type Contribution =
  | { readonly kind: 'revealed'; readonly mix: Digest; readonly contributor: Contributor }
  /** It had something to reveal: to be treated like a missed proposal, for it is as good a way to bend the seed. */
  | { readonly kind: 'withheld' }
  /** Its chain is exhausted or not yet in force. */
  | { readonly kind: 'excused' }
  | { readonly kind: 'refused'; readonly reason: 'not-the-next-preimage' | 'nothing-committed' };

/** Judges the reveal, or its absence (null), in a block of `epoch` that `owner` proposed on top of `mix`. */
export function contribute(
  owner: ChainOwner,
  contributor: Contributor,
  epoch: Epoch,
  mix: Digest,
  reveal: Uint8Array | null,
  sha256: Sha256 = portableSha256,
): Contribution {
  const position = positionIn(contributor, epoch);
  const canReveal = position !== undefined && position.remaining > 0;
  if (reveal === null) return { kind: canReveal ? 'withheld' : 'excused' };
  if (!canReveal) return { kind: 'refused', reason: 'nothing-committed' };
  if (!isNext(owner, position, reveal, sha256)) return { kind: 'refused', reason: 'not-the-next-preimage' };
  const tip = reveal.slice() as Digest;
  return {
    kind: 'revealed',
    mix: digest('beacon-mix', [mix, tip], sha256),
    contributor: {
      current: { tip, remaining: position.remaining - 1 },
      pending: isInForce(contributor, epoch) ? undefined : contributor.pending,
    },
  };
}

function isNext(owner: ChainOwner, position: ChainPosition, reveal: Uint8Array, sha256: Sha256): boolean {
  return reveal.length === DIGEST_LENGTH && equal(linkAfter(owner, reveal, sha256), position.tip);
}

/** The chain in force in `epoch`, which is no earlier than any epoch the contributor was used with before. */
export function positionIn(contributor: Contributor, epoch: Epoch): ChainPosition | undefined {
  const { current, pending } = contributor;
  if (pending === undefined || !isInForce(contributor, epoch)) return current;
  return { tip: pending.tip, remaining: pending.remaining };
}

const isInForce = (contributor: Contributor, epoch: Epoch): boolean =>
  contributor.pending !== undefined && epoch >= contributor.pending.fromEpoch;

/** A validator of the genesis: its chain is in force from the first block on. Throws INVALID_ARGUMENT. */
export function foundingContributor(commitment: ChainPosition): Contributor {
  checkCommitment(commitment);
  return { current: { ...commitment }, pending: undefined };
}

/**
 * A commitment posted in a block of `epoch`: the first of a validator (`contributor` undefined), or a new one because the old
 * chain ends or is lost. In force from the next epoch on, so that reveals nobody knew yet stand between its choice and a seed
 * it bears on. Until then the old chain stays in force: else re-committing would excuse from revealing. Of several in one
 * epoch the last counts. Throws INVALID_ARGUMENT.
 */
export function commitChain(
  contributor: Contributor | undefined,
  commitment: ChainPosition,
  epoch: Epoch,
): Contributor {
  checkCommitment(commitment);
  const fromEpoch = (epoch + 1) as Epoch;
  return {
    current: contributor === undefined ? undefined : positionIn(contributor, epoch),
    pending: { tip: commitment.tip, remaining: commitment.remaining, fromEpoch },
  };
}

function checkCommitment({ tip, remaining }: ChainPosition): void {
  if (tip.length !== DIGEST_LENGTH) {
    throw new StoreError('INVALID_ARGUMENT', `reveal chain: its end has ${tip.length} bytes, not 32`);
  }
  if (!Number.isInteger(remaining) || remaining < 1 || remaining > BEACON_CHAIN_LENGTH_MAX) {
    throw new StoreError(
      'INVALID_ARGUMENT',
      `reveal chain: its length is ${remaining}, it must be 1 to ${BEACON_CHAIN_LENGTH_MAX}`,
    );
  }
}

// ---- Seeds ---------------------------------------------------------------------------------------------------------

/** The mix before the first block. */
export function foundingMix(network: NetworkId, sha256: Sha256 = portableSha256): Digest {
  return digest('beacon-mix', [network], sha256);
}

/** seed(epoch) from the mix after the last block of epoch - 1; of epoch 0, from the founding mix. */
export function epochSeed(
  network: NetworkId,
  epoch: Epoch,
  mix: Digest,
  sha256: Sha256 = portableSha256,
): Digest {
  assert(Number.isSafeInteger(epoch) && epoch >= 0, 'an epoch is a count from 0');
  const number = new Uint8Array(8);
  new DataView(number.buffer).setBigUint64(0, BigInt(epoch));
  return digest('beacon-seed', [network, number, mix], sha256);
}

/** The sets that are settled while `epoch` runs: its own, and that of the epoch after it. Both are the genesis set at first. */
export interface SettledSets {
  readonly epoch: Epoch;
  readonly current: ValidatorSet;
  readonly next: ValidatorSet;
}

/** With the last block of `settled.epoch`: the stake of this moment becomes the set of the epoch after the next. */
export function crossBorder(settled: SettledSets, stakeNow: ValidatorSet): SettledSets {
  return { epoch: (settled.epoch + 1) as Epoch, current: settled.next, next: stakeNow };
}

// ---- Secret side: what the validator keeps ---------------------------------------------------------------------------

/**
 * A validator's own chain, as secret as its key. link(0) = H(secret), link(i + 1) = H(link(i)), and link(length) is the
 * committed end. Every BEACON_CHAIN_SPACING-th link is kept: memory stays small, and a reveal costs at most that many hashes.
 */
export interface RevealChain {
  readonly owner: ChainOwner;
  readonly commitment: ChainPosition;
  readonly kept: readonly Digest[];
}

/**
 * The chain of `length` reveals from a secret of 32 random bytes, which must serve no other chain or purpose: links that were
 * shown once are known to all. Costs `length` hashes at once, a few microseconds each. Throws INVALID_ARGUMENT.
 */
export function revealChain(
  owner: ChainOwner,
  secret: Uint8Array,
  length: number,
  sha256: Sha256 = portableSha256,
): RevealChain {
  assert(secret.length === DIGEST_LENGTH, 'the secret of a chain has 32 bytes');
  checkCommitment({ tip: secret as Digest, remaining: length });
  const kept: Digest[] = [];
  let link = linkAfter(owner, secret, sha256);
  for (let index = 0; index < length; index++) {
    if (index % BEACON_CHAIN_SPACING === 0) kept.push(link);
    link = linkAfter(owner, link, sha256);
  }
  return { owner, commitment: { tip: link, remaining: length }, kept };
}

/**
 * What the chain's owner reveals in its next block when the others know `position`; undefined when this is not the chain that
 * they know or nothing is left of it, so that an honest validator never makes a block that is refused.
 */
export function nextReveal(
  chain: RevealChain,
  position: ChainPosition,
  sha256: Sha256 = portableSha256,
): Digest | undefined {
  const index = position.remaining - 1;
  if (index < 0 || index >= chain.commitment.remaining) return undefined;
  let link = chain.kept[Math.floor(index / BEACON_CHAIN_SPACING)]!;
  for (let steps = index % BEACON_CHAIN_SPACING; steps > 0; steps--) {
    link = linkAfter(chain.owner, link, sha256);
  }
  return isNext(chain.owner, position, link, sha256) ? link : undefined;
}

function linkAfter(owner: ChainOwner, link: Uint8Array, sha256: Sha256): Digest {
  return digest('beacon-reveal', [owner.network, owner.node, link], sha256);
}
