// Keys of what a chain keeps in a store that others use too: their keys begin with a letter, these with a byte that is none.
//
//     chain key = 0xc0 | u8 subject | ...                                        blocks, index, candidates, what the head is
//     state key = 0xc0 | u8 8 | u32 generation | u8 subject | ...                records, nodes
//
// The state lies under a generation, so that another one can be fetched beside it and take its place in one write. Numbers are big-endian:
// heights sort as they grow. Only versions of a record sort from the newest to the oldest, so that the one that counts at a height is the
// first from there on.

import { HEIGHT_MAX } from '../../base/limits.ts';
import { Reader, Writer } from '../../consensus/binary.ts';

const FIRST = 0xc0;
const STATE = 8;
const CHAIN = { meta: 0, block: 1, certificate: 2, transaction: 3, candidate: 4, restore: 5 } as const;
const SUBJECT = {
  kept: 0,
  record: 1,
  history: 2,
  'stale-record': 3,
  node: 4,
  'stale-node': 5,
  part: 6,
  pins: 7,
  'pinned-record': 8,
  'pinned-node': 9,
} as const;

type ChainSubject = keyof typeof CHAIN;
type StateSubject = keyof typeof SUBJECT;

const NOTHING: Uint8Array = new Uint8Array(0);
const HEIGHT_LENGTH = 8;
const CHAIN_LENGTH = 2;
const STATE_LENGTH = 7;

export interface KeyRange {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

// ---- Chain ---------------------------------------------------------------------------------------------------

export function chainKey(subject: ChainSubject, height?: number, id: Uint8Array = NOTHING): Uint8Array {
  const writer = new Writer(CHAIN_LENGTH + (height === undefined ? 0 : HEIGHT_LENGTH) + id.length);
  writer.uint8(FIRST);
  writer.uint8(CHAIN[subject]);
  if (height !== undefined) writer.uint64(height);
  writer.raw(id);
  return writer.finish();
}

/** Keys of `subject` with heights in [from, to). */
export function heightRange(subject: 'block' | 'candidate', from: number, to: number): KeyRange {
  return { from: chainKey(subject, from), to: chainKey(subject, to) };
}

/** Height and id in the key of a candidate, or the height of a block. */
export function readHeightKey(key: Uint8Array): { readonly height: number; readonly id: Uint8Array } {
  const reader = new Reader(key, 'chain key');
  reader.raw(CHAIN_LENGTH);
  return { height: reader.uint64(), id: reader.raw(reader.remaining) };
}

// ---- State ---------------------------------------------------------------------------------------------------

function stateKeyOf(generation: number, subject: StateSubject, rest: Uint8Array = NOTHING): Uint8Array {
  const writer = new Writer(STATE_LENGTH + rest.length);
  writer.uint8(FIRST);
  writer.uint8(STATE);
  writer.uint32(generation);
  writer.uint8(SUBJECT[subject]);
  writer.raw(rest);
  return writer.finish();
}

/** What follows a state key's generation and subject. */
export function restOf(key: Uint8Array): Uint8Array {
  return key.subarray(STATE_LENGTH);
}

/** All of the states of generations in [from, to). */
export function generationRange(from: number, to: number): KeyRange {
  return { from: stateKeyOf(from, 'kept').subarray(0, -1), to: stateKeyOf(to, 'kept').subarray(0, -1) };
}

/** All of one subject. */
export function subjectRange(generation: number, subject: StateSubject): KeyRange {
  const from = stateKeyOf(generation, subject);
  const to = from.slice();
  to[to.length - 1]! += 1;
  return { from, to };
}

export function keptKey(generation: number, height: number): Uint8Array {
  return stateKeyOf(generation, 'kept', heightBytes(height));
}

export function recordKey(generation: number, path: Uint8Array): Uint8Array {
  return stateKeyOf(generation, 'record', path);
}

/** The record as `version` wrote it. */
export function historyKey(generation: number, path: Uint8Array, version: number): Uint8Array {
  return stateKeyOf(generation, 'history', joined(path, HEIGHT_MAX - version));
}

/** From the version that counts at `height` to the oldest. */
export function historyRange(generation: number, path: Uint8Array, height: number): KeyRange {
  return { from: historyKey(generation, path, height), to: historyKey(generation, path, -1) };
}

/** Which states stay although later ones were pruned. */
export function pinsKey(generation: number): Uint8Array {
  return stateKeyOf(generation, 'pins');
}

export function nodeStoreKey(generation: number, key: Uint8Array): Uint8Array {
  return stateKeyOf(generation, 'node', key);
}

export function partKey(generation: number, prefix: Uint8Array): Uint8Array {
  return stateKeyOf(generation, 'part', prefix);
}

// ---- What nobody needs any more --------------------------------------------------------------------------------

/**
 * A list, in pieces, of what versions from `since` on do not need. `version`, which found out, tells apart what a split leaves for the next
 * version from what that one leaves itself.
 */
export function staleKey(
  generation: number,
  subject: 'stale-record' | 'stale-node',
  since: number,
  version: number,
  piece: number,
): Uint8Array {
  const writer = new Writer(2 * HEIGHT_LENGTH + 4);
  writer.uint64(since);
  writer.uint64(version);
  writer.uint32(piece);
  return stateKeyOf(generation, subject, writer.finish());
}

/** Of what no version from `oldest` on needs. */
export function staleRange(
  generation: number,
  subject: 'stale-record' | 'stale-node',
  oldest: number,
): KeyRange {
  return {
    from: stateKeyOf(generation, subject),
    to: stateKeyOf(generation, subject, heightBytes(oldest + 1)),
  };
}

/** Of lists of what only the state after `pin` still needs: which list of stale things it was. */
export function pinnedKey(
  generation: number,
  subject: 'pinned-record' | 'pinned-node',
  pin: number,
  { since, version, piece }: StalePlace,
): Uint8Array {
  const writer = new Writer(3 * HEIGHT_LENGTH + 4);
  writer.uint64(pin);
  writer.uint64(since);
  writer.uint64(version);
  writer.uint32(piece);
  return stateKeyOf(generation, subject, writer.finish());
}

/** Lists of pins in [from, to). */
export function pinnedRange(
  generation: number,
  subject: 'pinned-record' | 'pinned-node',
  from: number,
  to: number,
): KeyRange {
  return {
    from: stateKeyOf(generation, subject, heightBytes(from)),
    to: stateKeyOf(generation, subject, heightBytes(to)),
  };
}

/** Where in the lists of stale things one stands, from its own key or from that of what is pinned of it. */
export interface StalePlace {
  readonly since: number;
  readonly version: number;
  readonly piece: number;
}

export function readStaleKey(key: Uint8Array): StalePlace {
  const reader = new Reader(key.subarray(key.length - 2 * HEIGHT_LENGTH - 4), 'key of a list');
  return { since: reader.uint64(), version: reader.uint64(), piece: reader.uint32() };
}

function heightBytes(height: number): Uint8Array {
  const writer = new Writer(HEIGHT_LENGTH);
  writer.uint64(height);
  return writer.finish();
}

function joined(path: Uint8Array, height: number): Uint8Array {
  const writer = new Writer(path.length + HEIGHT_LENGTH);
  writer.raw(path);
  writer.uint64(height);
  return writer.finish();
}
