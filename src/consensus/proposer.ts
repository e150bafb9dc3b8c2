// Who proposes when. A schedule is a pure function of (validator set, seed) and holds for an epoch; nothing about it is
// kept from height to height. A light client recomputes it from the two things that the epoch record fixes: it checks the
// set against `validatorSetDigest`, brings it into order with `validatorSet`, and calls `proposerSchedule`.
//
// The schedule does not hash the set: the set is frozen a whole epoch before anybody knows the seed (`beacon.ts`), so
// nobody can shape the one after the other. With share = power * slots / total power, over one walk through the slots:
// - a validator proposes floor(share) or ceil(share) times, and `share` times on average over seeds, exactly;
// - so whoever has share >= 1 appears, and validators with less than a third of the power hold less than a third of the
//   slots plus one each: a height whose proposers are silent reaches one that is not.

import { assert } from '../base/assert.ts';
import { apportion, DrawStream, shuffled } from '../base/draw.ts';
import { portableSha256, type Sha256 } from '../base/hash.ts';
import type { Digest } from '../base/ids.ts';
import { HEIGHT_MAX, PROPOSER_SLOTS_MIN, PROPOSER_SLOTS_PER_VALIDATOR, ROUND_MAX } from '../base/limits.ts';
import type { ProposerSchedule, ValidatorIndex, ValidatorSet } from './types.ts';

/** The proposer of (height, round). Rounds walk on through the same slots, so that no silent proposer is met for ever. */
export function proposerAt(schedule: ProposerSchedule, height: number, round: number): ValidatorIndex {
  assert(isWithin(height, schedule.firstHeight, HEIGHT_MAX), 'a height lies in the epoch of its schedule');
  assert(isWithin(round, 0, ROUND_MAX), 'a round is a count from 0');
  // Below 2^48 + 2^31: exact.
  return schedule.slots[(height - schedule.firstHeight + round) % schedule.slots.length]!;
}

const isWithin = (value: number, first: number, last: number): boolean =>
  Number.isInteger(value) && value >= first && value <= last;

/**
 * The schedule of the epoch that begins at `firstHeight`. One stream under the domain `proposer-schedule` first deals the slots
 * out by power, then shuffles them. Takes some 1200 draws.
 */
export function proposerSchedule(
  set: ValidatorSet,
  seed: Digest,
  firstHeight: number,
  sha256: Sha256 = portableSha256,
): ProposerSchedule {
  assert(isWithin(firstHeight, 0, HEIGHT_MAX), 'an epoch begins at a height');
  const stream = new DrawStream('proposer-schedule', seed, sha256);
  const powers = set.validators.map((validator) => validator.power);
  const counts = apportion(powers, slotCount(powers.length), stream);
  const inOrder = counts.flatMap((count, index) => Array.from({ length: count }, () => index));
  return { firstHeight, slots: shuffled(inOrder, stream) };
}

/** L: slots of a schedule of so many validators. */
export function slotCount(validatorCount: number): number {
  return Math.max(PROPOSER_SLOTS_MIN, PROPOSER_SLOTS_PER_VALIDATOR * validatorCount);
}
