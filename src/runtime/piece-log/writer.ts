// The one place that appends. Operations queue; while one batch is being synced the next one collects, and goes
// out with one vectored write and one sync. Then the index follows, and only then the callers hear.
//
// Invariants
//   A batch starts at the length that the previous one left synced. A position that was written to is written again
//   only after a full disk refused the write and the file was cut back and synced.
//   Operations take effect in the order of the queue, and the last record of a key in the log is its state. So a
//   copy made by compaction is dropped when its key changed meanwhile, and the log needs no other order.
//   After a failed write or sync nothing is written any more in this process: the kernel may have dropped the pages
//   and called them clean, so a retry that succeeds would prove nothing.
//   The index is changed here only, never ahead of the log.

import { toHex } from '../../base/bytes.ts';
import { StoreError, toStoreError } from '../../base/errors.ts';
import { LOG_BATCH_LENGTH, LOG_BATCH_OPERATIONS, LOG_WAITING_BYTES } from '../../base/limits.ts';
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

export class LogWriter {
  readonly #options: WriterOptions;
  readonly #budget: ByteBudget = new ByteBudget(LOG_WAITING_BYTES);
  readonly #queue: Queued[] = [];
  #running: Promise<void> | undefined;
  #end: LogEnd;
  #active: OpenFile | undefined;
  #failure: StoreError | undefined;
  #isClosed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#end = options.end;
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
    while (this.#running !== undefined) await this.#running;
    await this.#seal();
  }

  /** Writes what is queued, then nothing more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#budget.close(closedError());
    while (this.#running !== undefined) await this.#running;
    await this.#active?.close().catch(() => undefined);
    this.#active = undefined;
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

  #take(): Queued[] {
    const lengthMax = Math.min(LOG_BATCH_LENGTH, this.#options.logFileLength);
    let bytes = 0;
    let count = 0;
    for (const queued of this.#queue) {
      bytes += queued.bytes;
      if (count > 0 && (bytes > lengthMax || count >= LOG_BATCH_OPERATIONS)) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  /** Settles every operation of `queued`, or throws when writing must end. */
  async #write(queued: readonly Queued[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const operations = queued.map(({ operation }) => operation);
    const rows = await this.#lookUp(operations);
    try {
      const length = operations.reduce((sum, operation) => sum + memoryOf(operation), 0);
      await this.#makeRoom(length);
      const batch = planBatch(operations, rows, this.#end, this.#options.identity);
      if (batch.length > 0) await this.#append(batch);
      await this.#apply(batch);
      queued.forEach(({ resolve }, index) => resolve(batch.results[index]!));
    } catch (error) {
      if (!isNoSpace(error)) throw error;
      await this.#refuse(queued, error);
    }
  }

  async #lookUp(operations: readonly WriteOperation[]): Promise<Map<string, Location | undefined>> {
    const keys = new Map<string, Uint8Array>();
    for (const operation of operations) {
      for (const key of operation.kind === 'remove' ? operation.keys : [operation.key])
        keys.set(toHex(key), key);
    }
    const rows = await this.#options.index.getMany([...keys.values()]);
    return new Map([...keys.keys()].map((hex, at) => [hex, rows[at]] as const));
  }

  /** A file that takes `length` more bytes is open: the last one, or a new one where that would grow too long. */
  async #makeRoom(length: number): Promise<void> {
    const { logFileLength, files, logFiles } = this.#options;
    const hasRecords = this.#end.offset > FILE_HEADER_LENGTH;
    if (hasRecords && this.#end.offset + length > logFileLength) await this.#seal();
    if (this.#end.isSealed) await this.#startFile();
    this.#active ??= await files.open(logFiles.path(this.#end.file), 'write');
  }

  async #seal(): Promise<void> {
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
    usage.setFile(file, { length: FILE_HEADER_LENGTH, liveBytes: 0, tombstoneBytes: 0 });
  }

  async #append(batch: Batch): Promise<void> {
    const active = this.#active!;
    try {
      await active.write(batch.parts, this.#end.offset);
    } catch (error) {
      if (isNoSpace(error)) {
        // Nothing of the batch was promised: cut it off, and prove that the file is again what it was.
        await cutOrFail(active, this.#end.offset);
      }
      throw error;
    }
    await syncOrFail(active);
  }

  async #apply(batch: Batch): Promise<void> {
    if (batch.changes.length > 0) {
      await this.#options.index.change(batch.changes.map(({ key, after }) => [key, after] as const));
    }
    const { usage } = this.#options;
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

function closedError(): StoreError {
  return new StoreError('CLOSED', 'the log is closed');
}
