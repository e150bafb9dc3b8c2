// Objects that come, grow, change hands and go at random, block by block, on the real store of a chain; and as a dumb twin of the index,
// a look at all records there are.

import { toHex } from '../../../src/base/bytes.ts';
import { encode } from '../../../src/base/codec.ts';
import { DrawStream } from '../../../src/base/draw.ts';
import type { Digest, NodeId, ObjectId, PieceRoot } from '../../../src/base/ids.ts';
import { HoldingsStore, openHoldings } from '../../../src/node/audit/holdings-store.ts';
import type { HoldingsReader } from '../../../src/node/audit/holdings-reader.ts';
import { openChainStore } from '../../../src/node/chain/chain-store.ts';
import type { ChainStore, Decided, Derived, Head } from '../../../src/node/chain/types.ts';
import { drawAsked, type HeldPlace } from '../../../src/proofs/draw.ts';
import { MemoryHoldings } from '../../../src/proofs/memory-holdings.ts';
import { objectIdOf } from '../../../src/replication/object.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import type { LocalKeyValue } from '../../../src/runtime/key-value.ts';
import {
  appendSegments,
  dropSegments,
  objectKey,
  objectOf,
  type ObjectRecord,
  objectRecord,
  objectTuple,
  putObject,
  putSegments,
  segmentsOf,
} from '../../../src/shards/object-record.ts';
import {
  type ObjectShape,
  pieceLengthOf,
  segmentCount,
  segmentsPerRecord,
} from '../../../src/shards/object-shape.ts';
import { type PlacedSegment, segmentsRecord } from '../../../src/shards/segments.ts';
import type { Executed } from '../../../src/shards/session.ts';
import { type Change, decodeRecord, Overlay } from '../../../src/shards/view.ts';
import { digestFrom } from '../../helpers/records.ts';
import { KINDS } from '../../shards/kinds.ts';
import { Memory } from '../../shards/memory.ts';
import { nodeId, shapeOf } from '../../shards/objects.ts';
import { ownerOf } from '../../shards/world.ts';
import { blockOn, keyOf, NETWORK, type Random } from '../chain/store-kit.ts';
import { expect } from 'vitest';

export const NODES: readonly NodeId[] = Array.from({ length: 7 }, (_, index) => nodeId(index));
const OWNER = ownerOf('alice');

const saltOf = (name: number): Uint8Array => digestFrom(`object ${name}`).slice(0, 16);
export const idAt = (name: number): ObjectId => objectIdOf(NETWORK, OWNER, saltOf(name));

const ROOTS = Array.from({ length: 64 }, (_, piece) => digestFrom<PieceRoot>(`root ${piece}`));

/** Large ones have one record per four segments. */
const SHAPES: readonly ObjectShape[] = [
  shapeOf(1, { lengthBytes: 3000 }),
  shapeOf(3),
  shapeOf(6, { code: { k: 2, n: 64 } }),
  shapeOf(9, { code: { k: 3, n: 64 } }),
  shapeOf(0, { lengthBytes: 50, isInline: true }),
];

const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)]!;

/** The same segment for the same index and shift, whatever the length of the object. */
function segmentAt(index: number, shift: number, n: number): PlacedSegment {
  return {
    salt: digestFrom(`salt ${index}`).slice(0, 16),
    roots: ROOTS.slice(0, n),
    holders: Array.from({ length: n }, (_, piece) => NODES[(piece + shift) % (NODES.length - 1)]!),
  };
}

const segmentsAt = (from: number, count: number, shift: number, n: number): readonly PlacedSegment[] =>
  Array.from({ length: count }, (_, at) => segmentAt(from + at, shift, n));

// ---- What happens to objects ---------------------------------------------------------------------------------

function register(state: Overlay, random: Random, name: number, shapes: readonly ObjectShape[]): void {
  const shape = pick(random, shapes);
  const all = segmentCount(shape);
  const first = random() < 0.5 ? all : Math.floor(random() * all);
  putNew(state, name, shape, segmentsAt(0, first, Math.floor(random() * 3), shape.code.n));
}

const recordOf = (name: number, shape: ObjectShape): ObjectRecord => ({
  owner: OWNER,
  salt: saltOf(name),
  shape,
  keyCheck: shape.isEncrypted ? new Uint8Array(16) : null,
  manifest: {
    digest: digestFrom(`manifest ${name}`),
    lengthBytes: 900 * (name + 1),
    holders: NODES.slice(0, 3),
  },
  registered: 0,
  registeredAtHeight: 1,
  expiresAtMs: null,
  isLeaving: false,
  deposits: [],
});

export function putNew(
  state: Overlay,
  name: number,
  shape: ObjectShape,
  segments: readonly PlacedSegment[],
): void {
  const record = recordOf(name, shape);
  putObject(state, idAt(name), appendSegments(state, idAt(name), record, segments));
}

function grow(state: Overlay, random: Random, name: number, object: ObjectRecord): void {
  const left = segmentCount(object.shape) - object.registered;
  if (left === 0 || object.isLeaving) return;
  const more = segmentsAt(object.registered, Math.ceil(random() * left), 1, object.shape.code.n);
  putObject(state, idAt(name), appendSegments(state, idAt(name), object, more));
}

function replacePiece(state: Overlay, random: Random, name: number, object: ObjectRecord): void {
  if (object.registered === 0) return;
  const size = segmentsPerRecord(object.shape.code);
  const index = Math.floor(random() * object.registered);
  const part = Math.floor(index / size);
  const segments = segmentsOf(state, idAt(name), part);
  const segment = segments[index % size]!;
  const piece = Math.floor(random() * segment.holders.length);
  const changed = { ...segment, holders: segment.holders.with(piece, pick(random, NODES)) };
  putSegments(state, idAt(name), part, segments.with(index % size, changed));
}

function replaceCopy(state: Overlay, random: Random, name: number, object: ObjectRecord): void {
  const { manifest } = object;
  const at = Math.floor(random() * (manifest.holders.length + 1));
  const holders = manifest.holders.toSpliced(at, 1, pick(random, NODES)).slice(0, 5);
  putObject(state, idAt(name), { ...object, manifest: { ...manifest, holders } });
}

function remove(state: Overlay, limit: number, name: number, object: ObjectRecord): void {
  const left = dropSegments(state, idAt(name), object, limit);
  if (left.registered === 0) state.remove(objectKey(idAt(name)));
  else putObject(state, idAt(name), { ...left, isLeaving: true });
}

/** Deleted, and registered in the same block: the same segments, the last of which is shorter than before. */
function reshape(state: Overlay, name: number, object: ObjectRecord): void {
  const { shape, registered } = object;
  if (shape.isInline || shape.lengthBytes < 4000) return;
  const size = segmentsPerRecord(shape.code);
  const parts = Array.from({ length: Math.ceil(registered / size) }, (_, part) => part);
  const segments = parts.flatMap((part) => segmentsOf(state, idAt(name), part));
  remove(state, Number.POSITIVE_INFINITY, name, object);
  putNew(state, name, { ...shape, lengthBytes: shape.lengthBytes - 1001 }, segments);
}

/** As many objects, in such shapes. */
export interface Kinds {
  readonly names: number;
  readonly shapes: readonly ObjectShape[];
}

const ALL: Kinds = { names: 9, shapes: SHAPES };
export const FEW: Kinds = { names: 5, shapes: [SHAPES[0]!, SHAPES[1]!, SHAPES[1]!, SHAPES[2]!] };

export function happen(state: Overlay, random: Random, { names, shapes }: Kinds = ALL): void {
  const name = Math.floor(random() * names);
  const object = objectOf(state, idAt(name));
  if (object === undefined) {
    register(state, random, name, shapes);
    return;
  }
  const fate = random();
  if (fate < 0.3) grow(state, random, name, object);
  else if (fate < 0.55) replacePiece(state, random, name, object);
  else if (fate < 0.7) replaceCopy(state, random, name, object);
  else if (fate < 0.8) reshape(state, name, object);
  else remove(state, random() < 0.5 ? 1 : 64, name, object);
}

// ---- The chain -----------------------------------------------------------------------------------------------

export interface Block {
  readonly decided: Decided;
  readonly executed: Executed;
}

/** Records that are no objects, among which they are looked for; one reads as if it were. */
function found(state: Overlay): void {
  state.write(keyOf(99), encode(objectTuple({ ...recordOf(99, SHAPES[1]!), registered: 3 })));
  for (let index = 0; index < 20; index++) state.write(keyOf(index), new Uint8Array(index).fill(index));
}

/** Blocks with what happens in them, and the records after the last. */
export class Ledger {
  readonly memory: Memory = new Memory();
  readonly random: Random;
  readonly founding: readonly Change[];
  readonly #kinds: Kinds;

  constructor(random: Random, genesis: (state: Overlay) => void = () => undefined, kinds: Kinds = ALL) {
    this.random = random;
    this.#kinds = kinds;
    this.founding = this.changes((state) => {
      found(state);
      genesis(state);
    });
  }

  changes(work: (state: Overlay) => void): readonly Change[] {
    const overlay = new Overlay(this.memory);
    work(overlay);
    const changes = overlay.changes();
    this.memory.keep(changes);
    return changes;
  }

  /** `count` things happen. */
  block(head: Head, count: number, work: (state: Overlay) => void = () => undefined): Block {
    const changes = this.changes((state) => {
      for (let done = 0; done < count; done++) happen(state, this.random, this.#kinds);
      work(state);
    });
    const { decided } = blockOn(head, 0);
    return {
      decided,
      executed: { changes, outcomes: [], sent: [], outboxRoots: [outboxRoot(head)], shardBits: 0 },
    };
  }

  async found(store: ChainStore): Promise<void> {
    const about = { height: 0, id: digestFrom('founding'), timeMs: 1000, shardBits: 0 };
    await store.found(this.founding, about, NETWORK);
  }

  async step(store: ChainStore, count = 4): Promise<void> {
    const { decided, executed } = this.block(store.head!, count);
    await store.commit(decided, executed);
  }
}

const outboxRoot = (head: Head): Digest => digestFrom(`outbox ${head.height + 1}`);

export const openStore = (keyValue: LocalKeyValue, derived?: Derived): Promise<ChainStore> =>
  openChainStore({
    keyValue,
    sha256: nativeSha256,
    kinds: KINDS,
    ...(derived === undefined ? {} : { derived }),
  });

export async function openBoth(
  keyValue: LocalKeyValue,
): Promise<{ readonly store: ChainStore; readonly holdings: HoldingsStore }> {
  const holdings = await openHoldings({ keyValue, sha256: nativeSha256 });
  return { holdings, store: await openStore(keyValue, holdings) };
}

// ---- The twin ------------------------------------------------------------------------------------------------

/** What each node holds, by id in hex, by all records. */
export function heldIn({ records }: Memory): ReadonlyMap<string, readonly HeldPlace[]> {
  const held = new Map<string, HeldPlace[]>(NODES.map((node) => [toHex(node), []]));
  const leaves = (bytes: number): number => Math.max(1, Math.ceil(bytes / 1024));
  for (const { key, bytes } of records.values()) {
    if (key.kind !== 'object') continue;
    const object = key.home.id as ObjectId;
    const { manifest, shape } = decodeRecord(objectRecord, bytes);
    manifest.holders.forEach((node, pieceIndex) => {
      const place = { object, segmentIndex: 0xffffffff, pieceIndex };
      held.get(toHex(node))!.push({ place, weight: leaves(manifest.lengthBytes) });
    });
    const parts = [...records.values()]
      .filter((other) => other.key.kind === 'segments' && toHex(other.key.home.id) === toHex(object))
      .toSorted((a, b) => a.key.id.at(-1)! - b.key.id.at(-1)!);
    const segments = parts.flatMap((part) => decodeRecord(segmentsRecord, part.bytes));
    for (const [segmentIndex, { holders }] of segments.entries()) {
      const weight = leaves(pieceLengthOf(shape, segmentIndex));
      holders.forEach((node, pieceIndex) => {
        held.get(toHex(node))!.push({ place: { object, segmentIndex, pieceIndex }, weight });
      });
    }
  }
  return held;
}

export async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

const CIRCLE = 1n << 64n;
export const PARAMS = { leaves: 6, sweepRounds: 5 };
export const roundAt = (round: number): { round: number; seed: Digest } => ({
  round,
  seed: digestFrom(`seed ${round}`),
});

/** The index has what the twin finds in the records. */
export async function expectEntries(
  holdings: HoldingsStore,
  twin: ReadonlyMap<string, readonly HeldPlace[]>,
): Promise<void> {
  expect(holdings.holdersCount).toBe([...twin.values()].filter((held) => held.length > 0).length);
  const snapshot = holdings.snapshot();
  for (const node of NODES) {
    const memory = new MemoryHoldings(twin.get(toHex(node))!, nativeSha256);
    expect(await snapshot.classes(node)).toEqual(memory.classes());
    expect(await collect(snapshot.piecesOf(node))).toEqual(allOf(memory));
  }
  await snapshot.close();
}

const allOf = (memory: MemoryHoldings): readonly HeldPlace[] =>
  memory
    .classes()
    .flatMap((_, drawn) => [...memory.range(drawn, { from: 0n, to: CIRCLE })])
    .map(({ place, weight }) => ({ place, weight }));

/** The same, in every way it can be read. */
export async function expectHoldings(
  holdings: HoldingsStore,
  twin: ReadonlyMap<string, readonly HeldPlace[]>,
): Promise<void> {
  expect(holdings.isWhole).toBe(true);
  expect(holdings.holdersCount).toBe([...twin.values()].filter((held) => held.length > 0).length);
  const snapshot = holdings.snapshot();
  await expectReads(snapshot, twin);
  await snapshot.close();
}

export async function expectReads(
  reader: HoldingsReader,
  twin: ReadonlyMap<string, readonly HeldPlace[]>,
): Promise<void> {
  const some = new DrawStream('audit-draw', digestFrom('ranges'));
  for (const node of NODES) {
    const memory = new MemoryHoldings(twin.get(toHex(node))!, nativeSha256);
    expect(await reader.classes(node)).toEqual(memory.classes());
    expect(await collect(reader.piecesOf(node))).toEqual(allOf(memory));
    const [one, other] = [some.below(CIRCLE), some.below(CIRCLE)];
    const range = one < other ? { from: one, to: other } : { from: other, to: one };
    for (const drawn of [0, 2, 8, 16]) {
      const entries = [...memory.range(drawn, range)].map(({ place, weight }) => ({ place, weight }));
      expect(await reader.range(node, drawn, range, 3)).toEqual(entries.slice(0, 3));
    }
    const drawn = await reader.drawOf(roundAt(3), node, PARAMS);
    expect(drawn.asked).toEqual(drawAsked(roundAt(3), node, memory, PARAMS, nativeSha256));
    expect(drawn.classes).toEqual(memory.classes());
  }
}
