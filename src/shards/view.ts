// The state as operations see it: synchronous reads of what was loaded, writes kept aside until everything has succeeded.
//
// Load first, decide after. A record that was not loaded is noted and ends the attempt (`MissingRecords`), the shell
// loads it and the decision is made again from the start: rules never wait. Records that are known to be absent read as undefined.
//
// Invariant: nothing is written through to a lower layer but by `merge`, so a transaction that is refused leaves no trace.

import { decodeCanonical, encode } from '../base/codec.ts';
import { STATE_RECORD_LENGTH_MAX } from '../base/limits.ts';
import type { RecordType } from './record.ts';
import type { StateKey } from './state-key.ts';

/** A record's bytes; null: there is none. */
export type Loaded = Uint8Array | null;

export interface StateView {
  /** The bytes under `key`, or null. Throws MissingRecords when it was not loaded. */
  read(key: StateKey): Loaded;
}

/** Not an error: the attempt needs more of the state before it can be decided. */
export class MissingRecords extends Error {
  override readonly name = 'MissingRecords';
  readonly keys: readonly StateKey[];

  constructor(keys: readonly StateKey[]) {
    super(`${keys.length} records are not loaded`);
    this.keys = keys;
  }
}

/** What the shell has loaded so far. */
export class LoadedState implements StateView {
  readonly #records = new Map<string, Loaded>();

  add(key: StateKey, record: Loaded): void {
    this.#records.set(key.text, record);
  }

  has(key: StateKey): boolean {
    return this.#records.has(key.text);
  }

  read(key: StateKey): Loaded {
    const record = this.#records.get(key.text);
    if (record === undefined) throw new MissingRecords([key]);
    return record;
  }
}

export interface Change {
  readonly key: StateKey;
  readonly before: Loaded;
  readonly after: Loaded;
}

interface Written {
  readonly key: StateKey;
  readonly record: Loaded;
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
    return written === undefined ? this.#below.read(key) : written.record;
  }

  write(key: StateKey, record: Loaded): void {
    const isNew = this.#written.get(key.text)?.isNew ?? false;
    this.#written.set(key.text, { key, record, isNew });
  }

  /** Writes a record whose key was never used before, so that nobody has to load that it is not there. */
  create(key: StateKey, record: Uint8Array): void {
    this.#written.set(key.text, { key, record, isNew: true });
  }

  /** The record under `key`, decoded; undefined when there is none. */
  get<T>(key: StateKey, type: RecordType<T>): T | undefined {
    const bytes = this.read(key);
    return bytes === null
      ? undefined
      : decodeCanonical(type.schema, bytes, STATE_RECORD_LENGTH_MAX, type.name);
  }

  put<T>(key: StateKey, type: RecordType<T>, record: T): void {
    this.write(key, encode(type.tuple(record)));
  }

  remove(key: StateKey): void {
    this.write(key, null);
  }

  /** Takes over what `upper`, an overlay of this one, has written. */
  merge(upper: Overlay): void {
    for (const { key, record, isNew } of upper.#written.values()) {
      const wasNew = this.#written.get(key.text)?.isNew ?? false;
      this.#written.set(key.text, { key, record, isNew: isNew || wasNew });
    }
  }

  /** What differs from below, in the order of paths. */
  changes(): readonly Change[] {
    return [...this.#written.values()]
      .map(({ key, record, isNew }) => ({
        key,
        before: isNew ? null : this.#below.read(key),
        after: record,
      }))
      .filter(({ before, after }) => !isSame(before, after))
      .sort((a, b) => (a.key.text < b.key.text ? -1 : 1));
  }
}

function isSame(a: Loaded, b: Loaded): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
