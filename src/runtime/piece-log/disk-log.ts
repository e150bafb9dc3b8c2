// A log that is open: puts, reads, removals, and the work in the background that keeps it in shape. Quarantine is
// decided here, because a read, a scrub and a caller's range all may be the first to meet rot.

import { crc32 } from 'node:zlib';
import { toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import {
  ENTRY_KEY_LENGTH_MAX,
  ENTRY_META_LENGTH_MAX,
  LOG_BATCH_OPERATIONS,
  LOG_FILE_LENGTH,
  LOG_HOUSEKEEPING_MS,
  PIECE_LENGTH_MAX,
  SCRUB_PERIOD_MS,
} from '../../base/limits.ts';
import type { LogEntry, LogEntryStat, LogUsage, PieceLog, ScrubReport } from '../../base/ports.ts';
import type { Files } from '../files.ts';
import type { FolderLock } from '../folder-lock.ts';
import { Checkpoints } from './checkpoints.ts';
import { compactFile } from './compact.ts';
import { isSamePlace, type Location, type LogIndex } from './log-index.ts';
import type { LogFiles } from './log-files.ts';
import type { PieceLogOptions } from './options.ts';
import { Damage, type RecordReader } from './reader.ts';
import { blockChecksums, headLength, type Identity } from './record.ts';
import type { Recovered } from './recover.ts';
import { scrubAll, type ScrubContext, scrubInBackground } from './scrub.ts';
import { Space } from './space.ts';
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
  readonly #scrubContext: ScrubContext;
  readonly #stop: AbortController = new AbortController();
  /** Places found damaged whose row does not say so yet. */
  readonly #damagedPlaces: Set<string> = new Set();
  /** Files that stay though little in them is live, because of damage. */
  readonly #keptFiles: Set<number> = new Set();
  #compacting: Promise<void> | undefined;
  #scrubbing: Promise<void> | undefined;
  #cancelHousekeeping: () => void = () => undefined;
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
    this.#checkpoints = new Checkpoints(index, usage, identity, () => this.#writer.end);
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
    this.#scheduleHousekeeping();
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
    this.#considerCompaction();
  }

  async stat(key: Uint8Array): Promise<LogEntryStat | undefined> {
    this.#checkOpen();
    return this.#withRow(key, false, async (row) => (row === undefined ? undefined : this.#statOf(key, row)));
  }

  async read(key: Uint8Array, offset: number, length: number): Promise<Uint8Array> {
    this.#checkOpen();
    return this.#withRow(key, true, async (row) => {
      if (row === undefined) throw new StoreError('NOT_FOUND', `the log has no entry ${nameOf(key)}`);
      checkRange(offset, length, row.payloadLength);
      return this.#parts.reader.range(row, key, offset, length);
    });
  }

  async remove(keys: readonly Uint8Array[]): Promise<number> {
    this.#checkOpen();
    let count = 0;
    for (let at = 0; at < keys.length; at += LOG_BATCH_OPERATIONS) {
      const some = keys.slice(at, at + LOG_BATCH_OPERATIONS).map((key) => key.slice());
      count += await this.#writer.submit({ kind: 'remove', keys: some });
    }
    this.#considerCompaction();
    return count;
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
    this.#cancelHousekeeping();
    await this.#scrubbing;
    await this.#compacting;
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

  #scheduleHousekeeping(): void {
    this.#cancelHousekeeping = this.#parts.options.clock.timer(LOG_HOUSEKEEPING_MS, () => {
      void this.#keepHouse().then(() => {
        if (!this.#stop.signal.aborted) this.#scheduleHousekeeping();
      });
    });
  }

  async #keepHouse(): Promise<void> {
    await this.#space.refresh().catch(() => undefined);
    await this.#checkpoints.write().catch(() => undefined);
    this.#considerCompaction();
  }

  /** Starts a compaction when a file deserves it and none runs. */
  #considerCompaction(): void {
    if (this.#stop.signal.aborted || this.#compacting !== undefined || this.#candidate() === undefined)
      return;
    this.#compacting = this.#compact()
      .catch(() => undefined)
      .finally(() => {
        this.#compacting = undefined;
      });
  }

  /** At the quota any file with dead records is worth it: its space is what puts wait for. */
  #candidate(): number | undefined {
    if (this.#writer.failure !== undefined) return undefined;
    const livePercent = this.#space.isQuotaReached ? 95 : undefined;
    const { logFileLength = LOG_FILE_LENGTH } = this.#parts.options;
    return this.#parts.usage.compactionCandidate((file) => {
      if (this.#keptFiles.has(file)) return false;
      const isActive = file === this.#writer.end.file && !this.#writer.end.isSealed;
      return !isActive || livePercent !== undefined || this.#writer.end.offset > logFileLength / 2;
    }, livePercent);
  }

  async #compact(): Promise<void> {
    const { files, logFiles, identity, index, usage, options } = this.#parts;
    const submit = this.#writer.submit.bind(this.#writer);
    const checkpoint = (): Promise<void> => this.#checkpoints.write();
    const context = { files, logFiles, identity, index, usage, clock: options.clock, submit, checkpoint };
    for (let file = this.#candidate(); file !== undefined; file = this.#candidate()) {
      if (file === this.#writer.end.file) await this.#writer.seal();
      const isGone = await compactFile(context, file, this.#stop.signal);
      if (!isGone) this.#keptFiles.add(file);
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined)
      throw new StoreError('CLOSED', `the log in ${this.#parts.options.folder} is closed`);
  }
}

function checkEntry({ key, meta, payload }: LogEntry): void {
  const text =
    key.length === 0 || key.length > ENTRY_KEY_LENGTH_MAX
      ? `key of ${key.length} bytes, allowed are 1 to ${ENTRY_KEY_LENGTH_MAX}`
      : meta.length > ENTRY_META_LENGTH_MAX
        ? `meta of ${meta.length} bytes, allowed are ${ENTRY_META_LENGTH_MAX}`
        : payload.length > PIECE_LENGTH_MAX
          ? `payload of ${payload.length} bytes, allowed are ${PIECE_LENGTH_MAX}`
          : undefined;
  if (text !== undefined) throw new StoreError('INVALID_ARGUMENT', `log entry with a ${text}`);
}

function checkRange(offset: number, length: number, payloadLength: number): void {
  const isRange = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (isRange && offset + length <= payloadLength) return;
  const text = `range [${offset}, ${offset} + ${length}) of a payload of ${payloadLength} bytes`;
  throw new StoreError('INVALID_ARGUMENT', text);
}

function damagedError(key: Uint8Array, reason: string): StoreError {
  return new StoreError('DAMAGED', `entry ${nameOf(key)} is damaged: ${reason}`);
}

function nameOf(key: Uint8Array): string {
  return toHex(key);
}

function placeName(row: Location): string {
  return `${row.file}:${row.offset}`;
}
