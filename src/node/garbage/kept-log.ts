// The log of pieces, as everything on a node uses it that stores: who stores an entry, or finds that it is here already and relies on that, touches it.
//
// Invariants
//   When `touch` or `put` of an entry has resolved it is as if it had never been seen without a reference, durably: whoever confirms it to a client, or to
//   the chain, has the whole grace before it can be taken away.
//   An entry is never touched and taken away at the same time: who touches waits for a removal that has begun, and finds then that it is gone; what is being
//   touched is not taken away.

import { toHex } from '../../base/bytes.ts';
import type { ObjectId } from '../../base/ids.ts';
import { GARBAGE_STORED_BITS } from '../../base/limits.ts';
import type { LogEntry, LogEntryStat, LogUsage, PieceLog, ScrubReport } from '../../base/ports.ts';
import { subjectOf } from '../entry-keys.ts';
import { idOfKey } from './kept-entry.ts';
import type { Sightings } from './sightings.ts';

export class KeptLog implements PieceLog {
  readonly #log: PieceLog;
  readonly #sightings: Pick<Sightings, 'isEmpty' | 'of' | 'forget'>;
  /** By id in hex: how many are at it. */
  readonly #touched = new Map<string, number>();
  readonly #removed = new Map<string, Promise<unknown>>();
  /** A bit for the objects whose ids begin alike: something of one was stored since `beginRound`. */
  #stored: Uint8Array = noBits();

  constructor(log: PieceLog, sightings: Pick<Sightings, 'isEmpty' | 'of' | 'forget'>) {
    this.#log = log;
    this.#sightings = sightings;
  }

  // ---- Relying on entries ------------------------------------------------------------------------------------

  /** Throws what writing to the node's state throws. */
  async touch(key: Uint8Array): Promise<void> {
    const id = idOfKey(key);
    const text = toHex(id);
    this.#noteObject(key);
    if (this.#sightings.isEmpty && !this.#removed.has(text)) return;
    this.#touched.set(text, (this.#touched.get(text) ?? 0) + 1);
    try {
      await this.#removed.get(text);
      if ((await this.#sightings.of(id)) !== undefined) await this.#sightings.forget([id], true);
    } finally {
      const left = this.#touched.get(text)! - 1;
      if (left === 0) this.#touched.delete(text);
      else this.#touched.set(text, left);
    }
  }

  #noteObject(key: Uint8Array): void {
    const object = subjectOf(key)?.object;
    if (object === undefined) return;
    const { at, bit } = bitOf(object);
    this.#stored[at]! |= bit;
  }

  // ---- For collection ----------------------------------------------------------------------------------------

  /** From now on is kept of which objects something is stored. */
  beginRound(): void {
    // Memory that nobody writes to takes no place.
    this.#stored = noBits();
  }

  /** Whether something of the object was stored since the round began, or of one that looks like it. */
  wasStored(object: ObjectId): boolean {
    const { at, bit } = bitOf(object);
    return (this.#stored[at]! & bit) !== 0;
  }

  /** Runs `work` with those of `ids` that nobody is at; who comes to one of them waits until it has settled. One at a time. */
  async removing(
    ids: readonly Uint8Array[],
    work: (free: readonly Uint8Array[]) => Promise<void>,
  ): Promise<void> {
    const free = ids.filter((id) => !this.#touched.has(toHex(id)));
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const id of free) this.#removed.set(toHex(id), promise);
    try {
      await work(free);
    } finally {
      for (const id of free) this.#removed.delete(toHex(id));
      resolve();
    }
  }

  // ---- The port ----------------------------------------------------------------------------------------------

  async put(entry: LogEntry): Promise<void> {
    // Key and meta are the caller's again at once.
    const kept = { ...entry, key: entry.key.slice(), meta: entry.meta.slice() };
    await this.touch(kept.key);
    await this.#log.put(kept);
  }

  stat(key: Uint8Array): Promise<LogEntryStat | undefined> {
    return this.#log.stat(key);
  }

  read(key: Uint8Array, offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    return this.#log.read(key, offset, length, into);
  }

  remove(keys: readonly Uint8Array[]): Promise<number> {
    return this.#log.remove(keys);
  }

  keys(prefix: Uint8Array, limit?: number): AsyncIterable<Uint8Array> {
    return this.#log.keys(prefix, limit);
  }

  list(prefix: Uint8Array, limit?: number): AsyncIterable<LogEntryStat> {
    return this.#log.list(prefix, limit);
  }

  usage(): LogUsage {
    return this.#log.usage();
  }

  scrub(signal?: AbortSignal): Promise<ScrubReport> {
    return this.#log.scrub(signal);
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}

const noBits = (): Uint8Array => new Uint8Array(2 ** (GARBAGE_STORED_BITS - 3));

/** Ids are digests, so their first bits are as good as any. */
function bitOf(object: ObjectId): { readonly at: number; readonly bit: number } {
  const number = new DataView(object.buffer, object.byteOffset).getUint32(0) >>> (32 - GARBAGE_STORED_BITS);
  return { at: number >>> 3, bit: 1 << (number & 7) };
}
