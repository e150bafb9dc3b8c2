// One process per data folder. The lock is a file that names its owner (process id, its start time, the boot), so
// that whoever comes second can say who is there, and can tell an owner that died from one that lives.
//
// Taking over from a dead owner must have one winner. Whoever finds the owner with token T dead links its own
// claim to the name `LOCK.after-T`: only one succeeds. A claimant that dies leaves its claim; the next one links
// to `LOCK.after-<token of that claim>`, and so on: each dead process has one heir. The last heir looks again
// that LOCK still names the first dead owner, and renames its own claim over it. A late heir of an owner who was
// replaced meanwhile finds another token there and starts again. So LOCK is never removed or replaced except by its
// owner or by its owner's one heir.
//
// Limits: processes in different containers do not see each other's ids. The index of a piece log holds a lock of
// the operating system besides, which also covers them.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { StoreError, toStoreError } from '../base/errors.ts';
import { type Files, readWhole, systemCode, systemFiles, writeWhole } from './files.ts';

const LOCK_NAME = 'LOCK';
const LOCK_LENGTH_MAX = 1024;
/** Each round follows a change made by another process. */
const ROUNDS_MAX = 100;

export interface Owner {
  readonly pid: number;
  /** Start time of the process in clock ticks, and the boot's id; empty where the system does not tell. */
  readonly started: string;
  readonly boot: string;
  readonly token: string;
}

export interface FolderLock {
  /** Never throws: a lock that cannot be removed is taken over once this process is gone. */
  release(): Promise<void>;
}

export interface LockOptions {
  readonly files?: Files;
  /** Whether that very process still runs. */
  readonly isAlive?: (owner: Owner) => boolean;
}

/** Locks an existing folder for this process. Throws LOCKED naming the folder and its owner, and DISK. */
export async function lockFolder(folder: string, options: LockOptions = {}): Promise<FolderLock> {
  const files = options.files ?? systemFiles;
  const isAlive = options.isAlive ?? isRunning;
  const self = describeSelf();
  const claim = join(folder, `${LOCK_NAME}.claim-${self.token}`);
  try {
    await writeWhole(claim, new TextEncoder().encode(JSON.stringify(self)), files);
    try {
      await acquire({ folder, files, isAlive, claim });
      await sweepClaims(folder, files, isAlive);
    } finally {
      await files.remove(claim).catch(() => undefined);
    }
  } catch (error) {
    throw toStoreError(error, 'DISK', `cannot lock ${folder}`);
  }
  return { release: () => release(folder, self, files) };
}

interface Attempt {
  readonly folder: string;
  readonly files: Files;
  readonly isAlive: (owner: Owner) => boolean;
  /** A file of ours that names us: linked to a name, it claims the name. */
  readonly claim: string;
}

async function acquire(attempt: Attempt): Promise<void> {
  const lock = join(attempt.folder, LOCK_NAME);
  for (let round = 0; round < ROUNDS_MAX; round++) {
    if (await tryLink(attempt, lock)) return;
    const owner = await readOwner(lock, attempt.files);
    if (owner !== undefined && (await inherit(attempt, lock, owner))) return;
  }
  throw new StoreError('LOCKED', `${attempt.folder} is being locked by many processes at once`);
}

/** Removes what processes that died while locking left behind. */
async function sweepClaims(folder: string, files: Files, isAlive: (owner: Owner) => boolean): Promise<void> {
  for (const name of await files.list(folder)) {
    if (!name.startsWith(`${LOCK_NAME}.claim-`)) continue;
    const owner = await readOwner(join(folder, name), files);
    if (owner !== undefined && !isAlive(owner)) await files.remove(join(folder, name)).catch(() => undefined);
  }
}

/** Follows the chain of dead owners to its end and takes its place; false when the lock changed meanwhile. */
async function inherit(attempt: Attempt, lock: string, first: Owner): Promise<boolean> {
  const names: string[] = [];
  let last = first;
  for (;;) {
    if (attempt.isAlive(last)) throw lockedBy(attempt.folder, last);
    const name = join(attempt.folder, `${LOCK_NAME}.after-${last.token}`);
    if (await tryLink(attempt, name)) {
      names.push(name);
      break;
    }
    const claimant = await readOwner(name, attempt.files);
    if (claimant === undefined || names.length >= ROUNDS_MAX) return false;
    names.push(name);
    last = claimant;
  }
  const isUnchanged = (await readOwner(lock, attempt.files))?.token === first.token;
  if (isUnchanged) await attempt.files.rename(attempt.claim, lock);
  for (const name of isUnchanged ? names : names.slice(-1)) {
    await attempt.files.remove(name).catch(() => undefined);
  }
  return isUnchanged;
}

async function tryLink(attempt: Attempt, name: string): Promise<boolean> {
  try {
    await attempt.files.link(attempt.claim, name);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function release(folder: string, self: Owner, files: Files): Promise<void> {
  const lock = join(folder, LOCK_NAME);
  const owner = await readOwner(lock, files).catch(() => undefined);
  if (owner?.token === self.token) await files.remove(lock).catch(() => undefined);
}

/** Undefined when there is no such file. A file that names nobody counts as left by a dead process. */
async function readOwner(path: string, files: Files): Promise<Owner | undefined> {
  const bytes = await readWhole(path, LOCK_LENGTH_MAX, files);
  if (bytes === undefined) return undefined;
  const nobody: Owner = { pid: 0, started: '', boot: '', token: 'unreadable' };
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    const { pid, started, boot, token } = value;
    if (!Number.isSafeInteger(pid) || typeof started !== 'string' || typeof boot !== 'string') return nobody;
    if (typeof token !== 'string' || !/^[0-9a-f]{32}$/.test(token)) return nobody;
    return { pid: pid as number, started, boot, token };
  } catch {
    return nobody;
  }
}

function lockedBy(folder: string, owner: Owner): StoreError {
  return new StoreError('LOCKED', `${folder} is in use by process ${owner.pid}`, {
    next: `Stop process ${owner.pid} or choose another data folder.`,
  });
}

function describeSelf(): Owner {
  const token = randomBytes(16).toString('hex');
  return { pid: process.pid, started: startTime(process.pid), boot: bootId(), token };
}

/** False when the process is gone, its id went to another process, or the machine was started again. */
function isRunning(owner: Owner): boolean {
  if (owner.pid <= 0 || owner.boot !== bootId()) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if (systemCode(error) === 'ESRCH') return false;
  }
  return startTime(owner.pid) === owner.started;
}

/** Field 22 of /proc/<pid>/stat; the name before it may hold spaces and brackets, so count from the last one. */
function startTime(pid: number): string {
  const text = readText(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function bootId(): string {
  return readText('/proc/sys/kernel/random/boot_id').trim();
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
