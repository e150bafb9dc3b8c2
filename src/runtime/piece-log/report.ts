// What a start found.

import { LOG_DAMAGE_LISTED_MAX } from '../../base/limits.ts';

export interface LogDamage {
  /** Number of the log file; 0 is the identity file. */
  readonly file: number;
  readonly offset: number;
  readonly length: number;
  readonly reason: string;
  /** Key of the entry, where it is known. */
  readonly key?: Uint8Array;
}

export interface OpenReport {
  /** `clean`: after an orderly stop; `recovered`: after a crash; `rebuilt`: the index was made anew from the log files. */
  readonly start: 'created' | 'clean' | 'recovered' | 'rebuilt';
  readonly recordsReplayed: number;
  /** Bytes of unconfirmed writes that a crash had cut off. */
  readonly tornBytes: number;
  /** At most LOG_DAMAGE_LISTED_MAX places; `damagedCount` has them all. Entries among them are quarantined. */
  readonly damaged: readonly LogDamage[];
  readonly damagedCount: number;
}

/** Lists damage up to its bound and counts the rest. */
export class DamageList {
  readonly places: LogDamage[] = [];
  count = 0;

  add(place: LogDamage): void {
    this.count++;
    if (this.places.length < LOG_DAMAGE_LISTED_MAX) this.places.push(place);
  }
}
