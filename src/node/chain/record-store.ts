// Records of the state, each as every version wrote it that can still be read. The latest lies under its path with the version that wrote
// it: reading after the head is one look-up. What it replaces moves to the history, where the version that counts at a height is the
// first entry from there on. A record that was removed leaves a tombstone.
//
// Invariants
//   A path with former versions has a latest one, if only a tombstone: pruning takes former versions first.
//   What the cache holds is what the store holds: a record that was read while something was written is not cached.
//
// Whoever writes calls `operations`, writes them with the rest of the block in one batch, and then calls `remember`.

import { assert } from '../../base/assert.ts';
import { equal, toHex } from '../../base/bytes.ts';
import { HISTORY_READS_CONCURRENCY, RECORD_CACHE_LENGTH } from '../../base/limits.ts';
import type { KeyValueOperation } from '../../base/ports.ts';
import { Reader, Writer } from '../../consensus/binary.ts';
import type { LocalKeyValue } from '../../runtime/key-value.ts';
import type { Change, Loaded } from '../../shards/view.ts';
import { BoundedCache } from './bounded-cache.ts';
import { type Pruned, putStaleRecords, type StaleRecord, staleRecords } from './stale-lists.ts';
import { historyKey, historyRange, recordKey, restOf, subjectRange } from './store-keys.ts';

/** Where a record lies: `text` is the hex of `path`. */
export interface RecordPlace {
  readonly path: Uint8Array;
  readonly text: string;
}

interface Versioned {
  readonly version: number;
  readonly record: Loaded;
}

/** No record, and none before: no version that can be read has one. A tombstone is newer, for genesis removes nothing. */
const ABSENT: Versioned = { version: 0, record: null };
const VERSION_LENGTH = 8;
/** What an entry costs in memory beside the record's bytes: key, map and objects. */
const ENTRY_OVERHEAD = 300;

export class RecordStore {
  readonly #keyValue: LocalKeyValue;
  readonly #generation: number;
  readonly #cache: BoundedCache<string, Versioned>;
  /** How often something was written. */
  #writes = 0;

  constructor(keyValue: LocalKeyValue, generation: number, cacheLength: number = RECORD_CACHE_LENGTH) {
    this.#keyValue = keyValue;
    this.#generation = generation;
    this.#cache = new BoundedCache(cacheLength, ({ record }) => ENTRY_OVERHEAD + (record?.length ?? 0));
  }

  /** The records as they were after `version`, which must not be pruned while this runs. Nobody may change the bytes. */
  async readAt(version: number, places: readonly RecordPlace[]): Promise<Loaded[]> {
    const latest = await this.#latest(places);
    const records = latest.map(({ record }) => record);
    const former = [...latest.keys()].filter((index) => latest[index]!.version > version);
    for (let at = 0; at < former.length; at += HISTORY_READS_CONCURRENCY) {
      const reads = former.slice(at, at + HISTORY_READS_CONCURRENCY).map(async (index) => {
        records[index] = await this.#formerAt(version, places[index]!.path);
      });
      await Promise.all(reads);
    }
    return records;
  }

  async #latest(places: readonly RecordPlace[]): Promise<Versioned[]> {
    const writes = this.#writes;
    const found = places.map(({ text }) => this.#cache.get(text));
    const missing = [...found.keys()].filter((index) => found[index] === undefined);
    if (missing.length > 0) {
      const values = await this.#keyValue.getMany(
        missing.map((index) => recordKey(this.#generation, places[index]!.path)),
      );
      for (const [at, index] of missing.entries()) {
        const value = values[at];
        const versioned = value === undefined ? ABSENT : decodeVersioned(value);
        found[index] = versioned;
        if (writes === this.#writes) this.#cache.set(places[index]!.text, versioned);
      }
    }
    return found as Versioned[];
  }

  async #formerAt(version: number, path: Uint8Array): Promise<Loaded> {
    const { from, to } = historyRange(this.#generation, path, version);
    for await (const [, value] of this.#keyValue.range(from, to, 1)) return decodeLoaded(value);
    return null;
  }

  /** The latest records in the order of paths, from `from` on; null for a tombstone. */
  async *latest(
    from: Uint8Array,
    limit: number,
  ): AsyncGenerator<readonly [path: Uint8Array, record: Loaded]> {
    const { to } = subjectRange(this.#generation, 'record');
    for await (const [key, value] of this.#keyValue.range(recordKey(this.#generation, from), to, limit)) {
      yield [restOf(key), decodeVersioned(value).record];
    }
  }

  // ---- Writing -----------------------------------------------------------------------------------------------

  /** What makes `changes` the records after `version`. They were made on the latest records, of versions before. */
  async operations(version: number, changes: readonly Change[]): Promise<KeyValueOperation[]> {
    const latest = await this.#latest(changes.map(({ key }) => key));
    const puts: KeyValueOperation[] = [];
    const stale: StaleRecord[] = [];
    for (const [index, { key, before, after }] of changes.entries()) {
      const { path } = key;
      const former = latest[index]!;
      assert(isSame(before, former.record), 'a block is committed on the state on which it was executed');
      puts.push(putRecord(this.#generation, path, version, after));
      if (former.version > 0 || former.record !== null) {
        puts.push(putFormer(this.#generation, path, former));
        stale.push({ kind: 'former', path, version: former.version });
      }
      if (after === null) stale.push({ kind: 'tombstone', path, version });
    }
    return [...puts, ...putStaleRecords(this.#generation, version, stale)];
  }

  /** After `changes` were written. */
  remember(version: number, changes: readonly Change[]): void {
    this.#writes++;
    for (const { key, after } of changes) this.#cache.set(key.text, { version, record: after });
  }

  // ---- Pruning -----------------------------------------------------------------------------------------------

  /** Deletes some of what no state needs that is kept; nothing else may write meanwhile. False: there is no more. */
  async pruneStep(pruned: Pruned): Promise<boolean> {
    const { operations, items, hasMore } = await staleRecords(this.#keyValue, this.#generation, pruned);
    const tombstones = items.filter(({ kind }) => kind === 'tombstone');
    const values = await this.#keyValue.getMany(
      tombstones.map(({ path }) => recordKey(this.#generation, path)),
    );
    // A tombstone on which a record was written is a former version, and pruned as such.
    const latest = tombstones.filter(({ version }, index) => isTombstoneOf(values[index], version));
    const former = items.filter(({ kind }) => kind === 'former');
    const keys = [
      ...former.map(({ path, version }) => historyKey(this.#generation, path, version)),
      ...latest.map(({ path }) => recordKey(this.#generation, path)),
    ];
    // Durable, because the order counts: a later batch must not survive an earlier one.
    const deletes = keys.map((key) => ({ kind: 'delete' as const, key }));
    if (operations.length > 0) await this.#keyValue.batch([...operations, ...deletes], { isDurable: true });
    this.#writes++;
    for (const { path } of latest) this.#cache.delete(toHex(path));
    return hasMore;
  }
}

function isTombstoneOf(value: Uint8Array | undefined, version: number): boolean {
  if (value === undefined) return false;
  const latest = decodeVersioned(value);
  return latest.record === null && latest.version === version;
}

function isSame(a: Loaded, b: Loaded): boolean {
  return a === null || b === null ? a === b : equal(a, b);
}

// ---- Bytes ---------------------------------------------------------------------------------------------------

/** Makes `record` the latest at `path`. */
export function putRecord(
  generation: number,
  path: Uint8Array,
  version: number,
  record: Loaded,
): KeyValueOperation {
  const writer = new Writer(VERSION_LENGTH + 1 + (record?.length ?? 0));
  writer.uint64(version);
  writer.uint8(record === null ? 0 : 1);
  if (record !== null) writer.raw(record);
  return { kind: 'put', key: recordKey(generation, path), value: writer.finish() };
}

function putFormer(generation: number, path: Uint8Array, { version, record }: Versioned): KeyValueOperation {
  return { kind: 'put', key: historyKey(generation, path, version), value: encodeLoaded(record) };
}

function decodeVersioned(value: Uint8Array): Versioned {
  const reader = new Reader(value, 'stored record');
  const version = reader.uint64();
  return { version, record: readLoaded(reader) };
}

/** u8 1 and the record, or u8 0: there was none. */
function encodeLoaded(record: Loaded): Uint8Array {
  const writer = new Writer(1 + (record?.length ?? 0));
  writer.uint8(record === null ? 0 : 1);
  if (record !== null) writer.raw(record);
  return writer.finish();
}

function decodeLoaded(value: Uint8Array): Loaded {
  return readLoaded(new Reader(value, 'stored record'));
}

function readLoaded(reader: Reader): Loaded {
  const tag = reader.uint8();
  if (tag > 1) throw reader.refusal('neither a record nor its absence');
  const record = tag === 1 ? reader.raw(reader.remaining) : null;
  reader.end();
  return record;
}
