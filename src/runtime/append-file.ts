// The end of a file that only grows: bytes are added in memory, written in order, and durable when a sync that began afterwards
// has ended. In callback style, for callers that have no promise in their path.
//
// Invariants
//   One round of write and sync at a time; whoever asks for a sync meanwhile shares the next one.
//   After a failed write or sync nothing is written any more: the kernel may have dropped the pages and called them clean, so
//   a retry that succeeds would prove nothing. Every later call gets the same failure.

import { StoreError, toStoreError } from '../base/errors.ts';
import { APPEND_WAITING_BYTES } from '../base/limits.ts';
import { isNoSpace, type OpenFile } from './files.ts';

export type SyncDone = (error?: StoreError) => void;

export class AppendFile {
  readonly #file: OpenFile;
  readonly #path: string;
  /** Added and not yet given to the system. */
  #parts: Uint8Array[] = [];
  #partsLength = 0;
  #writtenLength: number;
  #syncedLength: number;
  #waiting: SyncDone[] = [];
  #running: Promise<void> | undefined;
  #failure: StoreError | undefined;

  /** Takes over an open file whose first `length` bytes are durable; `path` is named in errors. */
  constructor(file: OpenFile, length: number, path: string) {
    this.#file = file;
    this.#path = path;
    this.#writtenLength = length;
    this.#syncedLength = length;
  }

  /** Bytes of the file with all that was added. */
  get length(): number {
    return this.#writtenLength + this.#partsLength;
  }

  /** Bytes that are durable. */
  get syncedLength(): number {
    return this.#syncedLength;
  }

  /** Keeps `bytes`: they may not change afterwards. */
  append(bytes: Uint8Array): void {
    if (this.#failure !== undefined) return;
    this.#parts.push(bytes);
    this.#partsLength += bytes.length;
    if (this.#partsLength >= APPEND_WAITING_BYTES) this.#start();
  }

  /** Calls `done` once, maybe at once: when all that was added is durable, or with DISK or CLOSED. */
  sync(done: SyncDone): void {
    if (this.#failure !== undefined) {
      done(this.#failure);
      return;
    }
    if (this.#syncedLength === this.length) {
      done();
      return;
    }
    this.#waiting.push(done);
    this.#start();
  }

  /** Waits for what somebody asked to sync, then closes the file. Calls after it get CLOSED. Never rejects. */
  async close(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    if (this.#failure?.code === 'CLOSED') return;
    this.#failure = new StoreError('CLOSED', `${this.#path} is closed`);
    await this.#file.close().catch(() => undefined);
  }

  #start(): void {
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    while (this.#failure === undefined && this.#isAsked()) {
      const waiting = this.#waiting;
      this.#waiting = [];
      await this.#round(waiting.length > 0);
      for (const done of waiting) done(this.#failure);
    }
    // Who asked while the last round failed.
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#running = undefined;
    for (const done of waiting) done(this.#failure);
  }

  #isAsked(): boolean {
    return this.#waiting.length > 0 || this.#partsLength >= APPEND_WAITING_BYTES;
  }

  async #round(isSynced: boolean): Promise<void> {
    try {
      const bytes = this.#taken();
      const at = this.#writtenLength;
      this.#writtenLength += bytes.length;
      if (bytes.length > 0) await this.#file.write([bytes], at);
      if (!isSynced || this.#syncedLength === this.#writtenLength) return;
      await this.#file.sync();
      // Nothing is written while a sync runs.
      this.#syncedLength = this.#writtenLength;
    } catch (error) {
      this.#fail(error);
    }
  }

  /** What was added, in one piece: parts are small and many. */
  #taken(): Uint8Array {
    const bytes = new Uint8Array(this.#partsLength);
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    this.#partsLength = 0;
    return bytes;
  }

  #fail(error: unknown): void {
    const next = isNoSpace(error)
      ? 'Make space on the disk, then start again.'
      : 'Look after the disk, then start again: what was not confirmed may be lost.';
    const { message, cause } = toStoreError(error, 'DISK', `cannot write ${this.#path}`);
    this.#failure = new StoreError('DISK', message, { next, cause });
    this.#parts = [];
    this.#partsLength = 0;
  }
}
