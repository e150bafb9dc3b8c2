// The Directory port over Kademlia: bounded in time, and the node's own records kept alive. Records expire soon, because a
// node that is gone cannot take back what it said; so their makers renew them long before.

import { StoreError, toStoreError } from '../base/errors.ts';
import {
  DHT_OPERATION_MS,
  DHT_PUBLICATIONS_AT_ONCE,
  DHT_RECORD_LIFETIME_MS,
  DHT_REPUBLISH_MS,
} from '../base/limits.ts';
import type { Clock, Directory } from '../base/ports.ts';
import type { Kademlia } from './kademlia.ts';
import { type DhtRecord, keyOf } from './record.ts';

export interface DirectoryOptions {
  readonly kademlia: Pick<Kademlia, 'put' | 'get'>;
  readonly clock: Clock;
  /** Signs the records of `maintain`. */
  readonly sign: (record: DhtRecord) => Uint8Array;
  readonly lifetimeMs?: number;
  readonly republishMs?: number;
  /** After a publication that no other node took, the next attempt comes this soon. */
  readonly retryMs?: number;
  readonly operationMs?: number;
}

/** What a record says now; sequence and expiry are added. Undefined: there is nothing to say at the moment. */
type RecordMaker = (sequence: number, expiresAtMs: number) => DhtRecord | undefined;

export interface NodeDirectory extends Directory {
  /** Publishes what `make` gives, now and again before it expires; the returned function ends it. */
  maintain(make: RecordMaker): () => void;
  /** Publishes everything maintained at once: after an epoch, an address or a network came back. */
  refresh(): void;
  close(): void;
}

const RETRY_MS = 30_000;

export function createDirectory(options: DirectoryOptions): NodeDirectory {
  const { kademlia, clock } = options;
  const lifetimeMs = options.lifetimeMs ?? DHT_RECORD_LIFETIME_MS;
  const republishMs = options.republishMs ?? Math.min(DHT_REPUBLISH_MS, lifetimeMs / 2);
  const stop = new AbortController();
  const maintained = new Set<{ readonly wake: () => void; readonly end: () => void }>();
  const queue: (() => void)[] = [];
  let underWay = 0;

  /** Runs `work` within the time of one operation; a failure is a StoreError. */
  async function bounded<T>(
    context: string,
    caller: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (stop.signal.aborted) throw new StoreError('CLOSED', 'the directory is closed');
    const limit = new AbortController();
    const cancel = clock.timer(options.operationMs ?? DHT_OPERATION_MS, () => limit.abort());
    const signal = AbortSignal.any([stop.signal, limit.signal, ...(caller === undefined ? [] : [caller])]);
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => {
      const isLate = limit.signal.aborted && caller?.aborted !== true;
      aborted.reject(
        new StoreError(isLate ? 'TIMEOUT' : 'ABORTED', `${context}: ${isLate ? 'took too long' : 'aborted'}`),
      );
    };
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([work(signal), aborted.promise]);
    } catch (error) {
      throw toStoreError(error, 'UNREACHABLE', context);
    } finally {
      cancel();
      signal.removeEventListener('abort', onAbort);
      aborted.promise.catch(() => undefined);
    }
  }

  /** One round of a maintained record; returns when the next is due. A hint that could not be left is no failure. */
  async function publishOnce(make: RecordMaker): Promise<number> {
    const nowMs = clock.now();
    try {
      const record = make(nowMs, nowMs + lifetimeMs);
      if (record === undefined) return republishMs;
      const takers = await bounded('publishing', undefined, (signal) =>
        kademlia.put(keyOf(record), options.sign(record), signal),
      );
      return takers > 0 ? republishMs : Math.min(options.retryMs ?? RETRY_MS, republishMs);
    } catch {
      return Math.min(options.retryMs ?? RETRY_MS, republishMs);
    }
  }

  /** A node with many records has few of them under way: a burst would be refused by those who keep them. */
  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (underWay >= DHT_PUBLICATIONS_AT_ONCE) await new Promise<void>((resolve) => queue.push(resolve));
    else underWay += 1;
    try {
      return await work();
    } finally {
      // The place is handed on, or given back.
      const next = queue.shift();
      if (next === undefined) underWay -= 1;
      else next();
    }
  }

  function maintain(make: RecordMaker): () => void {
    let cancel = (): void => undefined;
    let isEnded = false;
    let isRunning = false;
    async function round(): Promise<void> {
      if (isEnded || isRunning || stop.signal.aborted) return;
      isRunning = true;
      cancel();
      const nextMs = await inTurn(async () => (isEnded ? 0 : publishOnce(make)));
      isRunning = false;
      if (!isEnded && !stop.signal.aborted) cancel = clock.timer(nextMs, wake);
    }
    const wake = (): void => void round();
    const end = (): void => {
      isEnded = true;
      cancel();
      maintained.delete(entry);
    };
    const entry = { wake, end };
    maintained.add(entry);
    wake();
    return end;
  }

  return {
    async publish(key, record, signal) {
      await bounded('publishing', signal, (limited) => kademlia.put(key, record, limited));
    },
    find: (key, signal) => bounded('look-up', signal, (limited) => kademlia.get(key, limited)),
    maintain,
    refresh() {
      for (const entry of maintained) entry.wake();
    },
    close() {
      stop.abort();
      for (const entry of maintained) entry.end();
    },
  };
}
