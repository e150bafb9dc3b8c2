// Whether a new entry may take space: the operator's quota on the log files, and the part of the file system that is
// never filled, so that serving, deleting and everything else on the machine go on. Only puts ask; removals and
// compaction, which make space, do not.

import { StoreError, toStoreError } from '../../base/errors.ts';
import { DISK_RESERVE, DISK_RESERVE_PER_MILLE } from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';
import type { Files } from '../files.ts';

/** An answer of the file system is taken as good for this long. */
const FRESH_MS = 1000;
/** One refusal speaks for entries to come for so long; shorter ones may find room at any time. */
const REFUSAL_TOLD_MS = 10_000;

export interface SpaceOptions {
  readonly files: Files;
  readonly folder: string;
  readonly clock: Clock;
  readonly quotaBytes: number;
  readonly reserveBytes: number | undefined;
  readonly logBytes: () => number;
}

export class Space {
  freeBytes = 0;
  reserveBytes = 0;
  readonly #options: SpaceOptions;
  #askedAtMs = 0;
  /** Admitted and not yet on the disk. */
  #pendingBytes = 0;
  /** Length of the last entry that was refused; 0 after one was admitted. */
  #refusedLength = 0;
  #refusedAtMs = 0;
  /** A write found the disk full although it had seemed to have space. */
  #isExhausted = false;

  constructor(options: SpaceOptions) {
    this.#options = options;
  }

  /** True while nothing fits, and for a moment after a refusal, as long as such an entry would be refused again. */
  get isFull(): boolean {
    const isRecent = this.#options.clock.monotonic() - this.#refusedAtMs < REFUSAL_TOLD_MS;
    return this.room() < Math.max(1, isRecent ? this.#refusedLength : 0);
  }

  /** True while the quota has no room for the last entry refused; how long ago that was does not matter. */
  get isQuotaReached(): boolean {
    const { quotaBytes, logBytes } = this.#options;
    return quotaBytes - logBytes() < Math.max(1, this.#refusedLength);
  }

  /** Reserves space for a record. Throws FULL, DISK. */
  async admit(length: number): Promise<void> {
    const isStale = this.#options.clock.monotonic() - this.#askedAtMs > FRESH_MS;
    if (isStale || this.room() < length) await this.refresh();
    if (this.room() < length) {
      this.#refusedLength = length;
      this.#refusedAtMs = this.#options.clock.monotonic();
      throw this.#fullError();
    }
    this.#refusedLength = 0;
    this.#pendingBytes += length;
    this.freeBytes -= length;
  }

  /** The record is on the disk, or will never be. */
  settle(length: number): void {
    this.#pendingBytes -= length;
  }

  /** A write was refused for lack of space: nothing is admitted until the file system was asked again. */
  exhaust(): void {
    this.#isExhausted = true;
  }

  async refresh(): Promise<void> {
    const { files, folder, clock } = this.#options;
    const { freeBytes, totalBytes } = await files.space(folder).catch((error: unknown) => {
      throw toStoreError(error, 'DISK', `cannot tell the free space of ${folder}`);
    });
    this.#askedAtMs = clock.monotonic();
    this.#isExhausted = false;
    this.freeBytes = freeBytes - this.#pendingBytes;
    const share = Math.floor((totalBytes / 1000) * DISK_RESERVE_PER_MILLE);
    this.reserveBytes = this.#options.reserveBytes ?? Math.max(DISK_RESERVE, share);
  }

  /** Bytes that new records may take now. */
  room(): number {
    if (this.#isExhausted) return 0;
    const underQuota = this.#options.quotaBytes - this.#options.logBytes() - this.#pendingBytes;
    return Math.min(underQuota, this.freeBytes - this.reserveBytes);
  }

  #fullError(): StoreError {
    const { folder, quotaBytes } = this.#options;
    if (this.freeBytes - this.reserveBytes < this.#refusedLength) {
      const text = `${folder}: the disk is at its reserve (${this.freeBytes} bytes free, ${this.reserveBytes} kept free)`;
      return new StoreError('FULL', text, { next: 'Free space on the disk.' });
    }
    return new StoreError('FULL', `${folder}: the quota of ${quotaBytes} bytes is reached`, {
      next: 'Raise the quota, or remove entries and wait for compaction.',
    });
  }
}
