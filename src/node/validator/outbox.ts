// What waits to be sent to one validator. Each has its own, so nobody waits for the slow.
//
// What was said later replaces what it supersedes: the vote of a kind by its signer's next, a certificate by the next of its
// kind. To somebody who could not be reached meanwhile the older one is of no use, because a validator that moved on repeats
// why it did (L1), and one that is behind is given the decision (L7). So a queue is short by its nature, and what
// somebody finds who comes back is the present.
//
// Invariants: one frame is under way at a time; at most FRAMES_PER_VALIDATOR_MAX wait, the oldest give way; a frame that found no
// way goes again, later and later, unless it was superseded; one that was refused does not.

import { type ErrorCode, StoreError } from '../../base/errors.ts';
import {
  FRAMES_PER_VALIDATOR_MAX,
  VALIDATOR_RETRY_MAX_MS,
  VALIDATOR_RETRY_MIN_MS,
} from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';
import type { Message } from '../../consensus/types.ts';

export interface OutgoingFrame {
  readonly message: Message;
  /** The message, encoded. */
  readonly header: Uint8Array;
  readonly block: Uint8Array | undefined;
}

export interface OutboxCounts {
  sent: number;
  /** Replaced by a later one before they left, or pushed out. */
  superseded: number;
  /** Attempts that found no way. */
  lost: number;
  /** Not taken by the receiver. */
  refused: number;
}

/** The peer is not there, or not any more: the same frame may go later. */
const LOST_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['UNREACHABLE', 'TIMEOUT', 'WRONG_NETWORK']);

export class Outbox {
  readonly #send: (frame: OutgoingFrame) => Promise<void>;
  readonly #clock: Pick<Clock, 'timer'>;
  readonly #counts: OutboxCounts;
  /** By what supersedes it, oldest first. */
  #waiting = new Map<string, OutgoingFrame>();
  #isSending = false;
  #isStopped = false;
  #retryMs = VALIDATOR_RETRY_MIN_MS;
  #cancelRetry: (() => void) | undefined;

  constructor(
    send: (frame: OutgoingFrame) => Promise<void>,
    clock: Pick<Clock, 'timer'>,
    counts: OutboxCounts,
  ) {
    this.#send = send;
    this.#clock = clock;
    this.#counts = counts;
  }

  get length(): number {
    return this.#waiting.size;
  }

  push(frame: OutgoingFrame): void {
    if (this.#isStopped) return;
    const slot = slotOf(frame.message);
    if (this.#waiting.delete(slot)) this.#counts.superseded += 1;
    this.#waiting.set(slot, frame);
    if (this.#waiting.size > FRAMES_PER_VALIDATOR_MAX) this.#takeOldest();
    this.#goOn();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelRetry?.();
    this.#waiting.clear();
  }

  #takeOldest(): readonly [string, OutgoingFrame] | undefined {
    for (const entry of this.#waiting) {
      this.#waiting.delete(entry[0]);
      return entry;
    }
    return undefined;
  }

  /** Does nothing while a frame is under way or the next attempt is waited for. */
  #goOn(): void {
    if (this.#isSending || this.#cancelRetry !== undefined || this.#isStopped) return;
    const next = this.#takeOldest();
    if (next === undefined) return;
    const [slot, frame] = next;
    this.#isSending = true;
    this.#send(frame)
      .then(
        () => {
          this.#counts.sent += 1;
          this.#retryMs = VALIDATOR_RETRY_MIN_MS;
        },
        (error: unknown) => this.#onFailure(error, slot, frame),
      )
      .finally(() => {
        this.#isSending = false;
        this.#goOn();
      });
  }

  #onFailure(error: unknown, slot: string, frame: OutgoingFrame): void {
    if (this.#isStopped) return;
    if (!(error instanceof StoreError && LOST_CODES.has(error.code))) {
      this.#counts.refused += 1;
      return;
    }
    this.#counts.lost += 1;
    if (!this.#waiting.has(slot)) this.#waiting = new Map([[slot, frame], ...this.#waiting]);
    const delayMs = this.#retryMs;
    this.#retryMs = Math.min(2 * delayMs, VALIDATOR_RETRY_MAX_MS);
    this.#cancelRetry = this.#clock.timer(delayMs, () => {
      this.#cancelRetry = undefined;
      this.#goOn();
    });
  }
}

/** Messages of one slot supersede each other. */
function slotOf(message: Message): string {
  return 'validator' in message ? `${message.kind} ${message.validator}` : message.kind;
}
