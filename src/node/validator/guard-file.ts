// The guard's record on disk: a file of fixed length, written in place. What its bytes mean is in `src/consensus/signer-guard.ts`.
//
// Why two slots in one file and not a new file for each signature. Both leave the old state or the new one after any crash: a
// new file by its rename, slots because a write touches only the slot that holds the state before the last. A write within a
// file whose length and blocks stay as they are costs one flush of the disk; a new file costs three, and the journal of the
// file system besides. What a new file has over slots, that rot shows as rot and never as an older state, the second copy of
// each slot gives back.

import { join } from 'node:path';
import { StoreError, toStoreError } from '../../base/errors.ts';
import {
  emptyGuardFile,
  encodeGuardSlot,
  type ExpectedOwner,
  GUARD_PAGE_LENGTH,
  type GuardOwner,
  type GuardRecord,
  guardSlotOffset,
  type GuardState,
  readGuard,
} from '../../consensus/signer-guard.ts';
import { atomicWrite, type Files, type OpenFile, readPrivateFile } from '../../runtime/files.ts';

const GUARD_NAME = 'guard';

export function guardPath(folder: string): string {
  return join(folder, GUARD_NAME);
}

/** The guard of a key that never signed, durably. The caller knows that there is none yet, and that the key is that new. */
export async function createGuardFile(folder: string, owner: GuardOwner, files: Files): Promise<void> {
  await atomicWrite(guardPath(folder), emptyGuardFile(owner), files);
}

export class GuardFile {
  readonly #file: OpenFile;
  readonly #path: string;
  readonly #owner: GuardOwner;
  #state: GuardState;

  constructor(file: OpenFile, path: string, owner: GuardOwner, state: GuardState) {
    this.#file = file;
    this.#path = path;
    this.#owner = owner;
    this.#state = state;
  }

  /** The newest durable record. */
  get last(): GuardRecord | undefined {
    return this.#state.last;
  }

  /** Durable when it resolves. Throws DISK, after which it must not be used again: nobody knows what is on the disk. */
  async write(last: GuardRecord): Promise<void> {
    const state = { last, sequence: this.#state.sequence + 1 };
    try {
      await this.#file.write([encodeGuardSlot(state, this.#owner)], guardSlotOffset(state.sequence));
      await this.#file.sync();
    } catch (error) {
      throw toStoreError(error, 'DISK', `cannot write guard file ${this.#path}`);
    }
    this.#state = state;
  }

  /**
   * Writes the state that was read once more over itself: after a failed sync it may have been read from memory only, and the
   * next write would overwrite the one that is on the disk. One page after the other, so that a crash tears no more than one.
   */
  async confirm(): Promise<void> {
    const slot = encodeGuardSlot(this.#state, this.#owner);
    const offset = guardSlotOffset(this.#state.sequence);
    for (let at = 0; at < slot.length; at += GUARD_PAGE_LENGTH) {
      await this.#file.write([slot.subarray(at, at + GUARD_PAGE_LENGTH)], offset + at);
      await this.#file.sync();
    }
  }

  async close(): Promise<void> {
    await this.#file.close().catch(() => undefined);
  }
}

/** Undefined when there is no guard file. Throws INVALID_IDENTITY (others may read it), DAMAGED, WRONG_NETWORK, INVALID_CONFIG, UNSUPPORTED, DISK. */
export async function readGuardFile(
  folder: string,
  owner: ExpectedOwner,
  files: Files,
): Promise<GuardState | undefined> {
  const path = guardPath(folder);
  try {
    return readGuard(await readPrivateFile(path, files), owner, path);
  } catch (error) {
    if (error instanceof StoreError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

/** Opens the guard file that `readGuardFile` found. Throws DISK. */
export async function openGuardFile(
  folder: string,
  owner: GuardOwner,
  state: GuardState,
  files: Files,
): Promise<GuardFile> {
  const path = guardPath(folder);
  try {
    const guard = new GuardFile(await files.open(path, 'write'), path, owner, state);
    await guard.confirm();
    return guard;
  } catch (error) {
    throw toStoreError(error, 'DISK', `cannot open guard file ${path}`);
  }
}
