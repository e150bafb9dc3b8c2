// Whoever asks for what the next blocks will bring waits here, for a while. Nothing is looked up: commits say what there is to know.
//
// Invariants: at most CHAIN_WAITS_MAX wait; each ends once, by what it waits for, its time, its signal or the end of all.

import { StoreError } from '../../base/errors.ts';
import { CHAIN_WAIT_MS_MAX, CHAIN_WAITS_MAX } from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';

/** What a commit says. */
export interface News {
  readonly height: number;
  /** Hex ids of the transactions that it included. */
  readonly transactions: ReadonlySet<string>;
}

export interface Wait {
  /** True when what was waited for happened, false when the time was over. Throws ABORTED, CLOSED. */
  readonly outcome: Promise<boolean>;
  /** It is not needed any more. */
  cancel(): void;
}

interface Waiting {
  readonly isMet: (news: News) => boolean;
  readonly end: (outcome: boolean | StoreError) => void;
}

export class QueryWaits {
  readonly #clock: Pick<Clock, 'timer'>;
  readonly #limit: number;
  readonly #waiting = new Set<Waiting>();
  #isClosed = false;

  constructor(clock: Pick<Clock, 'timer'>, limit: number = CHAIN_WAITS_MAX) {
    this.#clock = clock;
    this.#limit = limit;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Waits for news for which `isMet`, at most `waitMs`. Begin it before looking whether it is true already. Throws BUSY, ABORTED, CLOSED. */
  begin(isMet: (news: News) => boolean, waitMs: number, signal: AbortSignal | undefined): Wait {
    if (this.#isClosed) throw closed();
    if (signal?.aborted === true) throw aborted();
    if (this.#waiting.size >= this.#limit) {
      throw new StoreError('BUSY', `${this.#limit} queries wait for blocks already`, {
        next: 'Ask again without waiting, or ask another node.',
      });
    }
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    // Whoever cancels does not look at the outcome.
    promise.catch(() => undefined);
    const waiting: Waiting = {
      isMet,
      end: (outcome) => {
        if (!this.#waiting.delete(waiting)) return;
        cancelTimer();
        signal?.removeEventListener('abort', onAbort);
        if (typeof outcome === 'boolean') resolve(outcome);
        else reject(outcome);
      },
    };
    const onAbort = (): void => waiting.end(aborted());
    this.#waiting.add(waiting);
    signal?.addEventListener('abort', onAbort, { once: true });
    const cancelTimer = this.#clock.timer(Math.min(waitMs, CHAIN_WAIT_MS_MAX), () => waiting.end(false));
    return { outcome: promise, cancel: () => waiting.end(false) };
  }

  tell(news: News): void {
    for (const waiting of this.#waiting) if (waiting.isMet(news)) waiting.end(true);
  }

  close(): void {
    this.#isClosed = true;
    for (const waiting of this.#waiting) waiting.end(closed());
  }
}

function aborted(): StoreError {
  return new StoreError('ABORTED', 'the caller went away');
}

function closed(): StoreError {
  return new StoreError('CLOSED', 'the node is stopping');
}
