// The validators of each epoch, frozen two epochs ahead and kept as long as evidence about them is taken. Beside the key and power that
// consensus knows, an entry says which registration and operator stand behind the key: they answer for it whatever key the node has
// by then.

import { z } from 'zod';
import { assert } from '../base/assert.ts';
import { compare, uint32 } from '../base/bytes.ts';
import { bigUint, digestOf, listOf } from '../base/codec.ts';
import type { Epoch, NodeId, OwnerId } from '../base/ids.ts';
import { VALIDATORS_MAX } from '../base/limits.ts';
import type { ValidatorSet } from '../consensus/types.ts';
import { validatorSet } from '../consensus/validator-set.ts';
import type { Registration } from './node.ts';
import type { RecordType } from './record.ts';
import type { StateKey } from './state-key.ts';
import { systemKey } from './system-key.ts';
import type { Overlay } from './view.ts';

export interface SetEntry {
  /** The key it votes with in that epoch. */
  readonly node: NodeId;
  readonly power: bigint;
  readonly registration: Registration;
  readonly operator: OwnerId;
}

/** In the order of `ValidatorSet`, so that the index of a vote is the index here. */
export type SetEntries = readonly SetEntry[];

const entrySchema = z
  .tuple([digestOf<NodeId>(), bigUint, digestOf<NodeId>(), digestOf<OwnerId>()])
  .transform(([node, power, registration, operator]): SetEntry => ({ node, power, registration, operator }));

export const validatorSetRecord: RecordType<SetEntries> = {
  name: 'validator set',
  schema: z.tuple([listOf(entrySchema, VALIDATORS_MAX)]).transform(([entries]) => entries),
  tuple: (entries) => [
    entries.map(({ node, power, registration, operator }) => [node, power, registration, operator]),
  ],
};

export function validatorSetKey(epoch: number): StateKey {
  return systemKey('validator-set', uint32(epoch));
}

/** Undefined for epochs that are forgotten, and for those after the next but one. */
export function entriesOf(state: Overlay, epoch: number): SetEntries | undefined {
  return state.get(validatorSetKey(epoch), validatorSetRecord);
}

/** Of the epoch that runs, or one of the two after it. */
export function settledEntries(state: Overlay, epoch: number): SetEntries {
  const entries = entriesOf(state, epoch);
  assert(entries !== undefined, 'the sets of this epoch and the next are settled');
  return entries;
}

export function putEntries(state: Overlay, epoch: Epoch, entries: readonly SetEntry[]): SetEntries {
  const sorted = entries.toSorted((a, b) => compare(a.node, b.node));
  state.put(validatorSetKey(epoch), validatorSetRecord, sorted);
  return sorted;
}

export function forgetEntries(state: Overlay, epoch: number): void {
  state.remove(validatorSetKey(epoch));
}

/** As consensus knows it. */
export function asValidatorSet(entries: SetEntries): ValidatorSet {
  return validatorSet(entries.map(({ node, power }) => ({ node, power })));
}

export function powerOfAll(entries: SetEntries): bigint {
  return entries.reduce((sum, { power }) => sum + power, 0n);
}
