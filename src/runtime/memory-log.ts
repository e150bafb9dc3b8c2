// The PieceLog port in memory, for tests and the simulator: the same answers as the log on disk, and faults on
// command. Nothing here survives the process.

import { compare, fromHex, toHex } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import { ENTRY_KEY_LENGTH_MAX, ENTRY_META_LENGTH_MAX, PIECE_LENGTH_MAX } from '../base/limits.ts';
import type { LogEntry, LogEntryStat, LogState, LogUsage, PieceLog, ScrubReport } from '../base/ports.ts';

export interface MemoryLogOptions {
  readonly quotaBytes?: number;
  /** Free bytes of the pretended disk, and those of them that are kept free. */
  readonly freeBytes?: number;
  readonly reserveBytes?: number;
  readonly onDamage?: (key: Uint8Array, reason: string) => void;
  readonly onFailure?: (failure: StoreError) => void;
}

interface Held {
  readonly entry: LogEntry;
  /** The bytes rotted; nobody has noticed before `isQuarantined`. */
  isRotten: boolean;
  isQuarantined: boolean;
}

/** About what a record costs on disk beside meta and payload, so that quotas behave alike. */
const RECORD_OVERHEAD = 128;

export class MemoryLog implements PieceLog {
  readonly #entries: Map<string, Held> = new Map();
  readonly #options: MemoryLogOptions;
  #failure: StoreError | undefined;
  #isClosed = false;
  #liveBytes = 0;
  #logBytes = 0;
  #refusedLength = 0;
  #freeBytes: number;

  constructor(options: MemoryLogOptions = {}) {
    this.#options = options;
    this.#freeBytes = options.freeBytes ?? Number.MAX_SAFE_INTEGER;
  }

  // ---- Faults ----------------------------------------------------------------------------------------------------

  /** Writing ends for good, as after a failed sync; reading goes on. */
  fail(reason = 'simulated failure'): void {
    if (this.#failure !== undefined) return;
    this.#failure = new StoreError('DISK', `writing ended after an error: ${reason}`);
    this.#options.onFailure?.(this.#failure);
  }

  /** The entry's bytes rot; the next read or scrub notices. */
  rot(key: Uint8Array): void {
    const held = this.#entries.get(toHex(key));
    if (held !== undefined) held.isRotten = true;
  }

  /** Space on the pretended disk besides what the log takes. */
  setFreeBytes(freeBytes: number): void {
    this.#freeBytes = freeBytes;
  }

  // ---- The port --------------------------------------------------------------------------------------------------

  async put({ key, meta, payload }: LogEntry): Promise<void> {
    checkLengths(key, meta, payload);
    this.#checkWritable();
    const entry = { key: key.slice(), meta: meta.slice(), payload: new Uint8Array(payload) };
    const length = lengthOf(entry);
    if (this.#room() < length) {
      this.#refusedLength = length;
      throw new StoreError('FULL', 'the log in memory is full');
    }
    this.#refusedLength = 0;
    this.#drop(key);
    this.#entries.set(toHex(key), { entry, isRotten: false, isQuarantined: false });
    this.#liveBytes += payload.length;
    this.#logBytes += length;
    this.#freeBytes -= length;
  }

  async stat(key: Uint8Array): Promise<LogEntryStat | undefined> {
    this.#checkOpen();
    const held = this.#entries.get(toHex(key));
    return held === undefined ? undefined : statOf(held);
  }

  async read(key: Uint8Array, offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    this.#checkOpen();
    const held = this.#entries.get(toHex(key));
    if (held === undefined) throw new StoreError('NOT_FOUND', `the log has no entry ${toHex(key)}`);
    const isRange =
      Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
    if (!isRange || offset + length > held.entry.payload.length) {
      throw new StoreError(
        'INVALID_ARGUMENT',
        `range [${offset}, ${offset} + ${length}) is not in the payload`,
      );
    }
    this.#notice(held);
    if (held.isQuarantined) throw new StoreError('DAMAGED', `entry ${toHex(key)} is damaged`);
    const bytes = held.entry.payload.subarray(offset, offset + length);
    if (into === undefined) return bytes.slice();
    into.set(bytes);
    return into.subarray(0, length);
  }

  async remove(keys: readonly Uint8Array[]): Promise<number> {
    this.#checkWritable();
    return keys.filter((key) => this.#drop(key)).length;
  }

  async *keys(prefix: Uint8Array, limit?: number): AsyncGenerator<Uint8Array> {
    for await (const { key } of this.list(prefix, limit)) yield key;
  }

  async *list(prefix: Uint8Array, limit: number = Number.POSITIVE_INFINITY): AsyncGenerator<LogEntryStat> {
    this.#checkOpen();
    const start = toHex(prefix);
    const keys = [...this.#entries.keys()].filter((hex) => hex.startsWith(start)).map(fromHex);
    let left = limit;
    for (const key of keys.toSorted(compare)) {
      if (left <= 0) return;
      this.#checkOpen();
      const held = this.#entries.get(toHex(key));
      if (held === undefined) continue;
      yield statOf(held);
      left--;
    }
  }

  usage(): LogUsage {
    return {
      state: this.#state(),
      entries: this.#entries.size,
      liveBytes: this.#liveBytes,
      logBytes: this.#logBytes,
      quotaBytes: this.#options.quotaBytes ?? Number.MAX_SAFE_INTEGER,
      freeBytes: this.#freeBytes,
      reserveBytes: this.#options.reserveBytes ?? 0,
    };
  }

  async scrub(signal?: AbortSignal): Promise<ScrubReport> {
    this.#checkOpen();
    const held = [...this.#entries.values()].toSorted((a, b) => compare(a.entry.key, b.entry.key));
    for (const one of held) {
      if (signal?.aborted === true)
        throw new StoreError('ABORTED', 'scrub aborted', { cause: signal.reason });
      this.#notice(one);
    }
    return {
      entriesChecked: held.length,
      bytesChecked: held.reduce((sum, { entry }) => sum + entry.payload.length, 0),
      damaged: held.filter(({ isQuarantined }) => isQuarantined).map(({ entry }) => entry.key.slice()),
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #notice(held: Held): void {
    if (!held.isRotten || held.isQuarantined) return;
    held.isQuarantined = true;
    this.#options.onDamage?.(held.entry.key.slice(), 'simulated rot');
  }

  #drop(key: Uint8Array): boolean {
    const held = this.#entries.get(toHex(key));
    if (held === undefined) return false;
    this.#entries.delete(toHex(key));
    this.#liveBytes -= held.entry.payload.length;
    this.#logBytes -= lengthOf(held.entry);
    this.#freeBytes += lengthOf(held.entry);
    return true;
  }

  #room(): number {
    const { quotaBytes = Number.MAX_SAFE_INTEGER, reserveBytes = 0 } = this.#options;
    return Math.min(quotaBytes - this.#logBytes, this.#freeBytes - reserveBytes);
  }

  #state(): LogState {
    if (this.#isClosed) return 'closed';
    if (this.#failure !== undefined) return 'failed';
    return this.#room() < Math.max(1, this.#refusedLength) ? 'full' : 'writable';
  }

  #checkWritable(): void {
    this.#checkOpen();
    if (this.#failure !== undefined) throw this.#failure;
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new StoreError('CLOSED', 'the log is closed');
  }
}

function lengthOf({ key, meta, payload }: LogEntry): number {
  return RECORD_OVERHEAD + key.length + meta.length + payload.length;
}

function statOf({ entry }: Held): LogEntryStat {
  return { key: entry.key.slice(), meta: entry.meta.slice(), payloadLength: entry.payload.length };
}

function checkLengths(key: Uint8Array, meta: Uint8Array, payload: Uint8Array): void {
  const fits =
    key.length > 0 &&
    key.length <= ENTRY_KEY_LENGTH_MAX &&
    meta.length <= ENTRY_META_LENGTH_MAX &&
    payload.length <= PIECE_LENGTH_MAX;
  if (fits) return;
  const lengths = `key ${key.length}, meta ${meta.length}, payload ${payload.length}`;
  throw new StoreError('INVALID_ARGUMENT', `log entry with lengths out of bounds: ${lengths}`);
}
