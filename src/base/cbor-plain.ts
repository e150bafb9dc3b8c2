// Dag-cbor of plain values without the general library: integers, byte strings, text, null, booleans, and lists of them, which is nearly
// all that records hold. Maps and CIDs are left to the library: here they are "not plain".
//
// Invariant: what is plain has here the bytes, and the value, that the library gives it. `codec.ts` asks here first.

import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX } from './limits.ts';

const UINT = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;
const WORD = 2 ** 32;

/** Text of these characters is as long in UTF-8, and nothing about it needs a second look. */
const ASCII_MAX = 0x7f;

// ---- Encoding ----------------------------------------------------------------------------------------------

/** The encoding of a plain value; undefined for any other, and for what no record can hold. */
export function encodePlain(value: unknown): Uint8Array | undefined {
  const length = lengthOf(value, 0, { items: CBOR_ITEMS_MAX });
  if (length === undefined) return undefined;
  const bytes = new Uint8Array(length);
  write(bytes, 0, value);
  return bytes;
}

function lengthOf(value: unknown, depth: number, budget: { items: number }): number | undefined {
  if (value === null || typeof value === 'boolean') return 1;
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) return undefined;
    return headLength(value < 0 ? -1 - value : value);
  }
  if (typeof value === 'bigint') return bigLength(value < 0n ? -1n - value : value);
  if (typeof value === 'string') return isAscii(value) ? headLength(value.length) + value.length : undefined;
  if (value instanceof Uint8Array) return headLength(value.length) + value.length;
  return Array.isArray(value) ? listLength(value, depth, budget) : undefined;
}

function listLength(list: readonly unknown[], depth: number, budget: { items: number }): number | undefined {
  budget.items -= list.length;
  if (depth >= CBOR_DEPTH_MAX || budget.items < 0) return undefined;
  let sum = headLength(list.length);
  for (let index = 0; index < list.length; index++) {
    const length = lengthOf(list[index], depth + 1, budget);
    if (length === undefined) return undefined;
    sum += length;
  }
  return sum;
}

function headLength(argument: number): number {
  if (argument < 24) return 1;
  if (argument < 0x100) return 2;
  if (argument < 0x10000) return 3;
  return argument < WORD ? 5 : 9;
}

function bigLength(argument: bigint): number | undefined {
  if (argument <= Number.MAX_SAFE_INTEGER) return headLength(Number(argument));
  return argument < 1n << 64n ? 9 : undefined;
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > ASCII_MAX) return false;
  return true;
}

/** Returns where to go on. */
function write(bytes: Uint8Array, at: number, value: unknown): number {
  if (typeof value === 'number') {
    return value < 0 ? writeHead(bytes, at, NEGATIVE, -1 - value) : writeHead(bytes, at, UINT, value);
  }
  if (value instanceof Uint8Array) {
    const from = writeHead(bytes, at, BYTES, value.length);
    bytes.set(value, from);
    return from + value.length;
  }
  if (typeof value === 'bigint') return writeBig(bytes, at, value);
  if (typeof value === 'string') return writeText(bytes, at, value);
  if (Array.isArray(value)) {
    let from = writeHead(bytes, at, ARRAY, value.length);
    for (let index = 0; index < value.length; index++) from = write(bytes, from, value[index]);
    return from;
  }
  bytes[at] = value === null ? NULL : value === true ? TRUE : FALSE;
  return at + 1;
}

function writeText(bytes: Uint8Array, at: number, text: string): number {
  const from = writeHead(bytes, at, TEXT, text.length);
  for (let index = 0; index < text.length; index++) bytes[from + index] = text.charCodeAt(index);
  return from + text.length;
}

function writeBig(bytes: Uint8Array, at: number, value: bigint): number {
  const major = value < 0n ? NEGATIVE : UINT;
  const argument = value < 0n ? -1n - value : value;
  if (argument <= Number.MAX_SAFE_INTEGER) return writeHead(bytes, at, major, Number(argument));
  bytes[at] = (major << 5) | 27;
  writeWord(bytes, at + 1, Number(argument >> 32n));
  writeWord(bytes, at + 5, Number(argument & 0xffffffffn));
  return at + 9;
}

function writeHead(bytes: Uint8Array, at: number, major: number, argument: number): number {
  const length = headLength(argument);
  if (length === 1) {
    bytes[at] = (major << 5) | argument;
    return at + 1;
  }
  if (length === 2) {
    bytes[at] = (major << 5) | 24;
    bytes[at + 1] = argument;
  } else if (length === 3) {
    bytes[at] = (major << 5) | 25;
    bytes[at + 1] = argument >>> 8;
    bytes[at + 2] = argument;
  } else if (length === 5) {
    bytes[at] = (major << 5) | 26;
    writeWord(bytes, at + 1, argument);
  } else {
    bytes[at] = (major << 5) | 27;
    writeWord(bytes, at + 1, Math.floor(argument / WORD));
    writeWord(bytes, at + 5, argument % WORD);
  }
  return at + length;
}

function writeWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word >>> 24;
  bytes[at + 1] = word >>> 16;
  bytes[at + 2] = word >>> 8;
  bytes[at + 3] = word;
}

// ---- Decoding ----------------------------------------------------------------------------------------------

/** What `decodePlain` gives for bytes that are not plain. */
export const NOT_PLAIN: unique symbol = Symbol('not plain');

interface Cursor {
  readonly bytes: Uint8Array;
  position: number;
}

/** The value of bytes that `scanCbor` found canonical, byte strings as copies. */
export function decodePlain(bytes: Uint8Array): unknown {
  return read({ bytes, position: 0 });
}

function read(cursor: Cursor): unknown {
  const { bytes } = cursor;
  const first = bytes[cursor.position++]!;
  const major = first >>> 5;
  if (major > ARRAY) {
    if (first === NULL) return null;
    return first === TRUE ? true : first === FALSE ? false : NOT_PLAIN;
  }
  const minor = first & 31;
  if (minor === 27 && major <= NEGATIVE) return readLong(cursor, major);
  const argument = minor < 24 ? minor : readArgument(cursor, 1 << (minor - 24));
  if (major === UINT) return argument;
  if (major === NEGATIVE) return -1 - argument;
  if (major === ARRAY) return readList(cursor, argument);
  const from = cursor.position;
  cursor.position += argument;
  if (major === BYTES) return new Uint8Array(bytes.subarray(from, cursor.position));
  return textIn(bytes, from, cursor.position);
}

function readArgument(cursor: Cursor, width: number): number {
  let argument = 0;
  for (let count = 0; count < width; count++) argument = argument * 256 + cursor.bytes[cursor.position++]!;
  return argument;
}

/** A number where it is exact, else a bigint. */
function readLong(cursor: Cursor, major: number): number | bigint {
  const high = readArgument(cursor, 4);
  const low = readArgument(cursor, 4);
  const argument = (BigInt(high) << 32n) | BigInt(low);
  const value = major === UINT ? argument : -1n - argument;
  const isSafe = value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER;
  return isSafe ? Number(value) : value;
}

function readList(cursor: Cursor, count: number): unknown {
  const list: unknown[] = [];
  for (let index = 0; index < count; index++) {
    const value = read(cursor);
    if (value === NOT_PLAIN) return NOT_PLAIN;
    list.push(value);
  }
  return list;
}

function textIn(bytes: Uint8Array, from: number, to: number): unknown {
  let text = '';
  for (let at = from; at < to; at++) {
    if (bytes[at]! > ASCII_MAX) return NOT_PLAIN;
    text += String.fromCharCode(bytes[at]!);
  }
  return text;
}
