// The disk of a simulated machine. It outlives the process. Two kinds of things stand on it: logs, which grow by appends
// that are durable only after a sync; slots, each overwritten in place by one durable write; and records of a database, each
// replaced as a whole.
//
// A crash keeps of the appends that no sync covered a random beginning, the last one perhaps torn, or with a hole in the middle;
// of a slot under way the old bytes, the new ones, or some of both; of a record the old or the new value. A failed sync loses at random what it was to make durable, as on a real disk, where the
// dirty pages are thrown away. A full disk fails every write until there is space again.

import { concat } from '../../src/base/bytes.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { SeededRandom } from './random.ts';
import type { Scheduler, Task } from './scheduler.ts';
import type { Tally } from './tally.ts';

/** Bytes, or what makes them when somebody reads: encoding what is never read again would cost more than the engine. */
export type Chunk = Uint8Array | (() => Uint8Array);

export type Done = (error?: StoreError) => void;

const bytesOf = (chunk: Chunk): Uint8Array => (typeof chunk === 'function' ? chunk() : chunk);

interface Log {
  durable: Chunk[];
  /** In the system's cache only. */
  pending: Chunk[];
}

/** A write under way that will put `value` under `name`. */
interface Replacement {
  readonly target: Map<string, unknown>;
  readonly name: string;
  readonly value: unknown;
}

export interface DiskConditions {
  readonly syncMinMs: number;
  readonly syncMaxMs: number;
}

export const QUICK_DISK: DiskConditions = { syncMinMs: 0.05, syncMaxMs: 2 };

export class SimDisk {
  conditions: DiskConditions = QUICK_DISK;
  /** Every write fails until this is false again. */
  isFull = false;
  /** Syncs that will fail from now on. */
  failingSyncs = 0;
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #tally: Tally;
  /** Hands an answer to the process, which may be paused. */
  readonly #tell: (answer: Task) => void;
  readonly #logs = new Map<string, Log>();
  readonly #slots = new Map<string, Chunk>();
  readonly #records = new Map<string, unknown>();
  readonly #underWay = new Set<Replacement>();
  /** Counts crashes: what an earlier process had under way no longer answers. */
  #life = 0;

  constructor(
    scheduler: Scheduler,
    random: SeededRandom,
    tally: Tally,
    tell: (answer: Task) => void = (answer) => answer.run(),
  ) {
    this.#tell = tell;
    this.#scheduler = scheduler;
    this.#random = random;
    this.#tally = tally;
  }

  /** Adds to a log. False when the disk is full: then nothing was added. */
  append(name: string, chunk: Chunk): boolean {
    if (this.isFull) {
      this.#tally.add('disk full');
      return false;
    }
    this.#log(name).pending.push(chunk);
    return true;
  }

  /** What was appended to the log before this call is durable when `done` is called without an error. */
  sync(name: string, done: Done): void {
    const log = this.#log(name);
    const count = log.pending.length;
    this.#afterDelay(() => {
      if (this.#isFailing()) {
        const lost = log.pending.splice(0, count);
        if (this.#random.chance(0.5)) log.durable.push(...lost.slice(0, this.#random.below(lost.length + 1)));
        done(new StoreError('DISK', `${name}: sync failed`));
        return;
      }
      for (const chunk of log.pending.splice(0, count)) log.durable.push(chunk);
      done();
    });
  }

  /** What a process that starts now finds in the log. */
  read(name: string): Uint8Array {
    const log = this.#log(name);
    return concat(...log.durable.map(bytesOf), ...log.pending.map(bytesOf));
  }

  /** Has the log hold `bytes`, durably and at once: done while a process starts, before anything hangs on it. */
  restore(name: string, bytes: Uint8Array): void {
    this.#logs.set(name, { durable: [bytes], pending: [] });
  }

  /** Somebody deletes the log. */
  lose(name: string): void {
    this.#logs.delete(name);
  }

  /** Puts a log that holds `chunks` in the place of the one before, all or nothing. */
  replaceLog(name: string, chunks: readonly Chunk[], done: Done): void {
    const log: Log = { durable: [...chunks], pending: [] };
    this.#replace({ target: this.#logs, name, value: log }, done);
  }

  /** Overwrites a slot in place. */
  write(name: string, chunk: Chunk, done: Done): void {
    this.#replace({ target: this.#slots, name, value: chunk }, done);
  }

  /** Content of a slot; undefined when nothing was ever written. */
  slot(name: string): Uint8Array | undefined {
    const chunk = this.#slots.get(name);
    if (chunk === undefined) return undefined;
    const bytes = bytesOf(chunk);
    this.#slots.set(name, bytes);
    return bytes;
  }

  /** Puts a record in the place of the one before, all or nothing. `value` must never change. */
  put(name: string, value: unknown, done: Done): void {
    this.#replace({ target: this.#records, name, value }, done);
  }

  get(name: string): unknown {
    return this.#records.get(name);
  }

  remove(name: string): void {
    this.#records.delete(name);
  }

  #replace(replacement: Replacement, done: Done): void {
    if (this.isFull) {
      this.#tally.add('disk full');
      this.#afterDelay(() => done(new StoreError('DISK', `${replacement.name}: no space left`)));
      return;
    }
    this.#underWay.add(replacement);
    this.#afterDelay(() => {
      this.#underWay.delete(replacement);
      const isFailing = this.#isFailing();
      if (!isFailing || this.#random.chance(0.5)) apply(replacement);
      done(isFailing ? new StoreError('DISK', `${replacement.name}: sync failed`) : undefined);
    });
  }

  /** The process is gone: nobody gets an answer any more. With the power still on, the system writes what it was given. */
  crash(isPowerCut: boolean): void {
    this.#life++;
    if (!isPowerCut) {
      for (const replacement of this.#underWay) apply(replacement);
      this.#underWay.clear();
      for (const log of this.#logs.values())
        for (const chunk of log.pending.splice(0)) log.durable.push(chunk);
      return;
    }
    for (const replacement of this.#underWay) {
      const fate = this.#random.below(3);
      if (fate === 0) apply(replacement);
      else if (fate === 1 && replacement.target === this.#slots) this.#tearSlot(replacement);
      else this.#tally.add('unsynced write lost');
    }
    this.#underWay.clear();
    for (const log of this.#logs.values()) this.#tear(log);
  }

  /** The beginning of the new bytes over the old ones. */
  #tearSlot({ name, value }: Replacement): void {
    this.#tally.add('write torn');
    const fresh = bytesOf(value as Chunk);
    const torn = this.slot(name)?.slice() ?? new Uint8Array(fresh.length);
    torn.set(fresh.subarray(0, this.#random.below(fresh.length)));
    this.#slots.set(name, torn);
  }

  #tear(log: Log): void {
    const pending = log.pending;
    if (pending.length === 0) return;
    const kept = this.#random.below(pending.length + 1);
    for (let i = 0; i < kept; i++) log.durable.push(pending[i]!);
    const torn = pending[kept];
    const later = pending[kept + 1];
    if (torn !== undefined) this.#tally.add('unsynced write lost');
    if (later !== undefined && this.#random.chance(0.25)) {
      this.#tally.add('hole in unsynced writes');
      log.durable.push(new Uint8Array(bytesOf(torn!).length), later);
    } else if (torn !== undefined && this.#random.chance(0.5)) {
      log.durable.push(this.#torn(bytesOf(torn)));
    }
    log.pending = [];
  }

  /** A beginning of the bytes, in one of three cases followed by zeros: the length was written, the bytes were not. */
  #torn(bytes: Uint8Array): Uint8Array {
    this.#tally.add('write torn');
    const kept = bytes.slice(0, this.#random.below(bytes.length));
    if (!this.#random.chance(1 / 3)) return kept;
    const padded = new Uint8Array(bytes.length);
    padded.set(kept);
    return padded;
  }

  #isFailing(): boolean {
    if (this.failingSyncs === 0) return false;
    this.failingSyncs--;
    this.#tally.add('sync failed');
    return true;
  }

  #afterDelay(act: () => void): void {
    const { syncMinMs, syncMaxMs } = this.conditions;
    const delayMs = syncMinMs + this.#random.unit() * (syncMaxMs - syncMinMs);
    this.#scheduler.after(delayMs, new Answer(this, this.#life, act));
  }

  /** Part of `Answer`. */
  answer(answer: Answer): void {
    if (answer.life !== this.#life) return;
    if (answer.isTold) answer.act();
    else {
      answer.isTold = true;
      this.#tell(answer);
    }
  }

  #log(name: string): Log {
    let log = this.#logs.get(name);
    if (log === undefined) {
      log = { durable: [], pending: [] };
      this.#logs.set(name, log);
    }
    return log;
  }
}

/** Runs twice: when the disk is done, and when the process is told. */
class Answer implements Task {
  readonly #disk: SimDisk;
  readonly life: number;
  readonly act: () => void;
  isTold = false;

  constructor(disk: SimDisk, life: number, act: () => void) {
    this.#disk = disk;
    this.life = life;
    this.act = act;
  }

  run(): void {
    this.#disk.answer(this);
  }
}

function apply({ target, name, value }: Replacement): void {
  target.set(name, value);
}
