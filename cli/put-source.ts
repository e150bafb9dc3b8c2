// What `store put` reads: a regular file, or standard input. A regular file knows its length and can be read again,
// so its upload can be resumed under a name made of real path, size and modification time.

import { type FileHandle, open, realpath } from 'node:fs/promises';
import { StoreError } from '../src/base/errors.ts';

/** One read: large enough that system calls cost nothing. */
const CHUNK_LENGTH = 1024 * 1024;

export interface PutSource {
  readonly name: string;
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly lengthBytes: number | undefined;
  readonly resumeKey: string | undefined;
  /** True when the file is no longer what it was when it was opened. */
  hasChanged(): Promise<boolean>;
  close(): Promise<void>;
}

/** Throws NOT_FOUND, INVALID_ARGUMENT (a directory) or DISK (unreadable), naming the path. */
export async function openSource(path: string): Promise<PutSource> {
  if (path === '-') return standardInput();
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw openError(path, error);
  }
  try {
    return await fileSource(path, file);
  } catch (error) {
    await file.close();
    throw error instanceof StoreError ? error : openError(path, error);
  }
}

async function fileSource(path: string, file: FileHandle): Promise<PutSource> {
  const stat = await file.stat({ bigint: true });
  if (stat.isDirectory()) {
    throw new StoreError('INVALID_ARGUMENT', `cannot put ${path}: it is a directory`, {
      next: `Put one file at a time, or an archive of it: tar -c ${path} | store put -`,
    });
  }
  const isRegular = stat.isFile();
  return {
    name: path,
    bytes: chunks(file, path),
    lengthBytes: isRegular ? Number(stat.size) : undefined,
    resumeKey: isRegular ? `file ${await realpath(path)} ${stat.size} ${stat.mtimeNs}` : undefined,
    hasChanged: async () => {
      const now = await file.stat({ bigint: true });
      return isRegular && (now.size !== stat.size || now.mtimeNs !== stat.mtimeNs);
    },
    close: () => file.close(),
  };
}

/** The reader copies what it takes before it asks for more, so two buffers in turn are enough. */
async function* chunks(file: FileHandle, path: string): AsyncGenerator<Uint8Array> {
  const buffers = [new Uint8Array(CHUNK_LENGTH), new Uint8Array(CHUNK_LENGTH)];
  for (let turn = 0; ; turn = 1 - turn) {
    const buffer = buffers[turn]!;
    let length: number;
    try {
      ({ bytesRead: length } = await file.read(buffer, 0, CHUNK_LENGTH, null));
    } catch (error) {
      throw openError(path, error);
    }
    if (length === 0) return;
    yield buffer.subarray(0, length);
  }
}

function standardInput(): PutSource {
  if (process.stdin.isTTY === true) {
    throw new StoreError('INVALID_ARGUMENT', 'cannot put -: standard input is a terminal', {
      next: 'Pipe something in, or name a file.',
    });
  }
  return {
    name: 'standard input',
    bytes: process.stdin,
    lengthBytes: undefined,
    resumeKey: undefined,
    hasChanged: async () => false,
    close: async () => {
      process.stdin.destroy();
    },
  };
}

function openError(path: string, error: unknown): StoreError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new StoreError('NOT_FOUND', `cannot put ${path}: there is no such file`, {
      next: 'Check the path.',
    });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new StoreError('DISK', `cannot put ${path}: you may not read it`, {
      next: `Check who may read it: ls -l ${path}`,
    });
  }
  if (code === 'EISDIR') {
    return new StoreError('INVALID_ARGUMENT', `cannot put ${path}: it is a directory`, {
      next: `Put one file at a time, or an archive of it: tar -c ${path} | store put -`,
    });
  }
  return new StoreError('DISK', `cannot put ${path}: reading it failed`, { cause: error });
}
