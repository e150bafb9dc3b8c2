// What was seen here that the chain does not name, and since when. Kept in the node's own state, so that a grace outlasts a restart.
//
//     garbage/m           -> age, entries, bytes, bucket, when the next round is due
//     garbage/s entry     -> since when, bytes, object     an entry that nothing names
//     garbage/o object    -> newest of its sightings, progress of its registration
//
// Times are ages: milliseconds that this node has followed a chain that went on, since it was made. A clock that jumps, a node that was away and a
// chain that stood still, so that nobody could register anything, use up no grace.
//
// Invariants: `entries` and `bytes` are the sums of the sightings; writes happen one after the other. What a crash loses of it makes the grace
// longer, but for what was forgotten durably.

import { z } from 'zod';
import { concat, toHex, toUtf8 } from '../../base/bytes.ts';
import { decodeCanonical, digestOf, encode, uint } from '../../base/codec.ts';
import type { ObjectId } from '../../base/ids.ts';
import { GARBAGE_AGE_SAVED_EVERY_MS, GARBAGE_BATCH } from '../../base/limits.ts';
import type { KeyValue, KeyValueOperation } from '../../base/ports.ts';
import { TaskQueue } from '../chain/task-queue.ts';
import { entryWith, type KeptEntry } from './kept-entry.ts';

export interface Sighting {
  readonly entry: KeptEntry;
  readonly sinceMs: number;
  readonly lengthBytes: number;
}

/** An object of which the chain has not everything. */
export interface OpenObject {
  readonly object: ObjectId;
  readonly newestMs: number;
  readonly progress: number;
}

export interface Seen {
  readonly entry: KeptEntry;
  readonly lengthBytes: number;
  /** Of `Reference`. */
  readonly progress: number | undefined;
}

interface Mark {
  ageMs: number;
  entries: number;
  bytes: number;
  bucket: number;
  nextRoundMs: number;
}

const MARK_KEY: Uint8Array = toUtf8('garbage/m');
const OPEN_PREFIX: Uint8Array = toUtf8('garbage/o');
const SIGHTING_PREFIX: Uint8Array = toUtf8('garbage/s');
const SIGHTING_END: Uint8Array = toUtf8('garbage/t');
const OPEN_END: Uint8Array = toUtf8('garbage/p');
const ROW_LENGTH_MAX = 128;

const markSchema = z
  .tuple([uint(), uint(), uint(), uint(), uint()])
  .transform(
    ([ageMs, entries, bytes, bucket, nextRoundMs]): Mark => ({ ageMs, entries, bytes, bucket, nextRoundMs }),
  );
const sightingSchema = z.tuple([uint(), uint(), digestOf<ObjectId>().nullable()]);
const openSchema = z.tuple([uint(), uint()]);

const sightingKey = (id: Uint8Array): Uint8Array => concat(SIGHTING_PREFIX, id);
const openKey = (object: ObjectId): Uint8Array => concat(OPEN_PREFIX, object);

/** Throws INVALID_ENCODING when the state is not ours, DAMAGED, DISK. */
export async function openSightings(keyValue: KeyValue): Promise<Sightings> {
  const bytes = await keyValue.get(MARK_KEY);
  const mark =
    bytes === undefined
      ? { ageMs: 0, entries: 0, bytes: 0, bucket: 0, nextRoundMs: 0 }
      : decodeCanonical(markSchema, bytes, ROW_LENGTH_MAX, 'mark of garbage collection');
  return new Sightings(keyValue, mark);
}

export class Sightings {
  readonly #keyValue: KeyValue;
  readonly #mark: Mark;
  readonly #tasks = new TaskQueue();
  #writes = 0;
  #savedMs: number;

  constructor(keyValue: KeyValue, mark: Mark) {
    this.#keyValue = keyValue;
    this.#mark = mark;
    this.#savedMs = mark.ageMs;
  }

  get ageMs(): number {
    return this.#mark.ageMs;
  }

  get entries(): number {
    return this.#mark.entries;
  }

  get bytes(): number {
    return this.#mark.bytes;
  }

  /** Of the log, at which a round goes on. */
  get bucket(): number {
    return this.#mark.bucket;
  }

  get nextRoundMs(): number {
    return this.#mark.nextRoundMs;
  }

  /** Nothing is seen, nor about to be. */
  get isEmpty(): boolean {
    return this.#mark.entries === 0 && this.#writes === 0;
  }

  /** Kept with the next write, which is not long. */
  async advance(byMs: number): Promise<void> {
    this.#mark.ageMs += byMs;
    if (this.#mark.ageMs - this.#savedMs >= GARBAGE_AGE_SAVED_EVERY_MS) await this.save();
  }

  async save(round: Partial<Pick<Mark, 'bucket' | 'nextRoundMs'>> = {}): Promise<void> {
    Object.assign(this.#mark, round);
    await this.#write(async () => []);
  }

  // ---- Entries -----------------------------------------------------------------------------------------------

  async of(id: Uint8Array): Promise<Sighting | undefined> {
    const bytes = await this.#keyValue.get(sightingKey(id));
    return bytes === undefined ? undefined : sightingOf(id, bytes);
  }

  /** In the order of their ids, behind `after`. */
  async page(after: Uint8Array | undefined, limit: number): Promise<readonly Sighting[]> {
    const from = after === undefined ? SIGHTING_PREFIX : concat(sightingKey(after), new Uint8Array(1));
    const page: Sighting[] = [];
    for await (const [key, value] of this.#keyValue.range(from, SIGHTING_END, limit)) {
      page.push(sightingOf(key.slice(SIGHTING_PREFIX.length), value));
    }
    return page;
  }

  /** From now on; those that were seen before stay as they are. */
  note(seen: readonly Seen[]): Promise<void> {
    return this.#write(async () => {
      const sinceMs = this.#mark.ageMs;
      const operations: KeyValueOperation[] = [];
      for (const { entry, lengthBytes, progress } of seen) {
        if ((await this.of(entry.id)) !== undefined) continue;
        const { id, object } = entry;
        const value = encode([sinceMs, lengthBytes, object ?? null]);
        operations.push({ kind: 'put', key: sightingKey(id), value });
        if (object !== undefined && progress !== undefined)
          operations.push(openPut({ object, newestMs: sinceMs, progress }));
        this.#count(1, lengthBytes);
      }
      return operations;
    });
  }

  /** Resolves when that is durable, if `isDurable`. */
  forget(ids: readonly Uint8Array[], isDurable = false): Promise<void> {
    return this.#write(async () => {
      const operations: KeyValueOperation[] = [];
      for (const id of new Map(ids.map((each) => [toHex(each), each])).values()) {
        const sighting = await this.of(id);
        if (sighting === undefined) continue;
        operations.push({ kind: 'delete', key: sightingKey(id) });
        this.#count(-1, -sighting.lengthBytes);
      }
      return operations;
    }, isDurable);
  }

  #count(entries: number, bytes: number): void {
    this.#mark.entries += entries;
    this.#mark.bytes += bytes;
  }

  // ---- Objects -----------------------------------------------------------------------------------------------

  async openObject(object: ObjectId): Promise<OpenObject | undefined> {
    const bytes = await this.#keyValue.get(openKey(object));
    if (bytes === undefined) return undefined;
    const [newestMs, progress] = decodeCanonical(openSchema, bytes, ROW_LENGTH_MAX, 'open object');
    return { object, newestMs, progress };
  }

  keepOpen(object: OpenObject): Promise<void> {
    return this.#write(async () => [openPut(object)]);
  }

  /** Those of which nothing was new since `beforeMs`. */
  async forgetOpen(beforeMs: number): Promise<void> {
    let from = OPEN_PREFIX;
    for (let isMore = true; isMore; ) {
      const old: Uint8Array[] = [];
      let count = 0;
      for await (const [key, value] of this.#keyValue.range(from, OPEN_END, GARBAGE_BATCH)) {
        const [newestMs] = decodeCanonical(openSchema, value, ROW_LENGTH_MAX, 'open object');
        if (newestMs < beforeMs) old.push(key);
        from = concat(key, new Uint8Array(1));
        count++;
      }
      if (old.length > 0) await this.#write(async () => old.map((key) => ({ kind: 'delete', key })));
      isMore = count === GARBAGE_BATCH;
    }
  }

  // ---- Writing -----------------------------------------------------------------------------------------------

  #write(make: () => Promise<readonly KeyValueOperation[]>, isDurable = false): Promise<void> {
    this.#writes++;
    return this.#tasks.run(async () => {
      try {
        const operations = await make();
        this.#savedMs = this.#mark.ageMs;
        const value = encode(markTuple(this.#mark));
        await this.#keyValue.batch([...operations, { kind: 'put', key: MARK_KEY, value }], { isDurable });
      } finally {
        this.#writes--;
      }
    });
  }
}

function markTuple({ ageMs, entries, bytes, bucket, nextRoundMs }: Mark): readonly number[] {
  return [ageMs, entries, bytes, bucket, nextRoundMs];
}

function openPut({ object, newestMs, progress }: OpenObject): KeyValueOperation {
  return { kind: 'put', key: openKey(object), value: encode([newestMs, progress]) };
}

function sightingOf(id: Uint8Array, bytes: Uint8Array): Sighting {
  const [sinceMs, lengthBytes, object] = decodeCanonical(sightingSchema, bytes, ROW_LENGTH_MAX, 'sighting');
  return { entry: entryWith(id, object ?? undefined), sinceMs, lengthBytes };
}
