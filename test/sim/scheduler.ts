// What happens when: a 4-ary heap of tasks ordered by (time, order of scheduling), and the clocks of the simulated
// machines. Time is a number of milliseconds since the world began and moves only from task to task.

import type { Clock } from '../../src/base/ports.ts';

export interface Task {
  run(): void;
}

const ARITY = 4;

export class Scheduler {
  /** World time, milliseconds. */
  now = 0;
  /** Tasks run so far. */
  count = 0;
  #times = new Float64Array(1024);
  #orders = new Float64Array(1024);
  readonly #tasks: Task[] = [];
  #nextOrder = 0;

  get waiting(): number {
    return this.#tasks.length;
  }

  /** Runs `task` after `delayMs` of world time; tasks of one instant run in the order they were scheduled. */
  after(delayMs: number, task: Task): void {
    const at = this.now + (delayMs > 0 ? delayMs : 0);
    const order = this.#nextOrder++;
    let hole = this.#tasks.length;
    this.#tasks.push(task);
    if (hole >= this.#times.length) this.#grow();
    while (hole > 0) {
      const parent = (hole - 1) >>> 2;
      if (this.#times[parent]! <= at) break; // an equal time was scheduled before
      this.#move(parent, hole);
      hole = parent;
    }
    this.#put(hole, at, order, task);
  }

  /** Runs the next task; false when there is none before `untilMs`, to which the time then moves. */
  step(untilMs: number): boolean {
    const task = this.#tasks[0];
    if (task === undefined || this.#times[0]! > untilMs) {
      if (this.now < untilMs) this.now = untilMs;
      return false;
    }
    this.now = this.#times[0]!;
    this.count++;
    this.#removeFirst();
    task.run();
    return true;
  }

  #removeFirst(): void {
    const last = this.#tasks.length - 1;
    const at = this.#times[last]!;
    const order = this.#orders[last]!;
    const task = this.#tasks.pop()!;
    if (last === 0) return;
    let hole = 0;
    for (;;) {
      const least = this.#leastChild(hole, last);
      if (least === -1 || !this.#isBefore(least, at, order)) break;
      this.#move(least, hole);
      hole = least;
    }
    this.#put(hole, at, order, task);
  }

  #leastChild(parent: number, length: number): number {
    const first = parent * ARITY + 1;
    if (first >= length) return -1;
    const end = Math.min(first + ARITY, length);
    let least = first;
    for (let child = first + 1; child < end; child++) {
      if (this.#isBefore(child, this.#times[least]!, this.#orders[least]!)) least = child;
    }
    return least;
  }

  #isBefore(slot: number, at: number, order: number): boolean {
    const time = this.#times[slot]!;
    return time < at || (time === at && this.#orders[slot]! < order);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from]!, this.#orders[from]!, this.#tasks[from]!);
  }

  #put(slot: number, at: number, order: number, task: Task): void {
    this.#times[slot] = at;
    this.#orders[slot] = order;
    this.#tasks[slot] = task;
  }

  #grow(): void {
    const times = new Float64Array(2 * this.#times.length);
    times.set(this.#times);
    this.#times = times;
    const orders = new Float64Array(2 * this.#orders.length);
    orders.set(this.#orders);
    this.#orders = orders;
  }
}

/** A task that may be called off; a cancelled one stays in the heap until its time and then does nothing. */
export class Timer implements Task {
  #run: (() => void) | undefined;

  constructor(run: () => void) {
    this.#run = run;
  }

  run(): void {
    const run = this.#run;
    this.#run = undefined;
    run?.();
  }

  cancel(): void {
    this.#run = undefined;
  }
}

/** A machine's clock: it starts `skewMs` off, runs `rate` times as fast as the world's, and may be set by `jump`. */
export class MachineClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #rate: number;
  #skewMs: number;

  constructor(scheduler: Scheduler, skewMs: number, rate: number) {
    this.#scheduler = scheduler;
    this.#skewMs = skewMs;
    this.#rate = rate;
  }

  now(): number {
    return this.#skewMs + this.#scheduler.now * this.#rate;
  }

  monotonic(): number {
    return this.#scheduler.now * this.#rate;
  }

  /** Sets the wall clock; what is monotonic goes on as before. */
  jump(byMs: number): void {
    this.#skewMs += byMs;
  }

  timer(delayMs: number, run: () => void): () => void {
    const timer = new Timer(run);
    this.#scheduler.after(delayMs / this.#rate, timer);
    return () => timer.cancel();
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      const cancel = this.timer(delayMs, resolve);
      const onAbort = (): void => {
        cancel();
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}
