// The write-ahead log of a validator on disk: a folder with one file, `wal`, the log of the current height. What its bytes mean is
// in `src/consensus/wal.ts`.
//
// Invariants
//   The file has its name only when its header and first record are durable: a new log is made aside and renamed over the old
//   one. So whatever moment a crash chooses, there is one log, whole up to what was synced.
//   A log that was opened is written again, whole, in the same way, before anything is added: after a crash, and above all
//   after a failed sync, bytes that read well may exist in memory only, and the next record would vouch for them.
//   After a failure nothing is written any more.

import { join } from 'node:path';
import { assert } from '../../base/assert.ts';
import { concat } from '../../base/bytes.ts';
import { StoreError, toStoreError } from '../../base/errors.ts';
import { WAL_LENGTH_MAX } from '../../base/limits.ts';
import type { Random } from '../../base/ports.ts';
import type { HeightStart, Input } from '../../consensus/types.ts';
import {
  encodeWalHeader,
  encodeWalRecord,
  readWal,
  WAL_SALT_LENGTH,
  type WalContents,
  type WalOwner,
  type WalPosition,
  walStart,
} from '../../consensus/wal.ts';
import { AppendFile, type SyncDone } from '../../runtime/append-file.ts';
import { atomicWrite, type Files, readWhole, sweepTemporaries, systemFiles } from '../../runtime/files.ts';
import { type FolderLock, lockFolder } from '../../runtime/folder-lock.ts';
import type { WalPort } from './ports.ts';

export interface WalFileOptions extends WalOwner {
  /** Made where it is missing; nothing else may use it. */
  readonly folder: string;
  readonly random: Random;
  readonly files?: Files;
  /** Bytes that one height may take. */
  readonly lengthMax?: number;
}

export interface OpenedWal {
  readonly wal: WalPort;
  /** To be fed again, from `start-height` on. Empty in a new folder: begin with `startHeight`. */
  readonly inputs: readonly Input[];
  /** What a crash tore from the end, and nobody had relied on. */
  readonly cutBytes: number;
}

const WAL_NAME = 'wal';

/**
 * Locks the folder and reads the log. Throws LOCKED, DAMAGED (in the middle), WRONG_NETWORK, INVALID_CONFIG
 * (another validator's), UNSUPPORTED, DISK (also when it is too long to be a log). Whoever goes on without a damaged log may contradict its own votes.
 */
export async function openWal(options: WalFileOptions): Promise<OpenedWal> {
  const files = options.files ?? systemFiles;
  try {
    await files.makeDirectory(options.folder);
  } catch (error) {
    throw toStoreError(error, 'DISK', `cannot make ${options.folder}`);
  }
  const lock = await lockFolder(options.folder, { files });
  try {
    await sweepTemporaries(join(options.folder, WAL_NAME), files);
    return await openLocked(options, files, lock);
  } catch (error) {
    await lock.release();
    throw toStoreError(error, 'DISK', `cannot open the log in ${options.folder}`);
  }
}

async function openLocked(options: WalFileOptions, files: Files, lock: FolderLock): Promise<OpenedWal> {
  const path = join(options.folder, WAL_NAME);
  const bytes = await readWhole(path, WAL_LENGTH_MAX, files);
  const wal = new WalFile(options, files, lock);
  if (bytes === undefined) return { wal, inputs: [], cutBytes: 0 };
  const contents = readWal(bytes, options, path);
  await wal.resume(bytes, contents);
  return { wal, inputs: contents.inputs, cutBytes: bytes.length - contents.length };
}

class WalFile implements WalPort {
  readonly #options: WalFileOptions;
  readonly #files: Files;
  readonly #lock: FolderLock;
  readonly #path: string;
  readonly #lengthMax: number;
  #file: AppendFile | undefined;
  #position: WalPosition | undefined;
  #starting: Promise<void> | undefined;
  #failure: StoreError | undefined;

  constructor(options: WalFileOptions, files: Files, lock: FolderLock) {
    this.#options = options;
    this.#files = files;
    this.#lock = lock;
    this.#path = join(options.folder, WAL_NAME);
    this.#lengthMax = options.lengthMax ?? WAL_LENGTH_MAX;
  }

  /** Goes on behind what was read. */
  async resume(bytes: Uint8Array, contents: WalContents): Promise<void> {
    await this.#replace(bytes.subarray(0, contents.length), contents.position);
  }

  append(input: Input): void {
    if (this.#failure !== undefined) return;
    const [file, position] = [this.#file, this.#position];
    assert(file !== undefined && position !== undefined, 'a log begins with the start of its height');
    const record = encodeWalRecord(input, position, file.syncedLength);
    if (file.length + record.length > this.#lengthMax) {
      this.#failure = fullError(this.#path, position.height, this.#lengthMax);
      return;
    }
    file.append(record);
    this.#position = { ...position, sequence: position.sequence + 1 };
  }

  sync(done: SyncDone): void {
    if (this.#failure !== undefined) {
      done(this.#failure);
      return;
    }
    assert(this.#file !== undefined, 'a log begins with the start of its height');
    this.#file.sync(done);
  }

  startHeight(start: HeightStart, done: SyncDone): void {
    if (this.#failure !== undefined) {
      done(this.#failure);
      return;
    }
    assert(this.#starting === undefined, 'one height begins at a time');
    this.#starting = this.#begin(start, done);
  }

  async close(): Promise<void> {
    await this.#starting;
    await this.#file?.close();
    await this.#lock.release();
    this.#failure = new StoreError('CLOSED', `${this.#path} is closed`);
  }

  async #begin(start: HeightStart, done: SyncDone): Promise<void> {
    try {
      const { network, node, random } = this.#options;
      const { height } = start;
      const header = encodeWalHeader({ network, node, height, salt: random.bytes(WAL_SALT_LENGTH) });
      const first = walStart(header, height);
      const record = encodeWalRecord({ kind: 'start-height', start }, first, 0);
      await this.#replace(concat(header, record), { ...first, sequence: 1 });
    } catch (error) {
      this.#failure = toStoreError(error, 'DISK', `cannot begin the log ${this.#path}`);
    }
    this.#starting = undefined;
    done(this.#failure);
  }

  /** The log is `bytes` from now on, durably, or a crash finds the old one. */
  async #replace(bytes: Uint8Array, position: WalPosition): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    await atomicWrite(this.#path, bytes, this.#files);
    const file = await this.#files.open(this.#path, 'write');
    this.#file = new AppendFile(file, bytes.length, this.#path);
    this.#position = position;
  }
}

function fullError(path: string, height: number, lengthMax: number): StoreError {
  return new StoreError('FULL', `${path} has taken ${lengthMax} bytes for height ${height} alone`, {
    next: 'Keep the validator stopped until the others have decided this height: it has gone on for far too long.',
  });
}
