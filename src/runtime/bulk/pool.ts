// The connections of a client to one peer. A connection carries one call at a time; a call takes an idle one, has one
// opened while there are fewer than the bound, or waits for whichever comes first. Waiting is bounded and can be
// given up. What a connection carries is not known here.
//
// Invariant: when somebody waits, a connection is being opened or is at work, so that somebody will be served or told.

import { StoreError } from '../../base/errors.ts';
import { BULK_QUEUE_MAX } from '../../base/limits.ts';
import type { Channel } from './channel.ts';

export interface Link {
  readonly channel: Channel;
  /** Calls that it has carried to their end. */
  uses: number;
  idleSinceMs: number;
}

export interface PoolOptions {
  readonly connectionsMax: number;
  /** Opens one connection; its signal's reason is a StoreError. */
  readonly open: (signal: AbortSignal) => Promise<Channel>;
}

interface Waiter {
  readonly resolve: (link: Link) => void;
  readonly reject: (error: unknown) => void;
}

export class Pool {
  readonly #options: PoolOptions;
  readonly #links = new Set<Link>();
  /** Last used last: the newest is the least likely to have been closed by the peer. */
  #idle: Link[] = [];
  readonly #openings = new Set<AbortController>();
  readonly #waiters = new Set<Waiter>();

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Connections open or being opened. */
  get size(): number {
    return this.#links.size + this.#openings.size;
  }

  get isUnused(): boolean {
    return this.size === 0 && this.#waiters.size === 0;
  }

  /** A connection for one call. Throws what opening threw, BUSY, or the signal's reason. */
  async take(signal: AbortSignal): Promise<Link> {
    signal.throwIfAborted();
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      idle.channel.isHolding = true;
      return idle;
    }
    if (this.#waiters.size >= BULK_QUEUE_MAX)
      throw new StoreError('BUSY', 'too many calls wait for a connection');
    return await this.#wait(signal);
  }

  /** Gives a connection back after a call. */
  give(link: Link): void {
    link.uses += 1;
    if (link.channel.failure === undefined) this.#offer(link);
  }

  /** Takes over a connection that was opened elsewhere. */
  adopt(channel: Channel): void {
    const link: Link = { channel, uses: 0, idleSinceMs: 0 };
    this.#links.add(link);
    channel.tie(() => this.#drop(link));
    if (channel.failure === undefined) this.#offer(link);
  }

  /** Closes connections that were idle since `sinceMs` or before; returns how many. */
  closeIdle(sinceMs: number): number {
    const old = this.#idle.filter((link) => link.idleSinceMs <= sinceMs);
    for (const link of old) link.channel.fail(new StoreError('CLOSED', 'idle for long'));
    return old.length;
  }

  close(error: StoreError): void {
    this.#rejectAll(error);
    for (const opening of this.#openings) opening.abort(error);
    for (const link of this.#links) link.channel.fail(error);
  }

  async #wait(signal: AbortSignal): Promise<Link> {
    const { promise, resolve, reject } = Promise.withResolvers<Link>();
    const waiter: Waiter = { resolve, reject };
    const onAbort = (): void => {
      this.#waiters.delete(waiter);
      reject(signal.reason);
      this.#cancelSpareOpenings();
    };
    this.#waiters.add(waiter);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#openForWaiters();
    return await promise.finally(() => signal.removeEventListener('abort', onAbort));
  }

  #openForWaiters(): void {
    while (this.#openings.size < this.#waiters.size && this.size < this.#options.connectionsMax) {
      const opening = new AbortController();
      this.#openings.add(opening);
      this.#options.open(opening.signal).then(
        (channel) => {
          this.#openings.delete(opening);
          this.adopt(channel);
        },
        (error: unknown) => {
          this.#openings.delete(opening);
          // While others are open or being opened, the waiting calls are theirs.
          if (this.size === 0) this.#rejectAll(error);
        },
      );
    }
  }

  /** Nobody is left to use them, and an opening connection keeps the process alive. */
  #cancelSpareOpenings(): void {
    for (const opening of this.#openings) {
      if (this.#openings.size <= this.#waiters.size) return;
      this.#openings.delete(opening);
      opening.abort(new StoreError('ABORTED', 'nobody waits for this connection any more'));
    }
  }

  #offer(link: Link): void {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      link.channel.isHolding = true;
      waiter.resolve(link);
      return;
    }
    link.idleSinceMs = performance.now();
    link.channel.isHolding = false;
    this.#idle.push(link);
  }

  #drop(link: Link): void {
    this.#links.delete(link);
    this.#idle = this.#idle.filter((other) => other !== link);
    this.#openForWaiters();
  }

  #rejectAll(error: unknown): void {
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }
}
