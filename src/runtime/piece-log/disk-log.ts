// A log that is open: puts, reads, removals, and the work in the background that keeps it in shape. Quarantine is
// decided here, because a read, a scrub and a caller's range all may be the first to meet rot.

import { crc32 } from 'node:zlib';
import { toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import { LOG_BATCH_OPERATIONS, LOG_FILE_LENGTH, SCRUB_PERIOD_MS } from '../../base/limits.ts';
import type { LogEntry, LogEntryStat, LogUsage, PieceLog, ScrubReport } from '../../base/ports.ts';
import type { Files } from '../files.ts';
import type { FolderLock } from '../folder-lock.ts';
import { Checkpoints } from './checkpoints.ts';
import { checkEntry, checkRange, damagedError } from './checks.ts';
import { isSamePlace, type Location, type LogIndex } from './log-index.ts';
import type { LogFiles } from './log-files.ts';
import type { PieceLogOptions } from './options.ts';
import { Damage, type RecordReader } from './reader.ts';
import { blockChecksums, headLength, type Identity } from './record.ts';
import type { Recovered } from './recover.ts';
import { scrubAll, type ScrubContext, scrubInBackground } from './scrub.ts';
import { Space } from './space.ts';
import { Upkeep } from './upkeep.ts';
import type { LogUsageCount } from './usage.ts';
import { LogWriter } from './writer.ts';

export interface LogParts {
  readonly options: PieceLogOptions;
  readonly files: Files;
  readonly lock: FolderLock;
  readonly logFiles: LogFiles;
  readonly identity: Identity;
  readonly reader: RecordReader;
  readonly index: LogIndex;
  readonly usage: LogUsageCount;
  readonly recovered: Recovered;
}

export class DiskLog implements PieceLog {
  readonly #parts: LogParts;
  readonly #writer: LogWriter;
  readonly #space: Space;
  readonly #checkpoints: Checkpoints;
  readonly #upkeep: Upkeep;
  readonly #scrubContext: ScrubContext;
  readonly #stop: AbortController = new AbortController();
  /** Places found damaged whose row does not say so yet. */
  readonly #damagedPlaces: Set<string> = new Set();
  #scrubbing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: LogParts) {
    const { options, files, logFiles, identity, index, usage, recovered } = parts;
    const { folder, clock, quotaBytes, reserveBytes } = options;
    this.#parts = parts;
    this.#space = new Space({
      files,
      folder,
      clock,
      quotaBytes,
      reserveBytes,
      logBytes: () => usage.logBytes,
    });
    this.#writer = new LogWriter({
      files,
      logFiles,
      identity,
      index,
      usage,
      logFileLength: options.logFileLength ?? LOG_FILE_LENGTH,
      end: recovered.end,
      onFailure: (failure) => options.onFailure?.(failure),
      onWritten: (length) => this.#checkpoints.written(length),
      onNoSpace: () => this.#space.exhaust(),
    });
    // Without its row an entry would seem absent to the next put or removal. The next start rebuilds the index.
    index.onDamage = (error) => this.#writer.fail(error);
    index.onFailure = (error) => this.#writer.fail(error);
    this.#checkpoints = new Checkpoints(index, usage, identity, () => this.#writer.end);
    this.#upkeep = new Upkeep({
      files,
      logFiles,
      identity,
      index,
      usage,
      clock,
      logFileLength: options.logFileLength ?? LOG_FILE_LENGTH,
      writer: this.#writer,
      space: this.#space,
      checkpoints: this.#checkpoints,
      quarantine: (key, row, reason) => this.#quarantine(key, row, reason),
      signal: this.#stop.signal,
    });
    this.#scrubContext = {
      index,
      clock,
      periodMs: options.scrubPeriodMs ?? SCRUB_PERIOD_MS,
      liveBytes: () => usage.liveRecordBytes(),
      check: (key) => this.#check(key),
    };
  }

  /** Leaves the clean state behind durably before anything changes, then starts the work in the background. */
  async start(): Promise<void> {
    await this.#space.refresh();
    await this.#checkpoints.write();
    this.#scrubbing = scrubInBackground(this.#scrubContext, this.#stop.signal);
    this.#upkeep.start();
  }

  async put(entry: LogEntry): Promise<void> {
    checkEntry(entry);
    this.#checkOpen();
    if (this.#writer.failure !== undefined) throw this.#writer.failure;
    // Key and meta are the caller's again at once; the payload, which is long, when the put has ended.
    const [key, meta, payload] = [entry.key.slice(), entry.meta.slice(), entry.payload];
    const length = headLength(key.length, payload.length) + meta.length + payload.length;
    await this.#space.admit(length);
    try {
      await this.#writer.submit({
        kind: 'put',
        key,
        meta,
        metaChecksum: crc32(meta),
        body: payload,
        blockChecksums: blockChecksums(payload),
      });
    } finally {
      this.#space.settle(length);
    }
    this.#upkeep.considerCompaction();
  }

  async stat(key: Uint8Array): Promise<LogEntryStat | undefined> {
    this.#checkOpen();
    return this.#withRow(key, false, async (row) => (row === undefined ? undefined : this.#statOf(key, row)));
  }

  async read(key: Uint8Array, offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    this.#checkOpen();
    return this.#withRow(key, true, async (row) => {
      if (row === undefined) throw new StoreError('NOT_FOUND', `the log has no entry ${toHex(key)}`);
      checkRange(offset, length, row.payloadLength);
      return this.#parts.reader.range(row, key, offset, length, into);
    });
  }

  async remove(keys: readonly Uint8Array[]): Promise<number> {
    this.#checkOpen();
    let count = 0;
    for (let at = 0; at < keys.length; at += LOG_BATCH_OPERATIONS) {
      const some = keys.slice(at, at + LOG_BATCH_OPERATIONS).map((key) => key.slice());
      count += await this.#writer.submit({ kind: 'remove', keys: some });
    }
    this.#upkeep.considerCompaction();
    return count;
  }

  async *keys(prefix: Uint8Array, limit: number = Number.POSITIVE_INFINITY): AsyncGenerator<Uint8Array> {
    this.#checkOpen();
    let left = limit;
    for await (const [key] of this.#parts.index.rows(prefix)) {
      if (left-- <= 0) return;
      this.#checkOpen();
      yield key.slice();
    }
  }

  async *list(prefix: Uint8Array, limit: number = Number.POSITIVE_INFINITY): AsyncGenerator<LogEntryStat> {
    this.#checkOpen();
    let left = limit;
    for await (const [key] of this.#parts.index.rows(prefix)) {
      if (left <= 0) return;
      this.#checkOpen();
      const stat = await this.stat(key).catch((error: unknown) => {
        if (error instanceof StoreError && error.code === 'DAMAGED') return undefined;
        throw error;
      });
      if (stat === undefined) continue;
      yield stat;
      left--;
    }
  }

  usage(): LogUsage {
    const { usage, options } = this.#parts;
    return {
      state: this.#state(),
      entries: usage.entries,
      liveBytes: usage.livePayloadBytes,
      logBytes: usage.logBytes,
      quotaBytes: options.quotaBytes,
      freeBytes: this.#space.freeBytes,
      reserveBytes: this.#space.reserveBytes,
    };
  }

  scrub(signal?: AbortSignal): Promise<ScrubReport> {
    this.#checkOpen();
    return scrubAll(this.#scrubContext, signal);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    await this.#scrubbing;
    await this.#upkeep.stop();
    await this.#writer.close();
    await this.#checkpoints.settle();
    const { index, logFiles, lock } = this.#parts;
    // After a failure the end of the log is not known for sure: the next start looks for itself.
    if (this.#writer.failure === undefined) await this.#checkpoints.write(true).catch(() => undefined);
    await index.close().catch(() => undefined);
    await logFiles.close();
    await lock.release();
  }

  /**
   * Runs `use` with the row of the key. Damage is believed when the row is still the same and a second look agrees;
   * a record that compaction moved meanwhile is read where it is now.
   */
  async #withRow<T>(
    key: Uint8Array,
    refusesDamaged: boolean,
    use: (row: Location | undefined) => Promise<T>,
  ): Promise<T> {
    const { index } = this.#parts;
    let row = await index.get(key);
    for (let hasFailed = false; ; ) {
      if (row !== undefined && refusesDamaged && this.#isQuarantined(row))
        throw damagedError(key, 'it is quarantined');
      try {
        return await use(row);
      } catch (error) {
        if (!(error instanceof Damage) || row === undefined) throw error;
        const now = await index.get(key);
        const isConfirmed = hasFailed && isSamePlace(now, row);
        hasFailed = isSamePlace(now, row);
        if (isConfirmed) {
          this.#quarantine(key, row, error.message);
          throw damagedError(key, error.message);
        }
        row = now;
      }
    }
  }

  async #statOf(key: Uint8Array, row: Location): Promise<LogEntryStat> {
    const meta = await this.#parts.reader.meta(row, key);
    return { key: key.slice(), meta, payloadLength: row.payloadLength };
  }

  async #check(key: Uint8Array): Promise<'whole' | 'damaged' | 'gone'> {
    try {
      return await this.#withRow(key, true, async (row) => {
        if (row === undefined) return 'gone';
        await this.#parts.reader.verify(row, key);
        return 'whole';
      });
    } catch (error) {
      if (error instanceof StoreError && error.code === 'DAMAGED') return 'damaged';
      throw error;
    }
  }

  #isQuarantined(row: Location): boolean {
    return row.isDamaged || this.#damagedPlaces.has(placeName(row));
  }

  #quarantine(key: Uint8Array, row: Location, reason: string): void {
    if (this.#isQuarantined(row)) return;
    this.#damagedPlaces.add(placeName(row));
    // When the row cannot be marked any more, the set above does it for this process.
    this.#writer
      .submit({ kind: 'quarantine', key: key.slice(), at: row })
      .then(() => this.#damagedPlaces.delete(placeName(row)))
      .catch(() => undefined);
    this.#parts.options.onDamage?.(key.slice(), reason);
  }

  #state(): LogUsage['state'] {
    if (this.#closing !== undefined) return 'closed';
    if (this.#writer.failure !== undefined) return 'failed';
    return this.#space.isFull ? 'full' : 'writable';
  }

  #checkOpen(): void {
    if (this.#closing !== undefined)
      throw new StoreError('CLOSED', `the log in ${this.#parts.options.folder} is closed`);
  }
}

function placeName(row: Location): string {
  return `${row.file}:${row.offset}`;
}
