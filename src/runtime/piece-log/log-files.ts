// The log files of a folder by number, open for reading. At most LOG_OPEN_FILES stay open; a file that compaction
// deleted stays readable for whoever is reading it, and is closed when the last of them is done.

import { join } from 'node:path';
import { LOG_OPEN_FILES } from '../../base/limits.ts';
import type { Files, OpenFile } from '../files.ts';

const NAME = /^([0-9a-f]{8})\.log$/;

/** File number in eight hex digits, so that names sort as numbers do. */
export function logFileName(file: number): string {
  return `${file.toString(16).padStart(8, '0')}.log`;
}

/** Undefined for the name of anything else. */
export function logFileNumber(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}

interface Handle {
  readonly file: Promise<OpenFile>;
  users: number;
}

export class LogFiles {
  readonly folder: string;
  readonly #files: Files;
  /** Least recently used first. */
  readonly #handles: Map<number, Handle> = new Map();

  constructor(folder: string, files: Files) {
    this.folder = folder;
    this.#files = files;
  }

  path(file: number): string {
    return join(this.folder, logFileName(file));
  }

  /** Runs `read` with the file open. Errors of opening and reading pass through. */
  async use<T>(file: number, read: (open: OpenFile) => Promise<T>): Promise<T> {
    const handle = this.#handles.get(file) ?? { file: this.#files.open(this.path(file), 'read'), users: 0 };
    this.#handles.delete(file);
    this.#handles.set(file, handle);
    handle.users++;
    try {
      return await read(await handle.file);
    } finally {
      handle.users--;
      await this.#settle(file, handle);
    }
  }

  /** No new reader gets this handle; whoever has it keeps it. */
  async forget(file: number): Promise<void> {
    const handle = this.#handles.get(file);
    this.#handles.delete(file);
    if (handle?.users === 0) await closeQuietly(handle);
  }

  async close(): Promise<void> {
    for (const file of this.#handles.keys()) await this.forget(file);
  }

  /** After a use: a forgotten handle goes with its last user, a failed one at once, an idle one when there are too many. */
  async #settle(file: number, handle: Handle): Promise<void> {
    const isOpen = await handle.file.then(
      () => true,
      () => false,
    );
    if (!isOpen && this.#handles.get(file) === handle) this.#handles.delete(file);
    if (this.#handles.get(file) !== handle) {
      if (handle.users === 0) await closeQuietly(handle);
      return;
    }
    for (const [idle, other] of this.#handles) {
      if (this.#handles.size <= LOG_OPEN_FILES) return;
      if (other.users === 0) await this.forget(idle);
    }
  }
}

/** A file that was only read has nothing to lose when closing it fails. */
async function closeQuietly(handle: Handle): Promise<void> {
  await handle.file.then((file) => file.close()).catch(() => undefined);
}
