// What a forecast counts.

import type { ReturnedPiece } from '../replication/repair.ts';

export interface Incident {
  readonly day: number;
  readonly kind: 'lost' | 'storm' | 'disaster';
  readonly text: string;
}

/** Incidents that are kept in words; further ones are counted. */
const INCIDENTS_MAX = 100;

export class Tally {
  deaths = 0;
  outages = 0;
  joins = 0;
  storms = 0;
  /** Segments of which fewer than k pieces exist anywhere. */
  lost = 0;
  /** Rebuilt segments, and pieces. */
  repairs = 0;
  pieces = 0;
  movedBytes = 0;
  /** Segments that left a queue because a holder returned. */
  spared = 0;
  readonly returned: Record<ReturnedPiece, number> = { reclaim: 0, keep: 0, drop: 0 };
  /** Times that pieces rotted, how many, and how many of these times it has been found, after how long in all. */
  rots = 0;
  rotten = 0;
  rotsFound = 0;
  rotHiddenMs = 0;
  /** Pieces that went to nodes that joined. */
  rebalanced = 0;
  rebalancedBytes = 0;
  /** From the moment when a repair was due until it was done. */
  repairMs = 0;
  repairMsMax = 0;
  /** Of all pieces that existed of a segment at any time, the fewest. */
  intactMin: number = Number.POSITIVE_INFINITY;
  /** Virtual time that nodes were members, in milliseconds. */
  nodeMs = 0;
  incidentCount = 0;
  readonly incidents: Incident[] = [];

  repaired(pieces: number, durationMs: number): void {
    this.repairs += 1;
    this.pieces += pieces;
    this.repairMs += durationMs;
    this.repairMsMax = Math.max(this.repairMsMax, durationMs);
  }

  note(incident: Incident): void {
    this.incidentCount += 1;
    if (this.incidents.length < INCIDENTS_MAX) this.incidents.push(incident);
  }
}
