// The KeyValue port on LevelDB. LevelDB checks its blocks only when asked to and its bindings do not ask, so a bit
// that rots inside a table would come back as a value: every value carries the CRC32 of key and value, and one that
// does not match throws DAMAGED. A damaged store is never repaired here (LevelDB's own repair returns stale values):
// who owns the data knows where to fetch it again.
//
// What is durable: a batch with `isDurable` is in LevelDB's log and synced. Batches without it may be lost at a
// power cut, and not only the newest: LevelDB starts a new log without syncing the old one, so a synced batch does
// not prove that an earlier unsynced one survives. `flush` does: it writes the memory table out as a synced table.
// After a failed write nothing is written any more, because LevelDB may have left half a record in its log.

import { crc32 } from 'node:zlib';
import { Level } from 'level';
import { StoreError } from '../base/errors.ts';
import type { KeyValue, KeyValueOperation } from '../base/ports.ts';
import { systemFiles } from './files.ts';

/** What a KeyValue in this process can do besides. */
export interface LocalKeyValue extends KeyValue {
  /** As many `get`s in one go. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** Makes everything written so far durable. */
  flush(): Promise<void>;
  /** Entries with `from <= key < to` as they are now, whatever is written from now on. */
  snapshot(from: Uint8Array, to: Uint8Array): KeyValueSnapshot;
}

/** Nothing outside its range is asked for. What is replaced meanwhile stays on the disk for it: to be closed soon. */
export type KeyValueSnapshot = Pick<KeyValue, 'get' | 'range' | 'close'>;

const CHECKSUM_LENGTH = 4;
/** What Level is on Node; its own type covers browsers too and leaves this out. */
interface NodeLevel extends Level<Uint8Array, Uint8Array> {
  /** Writes the memory table out as a synced table first, whatever the range. */
  compactRange(from: Uint8Array, to: Uint8Array): Promise<void>;
}

type LevelSnapshot = ReturnType<NodeLevel['snapshot']>;

const BINARY = { keyEncoding: 'view', valueEncoding: 'view' } as const;
/** Sorts before every key that a caller could mean; nothing is stored there. */
const NOTHING = new Uint8Array([0]);

interface EntryOptions {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  readonly limit?: number;
  readonly snapshot?: LevelSnapshot;
}

/** Opens or creates the store in `folder`. Throws LOCKED, DAMAGED, DISK. */
export async function openKeyValue(folder: string): Promise<LocalKeyValue> {
  await systemFiles.makeDirectory(folder).catch((error: unknown) => {
    throw asStoreError(error, folder);
  });
  const level = new Level<Uint8Array, Uint8Array>(folder, BINARY) as NodeLevel;
  try {
    await level.open();
    // LevelDB reports a missing table file or manifest as "not found", which its binding takes for success.
    await level.get(NOTHING);
  } catch (error) {
    await level.close().catch(() => undefined);
    throw asStoreError(error, folder);
  }
  return new LevelKeyValue(level, folder);
}

class LevelKeyValue implements LocalKeyValue {
  readonly #level: NodeLevel;
  readonly #folder: string;
  #failure: StoreError | undefined;

  constructor(level: NodeLevel, folder: string) {
    this.#level = level;
    this.#folder = folder;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const sealed = await this.#try(() => this.#level.get(key));
    return sealed === undefined ? undefined : this.#unseal(key, sealed);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const sealed = await this.#try(() => this.#level.getMany([...keys]));
    return sealed.map((one, at) => (one === undefined ? undefined : this.#unseal(keys[at]!, one)));
  }

  async batch(
    operations: readonly KeyValueOperation[],
    options: { readonly isDurable?: boolean } = {},
  ): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const changes = operations.map((operation) =>
      operation.kind === 'put'
        ? { type: 'put' as const, key: operation.key, value: seal(operation.key, operation.value) }
        : { type: 'del' as const, key: operation.key },
    );
    await this.#write(() => this.#level.batch(changes, { sync: options.isDurable === true }));
  }

  range(from: Uint8Array, to: Uint8Array, limit?: number): AsyncGenerator<readonly [Uint8Array, Uint8Array]> {
    return this.#entries({ gte: from, lt: to, ...(limit === undefined ? {} : { limit }) });
  }

  async *#entries(options: EntryOptions): AsyncGenerator<readonly [Uint8Array, Uint8Array]> {
    const iterator = await this.#try(() => Promise.resolve(this.#level.iterator(options)));
    try {
      for (;;) {
        const entry = await this.#try(() => iterator.next());
        if (entry === undefined) return;
        yield [plain(entry[0]), this.#unseal(entry[0], entry[1])];
      }
    } finally {
      await iterator.close();
    }
  }

  /** LevelDB's are of all keys and cost nothing to make. Closing the store closes them. */
  snapshot(): KeyValueSnapshot {
    let snapshot: LevelSnapshot;
    try {
      snapshot = this.#level.snapshot();
    } catch (error) {
      throw asStoreError(error, this.#folder);
    }
    return {
      get: async (key) => {
        const sealed = await this.#try(() => this.#level.get(key, { snapshot }));
        return sealed === undefined ? undefined : this.#unseal(key, sealed);
      },
      range: (from, to, limit) =>
        this.#entries({ gte: from, lt: to, snapshot, ...(limit === undefined ? {} : { limit }) }),
      close: () => this.#try(() => snapshot.close()),
    };
  }

  async flush(): Promise<void> {
    await this.#write(() => this.#level.compactRange(NOTHING, NOTHING));
  }

  async close(): Promise<void> {
    await this.#try(() => this.#level.close());
  }

  async #write(run: () => Promise<void>): Promise<void> {
    try {
      await this.#try(run);
    } catch (error) {
      if (error instanceof StoreError && error.code !== 'CLOSED') this.#failure ??= error;
      throw error;
    }
  }

  async #try<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw asStoreError(error, this.#folder);
    }
  }

  #unseal(key: Uint8Array, sealed: Uint8Array): Uint8Array {
    const length = sealed.length - CHECKSUM_LENGTH;
    if (length < 0) throw damaged(this.#folder);
    const value = plain(sealed).subarray(0, length);
    const view = new DataView(sealed.buffer, sealed.byteOffset, sealed.byteLength);
    if (view.getUint32(length) !== crc32(value, crc32(key))) throw damaged(this.#folder);
    return value;
  }
}

/** The binding returns Buffers, whose `slice` does not copy. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Value, then the CRC32 of key and value. */
function seal(key: Uint8Array, value: Uint8Array): Uint8Array {
  const sealed = new Uint8Array(value.length + CHECKSUM_LENGTH);
  sealed.set(value);
  new DataView(sealed.buffer).setUint32(value.length, crc32(value, crc32(key)));
  return sealed;
}

function damaged(folder: string, cause?: unknown): StoreError {
  return new StoreError('DAMAGED', `the database in ${folder} is damaged`, { cause });
}

function asStoreError(error: unknown, folder: string): StoreError {
  if (error instanceof StoreError) return error;
  const codes = causes(error).map((cause) => cause.code);
  const text = causes(error)
    .map((cause) => cause.message)
    .join(': ');
  if (codes.includes('LEVEL_LOCKED')) {
    return new StoreError('LOCKED', `the database in ${folder} is in use by another process`, {
      next: 'Stop the other process or choose another data folder.',
      cause: error,
    });
  }
  const isDamage = /corruption|no such file|does not exist|not found/i.test(text);
  if (codes.includes('LEVEL_CORRUPTION') || isDamage) return damaged(folder, error);
  if (codes.some((code) => code !== undefined && CLOSED_CODES.has(code))) {
    return new StoreError('CLOSED', `the database in ${folder} is closed`, { cause: error });
  }
  return new StoreError('DISK', `the database in ${folder} failed: ${text}`, { cause: error });
}

const CLOSED_CODES: ReadonlySet<string> = new Set([
  'LEVEL_DATABASE_NOT_OPEN',
  'LEVEL_ITERATOR_NOT_OPEN',
  'LEVEL_SNAPSHOT_NOT_OPEN',
  'LEVEL_STATUS_NOT_OPEN',
]);

interface CodedError extends Error {
  readonly code?: string;
}

/** The error and what caused it, outermost first. */
function causes(error: unknown): CodedError[] {
  const found: CodedError[] = [];
  for (let at = error; at instanceof Error && found.length < 8; at = at.cause) found.push(at as CodedError);
  return found;
}
