// The walk over untrusted dag-cbor that comes before any decoder: it allocates nothing, reads every byte at
// most once, and refuses whatever is not the one canonical form of some value. What passes cannot make a
// decoder recurse deeply, allocate by a declared length, or build more than CBOR_ITEMS_MAX items. RFC 8949,
// section 4.2, with the key order of dag-cbor: shorter keys first. Meaning (which value belongs where) is
// left to the schema.

import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX } from './limits.ts';

const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const TAG = 6;

const FALSE = 20;
const TRUE = 21;
const NULL = 22;

/** The only tag of dag-cbor: a CID, as a byte string that starts with 0x00. */
const CID_TAG = 42;

class Refusal {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

interface Cursor {
  readonly bytes: Uint8Array;
  position: number;
  itemsLeft: number;
  /** Of the header read last: its major type and its argument. */
  major: number;
  argument: number;
}

/**
 * Why `bytes` are not one canonical dag-cbor value, or undefined when they are. Time is linear in the length.
 */
export function scanCbor(bytes: Uint8Array): string | undefined {
  const cursor: Cursor = { bytes, position: 0, itemsLeft: CBOR_ITEMS_MAX, major: 0, argument: 0 };
  try {
    scanValue(cursor, 0);
    return cursor.position === bytes.length ? undefined : 'bytes after the end of the value';
  } catch (error) {
    if (error instanceof Refusal) return error.reason;
    throw error;
  }
}

function scanValue(cursor: Cursor, depth: number): void {
  readHeader(cursor);
  const { major, argument } = cursor;
  if (major === BYTES) skip(cursor, argument);
  else if (major === TEXT) scanText(cursor, argument);
  else if (major === ARRAY) scanArray(cursor, argument, depth);
  else if (major === MAP) scanMap(cursor, argument, depth);
  else if (major === TAG) scanCid(cursor, argument);
  // Integers and the three simple values end with their header.
}

/** Reads major type and argument; the argument must be in its shortest form. */
function readHeader(cursor: Cursor): void {
  const first = take(cursor);
  const minor = first & 31;
  cursor.major = first >> 5;
  if (cursor.major > TAG) {
    if (minor !== FALSE && minor !== TRUE && minor !== NULL) {
      throw new Refusal('a float, undefined or another simple value');
    }
    return;
  }
  if (minor < 24) {
    cursor.argument = minor;
    return;
  }
  if (minor > 27) throw new Refusal('an indefinite length or a reserved header');
  readWideArgument(cursor, 1 << (minor - 24));
}

/**
 * Arguments above 2^53 lose precision here, which is harmless: integers are not interpreted, and no length is
 * so large.
 */
function readWideArgument(cursor: Cursor, width: number): void {
  let value = 0;
  for (let count = 0; count < width; count++) value = value * 256 + take(cursor);
  const smallest = width === 1 ? 24 : 2 ** (width * 4);
  if (value < smallest) throw new Refusal('a number that is not in its shortest form');
  cursor.argument = value;
}

function scanArray(cursor: Cursor, count: number, depth: number): void {
  enter(depth);
  spend(cursor, count, 1);
  for (let index = 0; index < count; index++) scanValue(cursor, depth + 1);
}

function scanMap(cursor: Cursor, count: number, depth: number): void {
  enter(depth);
  spend(cursor, count, 2);
  let previousFrom = -1;
  let previousTo = -1;
  for (let index = 0; index < count; index++) {
    const from = cursor.position;
    readHeader(cursor);
    if (cursor.major !== TEXT) throw new Refusal('a map key that is not text');
    scanText(cursor, cursor.argument);
    if (previousFrom >= 0 && !isAscending(cursor.bytes, previousFrom, previousTo, from, cursor.position)) {
      throw new Refusal('map keys that are unsorted or doubled');
    }
    previousFrom = from;
    previousTo = cursor.position;
    scanValue(cursor, depth + 1);
  }
}

/**
 * Order of two encoded keys. Their headers hold the lengths, so comparing headers and all puts shorter keys
 * first.
 */
function isAscending(bytes: Uint8Array, aFrom: number, aTo: number, bFrom: number, bTo: number): boolean {
  const shorter = Math.min(aTo - aFrom, bTo - bFrom);
  for (let index = 0; index < shorter; index++) {
    const difference = bytes[aFrom + index]! - bytes[bFrom + index]!;
    if (difference !== 0) return difference < 0;
  }
  return aTo - aFrom < bTo - bFrom;
}

function scanCid(cursor: Cursor, tag: number): void {
  if (tag !== CID_TAG) throw new Refusal('a tag other than 42');
  readHeader(cursor);
  if (cursor.major !== BYTES || cursor.argument === 0) throw new Refusal('a tag 42 without a CID');
  const from = cursor.position;
  skip(cursor, cursor.argument);
  if (cursor.bytes[from] !== 0) throw new Refusal('a CID without its leading zero');
}

/** Well-formed UTF-8 (Unicode table 3-7): no overlong form, no surrogate, nothing above U+10FFFF. */
function scanText(cursor: Cursor, length: number): void {
  const { bytes } = cursor;
  let index = cursor.position;
  skip(cursor, length);
  const end = cursor.position;
  // A decoder drops a leading byte order mark, so such text has no canonical form here.
  if (length >= 3 && bytes[index] === 0xef && bytes[index + 1] === 0xbb && bytes[index + 2] === 0xbf) {
    throw new Refusal('text that begins with a byte order mark');
  }
  while (index < end) {
    const first = bytes[index++]!;
    if (first < 0x80) continue;
    const more = first < 0xc2 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 0;
    if (more === 0 || index + more > end) throw new Refusal('text that is not UTF-8');
    const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    if (bytes[index]! < low || bytes[index]! > high) throw new Refusal('text that is not UTF-8');
    for (let next = 1; next < more; next++) {
      if ((bytes[index + next]! & 0xc0) !== 0x80) throw new Refusal('text that is not UTF-8');
    }
    index += more;
  }
}

/** Refuses an array or map inside CBOR_DEPTH_MAX others. */
function enter(depth: number): void {
  if (depth >= CBOR_DEPTH_MAX) throw new Refusal(`nested deeper than ${CBOR_DEPTH_MAX}`);
}

/**
 * Counts items before they are walked, each of at least `bytesEach` bytes, so that a declared count alone is
 * refused.
 */
function spend(cursor: Cursor, count: number, bytesEach: number): void {
  if (count > cursor.itemsLeft) throw new Refusal(`more than ${CBOR_ITEMS_MAX} items`);
  cursor.itemsLeft -= count;
  if (count * bytesEach > cursor.bytes.length - cursor.position) throw new Refusal('an early end');
}

function skip(cursor: Cursor, length: number): void {
  if (length > cursor.bytes.length - cursor.position) throw new Refusal('an early end');
  cursor.position += length;
}

function take(cursor: Cursor): number {
  if (cursor.position >= cursor.bytes.length) throw new Refusal('an early end');
  return cursor.bytes[cursor.position++]!;
}
