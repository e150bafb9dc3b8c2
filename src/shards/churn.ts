// How far the validators of one epoch may differ from those before. Light clients skip ahead as long as two thirds of the power that they
// know is still there, so power that comes and power that goes together stay below a share of all power; what is above it waits.
//
// - Power that has no stake behind it any more (slashed, jailed, tombstoned) goes at once, and counts first.
// - Of the rest, what comes is sure of half, and so is what goes; each may use what the other leaves.
// - Who waits: everybody in part. Each change is granted in proportion, rounded down, and what rounding leaves goes one by one in the order
//   of registrations. So no order of arrival, and no choice of keys, puts anybody last.
// - Newcomers need a free seat; the largest come first.

import { MILLION } from './parameters.ts';

/** Power by registration, as hex. */
export type Powers = ReadonlyMap<string, bigint>;

export interface ChurnRules {
  readonly churnPerMillion: number;
  readonly validatorsMax: number;
}

/**
 * The powers that follow on `before` when `wanted` is the aim, at most `validatorsMax` of them. `held` is what stands behind each at
 * the most. Gives `before` when nothing else is left: a chain without validators could never get any.
 */
export function nextPowers(before: Powers, wanted: Powers, held: Powers, rules: ChurnRules): Powers {
  const base = new Map([...before].map(([id, power]) => [id, least(power, held.get(id) ?? 0n)]));
  const left = atLeastNone(churnBudget(before, rules) - (sumOf(before) - sumOf(base)));
  const falls = changes(base, (id, power) => power - (wanted.get(id) ?? 0n));
  const rises = changes(wanted, (id, power) => power - (base.get(id) ?? 0n));
  const leaving = least(sumOf(falls), left - least(sumOf(rises), left / 2n));
  const fewer = changed(base, granted(falls, leaving), -1n);
  const seated = withSeats(rises, fewer, rules.validatorsMax);
  const next = changed(fewer, granted(seated, least(sumOf(seated), left - leaving)), 1n);
  return next.size === 0 ? before : next;
}

/** Power that may come and go, never less than two: else a small network could not change at all, nor a last seat change hands. */
export function churnBudget(before: Powers, rules: ChurnRules): bigint {
  const budget = (sumOf(before) * BigInt(rules.churnPerMillion)) / BigInt(MILLION);
  return budget > 2n ? budget : 2n;
}

/** The positive differences. */
function changes(of: Powers, difference: (id: string, power: bigint) => bigint): Powers {
  const all = [...of].map(([id, power]) => [id, difference(id, power)] as const);
  return new Map(all.filter(([, change]) => change > 0n));
}

/** The rises of those who are in already, and of as many of the others as there are seats. */
function withSeats(rises: Powers, seated: Powers, validatorsMax: number): Powers {
  const isIn = ([id]: readonly [string, bigint]): boolean => seated.has(id);
  const newcomers = [...rises].filter((rise) => !isIn(rise)).sort(byPower);
  return new Map([
    ...[...rises].filter(isIn),
    ...newcomers.slice(0, Math.max(0, validatorsMax - seated.size)),
  ]);
}

/** `total`, at most their sum, dealt out over `wishes` in proportion. */
function granted(wishes: Powers, total: bigint): Powers {
  const sum = sumOf(wishes);
  if (sum === 0n) return wishes;
  const shares = [...wishes].sort(byId).map(([id, wish]) => [id, (wish * total) / sum] as const);
  let rest = total - shares.reduce((all, [, share]) => all + share, 0n);
  return new Map(
    shares.map(([id, share]) => {
      const extra = rest > 0n && share < wishes.get(id)! ? 1n : 0n;
      rest -= extra;
      return [id, share + extra];
    }),
  );
}

function changed(powers: Powers, by: Powers, sign: bigint): Powers {
  const ids = new Set([...powers.keys(), ...by.keys()]);
  const all = [...ids].map((id) => [id, (powers.get(id) ?? 0n) + sign * (by.get(id) ?? 0n)] as const);
  return new Map(all.filter(([, power]) => power > 0n).sort(byId));
}

/** The largest first; of equals, the first by registration. */
export function byPower(a: readonly [string, bigint], b: readonly [string, bigint]): number {
  if (a[1] !== b[1]) return a[1] > b[1] ? -1 : 1;
  return byId(a, b);
}

function byId(a: readonly [string, bigint], b: readonly [string, bigint]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}

function sumOf(powers: Powers): bigint {
  return [...powers.values()].reduce((sum, power) => sum + power, 0n);
}

const atLeastNone = (value: bigint): bigint => (value > 0n ? value : 0n);
const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
