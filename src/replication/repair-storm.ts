// A partition is not a loss. When many nodes are lost within a few minutes they are rarely gone: a link is down, and they will be back. Rebuilding
// everything that they hold would move a good part of all data for nothing, and load those who are left when they are needed most. So for a
// while only a small part of all segments is repaired, and those that are nearly lost.
//
// Times come in as arguments and never go back; the limiter remembers at most as many as there are members.

import { assert } from '../base/assert.ts';
import { STORM_MARGIN_MAX, STORM_PAUSE_MS, STORM_SHARE_DIVISOR, STORM_WINDOW_MS } from '../base/limits.ts';

export interface StormRules {
  /** Losses within this time are one event. */
  readonly windowMs: number;
  /** Repair is held back for so long after the last loss that belongs to a storm. */
  readonly pauseMs: number;
  /** More than 1/x of the nodes make a storm, and while it lasts 1/x of the segments may be queued. */
  readonly shareDivisor: number;
  /** Segments of this margin or less are repaired whatever happens. */
  readonly marginMax: number;
}

export const STORM_RULES: StormRules = {
  windowMs: STORM_WINDOW_MS,
  pauseMs: STORM_PAUSE_MS,
  shareDivisor: STORM_SHARE_DIVISOR,
  marginMax: STORM_MARGIN_MAX,
};

export class StormLimiter {
  readonly #rules: StormRules;
  /** Times of losses in the window, oldest first. */
  #lossesMs: number[] = [];
  #untilMs = 0;

  constructor(rules: StormRules = STORM_RULES) {
    this.#rules = rules;
  }

  /** A node was lost, of `nodeCount` that there were. True when it is part of a storm. */
  lost(timeMs: number, nodeCount: number): boolean {
    assert(this.#lossesMs.length === 0 || this.#lossesMs.at(-1)! <= timeMs, 'time does not go back');
    this.#lossesMs = this.#lossesMs.filter((lossMs) => lossMs > timeMs - this.#rules.windowMs);
    this.#lossesMs.push(timeMs);
    if (this.#lossesMs.length > nodeCount) this.#lossesMs.shift();
    // One node of a few is more than the share, and no storm: it takes two.
    const isStorm = this.#lossesMs.length > Math.max(1, Math.floor(nodeCount / this.#rules.shareDivisor));
    if (isStorm) this.#untilMs = timeMs + this.#rules.pauseMs;
    return isStorm;
  }

  isStorm(timeMs: number): boolean {
    return timeMs < this.#untilMs;
  }

  /** When the storm is over that blows; a time that has passed when none does. */
  get untilMs(): number {
    return this.#untilMs;
  }

  /** Whether a segment of this margin may join `queued` others, of `segmentCount` that there are. */
  admits(timeMs: number, margin: number, queued: number, segmentCount: number): boolean {
    if (!this.isStorm(timeMs) || margin <= this.#rules.marginMax) return true;
    return queued < Math.floor(segmentCount / this.#rules.shareDivisor);
  }
}
