// Keys of stored nodes: the version that wrote the node, then its place. A version writes its nodes once and nothing is
// ever overwritten, so new nodes append to the store, old roots stay readable, and a node that was read once may be cached
// for good.
//
//     node key = u64 version | place          place = bits of the way to the node, a one, zeros up to a whole byte
//
// Byte order is version, then place from left to right: left subtree, node, right subtree. In memory a key is its hex
// digits, which sort alike and serve in a Map.

import { assert } from '../../base/assert.ts';
import { fromHex, toHex } from '../../base/bytes.ts';
import { HEIGHT_MAX } from '../../base/limits.ts';
import { Reader } from '../../consensus/binary.ts';
import { PATH_BITS, PATH_LENGTH, type StatePath } from './path.ts';

declare const brand: unique symbol;
/** Hex digits of an encoded node key. */
export type NodeKey = string & { readonly [brand]: 'NodeKey' };

export interface NodePlace {
  readonly version: number;
  /** A path under the node; zeros behind its depth. */
  readonly path: StatePath;
  /** Bits of the way to the node, 0 to 255: below lies at most one leaf. */
  readonly depth: number;
}

const VERSION_LENGTH = 8;
const TWO_32 = 2 ** 32;
const DIGITS: readonly number[] = Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));

/**
 * Key of the node that `version` wrote at the first `depth` bits of `path`. Made of character codes at once: a text that is
 * put together piece by piece costs a look-up three times as much.
 */
export function nodeKey(version: number, path: Uint8Array, depth: number): NodeKey {
  assert(depth >= 0 && depth < PATH_BITS, 'two leaves differ in one of 256 bits');
  const whole = depth >>> 3;
  const rest = depth & 7;
  const codes: number[] = [];
  pushWord(codes, Math.floor(version / TWO_32));
  pushWord(codes, version);
  for (let index = 0; index < whole; index++) pushByte(codes, path[index]!);
  pushByte(codes, ((path[whole]! & (0xff00 >>> rest)) | (0x80 >>> rest)) & 0xff);
  return String.fromCharCode.apply(undefined, codes) as NodeKey;
}

function pushWord(codes: number[], word: number): void {
  for (let shift = 24; shift >= 0; shift -= 8) pushByte(codes, (word >>> shift) & 0xff);
}

function pushByte(codes: number[], byte: number): void {
  codes.push(DIGITS[byte >>> 4]!, DIGITS[byte & 15]!);
}

/** The version that wrote the node. */
export function versionOf(key: NodeKey): number {
  return Number.parseInt(key.slice(0, 2 * VERSION_LENGTH), 16);
}

export function encodeNodeKey(key: NodeKey): Uint8Array {
  return fromHex(key);
}

/** Throws INVALID_ENCODING. */
export function decodeNodeKey(bytes: Uint8Array): NodeKey {
  placeIn(bytes);
  return toHex(bytes) as NodeKey;
}

/** What a key says. */
export function placeOf(key: NodeKey): NodePlace {
  return placeIn(fromHex(key));
}

function placeIn(bytes: Uint8Array): NodePlace {
  const reader = new Reader(bytes, 'node key');
  const version = reader.uint64();
  if (version > HEIGHT_MAX) throw reader.refusal('its version is too large');
  const length = reader.remaining;
  if (length < 1 || length > PATH_LENGTH) throw reader.refusal('its place has no byte, or too many');
  const path = new Uint8Array(PATH_LENGTH);
  path.set(reader.raw(length));
  const last = path[length - 1]!;
  if (last === 0) throw reader.refusal('its place has no end');
  const end = last & -last;
  path[length - 1] = last ^ end;
  return { version, path: path as StatePath, depth: 8 * length - 8 + Math.clz32(end) - 24 };
}
