// Publishes no faster than a node may, whatever it is handed: messages wait in their order until it is their turn, and what does not
// fit among those that wait is not taken. A burst of one second goes at once.

import type { Clock } from '../../base/ports.ts';

export interface PaceLimits {
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly waitingMax: number;
  readonly waitingBytesMax: number;
}

const BURST_MS = 1000;

export class PacedPublisher {
  readonly #clock: Pick<Clock, 'monotonic' | 'timer'>;
  readonly #publish: (message: Uint8Array) => void;
  readonly #limits: PaceLimits;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Everything sent so far would have been sent by then, one message after the other. */
  #paidUntilMs = Number.NEGATIVE_INFINITY;
  #cancel: (() => void) | undefined;
  #isStopped = false;

  constructor(
    clock: Pick<Clock, 'monotonic' | 'timer'>,
    publish: (message: Uint8Array) => void,
    limits: PaceLimits,
  ) {
    this.#clock = clock;
    this.#publish = publish;
    this.#limits = limits;
  }

  /** False when too much waits already, or it was stopped. */
  offer(message: Uint8Array): boolean {
    const { waitingMax, waitingBytesMax } = this.#limits;
    const isRoom =
      this.#waiting.length < waitingMax && this.#waitingBytes + message.length <= waitingBytesMax;
    if (this.#isStopped || !isRoom) return false;
    this.#waiting.push(message);
    this.#waitingBytes += message.length;
    this.#send();
    return true;
  }

  /** What waits is obsolete: only this is to be said. */
  offerInstead(message: Uint8Array): boolean {
    this.#waiting = [];
    this.#waitingBytes = 0;
    return this.offer(message);
  }

  stop(): void {
    this.#isStopped = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#cancel?.();
  }

  #send(): void {
    if (this.#cancel !== undefined) return;
    const nowMs = this.#clock.monotonic();
    this.#paidUntilMs = Math.max(this.#paidUntilMs, nowMs - BURST_MS);
    let sent = 0;
    while (sent < this.#waiting.length && this.#paidUntilMs <= nowMs) {
      const message = this.#waiting[sent++]!;
      this.#paidUntilMs += this.#costMs(message.length);
      this.#waitingBytes -= message.length;
      this.#publish(message);
    }
    this.#waiting = this.#waiting.slice(sent);
    if (this.#waiting.length === 0 || this.#isStopped) return;
    this.#cancel = this.#clock.timer(this.#paidUntilMs - nowMs, () => {
      this.#cancel = undefined;
      this.#send();
    });
  }

  #costMs(lengthBytes: number): number {
    const { messagesPerSecond, bytesPerSecond } = this.#limits;
    return Math.max(1000 / messagesPerSecond, (1000 * lengthBytes) / bytesPerSecond);
  }
}
