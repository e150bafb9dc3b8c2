// A validator's key behind its guard. Who wants a signature gets it after the guard's record of it is durable, and only for a
// place behind all that was signed before (`src/consensus/signer-guard.ts` has the rule).
//
// Invariants
//   One process uses the folder at a time, one signature is under way at a time.
//   A signature leaves after its record is durable, and not at all once a write has failed or a second copy of the key was heard.
//   There is no key without guard: the guard is made first, and a key whose guard is gone is refused, because what it has
//   signed is not known.
//   For a while after the start nothing is signed: another copy of the key repeats what it says, and is heard meanwhile.

import { join } from 'node:path';
import { short } from '../../base/bytes.ts';
import { StoreError, toStoreError } from '../../base/errors.ts';
import type { NetworkId, NodeId } from '../../base/ids.ts';
import { SIGN_WAITING_MAX, SIGNER_LISTEN_MS } from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';
import { type GuardRecord, guardRecord, isForeign, judge } from '../../consensus/signer-guard.ts';
import type { Proposal, UnsignedMessage, Vote } from '../../consensus/types.ts';
import { type Files, sweepTemporaries, systemFiles } from '../../runtime/files.ts';
import { type FolderLock, lockFolder } from '../../runtime/folder-lock.ts';
import { type Identity, loadIdentity, loadOrCreateIdentity } from '../../runtime/identity.ts';
import { createGuardFile, type GuardFile, guardPath, openGuardFile, readGuardFile } from './guard-file.ts';
import type { SignerPort } from './ports.ts';

export interface SignerFileOptions {
  /** Of the guard, and of the key unless `identity` is given; made where it is missing. */
  readonly folder: string;
  readonly network: NetworkId;
  readonly clock: Clock;
  /** A key that the caller has loaded. Its guard must exist: `guardNewKey` makes it. */
  readonly identity?: Identity;
  readonly files?: Files;
  /** How long to listen before the first signature. */
  readonly listenMs?: number;
  /** Called once when it will sign no more: a second copy of the key was heard, or the disk failed. */
  readonly onStopped?: (reason: StoreError) => void;
}

export interface OpenedSigner {
  readonly signer: SignerPort;
  readonly node: NodeId;
  /** What the key had signed last when it was opened; `isRemembered` compares it with what the log knows. */
  readonly last: GuardRecord | undefined;
}

const KEY_NAME = 'key';
/** A key that has no guard yet. */
const NEW_KEY_NAME = 'key.new';

/**
 * Opens key and guard; in an empty folder it makes both. Throws LOCKED, INVALID_IDENTITY (key or guard is missing, damaged or open to
 * other users), DAMAGED (the guard), WRONG_NETWORK, INVALID_CONFIG (the guard of another key), UNSUPPORTED, DISK.
 */
export async function openSigner(options: SignerFileOptions): Promise<OpenedSigner> {
  const files = options.files ?? systemFiles;
  return inLockedFolder(options.folder, files, async (lock) => {
    const identity = options.identity ?? (await loadKey(options, files));
    const owner = { network: options.network, node: identity.nodeId };
    const state = await readGuardFile(options.folder, owner, files);
    if (state === undefined) throw unguardedError(options.folder);
    const guard = await openGuardFile(options.folder, owner, state, files);
    return {
      signer: new SignerFile(options, identity, guard, lock),
      node: identity.nodeId,
      last: state.last,
    };
  });
}

/**
 * Makes the guard of a key that has never signed as a validator: whoever calls it vouches for that. Throws ALREADY_EXISTS when
 * the folder has a guard, LOCKED, DISK.
 */
export async function guardNewKey(
  options: Pick<SignerFileOptions, 'folder' | 'network' | 'files'>,
  node: NodeId,
): Promise<void> {
  const files = options.files ?? systemFiles;
  const { folder, network } = options;
  await inLockedFolder(folder, files, async (lock) => {
    if ((await readGuardFile(folder, { network, node: undefined }, files)) !== undefined)
      throw new StoreError('ALREADY_EXISTS', `there is a guard file at ${guardPath(folder)}`);
    await createGuardFile(folder, { network, node }, files);
    await lock.release();
  });
}

async function inLockedFolder<T>(
  folder: string,
  files: Files,
  run: (lock: FolderLock) => Promise<T>,
): Promise<T> {
  try {
    await files.makeDirectory(folder);
  } catch (error) {
    throw toStoreError(error, 'DISK', `cannot make ${folder}`);
  }
  const lock = await lockFolder(folder, { files });
  try {
    await sweepTemporaries(guardPath(folder), files);
    return await run(lock);
  } catch (error) {
    await lock.release();
    throw toStoreError(error, 'DISK', `cannot open the validator key in ${folder}`);
  }
}

/** The key of the folder. With neither key nor guard, and after a first start that did not get further, it makes both. */
async function loadKey({ folder, network }: SignerFileOptions, files: Files): Promise<Identity> {
  const path = join(folder, KEY_NAME);
  try {
    return await loadIdentity(path);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
  }
  const state = await readGuardFile(folder, { network, node: undefined }, files);
  if (state?.last !== undefined) {
    throw new StoreError('INVALID_IDENTITY', `the validator key ${path} is missing, its guard is there`, {
      next: 'Restore the key, or begin with an empty folder: that makes a new validator.',
    });
  }
  // The guard first. Until the key has its name, nobody has seen it.
  const newPath = join(folder, NEW_KEY_NAME);
  const identity = await loadOrCreateIdentity(newPath);
  await createGuardFile(folder, { network, node: identity.nodeId }, files);
  await files.rename(newPath, path);
  await files.syncDirectory(folder);
  return identity;
}

class SignerFile implements SignerPort {
  readonly #options: SignerFileOptions;
  readonly #identity: Identity;
  readonly #guard: GuardFile;
  readonly #lock: FolderLock;
  readonly #stopListening: () => void;
  #isListening = true;
  readonly #waiting: Request[] = [];
  /** The signature under way. */
  #writing: Promise<void> | undefined;
  #stopped: StoreError | undefined;

  constructor(options: SignerFileOptions, identity: Identity, guard: GuardFile, lock: FolderLock) {
    this.#options = options;
    this.#identity = identity;
    this.#guard = guard;
    this.#lock = lock;
    this.#stopListening = options.clock.timer(options.listenMs ?? SIGNER_LISTEN_MS, () => {
      this.#isListening = false;
      this.#next();
    });
  }

  sign(message: UnsignedMessage, done: SignDone): void {
    if (this.#stopped !== undefined) done(this.#stopped);
    else if (this.#waiting.length >= SIGN_WAITING_MAX)
      done(new StoreError('BUSY', `${SIGN_WAITING_MAX} messages wait to be signed`));
    else {
      this.#waiting.push({ message, done });
      this.#next();
    }
  }

  observe(message: Proposal | Vote): void {
    if (this.#stopped !== undefined) return;
    const heard = guardRecord(this.#options.network, message);
    // A signature under way has not left, so it cannot be what was heard.
    if (isForeign(this.#guard.last, heard)) this.#stop(foreignError(this.#identity.nodeId, message));
  }

  async close(): Promise<void> {
    this.#stopListening();
    this.#refuse(new StoreError('CLOSED', 'the signer is closed'));
    await this.#writing;
    await this.#guard.close();
    await this.#lock.release();
  }

  /** Answers what waits, up to the first that needs the disk. */
  #next(): void {
    while (!this.#isListening && this.#writing === undefined) {
      const request = this.#waiting.shift();
      if (request === undefined) return;
      const record = guardRecord(this.#options.network, request.message);
      const judgement = judge(this.#guard.last, record);
      if (judgement === 'sign') this.#writing = this.#write(request, record);
      else if (judgement === 'repeat') request.done(this.#signed(request.message, record));
      else request.done(refusedError(request.message, judgement));
    }
  }

  async #write({ message, done }: Request, record: GuardRecord): Promise<void> {
    const written = this.#guard.write(record);
    // While the disk works; it leaves only below.
    const signed = this.#signed(message, record);
    try {
      await written;
    } catch (error) {
      this.#stop(toStoreError(error, 'DISK', 'cannot write the guard file'));
    }
    this.#writing = undefined;
    done(this.#stopped ?? signed);
    this.#next();
  }

  #signed(message: UnsignedMessage, record: GuardRecord): Proposal | Vote {
    return { ...message, signature: this.#identity.signer.sign(record.signBytes) };
  }

  #stop(reason: StoreError): void {
    if (this.#stopped !== undefined) return;
    this.#refuse(reason);
    this.#options.onStopped?.(reason);
  }

  /** From now on everybody gets `reason`, those who wait too. */
  #refuse(reason: StoreError): void {
    this.#stopped = reason;
    for (const { done } of this.#waiting.splice(0)) done(reason);
  }
}

type SignDone = (result: Proposal | Vote | StoreError) => void;

interface Request {
  readonly message: UnsignedMessage;
  readonly done: SignDone;
}

/** For people: kind and place. */
function placeOf({ kind, height, round }: UnsignedMessage): string {
  return `${kind} of height ${height}, round ${round}`;
}

function refusedError(message: UnsignedMessage, judgement: 'behind' | 'conflict'): StoreError {
  const reason =
    judgement === 'behind'
      ? 'the key has signed for a later place'
      : 'the key has signed another message for this place';
  return new StoreError('ALREADY_EXISTS', `will not sign a ${placeOf(message)}: ${reason}`, {
    next: 'The validator goes on at the next height. If this happens again, look whether its data was put back from a copy.',
  });
}

function foreignError(node: NodeId, message: UnsignedMessage): StoreError {
  const text = `a ${placeOf(message)} under the key of validator ${short(node)} was not signed here: a second copy of it is at work`;
  return new StoreError('LOCKED', text, {
    next: 'Stop the other copy. If there is none, the guard file was put back from an older copy: do not use the key again.',
  });
}

function unguardedError(folder: string): StoreError {
  return new StoreError('INVALID_IDENTITY', `the validator key in ${folder} has no guard file`, {
    next:
      `Put ${guardPath(folder)} back from the machine that used the key last, as it was when it stopped. ` +
      'Without it nobody knows what the key has signed: make a new key in an empty folder.',
  });
}
