// When the next height begins: at once when there is something to do, else after a while, to show that the chain lives.
//
// There is something to do while transactions or receipts wait, when evidence was found, when another validator speaks of that height, and after
// a block that changed what people ask for: its state can be proven by the header of the next block only.

import type { Clock } from '../../base/ports.ts';

export class Pace {
  readonly #clock: Pick<Clock, 'timer'>;
  readonly #heartbeatMs: number;
  #waiting: { readonly height: number; readonly begin: () => void } | undefined;
  #cancel: (() => void) | undefined;
  /** The highest height that another validator spoke of. */
  #heard = 0;

  constructor(clock: Pick<Clock, 'timer'>, heartbeatMs: number) {
    this.#clock = clock;
    this.#heartbeatMs = heartbeatMs;
  }

  /** `begin` is called once, at once or later; never when another height was asked for meanwhile. */
  await(height: number, hasWork: boolean, begin: () => void): void {
    this.stop();
    if (hasWork || this.#heard >= height) {
      begin();
      return;
    }
    this.#waiting = { height, begin };
    this.#cancel = this.#clock.timer(this.#heartbeatMs, () => this.#begin());
  }

  /** There is something to do. */
  wake(): void {
    this.#begin();
  }

  heard(height: number): void {
    if (height <= this.#heard) return;
    this.#heard = height;
    if (this.#waiting !== undefined && height >= this.#waiting.height) this.#begin();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#waiting = undefined;
  }

  #begin(): void {
    const begin = this.#waiting?.begin;
    this.stop();
    begin?.();
  }
}
