// The validators of a height and what their weights amount to. Power is bigint and thresholds are exact fractions
// compared in integers, so that no rounding ever decides.

import { assert } from '../base/assert.ts';
import { compare } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import { digest, portableSha256, type Sha256 } from '../base/hash.ts';
import { DIGEST_LENGTH, type Digest } from '../base/ids.ts';
import { VALIDATORS_MAX, VOTING_POWER_MAX } from '../base/limits.ts';
import type { Validator, ValidatorIndex, ValidatorSet } from './types.ts';

/** A share of all power that must be exceeded, never merely met. */
export interface Threshold {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** More than two thirds: any two such sets share honest power while less than a third of all is dishonest. */
export const QUORUM: Threshold = { numerator: 2n, denominator: 3n };
/** More than one third: at least one of such a set is honest. */
export const WEAK: Threshold = { numerator: 1n, denominator: 3n };

export function exceeds(threshold: Threshold, power: bigint, totalPower: bigint): boolean {
  return power * threshold.denominator > totalPower * threshold.numerator;
}

export const isQuorum = (set: ValidatorSet, power: bigint): boolean => exceeds(QUORUM, power, set.totalPower);

export const isWeak = (set: ValidatorSet, power: bigint): boolean => exceeds(WEAK, power, set.totalPower);

/** The set of `validators` in any order. Throws INVALID_ARGUMENT when it is empty or too large, or one of it is unsound. */
export function validatorSet(validators: readonly Validator[]): ValidatorSet {
  const sorted = [...validators].sort((a, b) => compare(a.node, b.node));
  const totalPower = sorted.reduce((sum, validator) => sum + validator.power, 0n);
  const problem = problemOf(sorted, totalPower);
  if (problem !== undefined) throw new StoreError('INVALID_ARGUMENT', `validator set: ${problem}`);
  return { validators: sorted, totalPower };
}

function problemOf(sorted: readonly Validator[], totalPower: bigint): string | undefined {
  if (sorted.length === 0) return 'it is empty';
  if (sorted.length > VALIDATORS_MAX)
    return `${sorted.length} validators, at most ${VALIDATORS_MAX} are allowed`;
  if (sorted.some((validator) => validator.node.length !== DIGEST_LENGTH))
    return `a node id has other than ${DIGEST_LENGTH} bytes`;
  if (sorted.some((validator) => validator.power < 1n)) return 'a validator has no power';
  if (totalPower > VOTING_POWER_MAX) return `total power ${totalPower} is above ${VOTING_POWER_MAX}`;
  const isRepeated = sorted.some(
    (validator, index) => index > 0 && compare(sorted[index - 1]!.node, validator.node) === 0,
  );
  return isRepeated ? 'a validator stands in it twice' : undefined;
}

export function powerOf(set: ValidatorSet, index: ValidatorIndex): bigint {
  const validator = set.validators[index];
  assert(validator !== undefined, 'a validator index lies within its set');
  return validator.power;
}

/** Position of `node` in the set, or undefined when it has no vote. */
export function indexOf(set: ValidatorSet, node: Uint8Array): ValidatorIndex | undefined {
  const index = set.validators.findIndex((validator) => compare(validator.node, node) === 0);
  return index === -1 ? undefined : index;
}

const POWER_LENGTH = 8;

/**
 * The one digest of a set, whatever order it was given in: of uint32 count, then node id and uint64 power of each in the order of
 * the set, big-endian. By it a light client knows that the set it was given is the right one.
 */
export function validatorSetDigest(set: ValidatorSet, sha256: Sha256 = portableSha256): Digest {
  const entryLength = DIGEST_LENGTH + POWER_LENGTH;
  const bytes = new Uint8Array(4 + set.validators.length * entryLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, set.validators.length);
  for (const [index, { node, power }] of set.validators.entries()) {
    const offset = 4 + index * entryLength;
    bytes.set(node, offset);
    view.setBigUint64(offset + DIGEST_LENGTH, power);
  }
  return digest('validator-set', [bytes], sha256);
}
