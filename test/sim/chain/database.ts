// The database of a simulated machine: the KeyValue port over memory that outlives the process. A batch is there when its sync has ended;
// a crash before keeps or loses it as a whole. Batches without a sync are written at once, and a power cut may take back any of them.

import { toHex } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import type { KeyValueOperation } from '../../../src/base/ports.ts';
import type { LocalKeyValue } from '../../../src/runtime/key-value.ts';
import { memorySnapshot } from '../../../src/runtime/memory-key-value.ts';
import type { SeededRandom } from '../random.ts';
import type { Scheduler } from '../scheduler.ts';
import type { Tally } from '../tally.ts';

/** What a database asks of the machine that it is on. */
export interface Host {
  readonly world: {
    readonly scheduler: Scheduler;
    readonly tally: Tally;
    readonly hasLyingDisks: boolean;
  };
  readonly isFull: boolean;
  syncMs(): number;
  /** Whether this sync is one of those that fail. */
  takesFailure(): boolean;
}

/** The process that uses it. */
export interface Process {
  enter(run: () => void): void;
  goesOn(): boolean;
  disk(): Promise<void>;
}

export const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

type Write = readonly [key: string, value: Uint8Array | undefined];

/** Keys of one subject of the chain's store lie side by side. */
const GROUP_LENGTH = 7;

export class Database {
  readonly #machine: Host;
  readonly #random: SeededRandom;
  readonly #values = new Map<string, Uint8Array>();
  /** Keys by their beginning, sorted when somebody asks for a range. */
  readonly #groups = new Map<string, { keys: string[]; isSorted: boolean }>();
  readonly #underWay = new Set<readonly Write[]>();
  /** What a batch without sync replaced. */
  #unsynced: (readonly Write[])[] = [];

  constructor(machine: Host, random: SeededRandom) {
    this.#machine = machine;
    this.#random = random;
  }

  get size(): number {
    return this.#values.size;
  }

  /** As a process has it. */
  open(life: Process): LocalKeyValue {
    let failure: StoreError | undefined;
    const read = (key: Uint8Array): Uint8Array | undefined => this.#values.get(textOf(key))?.slice();
    return {
      get: async (key) => read(key),
      getMany: async (keys) => keys.map(read),
      range: (from, to, limit) => this.#range(from, to, limit),
      snapshot: (from, to) =>
        memorySnapshot(
          this.#keysBetween(textOf(from), textOf(to)).flatMap((key) => {
            const value = this.#values.get(key);
            return value === undefined ? [] : [[toHex(bytesOf(key)), value] as const];
          }),
        ),
      batch: async (operations, options) => {
        if (failure !== undefined) throw failure;
        if (!life.goesOn()) return await never();
        const writes = operations.map(writeOf);
        if (options?.isDurable !== true) this.#unsynced.push(this.#apply(writes));
        else failure = await this.#sync(life, writes);
        if (failure !== undefined) throw failure;
      },
      flush: async () => {
        if (!this.#machine.world.hasLyingDisks) this.#unsynced = [];
      },
      close: async () => undefined,
    };
  }

  async #sync(life: Process, writes: readonly Write[]): Promise<StoreError | undefined> {
    if (this.#machine.isFull) {
      await life.disk();
      this.#machine.world.tally.add('disk full');
      return new StoreError('DISK', 'database: no space left');
    }
    this.#underWay.add(writes);
    const { promise, resolve } = Promise.withResolvers<StoreError | undefined>();
    this.#machine.world.scheduler.after(this.#machine.syncMs(), {
      run: () => {
        if (!this.#underWay.delete(writes)) return;
        const isFailing = this.#machine.takesFailure();
        const before = !isFailing || this.#random.chance(0.5) ? this.#apply(writes) : [];
        if (this.#machine.world.hasLyingDisks) this.#unsynced.push(before);
        const error = isFailing ? new StoreError('DISK', 'database: sync failed') : undefined;
        life.enter(() => resolve(error));
      },
    });
    return await promise;
  }

  /** A new disk in the place of this one. */
  wipe(): void {
    this.#values.clear();
    this.#groups.clear();
    this.#underWay.clear();
    this.#unsynced = [];
  }

  crash(isPowerCut: boolean): void {
    for (const writes of this.#underWay) {
      if (this.#random.chance(0.5)) this.#apply(writes);
      else this.#machine.world.tally.add('batch lost');
    }
    this.#underWay.clear();
    const unsynced = this.#unsynced.splice(0);
    if (!isPowerCut) return;
    for (const before of unsynced.reverse()) if (this.#random.chance(0.5)) this.#apply(before);
  }

  /** Gives what undoes it. */
  #apply(writes: readonly Write[]): readonly Write[] {
    return writes.map(([key, value]): Write => {
      const before = this.#values.get(key);
      if (value === undefined) this.#values.delete(key);
      else {
        this.#values.set(key, value);
        if (before === undefined) this.#list(key);
      }
      return [key, before];
    });
  }

  #list(key: string): void {
    const prefix = key.slice(0, GROUP_LENGTH);
    const group = this.#groups.get(prefix);
    if (group === undefined) this.#groups.set(prefix, { keys: [key], isSorted: true });
    else {
      group.keys.push(key);
      group.isSorted = false;
    }
  }

  async *#range(
    from: Uint8Array,
    to: Uint8Array,
    limit: number = Number.POSITIVE_INFINITY,
  ): AsyncGenerator<readonly [Uint8Array, Uint8Array]> {
    let left = limit;
    for (const key of this.#keysBetween(textOf(from), textOf(to))) {
      const value = this.#values.get(key);
      if (value === undefined) continue;
      if (left-- <= 0) return;
      yield [bytesOf(key), value.slice()];
    }
  }

  #keysBetween(from: string, to: string): readonly string[] {
    const prefixes = [...this.#groups.keys()].filter((prefix) => {
      return prefix >= from.slice(0, prefix.length) && prefix < to;
    });
    return prefixes.sort().flatMap((prefix) => {
      const group = this.#groups.get(prefix)!;
      if (!group.isSorted) {
        // Keys that came back after they were deleted stand twice.
        group.keys = [...new Set(group.keys)].filter((key) => this.#values.has(key)).sort();
        group.isSorted = true;
      }
      const first = firstFrom(group.keys, from);
      return group.keys.slice(first, firstFrom(group.keys, to));
    });
  }
}

function firstFrom(keys: readonly string[], text: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < text) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Latin-1, whose order is that of the bytes. */
const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

function writeOf(operation: KeyValueOperation): Write {
  const value = operation.kind === 'put' ? operation.value.slice() : undefined;
  return [textOf(operation.key), value];
}
