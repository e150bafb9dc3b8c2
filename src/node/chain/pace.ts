// When the next height begins: at once when there is something to do, else after a while, to show that the chain lives.
//
// There is something to do while transactions or receipts wait, when evidence was found, and after a block that changed what people ask for: its
// state can be proven by the header of the next block only. And when validators speak of that height who are more than may lie: one
// that lies could otherwise keep everybody busy with empty blocks. Whoever's turn it is may begin alone, since others often do not have what waits
// there: one that lies hastens the heights of its own turn, and no other.

import type { Clock } from '../../base/ports.ts';
import type { ValidatorIndex, ValidatorSet } from '../../consensus/types.ts';
import { isWeak, powerOf } from '../../consensus/validator-set.ts';

export class Pace {
  readonly #clock: Pick<Clock, 'timer'>;
  readonly #heartbeatMs: number;
  #waiting: { readonly height: number; readonly begin: () => void } | undefined;
  #cancel: (() => void) | undefined;
  /** The highest height that each of the others spoke of. */
  #heard = new Map<ValidatorIndex, number>();
  #set: ValidatorSet | undefined;
  #proposedHeight = 0;

  constructor(clock: Pick<Clock, 'timer'>, heartbeatMs: number) {
    this.#clock = clock;
    this.#heartbeatMs = heartbeatMs;
  }

  /** `begin` is called once, at once or later; never when another height was asked for meanwhile. */
  await(height: number, set: ValidatorSet, hasWork: boolean, begin: () => void): void {
    this.stop();
    if (this.#set !== set) {
      this.#set = set;
      this.#heard = new Map();
    }
    if (hasWork || this.#proposedHeight === height || this.#isSpokenOf(height)) {
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

  /** The validator whose turn it is has proposed a block of this height. */
  proposed(height: number): void {
    this.#proposedHeight = Math.max(this.#proposedHeight, height);
    if (this.#waiting?.height === height) this.#begin();
  }

  /** A validator of the set of the last `await` speaks of a height. */
  heard(validator: ValidatorIndex, height: number): void {
    if (height <= (this.#heard.get(validator) ?? 0)) return;
    this.#heard.set(validator, height);
    if (this.#waiting !== undefined && this.#isSpokenOf(this.#waiting.height)) this.#begin();
  }

  #isSpokenOf(height: number): boolean {
    const set = this.#set;
    if (set === undefined) return false;
    let power = 0n;
    for (const [validator, heard] of this.#heard) if (heard >= height) power += powerOf(set, validator);
    return isWeak(set, power);
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
