// Helpers on byte strings. Nothing here knows what the bytes mean.

import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';

export { bytesToHex as toHex, concatBytes as concat, hexToBytes as fromHex, utf8ToBytes as toUtf8 };

/** Lexicographic order of unsigned bytes; a prefix comes before what it begins. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let index = 0; index < shorter; index++) {
    const difference = a[index]! - b[index]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Equality in time that depends on the lengths only, so that it may compare secrets. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let index = 0; index < a.length; index++) difference |= a[index]! ^ b[index]!;
  return difference === 0;
}

/** Big-endian unsigned 32-bit form of `value`. */
export function uint32(value: number): Uint8Array {
  return new Uint8Array([value >>> 24, value >>> 16, value >>> 8, value]);
}

/** First eight hex digits: how a node, object or network is shown to people. */
export function short(id: Uint8Array): string {
  return bytesToHex(id.subarray(0, 4));
}
