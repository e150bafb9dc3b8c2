// Fixed-width big-endian fields, written and read one after the other: what messages, sign bytes, evidence and the
// write-ahead log are made of. A simulator encodes hundreds of thousands of votes a second, hence plain byte arithmetic.
//
// The writer's caller states the length beforehand and fills it exactly: anything else is a defect and asserts. The reader trusts
// nothing: what is missing, too much or out of range is INVALID_ENCODING. What the fields mean is left to the callers.

import { assert } from '../base/assert.ts';
import { StoreError } from '../base/errors.ts';
import { DIGEST_LENGTH } from '../base/ids.ts';

/** Short arrays are cut from slabs: V8 takes ten times as long for a typed array of its own beyond 64 bytes. */
const SLAB_LENGTH = 16_384;
const SLAB_SHARE_MAX = 1024;
const TWO_32 = 2 ** 32;
const SAFE_HIGH_MAX = 2 ** 21;

let slab = new Uint8Array(0);
let slabUsed = 0;

/** `length` zero bytes. They may lie within a larger buffer, so look at the array and never at its `buffer`. */
function allocate(length: number): Uint8Array {
  if (length > SLAB_SHARE_MAX) return new Uint8Array(length);
  if (slabUsed + length > slab.length) {
    slab = new Uint8Array(SLAB_LENGTH);
    slabUsed = 0;
  }
  slabUsed += length;
  return slab.subarray(slabUsed - length, slabUsed);
}

export class Writer {
  readonly #bytes: Uint8Array;
  #offset = 0;

  /** For exactly `length` bytes. */
  constructor(length: number) {
    this.#bytes = allocate(length);
  }

  uint8(value: number): void {
    this.#bytes[this.#offset++] = value;
  }

  uint16(value: number): void {
    this.#bytes[this.#offset++] = value >>> 8;
    this.#bytes[this.#offset++] = value;
  }

  uint32(value: number): void {
    const bytes = this.#bytes;
    const offset = this.#offset;
    bytes[offset] = value >>> 24;
    bytes[offset + 1] = value >>> 16;
    bytes[offset + 2] = value >>> 8;
    bytes[offset + 3] = value;
    this.#offset = offset + 4;
  }

  /** Two's complement. */
  int32(value: number): void {
    this.uint32(value);
  }

  /** Of a safe integer, not negative. */
  uint64(value: number): void {
    this.uint32(Math.floor(value / TWO_32));
    this.uint32(value);
  }

  bigUint64(value: bigint): void {
    this.uint32(Number(value >> 32n));
    this.uint32(Number(value & 0xffff_ffffn));
  }

  raw(bytes: Uint8Array): void {
    assert(this.#offset + bytes.length <= this.#bytes.length, 'an encoding has the length announced');
    this.#bytes.set(bytes, this.#offset);
    this.#offset += bytes.length;
  }

  /** The 32 bytes that 64 lower-case hex digits stand for. */
  digest(hex: string): void {
    assert(hex.length === 2 * DIGEST_LENGTH, 'an id has 64 hex digits');
    const bytes = this.#bytes;
    let offset = this.#offset;
    let seen = 0;
    for (let index = 0; index < 2 * DIGEST_LENGTH; index += 2) {
      const first = hex.charCodeAt(index);
      const second = hex.charCodeAt(index + 1);
      const high = VALUES[first & 0xff]!;
      const low = VALUES[second & 0xff]!;
      seen |= high | low | ((first | second) & 0xff00);
      bytes[offset++] = (high << 4) | low;
    }
    this.#offset = offset;
    assert(seen < 16, 'an id consists of lower-case hex digits');
  }

  /** The encoding. Writes beyond its end went nowhere, so this is where they show. */
  finish(): Uint8Array {
    assert(this.#offset === this.#bytes.length, 'an encoding has the length announced');
    return this.#bytes;
  }
}

export class Reader {
  readonly #bytes: Uint8Array;
  readonly #name: string;
  #offset = 0;

  /** `name`: of what is read, for messages of errors. */
  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.#name = name;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  /** The error of bytes that break a rule. */
  refusal(reason: string): StoreError {
    return new StoreError('INVALID_ENCODING', `${this.#name}: ${reason}`);
  }

  uint8(): number {
    return this.#bytes[this.#skip(1)]!;
  }

  uint16(): number {
    const offset = this.#skip(2);
    return (this.#bytes[offset]! << 8) | this.#bytes[offset + 1]!;
  }

  uint32(): number {
    return this.int32() >>> 0;
  }

  int32(): number {
    const bytes = this.#bytes;
    const offset = this.#skip(4);
    return (
      (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!
    );
  }

  /** Refuses what is no safe integer. */
  uint64(): number {
    const high = this.uint32();
    const low = this.uint32();
    if (high >= SAFE_HIGH_MAX) throw this.refusal('a number is too large');
    return high * TWO_32 + low;
  }

  bigUint64(): bigint {
    const high = BigInt(this.uint32());
    return (high << 32n) | BigInt(this.uint32());
  }

  /** A copy, so that what was read does not keep what it was read from. */
  raw(length: number): Uint8Array {
    const offset = this.#skip(length);
    return this.#bytes.slice(offset, offset + length);
  }

  /** 32 bytes as 64 lower-case hex digits. */
  digest(): string {
    const bytes = this.#bytes;
    const offset = this.#skip(DIGEST_LENGTH);
    for (let index = 0; index < DIGEST_LENGTH; index++) {
      const byte = bytes[offset + index]!;
      codes[2 * index] = DIGITS.charCodeAt(byte >> 4);
      codes[2 * index + 1] = DIGITS.charCodeAt(byte & 15);
    }
    return String.fromCharCode.apply(undefined, codes);
  }

  /** Everything was read. */
  end(): void {
    if (this.remaining > 0) throw this.refusal(`${this.remaining} bytes follow its end`);
  }

  #skip(length: number): number {
    const offset = this.#offset;
    if (length > this.#bytes.length - offset) throw this.refusal('it ends too early');
    this.#offset = offset + length;
    return offset;
  }
}

const DIGITS = '0123456789abcdef';
/** Value of a hex digit by its character code; 255 for what is none. */
const VALUES: Uint8Array = new Uint8Array(256).fill(255);
for (let value = 0; value < 16; value++) VALUES[DIGITS.charCodeAt(value)] = value;
/** Character codes of the id being read: one string made of them at once is flat, and strings serve as keys. */
const codes: number[] = Array.from({ length: 2 * DIGEST_LENGTH }, () => 0);
