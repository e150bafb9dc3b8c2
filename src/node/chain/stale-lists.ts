// Lists of what nobody needs any more from some version on: nodes of trees, and former versions of records. A block replaces thousands of
// them, and a store takes as long to write an entry for one as for a thousand, so they are listed in pieces.

import { STALE_PIECE_MAX } from '../../base/limits.ts';
import type { KeyValueOperation } from '../../base/ports.ts';
import { Reader, Writer } from '../../consensus/binary.ts';
import type { LocalKeyValue } from '../../runtime/key-value.ts';
import { decodeNodeKey, encodeNodeKey, type NodeKey } from '../../shards/tree/node-key.ts';
import { PATH_LENGTH } from '../../shards/tree/path.ts';
import { staleKey, staleRange } from './store-keys.ts';

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

// ---- Reading -------------------------------------------------------------------------------------------------

export interface StaleLists<T> {
  /** Keys of the lists. */
  readonly entries: readonly Uint8Array[];
  readonly items: readonly T[];
  /** There may be others. */
  readonly hasMore: boolean;
}

/** What no version from `oldest` on needs, the oldest first: lists until they have a piece's worth. */
export function staleRecords(
  keyValue: LocalKeyValue,
  generation: number,
  oldest: number,
): Promise<StaleLists<StaleRecord>> {
  const { from, to } = staleRange(generation, 'stale-record', oldest);
  return listsIn(keyValue, from, to, decodeRecords);
}

export function staleNodes(
  keyValue: LocalKeyValue,
  generation: number,
  oldest: number,
): Promise<StaleLists<NodeKey>> {
  const { from, to } = staleRange(generation, 'stale-node', oldest);
  return listsIn(keyValue, from, to, decodeKeys);
}

async function listsIn<T>(
  keyValue: LocalKeyValue,
  from: Uint8Array,
  to: Uint8Array,
  decode: (value: Uint8Array) => T[],
): Promise<StaleLists<T>> {
  const entries: Uint8Array[] = [];
  const items: T[] = [];
  for await (const [key, value] of keyValue.range(from, to, STALE_PIECE_MAX)) {
    entries.push(key);
    items.push(...decode(value));
    if (items.length >= STALE_PIECE_MAX) return { entries, items, hasMore: true };
  }
  return { entries, items, hasMore: entries.length === STALE_PIECE_MAX };
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
