// How much of a network may fail (Proposition 1.2), from its validators: the least number of nodes, or of operators, whose loss stops it and whose
// lies may split it. The largest first: no smaller number has as much power.
//
//   liveness is lost with power p when the rest is no quorum:    3 p >= total
//   safety is lost with power p in two quorums at once:          3 p >  total

import { toHex } from '../base/bytes.ts';
import { powerOfAll, type SetEntries, type SetEntry } from './validator-sets.ts';

export interface Coalition {
  /** Nodes or operators in it. */
  readonly count: number;
  readonly power: bigint;
}

export interface FaultTolerance {
  readonly voters: number;
  readonly totalPower: bigint;
  /** The fewest who stop the chain by falling silent. */
  readonly toHalt: Coalition;
  /** The fewest who can have two blocks decided at one height, and are then proven guilty. */
  readonly toSplit: Coalition;
}

/** Of a set that is not empty. */
export function faultTolerance(entries: SetEntries, by: 'node' | 'operator'): FaultTolerance {
  const powers = grouped(entries, by).sort((a, b) => (a < b ? 1 : a > b ? -1 : 0));
  const totalPower = powerOfAll(entries);
  return {
    voters: powers.length,
    totalPower,
    toHalt: fewest(powers, (power) => 3n * power >= totalPower),
    toSplit: fewest(powers, (power) => 3n * power > totalPower),
  };
}

function grouped(entries: SetEntries, by: 'node' | 'operator'): bigint[] {
  const powers = new Map<string, bigint>();
  for (const entry of entries) {
    const name = nameOf(entry, by);
    powers.set(name, (powers.get(name) ?? 0n) + entry.power);
  }
  return [...powers.values()];
}

const nameOf = (entry: SetEntry, by: 'node' | 'operator'): string =>
  toHex(by === 'node' ? entry.node : entry.operator);

function fewest(descending: readonly bigint[], isEnough: (power: bigint) => boolean): Coalition {
  let coalition: Coalition = { count: 0, power: 0n };
  for (const power of descending) {
    if (isEnough(coalition.power)) break;
    coalition = { count: coalition.count + 1, power: coalition.power + power };
  }
  return coalition;
}
