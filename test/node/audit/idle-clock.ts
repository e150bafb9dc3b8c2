// A clock on which time passes only when nothing else happens: whoever waits, waits in no time, and a slow machine makes nobody late.

import { setImmediate } from 'node:timers/promises';
import { StoreError } from '../../../src/base/errors.ts';
import type { Clock } from '../../../src/base/ports.ts';

interface Timer {
  readonly atMs: number;
  readonly run: () => void;
}

/** Turns of the event loop in which nothing is left to do where nothing waits for a disk or a socket. */
const IDLE_TURNS = 3;

export class IdleClock implements Clock {
  #nowMs = 1_000_000;
  readonly #timers = new Set<Timer>();
  #isRunning = false;

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs;
  }

  /** For who is busy with something that takes time. */
  advance(ms: number): void {
    this.#nowMs += ms;
  }

  timer(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.add(timer);
    void this.#pass();
    return () => this.#timers.delete(timer);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        cancel();
        reject(new StoreError('ABORTED', 'the wait was aborted'));
      };
      const cancel = this.timer(delayMs, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      if (signal?.aborted === true) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  async #pass(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (this.#timers.size > 0) {
      for (let turn = 0; turn < IDLE_TURNS; turn++) await setImmediate();
      const [next] = [...this.#timers].toSorted((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#isRunning = false;
  }
}
