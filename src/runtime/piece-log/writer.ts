// The one place that appends. Operations queue; while some batches are being synced the next are written, each with one
// vectored write, and the next sync covers all that were written by then. Then the index follows, and only then the
// callers hear.
//
// Invariants
//   Every record names a position up to which its file was synced when it was written. A position that was written to is
//   written again only after a full disk refused the write and the file was cut back and synced.
//   Operations take effect and are confirmed in the order of the queue, and the last record of a key in the log is its
//   state. So a copy made by compaction is dropped when its key changed meanwhile, and the log needs no other order.
//   A file is synced to its end before the next one begins.
//   After a failed write or sync nothing is written any more in this process: the kernel may have dropped the pages
//   and called them clean, so a retry that succeeds would prove nothing.
//   The index is changed here only, never ahead of the log.

import { toHex } from '../../base/bytes.ts';
import { StoreError, toStoreError } from '../../base/errors.ts';
import {
  LOG_BATCH_LENGTH,
  LOG_BATCH_OPERATIONS,
  LOG_SPLIT_LENGTH,
  LOG_WAITING_BYTES,
  LOG_WRITE_LENGTH,
} from '../../base/limits.ts';
import { type Files, isNoSpace, type OpenFile } from '../files.ts';
import { type Batch, planBatch, type WriteOperation } from './batch.ts';
import { ByteBudget } from './budget.ts';
import type { Location, LogIndex } from './log-index.ts';
import type { LogFiles } from './log-files.ts';
import { encodeFileHeader, FILE_HEADER_LENGTH, type Identity } from './record.ts';
import type { LogUsageCount } from './usage.ts';

export interface WriterOptions {
  readonly files: Files;
  readonly logFiles: LogFiles;
  readonly identity: Identity;
  readonly index: LogIndex;
  readonly usage: LogUsageCount;
  readonly logFileLength: number;
  /** Where the log ends; records go on there, or in a new file when `isSealed`. */
  readonly end: LogEnd;
  /** Called once, when writing ends for good. */
  readonly onFailure: (failure: StoreError) => void;
  /** After every batch. */
  readonly onWritten: (length: number) => void;
  /** A write met a full disk. */
  readonly onNoSpace: () => void;
}

export interface LogEnd {
  /** 0 while there is no file. */
  readonly file: number;
  readonly offset: number;
  readonly isSealed: boolean;
}

interface Queued {
  readonly operation: WriteOperation;
  readonly bytes: number;
  readonly resolve: (count: number) => void;
  readonly reject: (error: StoreError) => void;
}

/** A batch in the file that waits for its sync, and whom to tell then. */
interface Written {
  readonly batch: Batch;
  readonly queued: readonly Queued[];
}

export class LogWriter {
  readonly #options: WriterOptions;
  readonly #budget: ByteBudget = new ByteBudget(LOG_WAITING_BYTES);
  readonly #queue: Queued[] = [];
  #running: Promise<void> | undefined;
  /** The synced end. */
  #end: LogEnd;
  /** Where the next batch goes: the end, and behind it what was written since. */
  #writtenOffset: number;
  /** In order; the first `#syncingCount` of them are being synced. */
  readonly #written: Written[] = [];
  #syncingCount = 0;
  #syncing: Promise<void> | undefined;
  #active: OpenFile | undefined;
  #failure: StoreError | undefined;
  #isClosed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#end = options.end;
    this.#writtenOffset = options.end.offset;
  }

  /** Everything before it is synced and in the index. */
  get end(): LogEnd {
    return this.#end;
  }

  get failure(): StoreError | undefined {
    return this.#failure;
  }

  /**
   * Resolves when the operation is durable: 1 or 0 for whether it took effect, for a removal the number of keys that
   * were there. Throws DISK, FULL, CLOSED.
   */
  async submit(operation: WriteOperation): Promise<number> {
    const bytes = memoryOf(operation);
    this.#checkOpen();
    await this.#budget.take(bytes);
    try {
      this.#checkOpen();
      return await new Promise<number>((resolve, reject) => {
        this.#queue.push({ operation, bytes, resolve, reject });
        this.#running ??= this.#run();
      });
    } finally {
      this.#budget.give(bytes);
    }
  }

  /** The next record starts a new file. */
  async seal(): Promise<void> {
    // Nobody may submit between the last look and the close, hence no await in between.
    while (this.#isBusy()) await (this.#running ?? this.#syncing);
    await this.#closeFile();
  }

  /** Writes what is queued, then nothing more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#budget.close(closedError());
    while (this.#isBusy()) await (this.#running ?? this.#syncing);
    await this.#active?.close().catch(() => undefined);
    this.#active = undefined;
  }

  /** Something is queued, being written or being synced. */
  #isBusy(): boolean {
    return this.#running !== undefined || this.#syncing !== undefined;
  }

  async #run(): Promise<void> {
    // Whoever submits in this turn shares the first batch.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const queued = this.#take();
      try {
        await this.#write(queued);
      } catch (error) {
        this.fail(error);
        for (const { reject } of queued) reject(this.#failure!);
      }
    }
    this.#running = undefined;
  }

  /**
   * The first half of all that is waiting or on its way: callers whose puts are confirmed together put again together, and
   * one batch of them all would leave the disk idle while they do.
   */
  #take(): Queued[] {
    const written = this.#written.reduce((sum, { queued }) => sum + bytesOf(queued), 0);
    const half = Math.max(LOG_SPLIT_LENGTH, Math.ceil((bytesOf(this.#queue) + written) / 2));
    const lengthMax = Math.min(half, LOG_WRITE_LENGTH, this.#options.logFileLength);
    let bytes = 0;
    let count = 0;
    for (const queued of this.#queue) {
      bytes += queued.bytes;
      if (count > 0 && (bytes > lengthMax || count >= LOG_BATCH_OPERATIONS)) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  /** Writes a batch and leaves it to the next sync to settle every operation of `queued`; or throws when writing must end. */
  async #write(queued: readonly Queued[]): Promise<void> {
    while (this.#unsyncedLength() >= LOG_BATCH_LENGTH) await this.#syncing;
    if (this.#failure !== undefined) throw this.#failure;
    const operations = queued.map(({ operation }) => operation);
    const rows = await this.#lookUp(operations);
    try {
      const length = operations.reduce((sum, operation) => sum + memoryOf(operation), 0);
      await this.#makeRoom(length);
      const { file, offset: syncedOffset } = this.#end;
      const place = { file, offset: this.#writtenOffset, syncedOffset };
      const batch = planBatch(operations, rows, place, this.#options.identity);
      if (batch.length > 0) await this.#append(batch);
      this.#writtenOffset += batch.length;
      this.#written.push({ batch, queued });
      this.#syncNext();
    } catch (error) {
      if (!isNoSpace(error)) throw error;
      await this.#refuse(queued, error);
    }
  }

  /** Bytes that were written after the sync under way began. */
  #unsyncedLength(): number {
    return this.#written.slice(this.#syncingCount).reduce((sum, { batch }) => sum + batch.length, 0);
  }

  /** Rows as they will be when all that was written is synced. */
  async #lookUp(operations: readonly WriteOperation[]): Promise<Map<string, Location | undefined>> {
    const keys = new Map<string, Uint8Array>();
    for (const operation of operations) {
      for (const key of operation.kind === 'remove' ? operation.keys : [operation.key])
        keys.set(toHex(key), key);
    }
    // Taken before the index is asked: what is synced meanwhile may or may not be in its answer.
    const changes = this.#written.flatMap(({ batch }) => batch.changes);
    const found = await this.#options.index.getMany([...keys.values()]);
    const rows = new Map([...keys.keys()].map((hex, at) => [hex, found[at]] as const));
    for (const { key, after } of changes) {
      const hex = toHex(key);
      if (rows.has(hex)) rows.set(hex, after);
    }
    return rows;
  }

  /** A file that takes `length` more bytes is open: the last one, or a new one where that would grow too long. */
  async #makeRoom(length: number): Promise<void> {
    const { logFileLength, files, logFiles } = this.#options;
    const hasRecords = this.#writtenOffset > FILE_HEADER_LENGTH;
    if (hasRecords && this.#writtenOffset + length > logFileLength) await this.#seal();
    if (this.#end.isSealed) await this.#startFile();
    this.#active ??= await files.open(logFiles.path(this.#end.file), 'write');
  }

  async #seal(): Promise<void> {
    await this.#allSynced();
    if (this.#failure !== undefined) throw this.#failure;
    await this.#closeFile();
  }

  async #closeFile(): Promise<void> {
    const active = this.#active;
    this.#active = undefined;
    this.#end = { ...this.#end, isSealed: true };
    await active?.close();
  }

  /** Header and directory entry are synced before the first record goes in: so only the last file can be torn. */
  async #startFile(): Promise<void> {
    const { files, logFiles, identity, usage } = this.#options;
    const file = this.#end.file + 1;
    const active = await files.open(logFiles.path(file), 'create');
    try {
      await active.write([encodeFileHeader(file, identity)], 0);
      await active.sync();
      await files.syncDirectory(logFiles.folder);
    } catch (error) {
      await active.close().catch(() => undefined);
      if (isNoSpace(error)) await files.remove(logFiles.path(file));
      throw error;
    }
    this.#active = active;
    this.#end = { file, offset: FILE_HEADER_LENGTH, isSealed: false };
    this.#writtenOffset = FILE_HEADER_LENGTH;
    usage.setFile(file, { length: FILE_HEADER_LENGTH, liveBytes: 0, tombstoneBytes: 0 });
  }

  async #append(batch: Batch): Promise<void> {
    const active = this.#active!;
    try {
      await active.write(batch.parts, this.#writtenOffset);
    } catch (error) {
      if (isNoSpace(error)) {
        // Nothing of the batch was promised: cut it off, and prove that the file is again what it was.
        await this.#allSynced();
        if (this.#failure !== undefined) throw this.#failure;
        await cutOrFail(active, this.#writtenOffset);
      }
      throw error;
    }
  }

  // ---- Syncing -----------------------------------------------------------------------------------------------

  /** Starts a sync of all that is written, unless one is under way; then the next follows it. */
  #syncNext(): void {
    if (this.#written.length === 0) return;
    this.#syncing ??= this.#sync().finally(() => {
      this.#syncing = undefined;
      this.#syncNext();
    });
  }

  /** Nothing that was written waits for a sync, or writing has failed. */
  async #allSynced(): Promise<void> {
    while (this.#syncing !== undefined) await this.#syncing;
  }

  /** Syncs what is written now and settles it in order. Never rejects. */
  async #sync(): Promise<void> {
    this.#syncingCount = this.#written.length;
    const isDue = this.#written.some(({ batch }) => batch.length > 0);
    try {
      if (this.#failure !== undefined) throw this.#failure;
      if (isDue) await syncOrFail(this.#active!);
      for (; this.#syncingCount > 0; this.#syncingCount--) {
        const { batch, queued } = this.#written[0]!;
        await this.#apply(batch);
        this.#written.shift();
        queued.forEach(({ resolve }, index) => resolve(batch.results[index]!));
      }
    } catch (error) {
      this.fail(error);
      this.#syncingCount = 0;
      for (const { queued } of this.#written.splice(0))
        for (const { reject } of queued) reject(this.#failure!);
    }
  }

  async #apply(batch: Batch): Promise<void> {
    const { usage } = this.#options;
    if (batch.changes.length > 0) {
      await this.#options.index.change(batch.changes.map(({ key, after }) => [key, after] as const));
    }
    for (const { before, after } of batch.changes) {
      if (before !== undefined) usage.dropRow(before);
      if (after !== undefined) usage.addRow(after);
    }
    if (batch.length === 0) return;
    usage.addTombstone(this.#end.file, batch.tombstoneBytes);
    this.#end = { ...this.#end, offset: this.#end.offset + batch.length };
    usage.setLength(this.#end.file, this.#end.offset);
    this.#options.onWritten(batch.length);
  }

  /** The disk is full: what adds bytes is refused; removals, which are small, get a try of their own. */
  async #refuse(queued: readonly Queued[], cause: unknown): Promise<void> {
    this.#options.onNoSpace();
    const refusal = new StoreError('FULL', `${this.#options.logFiles.folder}: no space left on the disk`, {
      next: 'Free space on the disk.',
      cause,
    });
    const removals = queued.filter(({ operation }) => operation.kind === 'remove');
    const isRetryUseful = removals.length < queued.length;
    for (const entry of queued) if (!isRetryUseful || !removals.includes(entry)) entry.reject(refusal);
    if (isRetryUseful && removals.length > 0) await this.#write(removals);
  }

  /** Ends writing for good; reading goes on. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    const cause = toStoreError(error, 'DISK', 'write failed');
    const text = `${this.#options.logFiles.folder}: writing ended after an error: ${cause.message}`;
    this.#failure = new StoreError('DISK', text, {
      next: 'Check the disk, then start again; what was confirmed before is safe.',
      cause: error,
    });
    this.#budget.close(this.#failure);
    for (const { reject } of this.#queue.splice(0)) reject(this.#failure);
    this.#options.onFailure(this.#failure);
  }

  #checkOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isClosed) throw closedError();
  }
}

async function cutOrFail(file: OpenFile, length: number): Promise<void> {
  try {
    await file.truncate(length);
  } catch (error) {
    throw toStoreError(error, 'DISK', 'truncate failed');
  }
  await syncOrFail(file);
}

/** ENOSPC from a sync is a failed sync: the pages may be gone, so it must not pass for a refused write. */
async function syncOrFail(file: OpenFile): Promise<void> {
  try {
    await file.sync();
  } catch (error) {
    throw toStoreError(error, 'DISK', 'sync failed');
  }
}

function memoryOf(operation: WriteOperation): number {
  switch (operation.kind) {
    case 'put':
      return operation.body.length + operation.meta.length + 512;
    case 'move':
      return operation.body.length + 512;
    case 'remove':
      return operation.keys.length * 512;
    case 'keep':
    case 'quarantine':
      return 512;
  }
}

function bytesOf(queued: readonly Queued[]): number {
  return queued.reduce((sum, { bytes }) => sum + bytes, 0);
}

function closedError(): StoreError {
  return new StoreError('CLOSED', 'the log is closed');
}
