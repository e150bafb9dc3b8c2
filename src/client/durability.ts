// How likely a segment is lost: a birth-death Markov chain over its healthy pieces. A segment with i of them loses one at rate i * loss rate; from the
// repair threshold down it is restored to n pieces at rate 1 / repair time; below k it is gone. Model, tables and how far they hold: docs/durability.md.
//
// Every sum here is of positive terms, so the smallest probability has as many right digits as the largest. Floating point is fine: nothing is
// decided by it, people read it.

import type { Code } from '../replication/code.ts';

export interface DurabilityInput {
  readonly code: Code;
  /** Healthy pieces at or below which the missing ones are made again. */
  readonly repairAt: number;
  /** Losses of a node per year, from `lossRatePerYear`. */
  readonly lossesPerNodeYear: number;
  /** From the loss of a node until what it held is made again: until it is noticed, then waiting, then transfer. */
  readonly repairHours: number;
}

export interface Durability {
  /** Chance that a given segment is lost within a year. */
  readonly yearlyLoss: number;
  /** -log10 of it. */
  readonly nines: number;
  /** Repairs of a segment per year, in the long run. */
  readonly repairsPerYear: number;
  /** Pieces that one repair makes, on average. */
  readonly piecesPerRepair: number;
  /** Bytes stored per byte of data. */
  readonly expansion: number;
  /** Bytes read and written for repair per byte of data and year: k pieces are fetched for those that are made. */
  readonly trafficPerYear: number;
}

/** What the figures take for granted, for people to judge. */
export const DURABILITY_ASSUMPTIONS: readonly string[] = [
  'nodes are lost for good, independently of each other, at a constant rate; groups that fail together are not in the figure',
  'each piece of a segment is on another node',
  'the time until pieces are made again is exponential with the stated mean, which is the pessimistic side',
  'k pieces that are there can be read, and a wrong byte is noticed',
];

const HOURS_PER_YEAR = 24 * 365.25;

/** Of a share of nodes lost in a period, as in "10 % a month": (0.1, 1/12). Throws nothing; a share of 1 is an infinite rate. */
export function lossRatePerYear(share: number, periodYears: number): number {
  return -Math.log1p(-share) / periodYears;
}

export function durabilityOf(input: DurabilityInput): Durability {
  const { code } = input;
  const { lossPerCycle, cycleYears, piecesPerRepair } = cycleOf(input);
  // A cycle ends by a repair or by the loss; the mean time to the loss is that of all the cycles that it takes.
  const yearlyLoss = -Math.expm1(-lossPerCycle / cycleYears);
  const repairsPerYear = (1 - lossPerCycle) / cycleYears;
  return {
    yearlyLoss,
    nines: -Math.log10(yearlyLoss),
    repairsPerYear,
    piecesPerRepair,
    expansion: code.n / code.k,
    trafficPerYear: repairsPerYear * (1 + piecesPerRepair / code.k),
  };
}

/** Chance that a segment with so many healthy pieces is lost before it is whole again. */
export function lossBeforeRepair(input: DurabilityInput, healthy: number): number {
  let chance = 1;
  for (let pieces = input.code.k; pieces <= Math.min(healthy, input.repairAt); pieces++) {
    chance *= lossBeatsRepair(input, pieces);
  }
  return healthy < input.code.k ? 1 : chance;
}

/** Chance that more than n - k pieces are among those of a share of all nodes that goes at once, before anything can be repaired. */
export function lossIfShareGoes({ k, n }: Code, share: number): number {
  let chance = 0;
  for (let lost = n - k + 1; lost <= n; lost++) {
    chance += Math.exp(logChoose(n, lost)) * share ** lost * (1 - share) ** (n - lost);
  }
  return chance;
}

/**
 * Repairs, and pieces they make, that are expected of a segment within so many years from when it was whole. Fewer at first than in the long run: nothing
 * is repaired before the first pieces are lost.
 */
export function expectedRepairs(
  input: DurabilityInput,
  years: number,
): { readonly repairs: number; readonly pieces: number } {
  const { code, repairAt, lossesPerNodeYear } = input;
  const repairRate = repairRateOf(input);
  const span = code.n - code.k + 1;
  // Uniformisation: the chain is looked at in steps so short that one event per step is the rule, and what moves in a step is exact in the mean.
  const steps = Math.ceil(years * (code.n * lossesPerNodeYear + repairRate) * 8);
  const step = years / Math.max(1, steps);
  let now = Float64Array.from({ length: span }, (_, lost) => (lost === 0 ? 1 : 0));
  let [repairs, pieces] = [0, 0];
  for (let at = 0; at < steps; at++) {
    const next = new Float64Array(span);
    for (let lost = 0; lost < span; lost++) {
      const healthy = code.n - lost;
      const isRepaired = healthy <= repairAt && lost > 0;
      const repaired = isRepaired ? now[lost]! * repairRate * step : 0;
      const moved = now[lost]! * healthy * lossesPerNodeYear * step;
      repairs += repaired;
      pieces += repaired * lost;
      next[0]! += repaired;
      next[lost]! += now[lost]! - repaired - moved;
      if (lost + 1 < span) next[lost + 1]! += moved;
    }
    now = next;
  }
  return { repairs, pieces };
}

// ---- One cycle: from whole to whole, or to nothing ---------------------------------------------------------------

function cycleOf(input: DurabilityInput): {
  readonly lossPerCycle: number;
  readonly cycleYears: number;
  readonly piecesPerRepair: number;
} {
  const { code, repairAt, lossesPerNodeYear } = input;
  const repairRate = repairRateOf(input);
  let years = 0;
  for (let healthy = code.n; healthy > repairAt; healthy--) years += 1 / (healthy * lossesPerNodeYear);
  let reached = 1;
  let made = 0;
  for (let healthy = Math.min(code.n, repairAt); healthy >= code.k; healthy--) {
    years += reached / (healthy * lossesPerNodeYear + repairRate);
    const lost = reached * lossBeatsRepair(input, healthy);
    made += (reached - lost) * (code.n - healthy);
    reached = lost;
  }
  return { lossPerCycle: reached, cycleYears: years, piecesPerRepair: made / (1 - reached) };
}

/** Of a segment with so many pieces that waits for repair: that the next event is a loss. */
function lossBeatsRepair(input: DurabilityInput, healthy: number): number {
  const lossRate = healthy * input.lossesPerNodeYear;
  return lossRate / (lossRate + repairRateOf(input));
}

function repairRateOf({ repairHours }: DurabilityInput): number {
  return HOURS_PER_YEAR / repairHours;
}

function logChoose(n: number, k: number): number {
  let sum = 0;
  for (let at = 1; at <= k; at++) sum += Math.log((n - k + at) / at);
  return sum;
}
