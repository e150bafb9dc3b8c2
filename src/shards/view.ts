// The state as operations see it: synchronous reads of what was loaded, writes kept aside until everything has succeeded.
//
// Load first, decide after. A record that was not loaded is noted and ends the attempt (`MissingRecords`), the shell
// loads it and the decision is made again from the start: rules never wait. Records that are known to be absent read as undefined.
//
// Invariant: nothing is written through to a lower layer but by `merge`, so a transaction that is refused leaves no trace.
//
// Records are read and written far more often decoded than as bytes, so a record is kept in the form it came in, and in the other one as
// soon as somebody wanted that. Decoded records are shared: nobody may change them.

import { equal } from '../base/bytes.ts';
import { decodeCanonical, encode } from '../base/codec.ts';
import { STATE_RECORD_LENGTH_MAX } from '../base/limits.ts';
import type { RecordType } from './record.ts';
import type { StateKey } from './state-key.ts';

/** A record's bytes; null: there is none. */
export type Loaded = Uint8Array | null;

export interface StateView {
  /** The bytes under `key`, or null. Throws MissingRecords when it was not loaded. */
  read(key: StateKey): Loaded;
  /** The same, decoded; undefined when there is none. Of a view without it, bytes are decoded at every look. */
  get?<T>(key: StateKey, type: RecordType<T>): T | undefined;
}

/** Not an error, nor as costly to throw as one: the attempt needs more of the state before it can be decided. */
export class MissingRecords {
  readonly keys: readonly StateKey[];

  constructor(keys: readonly StateKey[]) {
    this.keys = keys;
  }
}

/** A record as bytes, decoded, or both. */
class Cell {
  #bytes: Loaded | undefined;
  #type: object | undefined;
  #record: unknown;
  /** Of one that was decoded first. */
  #encode: (() => Uint8Array) | undefined;

  static ofBytes(bytes: Loaded): Cell {
    const cell = new Cell();
    cell.#bytes = bytes;
    return cell;
  }

  static ofRecord<T>(type: RecordType<T>, record: T): Cell {
    const cell = new Cell();
    cell.#type = type;
    cell.#record = record;
    cell.#encode = () => {
      if (type.compact !== undefined) cell.#record = type.compact(record);
      return encode(type.tuple(record));
    };
    return cell;
  }

  get bytes(): Loaded {
    if (this.#bytes === undefined) {
      this.#bytes = this.#encode!();
      this.#encode = undefined;
    }
    return this.#bytes;
  }

  as<T>(type: RecordType<T>): T | undefined {
    if (this.#type !== type) {
      const { bytes } = this;
      if (bytes === null) return undefined;
      this.#record = decodeRecord(type, bytes);
      this.#type = type;
    }
    return this.#record as T;
  }
}

function cellOf<T>(type: RecordType<T>, record: T): Cell {
  return type.isExact === true ? Cell.ofRecord(type, record) : Cell.ofBytes(encode(type.tuple(record)));
}

/** The record of `bytes`. Throws INVALID_ENCODING. */
export function decodeRecord<T>(type: RecordType<T>, bytes: Uint8Array): T {
  return decodeCanonical(type.schema, bytes, STATE_RECORD_LENGTH_MAX, type.name);
}

/** What the shell has loaded so far, of one state. */
export class LoadedState implements StateView {
  readonly #cells = new Map<string, Cell>();
  #lengthBytes = 0;

  add(key: StateKey, record: Loaded): void {
    this.#put(key, Cell.ofBytes(record), record);
  }

  #put(key: StateKey, cell: Cell, record: Loaded): void {
    const former = this.#cells.get(key.text);
    if (former !== undefined) this.#lengthBytes -= costOf(former.bytes);
    this.#cells.set(key.text, cell);
    this.#lengthBytes += costOf(record);
  }

  has(key: StateKey): boolean {
    return this.#cells.has(key.text);
  }

  read(key: StateKey): Loaded {
    const cell = this.#cells.get(key.text);
    if (cell === undefined) throw new MissingRecords([key]);
    return cell.bytes;
  }

  get<T>(key: StateKey, type: RecordType<T>): T | undefined {
    const cell = this.#cells.get(key.text) ?? Cell.ofBytes(this.read(key));
    return cell.as(type);
  }

  /** About what it keeps in memory. */
  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  /** From now on it is of the state after `changes`, which were made on it. */
  advance(changes: readonly Change[]): void {
    for (const change of changes) {
      const { key, after } = change;
      this.#put(key, cells.get(change) ?? Cell.ofBytes(after), after);
    }
  }
}

/** What changes have become, decoded where that is known. */
const cells: WeakMap<Change, Cell> = new WeakMap();

/** Key, map and objects of a record, beside its bytes and as much again for what they mean. */
const CELL_OVERHEAD = 500;

const costOf = (record: Loaded): number => CELL_OVERHEAD + 2 * (record?.length ?? 0);

export interface Change {
  readonly key: StateKey;
  readonly before: Loaded;
  readonly after: Loaded;
}

interface Written {
  readonly key: StateKey;
  readonly cell: Cell;
  /** There was no such record before, whatever was loaded. */
  readonly isNew: boolean;
}

/** Writes over a view. */
export class Overlay implements StateView {
  readonly #below: StateView;
  readonly #written = new Map<string, Written>();

  constructor(below: StateView) {
    this.#below = below;
  }

  read(key: StateKey): Loaded {
    const written = this.#written.get(key.text);
    return written === undefined ? this.#below.read(key) : written.cell.bytes;
  }

  /** Throws MissingRecords when the record was not loaded: for what is overwritten unread, and wanted at the end of the block. */
  touch(key: StateKey): void {
    if (this.#written.has(key.text)) return;
    if (this.#below instanceof Overlay) this.#below.touch(key);
    else this.#below.read(key);
  }

  write(key: StateKey, record: Loaded): void {
    this.#write(key, Cell.ofBytes(record));
  }

  #write(key: StateKey, cell: Cell): void {
    const isNew = this.#written.get(key.text)?.isNew ?? false;
    this.#written.set(key.text, { key, cell, isNew });
  }

  /** Writes a record whose key was never used before, so that nobody has to load that it is not there. */
  create(key: StateKey, record: Uint8Array): void {
    this.#written.set(key.text, { key, cell: Cell.ofBytes(record), isNew: true });
  }

  /**
   * Writes a record where the state has none, which the caller knows without looking; but in this block there may have been one that was
   * removed since.
   */
  add<T>(key: StateKey, type: RecordType<T>, record: T): void {
    if (this.#isWritten(key)) this.put(key, type, record);
    else this.#written.set(key.text, { key, cell: cellOf(type, record), isNew: true });
  }

  #isWritten(key: StateKey): boolean {
    if (this.#written.has(key.text)) return true;
    return this.#below instanceof Overlay && this.#below.#isWritten(key);
  }

  /** The record under `key`, decoded; undefined when there is none. */
  get<T>(key: StateKey, type: RecordType<T>): T | undefined {
    const written = this.#written.get(key.text);
    if (written !== undefined) return written.cell.as(type);
    const below = this.#below;
    if (below.get !== undefined) return below.get(key, type);
    const bytes = below.read(key);
    return bytes === null ? undefined : decodeRecord(type, bytes);
  }

  put<T>(key: StateKey, type: RecordType<T>, record: T): void {
    this.#write(key, cellOf(type, record));
  }

  remove(key: StateKey): void {
    this.write(key, null);
  }

  /** Takes over what `upper`, an overlay of this one, has written. */
  merge(upper: Overlay): void {
    for (const written of upper.#written.values()) {
      const { key, cell, isNew } = written;
      const isNewHere = isNew || (this.#written.get(key.text)?.isNew ?? false);
      this.#written.set(key.text, isNewHere === isNew ? written : { key, cell, isNew: isNewHere });
    }
  }

  /** What differs from below, in the order of paths. */
  changes(): readonly Change[] {
    const changes: Change[] = [];
    for (const { key, cell, isNew } of this.#written.values()) {
      const before = isNew ? null : this.#below.read(key);
      const after = cell.bytes;
      if (isSame(before, after)) continue;
      const change: Change = { key, before, after };
      cells.set(change, cell);
      changes.push(change);
    }
    return changes.sort((a, b) => (a.key.text < b.key.text ? -1 : 1));
  }
}

function isSame(a: Loaded, b: Loaded): boolean {
  return a === null || b === null ? a === b : equal(a, b);
}
