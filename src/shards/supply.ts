// How much there is of each asset: what the genesis gave out, plus rewards, minus what slashes burned. Everything anybody has, bonded,
// unbonding, on the way or in an account, adds up to it.
//
// Invariant: amount of each asset <= ASSET_SUPPLY_MAX, and the stake of all of it together <= STAKE_SUM_MAX. Hence no sum of amounts or
// of stakes ever leaves 64 bits.

import { z } from 'zod';
import { assert } from '../base/assert.ts';
import { ASSET_SUPPLY_MAX, MEMBERS_MAX, PROVEN_GIB_MAX, STAKE_SUM_MAX } from '../base/limits.ts';
import { type Amounts, amountsSchema, minusAmounts, NOTHING, plusAmounts } from './amounts.ts';
import type { Parameters } from './parameters.ts';
import type { RecordType } from './record.ts';
import { stakeOf } from './stake.ts';
import type { StateKey } from './state-key.ts';
import { systemKey } from './system-key.ts';
import type { Overlay } from './view.ts';

export interface Supply {
  readonly total: Amounts;
  /** Made as rewards, and burned, since the genesis. */
  readonly issued: Amounts;
  readonly burned: Amounts;
}

const NO_SUPPLY: Supply = { total: NOTHING, issued: NOTHING, burned: NOTHING };

export const supplyRecord: RecordType<Supply> = {
  name: 'supply',
  schema: z
    .tuple([amountsSchema, amountsSchema, amountsSchema])
    .transform(([total, issued, burned]): Supply => ({ total, issued, burned })),
  tuple: ({ total, issued, burned }) => [total, issued, burned],
};

export function supplyKey(): StateKey {
  return systemKey('supply');
}

export function supplyOf(state: Overlay): Supply {
  return state.get(supplyKey(), supplyRecord) ?? NO_SUPPLY;
}

export function putSupply(state: Overlay, supply: Supply): void {
  state.put(supplyKey(), supplyRecord, supply);
}

/** What the invariant says. Weights change with parameters, so it is asked again when those do. */
export function isWithinBounds(parameters: Parameters, total: Amounts): boolean {
  const gib = MEMBERS_MAX * PROVEN_GIB_MAX;
  return (
    total.every(([, amount]) => amount <= ASSET_SUPPLY_MAX) &&
    stakeOf(parameters, total, gib) <= STAKE_SUM_MAX
  );
}

/** False, and nothing changed, when there would be too much. */
export function issue(state: Overlay, parameters: Parameters, amounts: Amounts): boolean {
  const supply = supplyOf(state);
  const total = plusAmounts(supply.total, amounts);
  if (!isWithinBounds(parameters, total)) return false;
  putSupply(state, { ...supply, total, issued: plusAmounts(supply.issued, amounts) });
  return true;
}

export function burn(state: Overlay, amounts: Amounts): void {
  if (amounts.length === 0) return;
  const supply = supplyOf(state);
  const total = minusAmounts(supply.total, amounts);
  assert(total !== undefined, 'what is burned was there');
  putSupply(state, { ...supply, total, burned: plusAmounts(supply.burned, amounts) });
}
