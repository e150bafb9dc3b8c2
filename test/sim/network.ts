// The network between simulated processes: every frame is delayed by itself, so frames overtake each other; some are
// lost, some arrive twice, and a direction between two processes may be cut. Frames go by reference.

import type { SeededRandom } from './random.ts';
import type { Scheduler, Task } from './scheduler.ts';
import type { Tally } from './tally.ts';

/** What frames suffer from now on. Shares are in [0, 1]. */
export interface NetworkConditions {
  readonly delayMinMs: number;
  /** Delays are uniform between the two, */
  readonly delayMaxMs: number;
  /** but this share of frames takes `slowMs` more: that is what reorders them. */
  readonly slowShare: number;
  readonly slowMs: number;
  readonly lossShare: number;
  readonly duplicateShare: number;
}

export const CALM: NetworkConditions = {
  delayMinMs: 1,
  delayMaxMs: 20,
  slowShare: 0,
  slowMs: 0,
  lossShare: 0,
  duplicateShare: 0,
};

export type Receive<Frame> = (from: number, to: number, frame: Frame) => void;

export class SimNetwork<Frame> {
  conditions: NetworkConditions = CALM;
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #tally: Tally;
  readonly #receive: Receive<Frame>;
  /** cut[from * size + to]: how many partitions at this time cut the direction. */
  readonly #cuts: Uint16Array;
  readonly #size: number;

  constructor(
    scheduler: Scheduler,
    random: SeededRandom,
    tally: Tally,
    size: number,
    receive: Receive<Frame>,
  ) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#tally = tally;
    this.#size = size;
    this.#receive = receive;
    this.#cuts = new Uint16Array(size * size);
  }

  send(from: number, to: number, frame: Frame): void {
    if (this.#cuts[from * this.#size + to]! > 0) {
      this.#tally.add('frame cut off by partition');
      return;
    }
    const { lossShare, duplicateShare } = this.conditions;
    if (lossShare > 0 && this.#random.chance(lossShare)) {
      this.#tally.add('frame lost');
      return;
    }
    this.#deliver(from, to, frame);
    if (duplicateShare > 0 && this.#random.chance(duplicateShare)) {
      this.#tally.add('frame duplicated');
      this.#deliver(from, to, frame);
    }
  }

  #deliver(from: number, to: number, frame: Frame): void {
    const { delayMinMs, delayMaxMs, slowShare, slowMs } = this.conditions;
    let delayMs = delayMinMs + this.#random.unit() * (delayMaxMs - delayMinMs);
    if (slowShare > 0 && this.#random.chance(slowShare)) {
      delayMs += this.#random.unit() * slowMs;
      this.#tally.add('frame delayed');
    }
    this.#scheduler.after(delayMs, new Delivery(this.#receive, from, to, frame));
  }

  /** Cuts the direction; counts, so that two partitions may overlap and heal one by one. */
  cut(from: number, to: number): void {
    this.#cuts[from * this.#size + to]!++;
  }

  mend(from: number, to: number): void {
    const place = from * this.#size + to;
    if (this.#cuts[place]! > 0) this.#cuts[place]!--;
  }

  isCut(from: number, to: number): boolean {
    return this.#cuts[from * this.#size + to]! > 0;
  }

  /** All directions work and frames suffer nothing but short delays. */
  heal(): void {
    this.#cuts.fill(0);
    this.conditions = CALM;
  }
}

class Delivery<Frame> implements Task {
  readonly #receive: Receive<Frame>;
  readonly #from: number;
  readonly #to: number;
  readonly #frame: Frame;

  constructor(receive: Receive<Frame>, from: number, to: number, frame: Frame) {
    this.#receive = receive;
    this.#from = from;
    this.#to = to;
    this.#frame = frame;
  }

  run(): void {
    this.#receive(this.#from, this.#to, this.#frame);
  }
}
