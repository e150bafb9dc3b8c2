// Where `store get` writes. A file appears under its name only when it is whole, verified and synced: the bytes go to
// a new file beside it under a name that nobody can have prepared (O_EXCL follows no link), and the rename comes
// last. Whatever is no regular file (a pipe, a device, standard output) is written to directly.

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, lstat, open, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StoreError } from '../src/base/errors.ts';
import { BrokenPipeError } from './output.ts';

interface GetTarget {
  readonly name: string;
  write(bytes: Uint8Array): Promise<void>;
  /** Everything is there: sync and give it its name. */
  finish(): Promise<void>;
  /** Leave nothing behind. Harmless after `finish`. */
  discard(): Promise<void>;
}

/** `path` checked before any network traffic; `open` of the result makes the temporary file. */
export interface CheckedTarget {
  open(): Promise<GetTarget>;
}

/** Throws ALREADY_EXISTS, INVALID_ARGUMENT (directory, terminal), NOT_FOUND (no such folder). */
export async function checkTarget(path: string | undefined, isForced: boolean): Promise<CheckedTarget> {
  if (path === undefined && process.stdout.isTTY === true) {
    throw new StoreError('INVALID_ARGUMENT', 'the object would be written to the terminal', {
      next: 'Name a file, or "-" to write to the terminal all the same.',
    });
  }
  if (path === undefined || path === '-') return { open: async () => standardOutput() };
  const isDirect = await checkPath(path, isForced);
  return { open: () => (isDirect ? direct(path) : aside(path, isForced)) };
}

/** True when `path` is there and is neither a regular file nor a directory. */
async function checkPath(path: string, isForced: boolean): Promise<boolean> {
  const entry = await lstat(path).catch(() => undefined);
  if (entry === undefined) {
    const folder = await stat(dirname(path)).catch(() => undefined);
    if (folder?.isDirectory() === true) return false;
    throw new StoreError('NOT_FOUND', `cannot write ${path}: there is no folder ${dirname(path)}`, {
      next: 'Make the folder first.',
    });
  }
  const target = await stat(path).catch(() => undefined);
  if (target?.isDirectory() === true) {
    throw new StoreError('INVALID_ARGUMENT', `cannot write ${path}: it is a directory`, {
      next: 'Name a file in it.',
    });
  }
  if (target !== undefined && !target.isFile()) return true;
  if (!isForced) throw exists(path);
  return false;
}

function exists(path: string): StoreError {
  return new StoreError('ALREADY_EXISTS', `cannot write ${path}: it exists`, {
    next: 'Choose another name, or give --force to replace it.',
  });
}

function standardOutput(): GetTarget {
  const { stdout } = process;
  let failed: Error | undefined;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    failed ??=
      error.code === 'EPIPE' ? new BrokenPipeError('standard output was closed') : diskError('-', error);
  });
  return {
    name: 'standard output',
    write: (bytes) =>
      new Promise((resolve, reject) => {
        stdout.write(bytes, (error) => (error ? reject(failed ?? diskError('-', error)) : resolve()));
      }),
    finish: async () => undefined,
    discard: async () => undefined,
  };
}

async function direct(path: string): Promise<GetTarget> {
  const file = await open(path, constants.O_WRONLY).catch((error: unknown) => {
    throw diskError(path, error);
  });
  return {
    name: path,
    write: (bytes) => writeAll(file, bytes, path),
    finish: () => file.close(),
    discard: () => file.close().catch(() => undefined),
  };
}

async function aside(path: string, isForced: boolean): Promise<GetTarget> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path).slice(0, 100)}.${randomBytes(6).toString('hex')}.part`);
  const file = await open(temporary, 'wx', 0o666).catch((error: unknown) => {
    throw diskError(path, error);
  });
  let isDone = false;
  const discard = async (): Promise<void> => {
    if (isDone) return;
    isDone = true;
    await file.close().catch(() => undefined);
    await unlink(temporary).catch(() => undefined);
  };
  return {
    name: path,
    write: (bytes) => writeAll(file, bytes, path),
    finish: async () => {
      try {
        await file.sync();
        await file.close();
        await (isForced ? rename(temporary, path) : giveName(temporary, path));
        await syncFolder(folder);
      } catch (error) {
        await discard();
        throw error instanceof StoreError ? error : diskError(path, error);
      }
      isDone = true;
    },
    discard,
  };
}

/** `rename` would overwrite what appeared meanwhile; `link` does not. */
async function giveName(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw exists(path);
    // File systems without hard links.
    await checkPath(path, false);
    await rename(temporary, path);
    return;
  }
  await unlink(temporary);
}

async function writeAll(file: FileHandle, bytes: Uint8Array, path: string): Promise<void> {
  let offset = 0;
  while (offset < bytes.length) {
    try {
      offset += (await file.write(bytes, offset)).bytesWritten;
    } catch (error) {
      throw diskError(path, error);
    }
  }
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function diskError(path: string, error: unknown): Error {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EPIPE') return new BrokenPipeError('the reader went away');
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  const reason = isFull
    ? 'the disk is full'
    : code === 'EACCES' || code === 'EPERM'
      ? 'you may not write there'
      : 'writing failed';
  return new StoreError('DISK', `cannot write ${path}: ${reason}`, {
    cause: error,
    next: isFull
      ? 'Free some space, or choose another folder.'
      : 'Check the path, its permissions and the disk.',
  });
}
