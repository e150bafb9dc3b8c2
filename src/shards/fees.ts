// The pot of fees: native tokens that transactions paid and nobody got yet. Filled once a block, emptied by the rules of rewards.

import { z } from 'zod';
import { bigUint } from '../base/codec.ts';
import type { RecordType } from './record.ts';
import { homeOf, type StateKey, stateKey } from './state-key.ts';
import type { Overlay } from './view.ts';

export const feesRecord: RecordType<bigint> = {
  name: 'fees',
  schema: z.tuple([bigUint]).transform(([fees]) => fees),
  tuple: (fees) => [fees],
};

export const FEES_KEY: StateKey = stateKey(homeOf('system'), 'fees');

export function feesIn(state: Overlay): bigint {
  return state.get(FEES_KEY, feesRecord) ?? 0n;
}

export function collectFees(state: Overlay, fees: bigint): void {
  if (fees > 0n) state.put(FEES_KEY, feesRecord, feesIn(state) + fees);
}

/** False, and nothing changed, when there are less. */
export function takeFees(state: Overlay, fees: bigint): boolean {
  const left = feesIn(state) - fees;
  if (left < 0n) return false;
  if (fees > 0n) state.put(FEES_KEY, feesRecord, left);
  return true;
}
