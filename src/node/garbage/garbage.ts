// Takes away what the chain does not name this node for: pieces of puts that were given up, of objects that were deleted, and of places that went to others.
//
//     log, a batch at a time -> what nothing names is seen -> a grace later, still unnamed -> looked at once more between two blocks, and taken away
//
// Invariants
//   What the state after the head names this node for is never taken away: the last look at the state and the removal are between two blocks.
//   What anybody relied on within the grace (stored, or found to be here: `kept-log.ts`) is never taken away, nor anything of an object that is still
//   being put: of which the chain has not everything while more of it comes.
//   Nothing is taken away, and no grace passes, while the chain here is behind, stands still, or the index of holdings is built.
//   After everything has settled, all that nothing names goes within a grace and a round, and one more where puts went on meanwhile.
//
// Which of several copies are worth keeping beside what the chain names is left to repair (`isWanted`).

import { concat, equal, toHex } from '../../base/bytes.ts';
import { StoreError, toStoreError } from '../../base/errors.ts';
import type { Digest, NodeId, ObjectId } from '../../base/ids.ts';
import {
  GARBAGE_AGE_STEP_MAX_MS,
  GARBAGE_BATCH,
  GARBAGE_HEAD_AGE_MAX_MS,
  GARBAGE_LOOK_ENTRIES,
  GARBAGE_LOOK_MS,
  GARBAGE_LOOKS_MAX,
  GARBAGE_OPEN_GRACES,
  GARBAGE_ROUNDS_PER_GRACE,
  GARBAGE_SAID_EVERY_MS,
} from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';
import { isCopy, type Place } from '../../proofs/place.ts';
import type { HoldingsStore } from '../audit/holdings-store.ts';
import type { RecordSource } from '../chain/settle.ts';
import type { Head } from '../chain/types.ts';
import { ENTRY_KINDS, objectRecordsPrefix, segmentPrefix } from '../entry-keys.ts';
import { paced } from '../repair/pace.ts';
import type { NodeLogger } from '../storage-node.ts';
import { digestOfRecord, entryOf, isInLog, type KeptEntry, keysOf, lengthOf } from './kept-entry.ts';
import type { KeptLog } from './kept-log.ts';
import { type Reference, referencesOf } from './references.ts';
import type { Sighting, Sightings } from './sightings.ts';

export interface GarbagePorts {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly log: KeptLog;
  readonly sightings: Sightings;
  /** Records of the state after the head. */
  readonly chain: RecordSource;
  readonly store: {
    readonly head: Pick<Head, 'timeMs'> | undefined;
    /** Runs `task` while no block is committed. */
    still<T>(task: (state: RecordSource) => Promise<T>): Promise<T>;
  };
  readonly holdings: Pick<HoldingsStore, 'isWhole' | 'onMoved'>;
  /** False while the chain here is behind. */
  readonly isCurrent: () => boolean;
  readonly logger: NodeLogger;
}

export interface GarbageOptions {
  readonly graceMs: number;
  /** Whether a piece that the chain gives to another, or to nobody, is worth keeping for now. */
  readonly isWanted?: (place: Place) => boolean;
  /** These records are gone. */
  readonly onRecordsRemoved?: (digests: readonly Digest[]) => void;
}

export interface GarbageStatus {
  readonly graceMs: number;
  /** Entries that nothing names, as far as they have been seen, and their bytes. */
  readonly waitingEntries: number;
  readonly waitingBytes: number;
  /** Since the start of this process. */
  readonly removedEntries: number;
  readonly removedBytes: number;
}

export interface Garbage {
  status(): GarbageStatus;
  /** Resolves when nothing is under way. */
  stop(): Promise<void>;
}

export function startGarbage(ports: GarbagePorts, options: GarbageOptions): Garbage {
  return new RunningGarbage(ports, options);
}

/** A range of the log for every kind of entry and first byte of what follows: small enough to go through one in a sitting. */
const BUCKETS: number = ENTRY_KINDS.length * 256;

class RunningGarbage implements Garbage {
  readonly #ports: GarbagePorts;
  readonly #options: GarbageOptions;
  readonly #stop = new AbortController();
  readonly #endMoves: () => void;
  readonly #running: Promise<unknown>;
  /** What changed hands: prefixes of keys, by themselves in hex. */
  readonly #looks = new Map<string, Uint8Array>();
  #round: AsyncGenerator<undefined> | undefined;
  /** The round that goes on began in this process, so it is known what was stored meanwhile. */
  #isRoundOwn = false;
  /** Block time up to which the age counts. */
  #countedMs: number | undefined;
  #removed = { entries: 0, bytes: 0 };
  #said = { atMs: Number.NEGATIVE_INFINITY, entries: 0, bytes: 0 };

  constructor(ports: GarbagePorts, options: GarbageOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#endMoves = ports.holdings.onMoved(({ lost, gained }) => {
      for (const { node, place } of [...lost, ...gained]) if (equal(node, ports.self)) this.#lookAt(place);
    });
    this.#running = this.#run().catch(() => undefined);
  }

  status(): GarbageStatus {
    const { entries, bytes } = this.#ports.sightings;
    return {
      graceMs: this.#options.graceMs,
      waitingEntries: entries,
      waitingBytes: bytes,
      removedEntries: this.#removed.entries,
      removedBytes: this.#removed.bytes,
    };
  }

  async stop(): Promise<void> {
    this.#endMoves();
    this.#stop.abort(new StoreError('ABORTED', 'the node stops'));
    await this.#running;
  }

  // ---- The loop ----------------------------------------------------------------------------------------------

  async #run(): Promise<never> {
    const { signal } = this.#stop;
    try {
      for (;;) {
        const isBusy = await this.#step().catch((error: unknown) => this.#failed(error));
        signal.throwIfAborted();
        if (!isBusy) await this.#ports.clock.sleep(GARBAGE_LOOK_MS, signal);
      }
    } finally {
      await this.#breakOff();
      await this.#ports.sightings.save().catch(() => undefined);
    }
  }

  /** True when there may be more to do at once. */
  async #step(): Promise<boolean> {
    if (!this.#canLook()) {
      this.#countedMs = undefined;
      await this.#breakOff();
      return false;
    }
    await this.#grow();
    const [look] = this.#looks;
    if (look !== undefined) {
      this.#looks.delete(look[0]);
      await this.#paced(() => this.#look(look[1]));
      return true;
    }
    if (this.#round === undefined && this.#ports.sightings.ageMs < this.#ports.sightings.nextRoundMs)
      return false;
    this.#round ??= this.#goRound();
    const { done } = await this.#round.next();
    if (done === true) this.#round = undefined;
    return true;
  }

  #canLook(): boolean {
    const { isCurrent, holdings, store, clock, log } = this.#ports;
    const { head } = store;
    if (!isCurrent() || !holdings.isWhole || head === undefined) return false;
    const { state } = log.usage();
    // A block from far ahead says as little as an old one: one of the two clocks is wrong.
    const isFresh = Math.abs(clock.now() - head.timeMs) < GARBAGE_HEAD_AGE_MAX_MS;
    return isFresh && (state === 'writable' || state === 'full');
  }

  /** By what blocks say went by since the last look. */
  async #grow(): Promise<void> {
    const { store, sightings } = this.#ports;
    const { timeMs } = store.head!;
    const stepMs = timeMs - (this.#countedMs ?? timeMs);
    await sightings.advance(Math.max(0, Math.min(stepMs, GARBAGE_AGE_STEP_MAX_MS)));
    this.#countedMs = timeMs;
  }

  async #breakOff(): Promise<void> {
    await this.#round?.return(undefined).catch(() => undefined);
    this.#round = undefined;
  }

  async #failed(error: unknown): Promise<false> {
    this.#stop.signal.throwIfAborted();
    await this.#breakOff();
    const { code, message } = toStoreError(error, 'INTERNAL', 'garbage collection');
    this.#ports.logger.warn(
      { code, reason: message },
      'what nothing names could not be taken away: it is tried again',
    );
    await this.#ports.clock.sleep(GARBAGE_AGE_STEP_MAX_MS, this.#stop.signal);
    return false;
  }

  /** A share of the machine, as repair. */
  #paced(work: () => Promise<void>): Promise<void> {
    return paced(this.#ports.clock, false, this.#stop.signal, work);
  }

  // ---- Seeing ------------------------------------------------------------------------------------------------

  #lookAt(place: Place): void {
    const { object, segmentIndex, pieceIndex } = place;
    const prefix = isCopy(place)
      ? objectRecordsPrefix(object)
      : concat(segmentPrefix(object, segmentIndex), new Uint8Array([pieceIndex]));
    if (this.#looks.size < GARBAGE_LOOKS_MAX) this.#looks.set(toHex(prefix), prefix);
  }

  async #look(prefix: Uint8Array): Promise<void> {
    for await (const keys of batches(this.#ports.log.keys(prefix, GARBAGE_LOOK_ENTRIES)))
      await this.#see(keys);
  }

  /** Everything in the log, then everything that was seen. Goes on where the last one broke off. */
  async *#goRound(): AsyncGenerator<undefined> {
    const { log, sightings } = this.#ports;
    if (sightings.bucket === 0) {
      log.beginRound();
      this.#isRoundOwn = true;
    }
    for (let bucket = sightings.bucket; bucket < BUCKETS; bucket++) {
      const prefix = new Uint8Array([ENTRY_KINDS[bucket >>> 8]!, bucket & 0xff]);
      for await (const keys of batches(log.keys(prefix))) {
        await this.#paced(() => this.#see(keys));
        yield;
      }
      await this.#paced(() => sightings.save({ bucket: bucket + 1 }));
    }
    yield* this.#settleAll();
    const { graceMs } = this.#options;
    await sightings.forgetOpen(sightings.ageMs - graceMs);
    const nextRoundMs = sightings.ageMs + Math.floor(graceMs / GARBAGE_ROUNDS_PER_GRACE);
    await sightings.save({ bucket: 0, nextRoundMs });
    this.#isRoundOwn = false;
  }

  /** Notes what nothing names, and forgets what is named again. */
  async #see(keys: readonly Uint8Array[]): Promise<void> {
    const { log, chain, self, sightings } = this.#ports;
    const found = await Promise.all(keys.map((key) => entryOf(log, key)));
    const entries = found.filter((entry) => entry !== undefined);
    const references = await referencesOf(chain, self, entries);
    const seen = await Promise.all(entries.map(({ id }) => sightings.of(id)));
    const named = entries.filter((_, at) => references[at]!.isNamed && seen[at] !== undefined);
    if (named.length > 0) await sightings.forget(named.map(({ id }) => id));
    const unnamed = [...entries.entries()].filter(
      ([at]) => !references[at]!.isNamed && seen[at] === undefined,
    );
    if (unnamed.length === 0) return;
    const noted = unnamed.map(async ([at, entry]) => {
      return { entry, lengthBytes: await lengthOf(log, entry), progress: references[at]!.progress };
    });
    await sightings.note(await Promise.all(noted));
  }

  // ---- Taking away -------------------------------------------------------------------------------------------

  async *#settleAll(): AsyncGenerator<undefined> {
    const { sightings } = this.#ports;
    let after: Uint8Array | undefined;
    for (;;) {
      const page = await sightings.page(after, GARBAGE_BATCH);
      if (page.length === 0) return;
      after = page.at(-1)!.entry.id;
      await this.#paced(() => this.#settle(page));
      yield;
    }
  }

  async #settle(page: readonly Sighting[]): Promise<void> {
    const { log, chain, self, sightings } = this.#ports;
    const references = await referencesOf(
      chain,
      self,
      page.map(({ entry }) => entry),
    );
    const isThere = await Promise.all(page.map(({ entry }) => isInLog(log, entry)));
    const over = page.filter((_, at) => references[at]!.isNamed || !isThere[at]);
    if (over.length > 0) await sightings.forget(over.map(({ entry }) => entry.id));
    const due: Sighting[] = [];
    for (const [at, sighting] of page.entries()) {
      if (references[at]!.isNamed || !isThere[at]) continue;
      if (await this.#isDue(sighting, references[at]!)) due.push(sighting);
    }
    if (due.length > 0) await this.#remove(due);
  }

  async #isDue({ entry, sinceMs }: Sighting, { progress }: Reference): Promise<boolean> {
    const { graceMs, isWanted } = this.#options;
    const { object, piece } = entry;
    const lastingMs = this.#ports.sightings.ageMs - sinceMs;
    if (lastingMs < graceMs) return false;
    const mayBePut = progress !== undefined && lastingMs < GARBAGE_OPEN_GRACES * graceMs;
    if (object !== undefined && mayBePut && (await this.#isPutOn(object, progress))) return false;
    return piece === undefined || object === undefined || isWanted?.({ object, ...piece }) !== true;
  }

  /** Whether the put of its object got on within the grace, or may have. */
  async #isPutOn(object: ObjectId, progress: number): Promise<boolean> {
    const { sightings } = this.#ports;
    const open = await sightings.openObject(object);
    if (open !== undefined && open.progress !== progress) {
      await sightings.keepOpen({ object, newestMs: sightings.ageMs, progress });
      return true;
    }
    const isQuiet = open === undefined || sightings.ageMs - open.newestMs >= this.#options.graceMs;
    return !isQuiet || this.#mayHaveStored(object);
  }

  #mayHaveStored(object: ObjectId): boolean {
    return !this.#isRoundOwn || this.#ports.log.wasStored(object);
  }

  /** Between two blocks, with a last look at everything that speaks for an entry. */
  async #remove(due: readonly Sighting[]): Promise<void> {
    const { log, store, self, sightings } = this.#ports;
    await store.still(async (state) => {
      if (!this.#canLook()) return;
      await log.removing(
        due.map(({ entry }) => entry.id),
        async (free) => {
          const isFree = new Set(free.map(toHex));
          const references = await referencesOf(
            state,
            self,
            due.map(({ entry }) => entry),
          );
          const now = await Promise.all(due.map(({ entry }) => sightings.of(entry.id)));
          const gone = due.filter(({ entry, sinceMs }, at) => {
            const { isNamed, progress } = references[at]!;
            const isAsSeen = !isNamed && now[at]?.sinceMs === sinceMs && isFree.has(toHex(entry.id));
            return isAsSeen && !this.#isFreshPut(entry, progress, sinceMs);
          });
          if (gone.length > 0) await this.#drop(gone);
        },
      );
    });
    this.#say();
  }

  #isFreshPut({ object }: KeptEntry, progress: number | undefined, sinceMs: number): boolean {
    if (object === undefined || progress === undefined) return false;
    const isLong = this.#ports.sightings.ageMs - sinceMs >= GARBAGE_OPEN_GRACES * this.#options.graceMs;
    return !isLong && this.#mayHaveStored(object);
  }

  async #drop(gone: readonly Sighting[]): Promise<void> {
    const { log, sightings } = this.#ports;
    const keys = gone.map(({ entry }) => keysOf(entry));
    await log.remove(keys.map(([first]) => first!));
    const pointers = keys.flatMap(([, pointer]) => (pointer === undefined ? [] : [pointer]));
    if (pointers.length > 0) await log.remove(pointers);
    const records = gone.filter(({ entry }) => entry.piece === undefined);
    this.#options.onRecordsRemoved?.(records.map(({ entry }) => digestOfRecord(entry)));
    await sightings.forget(gone.map(({ entry }) => entry.id));
    this.#removed.entries += gone.length;
    this.#removed.bytes += gone.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  }

  #say(): void {
    const { clock, logger, sightings } = this.#ports;
    const nowMs = clock.monotonic();
    const { entries, bytes } = this.#removed;
    if (entries === this.#said.entries || nowMs - this.#said.atMs < GARBAGE_SAID_EVERY_MS) return;
    const facts = {
      entries: entries - this.#said.entries,
      bytes: bytes - this.#said.bytes,
      waitingEntries: sightings.entries,
      waitingBytes: sightings.bytes,
    };
    logger.info(facts, 'has taken away what the chain does not name');
    this.#said = { atMs: nowMs, entries, bytes };
  }
}

async function* batches(keys: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Uint8Array[]> {
  let batch: Uint8Array[] = [];
  for await (const key of keys) {
    batch.push(key);
    if (batch.length < GARBAGE_BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
