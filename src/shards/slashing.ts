// What an offence costs. Two votes in one round: 5 % and three times the share of power that was slashed within one unbonding, so that a
// lone slip costs little and a third acting together loses all; amnesia and attacks on light clients: everything.
//
// - The cost of an offence is a share of what the node had behind it, and what was taken of it is written down. More is taken only when the share
//   rises: by a worse offence, or by others who turn out guilty within the window (asked again at each border, so the order of
//   reports makes no difference in the end).
// - The operator is tombstoned, which no change of keys, retirement or registration undoes. A node answers once for each class of
//   offence: its power is gone for good, so more evidence of the same kind has nothing to add, whatever its form.

import { z } from 'zod';
import { equal } from '../base/bytes.ts';
import { digestOf, listOf, uint } from '../base/codec.ts';
import type { Epoch, NodeId } from '../base/ids.ts';
import { SLASHES_KEPT_MAX } from '../base/limits.ts';
import { type Amounts, NOTHING } from './amounts.ts';
import { slashStake } from './stake-changes.ts';
import {
  nodeOf,
  type NodeRecord,
  OFFENCE_CLASSES,
  type OffenceClass,
  putNode,
  type Registration,
  tombstone,
} from './node.ts';
import type { RefusalCode } from './operation.ts';
import { MILLION, type Parameters } from './parameters.ts';
import type { RecordType } from './record.ts';
import { shareOf } from './stake.ts';
import type { StateKey } from './state-key.ts';
import { systemKey } from './system-key.ts';
import { powerOfAll, type SetEntries, type SetEntry } from './validator-sets.ts';
import type { Overlay } from './view.ts';

/** For the correlation penalty. */
export interface RecentSlash {
  /** In which it was reported. */
  readonly epoch: Epoch;
  readonly registration: Registration;
  /** Of all power, in the epoch of the offence. */
  readonly sharePerMillion: number;
}

const slashSchema = z.tuple([uint(), digestOf<NodeId>(), uint(MILLION)]).transform(
  ([epoch, registration, sharePerMillion]): RecentSlash => ({
    epoch: epoch as Epoch,
    registration,
    sharePerMillion,
  }),
);

export const slashesRecord: RecordType<readonly RecentSlash[]> = {
  name: 'recent slashes',
  schema: z.tuple([listOf(slashSchema, SLASHES_KEPT_MAX)]).transform(([slashes]) => slashes),
  tuple: (slashes) => [
    slashes.map(({ epoch, registration, sharePerMillion }) => [epoch, registration, sharePerMillion]),
  ],
};

export function slashesKey(): StateKey {
  return systemKey('offence');
}

export function recentSlashes(state: Overlay): readonly RecentSlash[] {
  return state.get(slashesKey(), slashesRecord) ?? [];
}

function putSlashes(state: Overlay, slashes: readonly RecentSlash[]): void {
  if (slashes.length === 0) state.remove(slashesKey());
  else state.put(slashesKey(), slashesRecord, slashes.slice(-SLASHES_KEPT_MAX));
}

export interface Punishment {
  readonly refusal: RefusalCode | undefined;
  readonly taken: Amounts;
}

/** Holds whoever stands behind `entry` of the set of `offenceEpoch` to account; `already-exists` when it was before. */
export function punish(
  state: Overlay,
  parameters: Parameters,
  now: Epoch,
  offenceEpoch: Epoch,
  set: SetEntries,
  entry: SetEntry,
  offence: OffenceClass,
): Punishment {
  const node = nodeOf(state, entry.registration);
  if (node === undefined) return { refusal: 'no-such-node', taken: NOTHING };
  if (hasAnswered(node, offence)) return { refusal: 'already-exists', taken: NOTHING };
  tombstone(state, entry.operator);
  const share = Number((entry.power * BigInt(MILLION)) / powerOfAll(set));
  const others = recentSlashes(state).filter(({ registration }) => !equal(registration, node.registration));
  putSlashes(state, [...others, { epoch: now, registration: node.registration, sharePerMillion: share }]);
  // A worse offence that came to light later reaches as far back as the first.
  const epoch = Math.min(node.offence?.epoch ?? offenceEpoch, offenceEpoch) as Epoch;
  const takenPerMillion = node.offence?.takenPerMillion ?? 0;
  const charged: NodeRecord = {
    ...node,
    isTombstoned: true,
    offence: { class: offence, epoch, takenPerMillion },
  };
  putNode(state, charged);
  return { refusal: undefined, taken: raiseTo(state, charged, costOf(state, parameters, offence)) };
}

function hasAnswered(node: NodeRecord, offence: OffenceClass): boolean {
  if (node.offence === null) return false;
  return OFFENCE_CLASSES.indexOf(node.offence.class) >= OFFENCE_CLASSES.indexOf(offence);
}

/** Share of stake that an offence costs as things stand, in millionths. */
function costOf(state: Overlay, parameters: Parameters, offence: OffenceClass): number {
  const { attackPerMillion, doubleSignPerMillion, correlationFactor } = parameters.slashing;
  if (offence === 'attack') return attackPerMillion;
  const together = recentSlashes(state).reduce((sum, slash) => sum + slash.sharePerMillion, 0);
  return Math.min(MILLION, doubleSignPerMillion + Math.min(MILLION, correlationFactor * together));
}

/** Takes what is missing of `perMillion` of the stake that was there before anything was taken. */
function raiseTo(state: Overlay, node: NodeRecord, perMillion: number): Amounts {
  const { offence } = node;
  if (offence === null || perMillion <= offence.takenPerMillion) return NOTHING;
  const charged: NodeRecord = { ...node, offence: { ...offence, takenPerMillion: perMillion } };
  putNode(state, charged);
  // Of 1 - taken, which is what is left: (share - taken) / (1 - taken).
  const numerator = BigInt(perMillion - offence.takenPerMillion);
  const denominator = BigInt(MILLION - offence.takenPerMillion);
  return slashStake(state, charged, offence.epoch, numerator, denominator);
}

/** At the border of `epoch`: who slipped together pays together, and what is older than an unbonding is forgotten. */
export function settleSlashes(state: Overlay, parameters: Parameters, epoch: Epoch): readonly Amounts[] {
  const kept = recentSlashes(state).filter(
    (slash) => slash.epoch + parameters.stake.unbondingEpochs >= epoch,
  );
  putSlashes(state, kept);
  const cost = costOf(state, parameters, 'double-sign');
  return kept.flatMap(({ registration }) => {
    const node = nodeOf(state, registration);
    return node?.offence?.class === 'double-sign' ? [raiseTo(state, node, cost)] : [];
  });
}

/** Of a slash, what goes to whoever reported it; the rest is gone. */
export function reporterShare(parameters: Parameters, taken: Amounts): Amounts {
  return shareOf(taken, BigInt(parameters.evidence.reporterPerMillion), BigInt(MILLION));
}
