// One node's log under a chain whose records a test writes: who puts, registers, deletes and repairs, and how time goes by, are the test's to say.

import { setImmediate } from 'node:timers/promises';
import { equal, toHex } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import type { Digest, NodeId, ObjectId, PieceRoot } from '../../../src/base/ids.ts';
import type { Clock, KeyValue, LogEntry, PieceLog } from '../../../src/base/ports.ts';
import { copiesOf, type Holding, piecesOfPart } from '../../../src/node/audit/holdings-diff.ts';
import type { Moved } from '../../../src/node/audit/holdings-store.ts';
import type { RecordSource } from '../../../src/node/chain/settle.ts';
import { TaskQueue } from '../../../src/node/chain/task-queue.ts';
import { objectRecordKey, pieceKey, recordKey } from '../../../src/node/entry-keys.ts';
import {
  type Garbage,
  type GarbageOptions,
  type GarbagePorts,
  startGarbage,
} from '../../../src/node/garbage/garbage.ts';
import { KeptLog } from '../../../src/node/garbage/kept-log.ts';
import { openSightings, type Sightings } from '../../../src/node/garbage/sightings.ts';
import { isHere } from '../../../src/node/stored.ts';
import { MemoryKeyValue } from '../../../src/runtime/memory-key-value.ts';
import { MemoryLog } from '../../../src/runtime/memory-log.ts';
import {
  appendSegments,
  objectKey,
  objectOf,
  type ObjectRecord,
  objectRecord,
  putObject,
  putSegments,
  segmentsKey,
  segmentsOf,
} from '../../../src/shards/object-record.ts';
import { segmentsPerRecord } from '../../../src/shards/object-shape.ts';
import type { PlacedSegment } from '../../../src/shards/segments.ts';
import { decodeRecord, type Overlay } from '../../../src/shards/view.ts';
import { digestFrom } from '../../helpers/records.ts';
import { Memory } from '../../shards/memory.ts';
import { idOf, nodeId, shapeOf } from '../../shards/objects.ts';
import { ownerOf } from '../../shards/world.ts';

export const SELF: NodeId = nodeId(0);
export const MINUTE_MS = 60_000;
export const GRACE_MS: number = 24 * MINUTE_MS;
export const SEGMENTS = 3;
const CODE = { k: 2, n: 3 };
const START_MS = 1_760_000_000_000;

/** Sleeps until the test says that time has gone by; work takes none. */
class TestClock implements Clock {
  nowMs: number = START_MS;
  readonly #sleepers = new Set<{ readonly untilMs: number; readonly wake: () => void }>();

  now(): number {
    return this.nowMs;
  }

  monotonic(): number {
    return this.nowMs;
  }

  get isIdle(): boolean {
    return this.#sleepers.size > 0;
  }

  advance(byMs: number): void {
    this.nowMs += byMs;
    for (const sleeper of this.#sleepers) {
      if (sleeper.untilMs > this.nowMs) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { untilMs: this.nowMs + delayMs, wake: resolve };
      const stop = (): void => {
        this.#sleepers.delete(sleeper);
        reject(new StoreError('ABORTED', 'stopped'));
      };
      if (signal?.aborted === true) return stop();
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', stop, { once: true });
    });
  }

  timer(): () => void {
    throw new Error('nothing here uses timers');
  }
}

/** Puts and removals take a few turns, as many as `turns` says. */
class SlowLog extends MemoryLog {
  turns: () => number = () => 0;
  /** Once, when a removal has begun. */
  onRemove: (() => Promise<void>) | undefined;

  async #wait(): Promise<void> {
    for (let left = this.turns(); left > 0; left--) await setImmediate();
  }

  override async put(entry: LogEntry): Promise<void> {
    await this.#wait();
    await super.put(entry);
    await this.#wait();
  }

  override async remove(keys: readonly Uint8Array[]): Promise<number> {
    const { onRemove } = this;
    this.onRemove = undefined;
    await onRemove?.();
    await this.#wait();
    const count = await super.remove(keys);
    await this.#wait();
    return count;
  }

  override async read(...range: Parameters<MemoryLog['read']>): Promise<Uint8Array> {
    const bytes = await super.read(...range);
    await this.#wait();
    return bytes;
  }
}

class TestStore {
  readonly still: GarbagePorts['store']['still'];
  readonly #world: GarbageWorld;

  constructor(world: GarbageWorld, still: GarbagePorts['store']['still']) {
    this.#world = world;
    this.still = still;
  }

  get head(): { readonly timeMs: number } {
    return { timeMs: this.#world.headMs };
  }
}

type MovedListener = (moved: Moved) => void;

class TestHoldings {
  readonly #world: GarbageWorld;
  readonly #listeners: Set<MovedListener>;

  constructor(world: GarbageWorld, listeners: Set<MovedListener>) {
    this.#world = world;
    this.#listeners = listeners;
  }

  get isWhole(): boolean {
    return this.#world.isWhole;
  }

  onMoved(listener: MovedListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

export interface Entry {
  readonly key: Uint8Array;
  readonly segmentIndex: number | undefined;
}

export const objectAt = (name: number): ObjectId => idOf('ann', `object ${name}`);
export const rootAt = (name: number, segment: number, piece: number): PieceRoot =>
  digestFrom<PieceRoot>(`root ${name} ${segment} ${piece}`);
const manifestAt = (name: number): Digest => digestFrom<Digest>(`manifest ${name}`);

/** Piece i of segment s is to be held by node (s + i + name) mod 3, so this node has one of each. */
export const ownPiece = (name: number, segment: number): number => (2 * 3 * SEGMENTS - segment - name) % 3;

/** What a put of an object brings to this node: pieces of segments in order, then the manifest. */
export function entriesOf(name: number): readonly Entry[] {
  const object = objectAt(name);
  const pieces = Array.from({ length: SEGMENTS }, (_, segmentIndex) => {
    const pieceIndex = ownPiece(name, segmentIndex);
    const root = rootAt(name, segmentIndex, pieceIndex);
    return { key: pieceKey({ object, segmentIndex, pieceIndex, root }), segmentIndex };
  });
  return [...pieces, { key: recordKey(manifestAt(name)), segmentIndex: undefined }];
}

export class GarbageWorld {
  readonly chain: Memory = new Memory();
  readonly clock: TestClock = new TestClock();
  readonly slow: SlowLog = new SlowLog();
  keyValue: KeyValue = new MemoryKeyValue();
  /** In place of the log in memory. */
  disk: PieceLog | undefined;
  readonly lines: string[] = [];
  readonly #commits = new TaskQueue();
  readonly #listeners = new Set<(moved: Moved) => void>();
  readonly #options: Partial<GarbageOptions>;
  /** Stores under way, which a restart waits for, and the restart that others wait for. */
  #storing = 0;
  #restarting: Promise<void> | undefined;
  #held = new Map<string, Holding>();
  sightings!: Sightings;
  log!: KeptLog;
  garbage!: Garbage;
  headMs: number = START_MS;
  isCurrent = true;
  /** Once, when something is about to be taken away, and no block is being kept out yet. */
  beforeLastLook: (() => Promise<unknown>) | undefined;
  isWhole = true;

  constructor(options: Partial<GarbageOptions> = {}) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.sightings = await openSightings(this.keyValue);
    this.log = new KeptLog(this.disk ?? this.slow, this.sightings);
    const load: RecordSource['load'] = async (keys) => keys.map((key) => this.chain.read(key));
    const say = (facts: object, message: string): void => {
      this.lines.push(`${message} ${JSON.stringify(facts)}`);
    };
    this.garbage = startGarbage(
      {
        self: SELF,
        clock: this.clock,
        log: this.log,
        sightings: this.sightings,
        chain: { load },
        store: new TestStore(this, async (task) => {
          const { beforeLastLook } = this;
          this.beforeLastLook = undefined;
          await beforeLastLook?.();
          return this.#commits.run(() => task({ load }));
        }),
        holdings: new TestHoldings(this, this.#listeners),
        isCurrent: () => this.isCurrent,
        logger: { debug: say, info: say, warn: say, error: say },
      },
      { graceMs: GRACE_MS, ...this.#options },
    );
    await this.settled();
  }

  async restart(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#restarting = promise;
    while (this.#storing > 0) await setImmediate();
    await this.garbage.stop();
    await this.start();
    this.#restarting = undefined;
    resolve();
  }

  // ---- Time --------------------------------------------------------------------------------------------------

  /** Until collection has nothing to do now. */
  async settled(): Promise<void> {
    while (!this.clock.isIdle) await setImmediate();
  }

  /** Blocks go on, one a minute; after each, collection gets `turns`, or all that it wants. */
  async pass(minutes: number, turns?: () => number): Promise<void> {
    for (let minute = 0; minute < minutes; minute++) {
      this.headMs += MINUTE_MS;
      this.clock.advance(MINUTE_MS);
      if (turns === undefined) await this.settled();
      else for (let left = turns(); left > 0; left--) await setImmediate();
    }
  }

  // ---- What clients and repair do ----------------------------------------------------------------------------

  /** As the services store what they are sent. */
  async store(entry: Entry, name: number): Promise<void> {
    await this.#restarting;
    this.#storing++;
    await this.#store(entry, name);
    this.#storing--;
  }

  async #store({ key, segmentIndex }: Entry, name: number): Promise<void> {
    const payload = new Uint8Array(100).fill(name);
    if (await isHere({ log: this.log }, key, payload.length)) return;
    if (segmentIndex !== undefined) {
      await this.log.put({ key, meta: new Uint8Array(0), payload });
      return;
    }
    const [object, empty] = [objectAt(name), new Uint8Array(0)];
    await this.log.put({ key: objectRecordKey(object, manifestAt(name)), meta: empty, payload: empty });
    await this.log.put({ key, meta: object, payload });
  }

  async put(name: number, entries: readonly Entry[] = entriesOf(name)): Promise<void> {
    for (const entry of entries) await this.store(entry, name);
  }

  /** Changes records in a block, and says what changed hands. */
  commit(work: (state: Overlay) => void): Promise<void> {
    return this.#commits.run(async () => {
      this.chain.run(work);
      const before = this.#held;
      this.#held = new Map(this.#holdings().map((holding) => [textOf(holding), holding]));
      const lost = [...before].filter(([text]) => !this.#held.has(text)).map(([, holding]) => holding);
      const gained = [...this.#held].filter(([text]) => !before.has(text)).map(([, holding]) => holding);
      for (const listener of this.#listeners) listener({ lost, gained });
    });
  }

  #holdings(): readonly Holding[] {
    const objects = [...this.chain.records.values()].filter(({ key }) => key.kind === 'object');
    return objects.flatMap(({ key, bytes }) => {
      const id = key.home.id as ObjectId;
      const record = decodeRecord(objectRecord, bytes);
      const parts = Math.ceil(record.registered / segmentsPerRecord(record.shape.code));
      const pieces = Array.from({ length: parts }, (_, part) =>
        piecesOfPart(
          id,
          record,
          part,
          this.chain.run((state) => segmentsOf(state, id, part)),
        ),
      );
      return [...copiesOf(id, record), ...pieces.flat()];
    });
  }

  // ---- What the chain says -----------------------------------------------------------------------------------

  record(name: number): ObjectRecord | undefined {
    return this.chain.run((state) => objectOf(state, objectAt(name)));
  }

  /** The first `upTo` segments. */
  register(name: number, upTo: number): Promise<void> {
    return this.commit((state) => {
      const id = objectAt(name);
      const record = objectOf(state, id) ?? newRecord(name);
      const more = Array.from({ length: upTo - record.registered }, (_, at) =>
        segmentOf(name, record.registered + at),
      );
      putObject(state, id, appendSegments(state, id, record, more));
    });
  }

  delete(name: number): Promise<void> {
    return this.commit((state) => {
      state.remove(objectKey(objectAt(name)));
      state.remove(segmentsKey(objectAt(name), 0));
    });
  }

  give(name: number, segmentIndex: number, node: NodeId): Promise<void> {
    return this.commit((state) => {
      const segments = segmentsOf(state, objectAt(name), 0);
      const segment = segments[segmentIndex]!;
      const changed = { ...segment, holders: segment.holders.with(ownPiece(name, segmentIndex), node) };
      putSegments(state, objectAt(name), 0, segments.with(segmentIndex, changed));
    });
  }

  holderOf(name: number, segmentIndex: number): NodeId | undefined {
    const segment = this.chain.run((state) => segmentsOf(state, objectAt(name), 0))[segmentIndex];
    return segment?.holders[ownPiece(name, segmentIndex)];
  }

  /** By hex, all that the chain names this node for: said in the dumbest way. */
  named(names: readonly number[]): ReadonlySet<string> {
    const keys = names.flatMap((name) => {
      const record = this.record(name);
      if (record === undefined) return [];
      const entries = entriesOf(name).filter(({ segmentIndex }) => {
        if (segmentIndex === undefined) return true;
        const holder = segmentIndex < record.registered ? this.holderOf(name, segmentIndex) : undefined;
        return holder !== undefined && equal(holder, SELF);
      });
      return [...entries.map(({ key }) => key), objectRecordKey(objectAt(name), manifestAt(name))];
    });
    return new Set(keys.map(toHex));
  }

  async inLog(): Promise<ReadonlySet<string>> {
    const keys = new Set<string>();
    for await (const key of (this.disk ?? this.slow).keys(new Uint8Array(0))) keys.add(toHex(key));
    return keys;
  }

  /** Between two blocks: what is named and not there. */
  async missing(names: readonly number[]): Promise<readonly string[]> {
    return this.#commits.run(async () => {
      const there = await this.inLog();
      return [...this.named(names)].filter((key) => !there.has(key));
    });
  }
}

function newRecord(name: number): ObjectRecord {
  return {
    owner: ownerOf('ann'),
    salt: digestFrom(`object ${name}`).slice(0, 16),
    shape: shapeOf(SEGMENTS, { code: CODE, isEncrypted: false }),
    keyCheck: null,
    manifest: { digest: manifestAt(name), lengthBytes: 100, holders: [SELF, nodeId(1)] },
    registered: 0,
    registeredAtHeight: 1,
    expiresAtMs: null,
    isLeaving: false,
    deposits: [],
  };
}

function segmentOf(name: number, segment: number): PlacedSegment {
  const pieces = Array.from({ length: CODE.n }, (_, piece) => piece);
  return {
    salt: new Uint8Array(16),
    roots: pieces.map((piece) => rootAt(name, segment, piece)),
    holders: pieces.map((piece) => nodeId((segment + piece + name) % 3)),
  };
}

const textOf = ({ node, place, weight }: Holding): string =>
  `${toHex(node)} ${toHex(place.object)} ${place.segmentIndex} ${place.pieceIndex} ${weight}`;
