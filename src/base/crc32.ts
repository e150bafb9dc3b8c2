// CRC32 (polynomial 0xEDB88320, as zlib has it) for the pure folders; the runtime uses the native one, with equal results. It
// finds rot and torn writes; it proves nothing against whoever chooses the bytes.
//
// Eight bytes a step: `TABLES[k][b]` is what byte b contributes when k more bytes follow it within the step.

const STEP = 8;
const POLYNOMIAL = 0xedb88320;
const TABLES: Int32Array = makeTables();

function makeTables(): Int32Array {
  const tables = new Int32Array(STEP * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
    tables[byte] = value;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256]!;
    tables[at] = (before >>> 8) ^ tables[before & 0xff]!;
  }
  return tables;
}

/** CRC32 of bytes [from, to), as an unsigned number; `seed` is the CRC32 of what lies in front of them, or any salt. */
export function crc32(bytes: Uint8Array, seed = 0, from = 0, to: number = bytes.length): number {
  let state = ~seed;
  let at = from;
  for (const last = to - STEP; at <= last; at += STEP) {
    state ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    state =
      TABLES[0x700 + (state & 0xff)]! ^
      TABLES[0x600 + ((state >>> 8) & 0xff)]! ^
      TABLES[0x500 + ((state >>> 16) & 0xff)]! ^
      TABLES[0x400 + (state >>> 24)]! ^
      TABLES[0x300 + bytes[at + 4]!]! ^
      TABLES[0x200 + bytes[at + 5]!]! ^
      TABLES[0x100 + bytes[at + 6]!]! ^
      TABLES[bytes[at + 7]!]!;
  }
  for (; at < to; at++) state = TABLES[(state ^ bytes[at]!) & 0xff]! ^ (state >>> 8);
  return ~state >>> 0;
}
