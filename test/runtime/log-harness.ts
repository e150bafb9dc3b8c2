// A piece log on a simulated disk, with a model of what it must hold. Each put and removal is noted with its start, its
// end and whether it was confirmed. A key may hold the outcome of any operation on it, confirmed or not, except of one
// that had ended before a confirmed one started. Operations that overlap in time may take effect in either order.

import { expect } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { LogEntry, PieceLog } from '../../src/base/ports.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { MemoryKeyValue } from '../../src/runtime/memory-key-value.ts';
import { type OpenReport, openPieceLog, type PieceLogOptions } from '../../src/runtime/piece-log/log.ts';
import { type Chance, SimulatedDisk } from './simulated-disk.ts';

export const FOLDER = '/log';
export const NETWORK: Uint8Array = new Uint8Array(32).fill(0x11);
export const NODE: Uint8Array = new Uint8Array(32).fill(0x22);

/** Bytes that follow from `seed` and differ for any two seeds. */
export function filled(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (seed * 167 + at * 13 + (at >> 8) * 7 + (seed >> 8)) & 0xff;
  return bytes;
}

export function keyOf(number: number): Uint8Array {
  return new Uint8Array([7, number >> 8, number]);
}

export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'none';
  } catch (error) {
    if (error instanceof StoreError) return error.code;
    throw error;
  }
}

/** What a key holds: the entry, or undefined when it is not there. */
type State = LogEntry | undefined;

interface Noted {
  readonly key: Uint8Array;
  readonly state: State;
  readonly start: number;
  end: number;
  isConfirmed: boolean;
}

export class Harness {
  disk: SimulatedDisk = new SimulatedDisk();
  index: MemoryKeyValue = new MemoryKeyValue();
  log!: PieceLog;
  report!: OpenReport;
  readonly damaged: string[] = [];
  readonly failures: StoreError[] = [];
  readonly options: Partial<PieceLogOptions>;
  readonly #noted: Map<string, Noted[]> = new Map();
  #time = 0;

  constructor(options: Partial<PieceLogOptions> = {}) {
    this.options = options;
  }

  static async open(options: Partial<PieceLogOptions> = {}): Promise<Harness> {
    const harness = new Harness(options);
    await harness.open();
    return harness;
  }

  async open(): Promise<OpenReport> {
    this.disk.onRemoveTree = () => {
      this.index = new MemoryKeyValue();
    };
    const opened = await openPieceLog({
      folder: FOLDER,
      network: NETWORK,
      node: NODE,
      clock: systemClock,
      quotaBytes: 1e12,
      reserveBytes: 0,
      logFileLength: 2000,
      files: this.disk,
      openIndex: async () => this.index,
      onDamage: (key) => this.damaged.push(toHex(key)),
      onFailure: (failure) => this.failures.push(failure),
      ...this.options,
    });
    this.log = opened.log;
    this.report = opened.report;
    return opened.report;
  }

  async put(key: Uint8Array, payload: Uint8Array, meta: Uint8Array = new Uint8Array()): Promise<void> {
    const state = { key, meta, payload };
    await this.#note(key, state, () => this.log.put(state));
  }

  remove(key: Uint8Array): Promise<number> {
    return this.#note(key, undefined, () => this.log.remove([key]));
  }

  /** Ends the process as a crash does; with `losesUnsynced` the power goes too. */
  async crash(chance: Chance, losesUnsynced: boolean, keepsIndex = true): Promise<OpenReport> {
    this.disk.isDead = true;
    this.index.failWrites(new StoreError('DISK', 'power cut'));
    const index = this.index.powerLoss(() => !losesUnsynced || chance() < 0.5);
    const disk = this.disk.restart(chance, losesUnsynced);
    await this.log.close();
    expect(this.disk.openFiles).toBe(0);
    this.disk = disk;
    this.index = keepsIndex ? index : new MemoryKeyValue();
    return this.open();
  }

  async restart(): Promise<OpenReport> {
    await this.log.close();
    expect(this.disk.openFiles).toBe(0);
    this.index = this.index.powerLoss(() => true);
    return this.open();
  }

  /** Compares every key with the model; what is found is what must be found from now on. */
  async check(): Promise<void> {
    let entries = 0;
    let liveBytes = 0;
    for (const [hex, operations] of this.#noted) {
      const { key } = operations[0]!;
      const found = await this.#found(key);
      const isPossible = operations.some(
        (operation) => !isOut(operation, operations) && isSame(operation.state, found),
      );
      expect(isPossible, `key ${hex}`).toBe(true);
      this.#noted.set(hex, [this.#newNote(key, found, true)]);
      if (found === undefined) continue;
      entries++;
      liveBytes += found.payload.length;
    }
    expect(this.log.usage()).toMatchObject({ entries, liveBytes });
  }

  async #found(key: Uint8Array): Promise<State> {
    const stat = await this.log.stat(key);
    if (stat === undefined) {
      expect(await codeOf(this.log.read(key, 0, 0))).toBe('NOT_FOUND');
      return undefined;
    }
    return { key, meta: stat.meta, payload: await this.log.read(key, 0, stat.payloadLength) };
  }

  async #note<T>(key: Uint8Array, state: State, run: () => Promise<T>): Promise<T> {
    const hex = toHex(key);
    const operations = this.#noted.get(hex) ?? [this.#newNote(key, undefined, true)];
    const operation = this.#newNote(key, state, false);
    operation.end = Number.POSITIVE_INFINITY;
    operations.push(operation);
    this.#noted.set(hex, operations);
    try {
      const result = await run();
      operation.isConfirmed = true;
      return result;
    } finally {
      operation.end = this.#time++;
    }
  }

  #newNote(key: Uint8Array, state: State, isConfirmed: boolean): Noted {
    return { key, state, start: this.#time++, end: this.#time++, isConfirmed };
  }
}

function isOut(operation: Noted, operations: readonly Noted[]): boolean {
  return operations.some((other) => other.isConfirmed && other.start > operation.end);
}

function isSame(a: State, b: State): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Buffer.compare(a.meta, b.meta) === 0 && Buffer.compare(a.payload, b.payload) === 0;
}
