// The index of a log: where the newest record of each key stands. Everything in it follows from the log files, so it
// is written without sync and rebuilt when it is missing or damaged; `recover.ts` has the argument. What it adds is
// the checkpoint: the position up to which the rows are known to be durable, where a start after a crash resumes.
//
//   'e' key      -> flags, file, offset, lengths of head, meta, payload
//   'f' file     -> length, live bytes, tombstone bytes
//   'c'          -> checkpoint
//   's'          -> position of the background scrub
//
// A changed row is in force at once, in memory, and goes to the store in the background: nobody who waits for a confirmation
// waits for it. Rows of one key reach the store in order, and all that changed before a checkpoint come before it.

import { concat, toHex, uint32 } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import { LOG_FRESH_ROWS_MAX } from '../../base/limits.ts';
import type { KeyValueOperation } from '../../base/ports.ts';
import type { LocalKeyValue } from '../key-value.ts';
import { MARKER_LENGTH } from './record.ts';
import type { FileUsage } from './usage.ts';

/** Where the record of an entry stands. */
export interface Location {
  readonly file: number;
  readonly offset: number;
  readonly headLength: number;
  readonly metaLength: number;
  readonly payloadLength: number;
  /** Quarantined: the bytes were found not to match their checksums. */
  readonly isDamaged: boolean;
}

export interface Checkpoint {
  /** Rows for every record before (file, offset) are durable. */
  readonly file: number;
  readonly offset: number;
  /** Written by `close` as the last thing: counts and file table are exact, and nothing follows the position. */
  readonly isClean: boolean;
  readonly entries: number;
  readonly livePayloadBytes: number;
  /** Of the folder whose log this index describes. */
  readonly marker: Uint8Array;
}

export interface ScrubPosition {
  /** The last key that was checked in this pass; empty at its start. */
  readonly after: Uint8Array;
  /** Wall clock at the start of the pass, milliseconds. */
  readonly startedAtMs: number;
  readonly bytesDone: number;
}

const ENTRY = new Uint8Array([0x65]);
const FILE = new Uint8Array([0x66]);
const CHECKPOINT = new Uint8Array([0x63]);
const SCRUB = new Uint8Array([0x73]);
const LOCATION_LENGTH = 25;
const FILE_USAGE_LENGTH = 24;
const CHECKPOINT_LENGTH = 29 + MARKER_LENGTH;

interface FreshRow {
  readonly key: Uint8Array;
  readonly row: Location | undefined;
}

export class LogIndex {
  /** Told when a row turns out to be damaged, before the caller is. */
  onDamage: (error: StoreError) => void = () => undefined;
  /** Told when changed rows could not be written to the store. They stay in force in this process. */
  onFailure: (error: unknown) => void = () => undefined;
  readonly #store: LocalKeyValue;
  /** Rows, by hex key, that are newer than the store's. */
  readonly #fresh: Map<string, FreshRow> = new Map();
  /** The last write to the store that was asked for; it comes after all earlier ones, and fails when one of them did. */
  #lastWrite: Promise<void> = Promise.resolve();
  /** It has not begun, so it will cover what changes now. */
  #isWriteWaiting = false;

  constructor(store: LocalKeyValue) {
    this.#store = store;
  }

  async get(key: Uint8Array): Promise<Location | undefined> {
    const fresh = this.#fresh.get(toHex(key));
    if (fresh !== undefined) return fresh.row;
    try {
      const value = await this.#store.get(concat(ENTRY, key));
      return value === undefined ? undefined : decodeLocation(value);
    } catch (error) {
      throw this.#tellDamage(error);
    }
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Location | undefined)[]> {
    const fresh = keys.map((key) => this.#fresh.get(toHex(key)));
    const missing = keys.filter((_, at) => fresh[at] === undefined);
    if (missing.length === 0) return fresh.map((one) => one?.row);
    try {
      const values = await this.#store.getMany(missing.map((key) => concat(ENTRY, key)));
      const found = values.map((value) => (value === undefined ? undefined : decodeLocation(value)));
      let next = 0;
      return fresh.map((one) => (one === undefined ? found[next++] : one.row));
    } catch (error) {
      throw this.#tellDamage(error);
    }
  }

  /** Sets or, with undefined, deletes rows, in force before it returns. Waits when the store is far behind. Not synced. */
  async change(rows: readonly (readonly [key: Uint8Array, row: Location | undefined])[]): Promise<void> {
    for (const [key, row] of rows) this.#fresh.set(toHex(key), { key, row });
    const written = this.#write();
    if (this.#fresh.size > LOG_FRESH_ROWS_MAX) await written;
  }

  /** Resolves when all rows changed so far are in the store. */
  #write(): Promise<void> {
    if (this.#isWriteWaiting) return this.#lastWrite;
    this.#isWriteWaiting = true;
    this.#lastWrite = this.#lastWrite.then(() => this.#writeFresh());
    this.#lastWrite.catch((error: unknown) => this.onFailure(error));
    return this.#lastWrite;
  }

  async #writeFresh(): Promise<void> {
    this.#isWriteWaiting = false;
    const rows = [...this.#fresh];
    if (rows.length === 0) return;
    await this.#store.batch(
      rows.map(([, { key, row }]): KeyValueOperation => {
        const rowKey = concat(ENTRY, key);
        if (row === undefined) return { kind: 'delete', key: rowKey };
        return { kind: 'put', key: rowKey, value: encodeLocation(row) };
      }),
    );
    // One that changed meanwhile is fresh still.
    for (const [hex, written] of rows) if (this.#fresh.get(hex) === written) this.#fresh.delete(hex);
  }

  /** Rows whose key starts with `prefix` and comes after `after`, in byte order, as they are at the call. */
  async *rows(prefix: Uint8Array, after?: Uint8Array): AsyncGenerator<readonly [Uint8Array, Location]> {
    const start = concat(ENTRY, prefix);
    const from = after === undefined ? start : concat(ENTRY, after, new Uint8Array(1));
    await this.#write();
    try {
      for await (const [rowKey, value] of this.#store.range(from, successor(start))) {
        yield [rowKey.slice(ENTRY.length), decodeLocation(value)];
      }
    } catch (error) {
      throw this.#tellDamage(error);
    }
  }

  async checkpoint(): Promise<Checkpoint | undefined> {
    const value = await this.#store.get(CHECKPOINT);
    if (value?.length !== CHECKPOINT_LENGTH) return undefined;
    const view = viewOf(value);
    return {
      isClean: view.getUint8(0) === 1,
      file: view.getUint32(1),
      offset: Number(view.getBigUint64(5)),
      entries: Number(view.getBigUint64(13)),
      livePayloadBytes: Number(view.getBigUint64(21)),
      marker: value.slice(29),
    };
  }

  /**
   * Makes all rows written so far durable, then says so. The rows come first and by `flush`: a synced write of the
   * checkpoint alone would not carry earlier unsynced rows with it.
   */
  async setCheckpoint(
    checkpoint: Checkpoint,
    files: readonly (readonly [number, FileUsage])[],
    gone: readonly number[] = [],
  ): Promise<void> {
    await this.#write();
    await this.#store.flush();
    const value = new Uint8Array(CHECKPOINT_LENGTH);
    const view = viewOf(value);
    view.setUint8(0, checkpoint.isClean ? 1 : 0);
    view.setUint32(1, checkpoint.file);
    view.setBigUint64(5, BigInt(checkpoint.offset));
    view.setBigUint64(13, BigInt(checkpoint.entries));
    view.setBigUint64(21, BigInt(checkpoint.livePayloadBytes));
    value.set(checkpoint.marker, 29);
    const operations: KeyValueOperation[] = [
      { kind: 'put', key: CHECKPOINT, value },
      ...files.map(([file, usage]) => fileRow(file, usage)),
      ...gone.map((file): KeyValueOperation => ({ kind: 'delete', key: concat(FILE, uint32(file)) })),
    ];
    await this.#store.batch(operations, { isDurable: true });
  }

  async fileTable(): Promise<Map<number, FileUsage>> {
    const table = new Map<number, FileUsage>();
    for await (const [key, value] of this.#store.range(FILE, successor(FILE))) {
      if (key.length !== 5 || value.length !== FILE_USAGE_LENGTH) throw rubbish();
      const view = viewOf(value);
      table.set(viewOf(key).getUint32(1), {
        length: Number(view.getBigUint64(0)),
        liveBytes: Number(view.getBigUint64(8)),
        tombstoneBytes: Number(view.getBigUint64(16)),
      });
    }
    return table;
  }

  async scrubPosition(): Promise<ScrubPosition | undefined> {
    const value = await this.#store.get(SCRUB);
    if (value === undefined || value.length < 16) return undefined;
    const view = viewOf(value);
    return {
      startedAtMs: Number(view.getBigUint64(0)),
      bytesDone: Number(view.getBigUint64(8)),
      after: value.slice(16),
    };
  }

  async setScrubPosition(position: ScrubPosition): Promise<void> {
    const value = new Uint8Array(16 + position.after.length);
    const view = viewOf(value);
    view.setBigUint64(0, BigInt(Math.max(0, Math.floor(position.startedAtMs))));
    view.setBigUint64(8, BigInt(position.bytesDone));
    value.set(position.after, 16);
    await this.#store.batch([{ kind: 'put', key: SCRUB, value }]);
  }

  async close(): Promise<void> {
    await this.#write().catch(() => undefined);
    await this.#store.close();
  }

  #tellDamage(error: unknown): unknown {
    if (error instanceof StoreError && error.code === 'DAMAGED') this.onDamage(error);
    return error;
  }
}

function fileRow(file: number, usage: FileUsage): KeyValueOperation {
  const value = new Uint8Array(FILE_USAGE_LENGTH);
  const view = viewOf(value);
  view.setBigUint64(0, BigInt(usage.length));
  view.setBigUint64(8, BigInt(usage.liveBytes));
  view.setBigUint64(16, BigInt(usage.tombstoneBytes));
  return { kind: 'put', key: concat(FILE, uint32(file)), value };
}

function encodeLocation(row: Location): Uint8Array {
  const value = new Uint8Array(LOCATION_LENGTH);
  const view = viewOf(value);
  view.setUint8(0, row.isDamaged ? 1 : 0);
  view.setUint32(1, row.file);
  view.setBigUint64(5, BigInt(row.offset));
  view.setUint32(13, row.headLength);
  view.setUint32(17, row.metaLength);
  view.setUint32(21, row.payloadLength);
  return value;
}

function decodeLocation(value: Uint8Array): Location {
  if (value.length !== LOCATION_LENGTH) throw rubbish();
  const view = viewOf(value);
  return {
    isDamaged: view.getUint8(0) === 1,
    file: view.getUint32(1),
    offset: Number(view.getBigUint64(5)),
    headLength: view.getUint32(13),
    metaLength: view.getUint32(17),
    payloadLength: view.getUint32(21),
  };
}

export function isSamePlace(a: Location | undefined, b: Location | undefined): boolean {
  return a?.file === b?.file && a?.offset === b?.offset;
}

/** The first byte string after everything that starts with `prefix`, whose first byte is not 255. */
function successor(prefix: Uint8Array): Uint8Array {
  let length = prefix.length;
  while (prefix[length - 1] === 0xff) length--;
  const next = prefix.slice(0, length);
  next[length - 1]! += 1;
  return next;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function rubbish(): StoreError {
  return new StoreError('DAMAGED', 'the index of the log holds rows that are none');
}
