// Amounts of several assets: what an account has, what a message carries. One list has one form, so that equal amounts have equal
// bytes: ascending by asset, each asset once, none of them zero. Tokens are counted in their smallest unit, below 2^64.

import { z } from 'zod';
import { bigUint, listOf, uint } from '../base/codec.ts';
import { ASSETS_MAX } from '../base/limits.ts';

/** Index of an asset in the parameters' list. Asset 0 is the native token: fees and prices are in it. */
export type AssetIndex = number;
export const NATIVE: AssetIndex = 0;

export type Amounts = readonly (readonly [asset: AssetIndex, amount: bigint])[];

export const NOTHING: Amounts = [];

export const amountsSchema: z.ZodType<Amounts> = listOf(
  z.tuple([uint(ASSETS_MAX - 1), bigUint]),
  ASSETS_MAX,
).refine(
  (amounts) =>
    amounts.every(([asset, amount], index) => amount > 0n && (index === 0 || amounts[index - 1]![0] < asset)),
  'not ascending by asset without zeros',
);

/** So much of one asset. */
export function amountOf(asset: AssetIndex, amount: bigint): Amounts {
  return amount === 0n ? NOTHING : [[asset, amount]];
}

export function amountIn(amounts: Amounts, asset: AssetIndex): bigint {
  return amounts.find(([held]) => held === asset)?.[1] ?? 0n;
}

export function plusAmounts(a: Amounts, b: Amounts): Amounts {
  return combined(a, b, (left, right) => left + right);
}

/** Undefined when `a` has less of any asset. */
export function minusAmounts(a: Amounts, b: Amounts): Amounts | undefined {
  const rest = combined(a, b, (left, right) => left - right);
  return rest.some(([, amount]) => amount < 0n) ? undefined : rest;
}

/** Differences by asset may be negative: what changed, not what somebody has. */
export function differenceOf(after: Amounts, before: Amounts): Amounts {
  return combined(after, before, (left, right) => left - right);
}

function combined(a: Amounts, b: Amounts, join: (left: bigint, right: bigint) => bigint): Amounts {
  const joined: (readonly [AssetIndex, bigint])[] = [];
  let inA = 0;
  let inB = 0;
  while (inA < a.length || inB < b.length) {
    const [left, right] = [a[inA], b[inB]];
    const asset = Math.min(left?.[0] ?? ASSETS_MAX, right?.[0] ?? ASSETS_MAX);
    const amount = join(left?.[0] === asset ? left[1] : 0n, right?.[0] === asset ? right[1] : 0n);
    if (left?.[0] === asset) inA++;
    if (right?.[0] === asset) inB++;
    if (amount !== 0n) joined.push([asset, amount]);
  }
  return joined;
}
