// A byte stream of any length that costs next to nothing to make and to check: a random block whose every repetition
// carries its number. Incompressible, and no two blocks are equal, so nothing can be deduplicated.

import { randomFillSync } from 'node:crypto';

const BLOCK_LENGTH = 1024 * 1024;
const STAMP_STEP = 4096;

export interface Pattern {
  read(lengthBytes: number): AsyncGenerator<Uint8Array>;
  /** Throws at the first byte that differs. */
  check(received: AsyncIterable<Uint8Array>, lengthBytes: number): Promise<void>;
}

export function createPattern(seedBlock: Uint8Array = randomBlock()): Pattern {
  // One block, stamped anew each time: whoever takes it has done with it before it asks for the next.
  const block = Buffer.from(seedBlock);
  const blockAt = (index: number): Buffer => {
    for (let at = 0; at < BLOCK_LENGTH; at += STAMP_STEP) block.writeUInt32LE(index ^ at, at);
    return block;
  };
  return {
    async *read(lengthBytes) {
      for (let at = 0; at < lengthBytes; at += BLOCK_LENGTH) {
        yield blockAt(at / BLOCK_LENGTH).subarray(0, Math.min(BLOCK_LENGTH, lengthBytes - at));
      }
    },
    async check(received, lengthBytes) {
      let at = 0;
      for await (const chunk of received) {
        for (let from = 0; from < chunk.length; ) {
          const inside = at % BLOCK_LENGTH;
          if (inside === 0) blockAt(at / BLOCK_LENGTH);
          const length = Math.min(chunk.length - from, BLOCK_LENGTH - inside);
          if (
            Buffer.compare(chunk.subarray(from, from + length), block.subarray(inside, inside + length)) !== 0
          ) {
            throw new Error(`wrong bytes near offset ${at}`);
          }
          from += length;
          at += length;
        }
      }
      if (at !== lengthBytes) throw new Error(`${at} bytes came back of ${lengthBytes}`);
    },
  };
}

function randomBlock(): Uint8Array {
  return randomFillSync(new Uint8Array(BLOCK_LENGTH));
}
