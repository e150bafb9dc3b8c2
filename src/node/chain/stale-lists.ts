// Lists of what nobody needs any more from some version on: nodes of trees, and former versions of records. A block replaces thousands of
// them, and a store takes as long to write an entry for one as for a thousand, so they are listed in pieces.
//
// A state may be pinned: it stays although later ones are pruned. What it needs of that which is pruned moves to lists of that pin, the
// highest that needs it, and from there on when the pin goes: to a lower one, or away.

import { concat, toHex } from '../../base/bytes.ts';
import { HEIGHT_MAX, STALE_PIECE_MAX } from '../../base/limits.ts';
import type { KeyValueOperation } from '../../base/ports.ts';
import { Reader, Writer } from '../../consensus/binary.ts';
import type { LocalKeyValue } from '../../runtime/key-value.ts';
import { decodeNodeKey, encodeNodeKey, type NodeKey, versionOf } from '../../shards/tree/node-key.ts';
import { PATH_LENGTH } from '../../shards/tree/path.ts';
import { type KeyRange, pinnedKey, pinnedRange, readStaleKey, staleKey, staleRange } from './store-keys.ts';

/** A former version of a record, or the tombstone of one that was removed. */
export interface StaleRecord {
  readonly kind: 'former' | 'tombstone';
  readonly path: Uint8Array;
  readonly version: number;
}

const TAGS = { former: 0, tombstone: 1 } as const;
const STALE_RECORD_LENGTH = 1 + PATH_LENGTH + 8;

// ---- Writing -------------------------------------------------------------------------------------------------

/** Versions from `version` on do not need them. Tombstones go last: without its tombstone a record must have no former versions either. */
export function putStaleRecords(
  generation: number,
  version: number,
  records: readonly StaleRecord[],
): KeyValueOperation[] {
  const former = records.filter(({ kind }) => kind === 'former');
  const tombstones = records.filter(({ kind }) => kind === 'tombstone');
  return inPieces([...former, ...tombstones]).map((piece, index) => ({
    kind: 'put',
    key: staleKey(generation, 'stale-record', version, version, index),
    value: encodeRecords(piece),
  }));
}

/** Versions from `since` on do not need them, as `version` says. */
export function putStaleNodes(
  generation: number,
  since: number,
  version: number,
  keys: readonly NodeKey[],
): KeyValueOperation[] {
  return inPieces(keys).map((piece, index) => ({
    kind: 'put',
    key: staleKey(generation, 'stale-node', since, version, index),
    value: encodeKeys(piece),
  }));
}

function inPieces<T>(items: readonly T[]): T[][] {
  const pieces: T[][] = [];
  for (let at = 0; at < items.length; at += STALE_PIECE_MAX)
    pieces.push(items.slice(at, at + STALE_PIECE_MAX));
  return pieces;
}

// ---- Pruning -------------------------------------------------------------------------------------------------

/** What a step of pruning deletes, and what it does with the lists of it. */
export interface PruneStep<T> {
  readonly items: readonly T[];
  /** Lists that are done with are deleted; what a pinned state needs is put on the list of its pin. */
  readonly operations: readonly KeyValueOperation[];
  /** There may be others. */
  readonly hasMore: boolean;
}

/** States below `oldest` are given up, but for those of `pins`, which ascend. */
export interface Pruned {
  readonly oldest: number;
  readonly pins: readonly number[];
}

/** The highest of `pins` in [from, to). */
function pinIn(pins: readonly number[], from: number, to: number): number | undefined {
  return pins.findLast((pin) => pin >= from && pin < to);
}

/** A tombstone hides what is older: it stays for as long as any state before it may hold on to a former version. */
const recordPin = (
  { kind, version }: StaleRecord,
  since: number,
  pins: readonly number[],
): number | undefined => (kind === 'tombstone' ? pinIn(pins, 0, version) : pinIn(pins, version, since));

const nodePin = (key: NodeKey, since: number, pins: readonly number[]): number | undefined =>
  pinIn(pins, versionOf(key), since);

/** Some of what no state needs any more, the oldest first: lists until they have a piece's worth. */
export function staleRecords(
  keyValue: LocalKeyValue,
  generation: number,
  pruned: Pruned,
): Promise<PruneStep<StaleRecord>> {
  return stepOf(keyValue, generation, 'record', pruned, decodeRecords, encodeRecords, recordPin);
}

export function staleNodes(
  keyValue: LocalKeyValue,
  generation: number,
  pruned: Pruned,
): Promise<PruneStep<NodeKey>> {
  return stepOf(keyValue, generation, 'node', pruned, decodeKeys, encodeKeys, nodePin);
}

async function stepOf<T>(
  keyValue: LocalKeyValue,
  generation: number,
  kind: 'record' | 'node',
  { oldest, pins }: Pruned,
  decode: (value: Uint8Array) => T[],
  encode: (items: readonly T[]) => Uint8Array,
  pinOf: (item: T, since: number, pins: readonly number[]) => number | undefined,
): Promise<PruneStep<T>> {
  const { entries, hasMore } = await listsIn(
    keyValue,
    [
      ...gapsOf(pins).map(([from, to]) => pinnedRange(generation, `pinned-${kind}`, from, to)),
      staleRange(generation, `stale-${kind}`, oldest),
    ],
    decode,
  );
  const items: T[] = [];
  const pinned = new Map<string, { readonly key: Uint8Array; readonly items: T[] }>();
  for (const { key, items: listed } of entries) {
    const place = readStaleKey(key);
    for (const item of listed) {
      const pin = pinOf(item, place.since, pins);
      if (pin === undefined) items.push(item);
      else noteIn(pinned, pinnedKey(generation, `pinned-${kind}`, pin, place), item);
    }
  }
  const lists = await appended(keyValue, [...pinned.values()], encode);
  return {
    items,
    operations: [...entries.map(({ key }) => ({ kind: 'delete' as const, key })), ...lists],
    hasMore,
  };
}

/** The heights that are none of `pins`. */
function gapsOf(pins: readonly number[]): readonly (readonly [number, number])[] {
  return [-1, ...pins].map((pin, index) => [pin + 1, pins[index] ?? HEIGHT_MAX]);
}

function noteIn<T>(
  lists: Map<string, { readonly key: Uint8Array; readonly items: T[] }>,
  key: Uint8Array,
  item: T,
): void {
  const name = toHex(key);
  const list = lists.get(name);
  if (list === undefined) lists.set(name, { key, items: [item] });
  else list.items.push(item);
}

/** Two pins may have held on to parts of one list: when the later one goes, its part joins the other. */
async function appended<T>(
  keyValue: LocalKeyValue,
  lists: readonly { readonly key: Uint8Array; readonly items: readonly T[] }[],
  encode: (items: readonly T[]) => Uint8Array,
): Promise<KeyValueOperation[]> {
  const present = lists.length === 0 ? [] : await keyValue.getMany(lists.map(({ key }) => key));
  return lists.map(({ key, items }, index) => ({
    kind: 'put',
    key,
    value: concat(present[index] ?? new Uint8Array(0), encode(items)),
  }));
}

interface List<T> {
  readonly key: Uint8Array;
  readonly items: readonly T[];
}

async function listsIn<T>(
  keyValue: LocalKeyValue,
  ranges: readonly KeyRange[],
  decode: (value: Uint8Array) => T[],
): Promise<{ readonly entries: readonly List<T>[]; readonly hasMore: boolean }> {
  const entries: List<T>[] = [];
  let count = 0;
  for (const { from, to } of ranges) {
    for await (const [key, value] of keyValue.range(from, to, STALE_PIECE_MAX)) {
      const items = decode(value);
      entries.push({ key, items });
      count += items.length;
      if (count >= STALE_PIECE_MAX || entries.length >= STALE_PIECE_MAX) return { entries, hasMore: true };
    }
  }
  return { entries, hasMore: false };
}

// ---- Bytes ---------------------------------------------------------------------------------------------------

/** Of each: u8 0 former or 1 tombstone | path | u64 version that wrote it. */
function encodeRecords(records: readonly StaleRecord[]): Uint8Array {
  const writer = new Writer(STALE_RECORD_LENGTH * records.length);
  for (const { kind, path, version } of records) {
    writer.uint8(TAGS[kind]);
    writer.raw(path);
    writer.uint64(version);
  }
  return writer.finish();
}

function decodeRecords(bytes: Uint8Array): StaleRecord[] {
  const reader = new Reader(bytes, 'list of stale records');
  const records: StaleRecord[] = [];
  while (reader.remaining > 0) {
    const kind = reader.uint8() === TAGS.former ? 'former' : 'tombstone';
    records.push({ kind, path: reader.raw(PATH_LENGTH), version: reader.uint64() });
  }
  return records;
}

/** Of each: u8 length | node key. */
function encodeKeys(keys: readonly NodeKey[]): Uint8Array {
  const encoded = keys.map(encodeNodeKey);
  const writer = new Writer(encoded.reduce((sum, { length }) => sum + 1 + length, 0));
  for (const key of encoded) {
    writer.uint8(key.length);
    writer.raw(key);
  }
  return writer.finish();
}

function decodeKeys(bytes: Uint8Array): NodeKey[] {
  const reader = new Reader(bytes, 'list of stale nodes');
  const keys: NodeKey[] = [];
  while (reader.remaining > 0) keys.push(decodeNodeKey(reader.raw(reader.uint8())));
  return keys;
}
