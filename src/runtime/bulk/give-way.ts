// Which exchange gives way when room runs out. What a peer keeps occupied is paid for in speed: whoever moves his bytes
// quickly is never asked, so keeping others out costs as much bandwidth as the room that is held.
//
// Only exchanges that wait for their peer can give way: while a service works, the peer is not to blame. Members do not,
// and neither does an exchange that has had no time to show its speed.

import type { BodyUse } from '../service-guard.ts';

export interface Pace {
  readonly isMember: boolean;
  /** Since when the exchange under way is watched: lately, as it should not live on what it moved at first. */
  readonly sinceMs: number | undefined;
  /** Bytes moved since then, both ways. */
  readonly moved: number;
  /** What is still to come from the peer or to be taken by it; undefined while it is not the peer's turn. */
  readonly wait: { readonly use: BodyUse; readonly leftBytes: number } | undefined;
}

/** The slowest exchange older than `graceMs`, for one more connection. */
export function slowest<T extends Pace>(paces: Iterable<T>, nowMs: number, graceMs: number): T | undefined {
  return most(paces, nowMs, graceMs, (pace, ageMs) => -pace.moved / ageMs);
}

/**
 * For memory of `use`: the exchange that would hold its own longest at the speed it has shown, when that is longer than
 * `lastsMs`. One that ends soon makes room by itself.
 */
export function longestLasting<T extends Pace>(
  paces: Iterable<T>,
  nowMs: number,
  graceMs: number,
  use: BodyUse,
  lastsMs: number,
): T | undefined {
  return most(paces, nowMs, graceMs, ({ wait, moved }, ageMs) => {
    const leftMs = wait?.use === use ? (wait.leftBytes * ageMs) / Math.max(1, moved) : 0;
    return leftMs > lastsMs ? leftMs : undefined;
  });
}

function most<T extends Pace>(
  paces: Iterable<T>,
  nowMs: number,
  graceMs: number,
  measure: (pace: T, ageMs: number) => number | undefined,
): T | undefined {
  let [found, highest]: [T | undefined, number] = [undefined, Number.NEGATIVE_INFINITY];
  for (const pace of paces) {
    if (pace.wait === undefined || pace.sinceMs === undefined) continue;
    const ageMs = nowMs - pace.sinceMs;
    const value = ageMs < graceMs ? undefined : measure(pace, ageMs);
    // Asked last, because it looks through all members.
    if (value !== undefined && value > highest && !pace.isMember) [found, highest] = [pace, value];
  }
  return found;
}
