// The KeyValue port in memory, for tests and the simulator. It keeps what a crash would keep apart from what it
// would lose: `powerLoss` drops batches that were not durable, any of them and not only the newest, as the real one may.

import { compare, fromHex, toHex } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { KeyValueOperation } from '../base/ports.ts';
import type { KeyValueSnapshot, LocalKeyValue } from './key-value.ts';

/** Older batches count as durable, so that a long simulation does not keep them all. */
const BATCHES_MAX = 10_000;

export class MemoryKeyValue implements LocalKeyValue {
  #durable: Map<string, Uint8Array> = new Map();
  /** Batches since, oldest first. */
  #volatile: { readonly operations: readonly KeyValueOperation[]; isDurable: boolean }[] = [];
  #current: Map<string, Uint8Array> = new Map();
  readonly #spoiled: Set<string> = new Set();
  #failure: StoreError | undefined;
  #isClosed = false;

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#checkOpen();
    this.#checkWhole(toHex(key));
    return this.#current.get(toHex(key))?.slice();
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return Promise.all(keys.map((key) => this.get(key)));
  }

  async batch(
    operations: readonly KeyValueOperation[],
    options: { readonly isDurable?: boolean } = {},
  ): Promise<void> {
    this.#checkOpen();
    if (this.#failure !== undefined) throw this.#failure;
    const copies = operations.map((operation) =>
      operation.kind === 'put'
        ? { kind: operation.kind, key: operation.key.slice(), value: operation.value.slice() }
        : { kind: operation.kind, key: operation.key.slice() },
    );
    apply(this.#current, copies);
    this.#volatile.push({ operations: copies, isDurable: options.isDurable === true });
    if (this.#volatile.length > BATCHES_MAX) {
      for (const { operations: old } of this.#volatile.splice(0, BATCHES_MAX / 2)) apply(this.#durable, old);
    }
  }

  async *range(
    from: Uint8Array,
    to: Uint8Array,
    limit: number = Number.POSITIVE_INFINITY,
  ): AsyncGenerator<readonly [Uint8Array, Uint8Array]> {
    this.#checkOpen();
    const found = [...this.#current]
      .map(([key, value]) => [fromHex(key), value.slice()] as const)
      .filter(([key]) => compare(key, from) >= 0 && compare(key, to) < 0)
      .toSorted((a, b) => compare(a[0], b[0]))
      .slice(0, limit);
    for (const entry of found) {
      this.#checkOpen();
      this.#checkWhole(toHex(entry[0]));
      yield entry;
    }
  }

  snapshot(from: Uint8Array, to: Uint8Array): KeyValueSnapshot {
    this.#checkOpen();
    const [first, end] = [toHex(from), toHex(to)];
    const entries = [...this.#current].filter(([hex]) => first <= hex && hex < end);
    for (const [hex] of entries) this.#checkWhole(hex);
    return memorySnapshot(entries);
  }

  async flush(): Promise<void> {
    this.#checkOpen();
    if (this.#failure !== undefined) throw this.#failure;
    this.#durable = new Map(this.#current);
    this.#volatile = [];
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  /** From now on every write throws this. */
  failWrites(failure: StoreError): void {
    this.#failure = failure;
  }

  /** The entry rots: reading it throws DAMAGED, in the next process too. */
  spoil(key: Uint8Array): void {
    this.#spoiled.add(toHex(key));
  }

  /** The store as the next process finds it: durable batches are there, of the others those that `keeps` says. */
  powerLoss(keeps: () => boolean): MemoryKeyValue {
    const next = new MemoryKeyValue();
    const survivors = new Map(this.#durable);
    for (const { operations, isDurable } of this.#volatile)
      if (isDurable || keeps()) apply(survivors, operations);
    next.#durable = survivors;
    next.#current = new Map(survivors);
    for (const hex of this.#spoiled) next.#spoiled.add(hex);
    return next;
  }

  #checkWhole(hex: string): void {
    if (this.#spoiled.has(hex)) throw new StoreError('DAMAGED', 'the database in memory is damaged');
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new StoreError('CLOSED', 'the database in memory is closed');
  }
}

/** Of entries by the hex of their keys, in any order. Values are copied when they are read. */
export function memorySnapshot(
  entries: readonly (readonly [hex: string, value: Uint8Array])[],
): KeyValueSnapshot {
  const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  let isClosed = false;
  const firstFrom = (hex: string): number => {
    if (isClosed) throw new StoreError('CLOSED', 'the snapshot of the database in memory is closed');
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sorted[middle]![0] < hex) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    get: async (key) => {
      const hex = toHex(key);
      const entry = sorted[firstFrom(hex)];
      return entry?.[0] === hex ? entry[1].slice() : undefined;
    },
    range: async function* (from, to, limit = Number.POSITIVE_INFINITY) {
      const first = firstFrom(toHex(from));
      const end = Math.min(firstFrom(toHex(to)), first + limit);
      for (const [hex, value] of sorted.slice(first, end)) yield [fromHex(hex), value.slice()] as const;
    },
    close: async () => {
      isClosed = true;
    },
  };
}

function apply(map: Map<string, Uint8Array>, operations: readonly KeyValueOperation[]): void {
  for (const operation of operations) {
    if (operation.kind === 'put') map.set(toHex(operation.key), operation.value);
    else map.delete(toHex(operation.key));
  }
}
