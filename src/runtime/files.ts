// Every file system call of the runtime goes through `Files`, so that a test can fail a sync, tear a write or cut
// the power at any of them. The real one is below, then the helpers that need nothing but it. Rules it keeps:
// files are 0600 and folders 0700; a new file is created exclusively, and no symbolic link is followed in its
// place; a write is whole or throws. Errors are Node's own, with their `code`: who calls knows what was tried.

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StoreError, toStoreError } from '../base/errors.ts';
import { PRIVATE_FILE_LENGTH_MAX } from '../base/limits.ts';

export interface FileStat {
  readonly length: number;
  /** Permission bits. */
  readonly mode: number;
}

export interface OpenFile {
  /** Fills `into` from `position`; returns fewer bytes only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes all parts one after the other from `position`, or throws; then any prefix may be on the disk. */
  write(parts: readonly Uint8Array[], position: number): Promise<void>;
  /** Data and length are on the disk when it resolves. After a failure nothing is known about unsynced bytes. */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  stat(): Promise<FileStat>;
  close(): Promise<void>;
}

/** `create` fails with EEXIST where anything has the name. */
export type OpenMode = 'read' | 'write' | 'create';

export interface DiskSpace {
  /** Bytes that this user may still write. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export interface Files {
  open(path: string, mode: OpenMode): Promise<OpenFile>;
  /** With its parents, durably; does nothing where it exists. */
  makeDirectory(path: string): Promise<void>;
  /** Names in a folder, in no order. */
  list(path: string): Promise<string[]>;
  rename(from: string, to: string): Promise<void>;
  /** A second name for a file; EEXIST where the name is taken. */
  link(existing: string, name: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** A folder with all it holds; nothing happens where there is none. */
  removeTree(path: string): Promise<void>;
  /** Makes creations, renames and removals in a folder durable. */
  syncDirectory(path: string): Promise<void>;
  space(path: string): Promise<DiskSpace>;
}

const FLAGS: Readonly<Record<OpenMode, number>> = {
  read: constants.O_RDONLY | constants.O_NOFOLLOW,
  write: constants.O_RDWR | constants.O_NOFOLLOW,
  create: constants.O_RDWR | constants.O_NOFOLLOW | constants.O_CREAT | constants.O_EXCL,
};

export const systemFiles: Files = {
  open: async (path, mode) => openSystemFile(await fs.open(path, FLAGS[mode], 0o600)),
  makeDirectory,
  list: (path) => fs.readdir(path),
  rename: (from, to) => fs.rename(from, to),
  link: (existing, name) => fs.link(existing, name),
  remove: (path) => fs.unlink(path),
  removeTree: (path) => fs.rm(path, { recursive: true, force: true }),
  syncDirectory,
  space: async (path) => {
    const { bavail, blocks, bsize } = await fs.statfs(path);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  },
};

/**
 * Each folder that is missing, from the top, and its name in its parent made durable. Node's own recursive `mkdir` syncs
 * nothing, and never returns where a file system refuses new folders with ENOENT, as /proc does.
 */
async function makeDirectory(path: string): Promise<void> {
  const missing: string[] = [];
  for (let at = path; !(await isDirectory(at)); at = dirname(at)) missing.unshift(at);
  for (const folder of missing) {
    await fs.mkdir(folder, { mode: 0o700 }).catch(async (error: unknown) => {
      // Somebody else was faster; a link that points nowhere has the name too.
      if (systemCode(error) !== 'EEXIST' || !(await isDirectory(folder))) throw error;
    });
    await syncDirectory(dirname(folder));
  }
}

/** False where there is nothing. Throws ENOTDIR for anything else, because of the slash. */
async function isDirectory(path: string): Promise<boolean> {
  try {
    await fs.stat(`${path}/`);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  // Windows opens no folders.
  if (process.platform === 'win32') return;
  const handle = await fs.open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function openSystemFile(handle: fs.FileHandle): OpenFile {
  return {
    read: async (into, position) => {
      let done = 0;
      while (done < into.length) {
        const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    },
    write: async (parts, position) => {
      let rest = parts.filter((part) => part.length > 0);
      let at = position;
      while (rest.length > 0) {
        const { bytesWritten } = await handle.writev(rest, at);
        at += bytesWritten;
        rest = dropFirst(rest, bytesWritten);
      }
    },
    sync: () => handle.datasync(),
    truncate: (length) => handle.truncate(length),
    stat: async () => {
      const { size, mode } = await handle.stat();
      return { length: size, mode: mode & 0o777 };
    },
    close: () => handle.close(),
  };
}

/** `parts` without their first `count` bytes. */
function dropFirst(parts: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  for (const part of parts) {
    if (count >= part.length) count -= part.length;
    else {
      rest.push(count === 0 ? part : part.subarray(count));
      count = 0;
    }
  }
  return rest;
}

/** The `code` of a system error, such as ENOENT. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** True where the error says that no space or quota is left, which nothing but space cures. */
export function isNoSpace(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/**
 * Replaces the file at `path` so that after any crash it holds the old bytes or the new ones, whole: a temporary
 * file beside it is written and synced, then renamed, then the folder is synced. Throws DISK.
 */
export async function atomicWrite(
  path: string,
  bytes: Uint8Array,
  files: Files = systemFiles,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}.tmp`);
  try {
    await writeWhole(temporary, bytes, files);
    await files.rename(temporary, path);
    await files.syncDirectory(dirname(path));
  } catch (error) {
    await files.remove(temporary).catch(() => undefined);
    throw toStoreError(error, 'DISK', `cannot write ${path}`);
  }
}

/** Removes what `atomicWrite` of `path` leaves aside when the process dies. Errors of the system pass through. */
export async function sweepTemporaries(path: string, files: Files): Promise<void> {
  for (const name of await files.list(dirname(path))) {
    const isTemporary = name.startsWith(`.${basename(path)}.`) && name.endsWith('.tmp');
    if (isTemporary) await files.remove(join(dirname(path), name));
  }
}

/** Creates `path` exclusively with `bytes`, synced; the folder is not. */
export async function writeWhole(path: string, bytes: Uint8Array, files: Files): Promise<void> {
  const file = await files.open(path, 'create');
  try {
    await file.write([bytes], 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Errors of the system pass through. */
export async function fileLength(path: string, files: Files): Promise<number> {
  const file = await files.open(path, 'read');
  try {
    return (await file.stat()).length;
  } finally {
    await file.close();
  }
}

/** All bytes of a file of at most `lengthMax` bytes; undefined when there is none. Throws DISK. */
export async function readWhole(
  path: string,
  lengthMax: number,
  files: Files = systemFiles,
): Promise<Uint8Array | undefined> {
  return (await readWithMode(path, lengthMax, files))?.bytes;
}

/**
 * A file that only its owner may read, of at most PRIVATE_FILE_LENGTH_MAX bytes. Throws NOT_FOUND, INVALID_IDENTITY
 * when group or others have any right on it, and DISK.
 */
export async function readPrivateFile(path: string, files: Files = systemFiles): Promise<Uint8Array> {
  const found = await readWithMode(path, PRIVATE_FILE_LENGTH_MAX, files);
  if (found === undefined) throw new StoreError('NOT_FOUND', `${path} does not exist`);
  if ((found.mode & 0o077) !== 0) {
    const mode = found.mode.toString(8).padStart(4, '0');
    throw new StoreError('INVALID_IDENTITY', `${path} is open to other users (mode ${mode})`, {
      next: `Run: chmod 600 ${path}. If others could log in meanwhile, replace the key.`,
    });
  }
  return found.bytes;
}

async function readWithMode(
  path: string,
  lengthMax: number,
  files: Files,
): Promise<{ readonly bytes: Uint8Array; readonly mode: number } | undefined> {
  try {
    const file = await files.open(path, 'read');
    try {
      const { length, mode } = await file.stat();
      if (length > lengthMax)
        throw new StoreError('DISK', `${path} has ${length} bytes, more than ${lengthMax}`);
      const bytes = new Uint8Array(length);
      const count = await file.read(bytes, 0);
      return { bytes: bytes.subarray(0, count), mode };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw toStoreError(error, 'DISK', `cannot read ${path}`);
  }
}
