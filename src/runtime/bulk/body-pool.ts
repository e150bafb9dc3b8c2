// Memory for request bodies that is used again. A fresh buffer per body costs page faults and, because V8 counts
// foreign memory, a full garbage collection for every few dozen of them: half of what a storage node pays for
// receiving pieces. Only services that say so (`isBodyBorrowed`) get such a body, because whoever kept it would see it change.
//
// Pieces of full segments all have the same length, so a list per length (rounded up) finds a fit nearly always.
// At most BODY_POOL_MAX bytes are kept; the longest unused lengths are dropped first.

import { BODY_POOL_MAX } from '../../base/limits.ts';

export interface BodyPool {
  /** `length` bytes of any content. */
  take(length: number): Uint8Array;
  /** Gives back what `take` gave; nobody may look at it any more. */
  give(body: Uint8Array): void;
  /** Bytes kept for later. */
  readonly keptBytes: number;
}

/** Shorter bodies are cheaper to allocate than to keep. */
const POOLED_LENGTH_MIN = 64 * 1024;
const ROUNDING = 64 * 1024;

export function createBodyPool(maxBytes: number = BODY_POOL_MAX): BodyPool {
  /** Free buffers by length; the length used last is the last entry. */
  const free = new Map<number, ArrayBufferLike[]>();
  let keptBytes = 0;

  function touch(length: number): ArrayBufferLike[] {
    const list = free.get(length) ?? [];
    free.delete(length);
    free.set(length, list);
    return list;
  }

  function dropOldest(): void {
    for (const [length, list] of free) {
      if (list.pop() !== undefined) {
        keptBytes -= length;
        return;
      }
      free.delete(length);
    }
  }

  return {
    take(length) {
      // Not zeroed: every byte is overwritten before anybody sees it.
      if (length < POOLED_LENGTH_MIN) return Buffer.allocUnsafeSlow(length);
      const rounded = Math.ceil(length / ROUNDING) * ROUNDING;
      const buffer = touch(rounded).pop();
      if (buffer !== undefined) keptBytes -= rounded;
      return new Uint8Array(buffer ?? Buffer.allocUnsafeSlow(rounded).buffer, 0, length);
    },
    give(body) {
      const length = body.buffer.byteLength;
      if (length < POOLED_LENGTH_MIN || length > maxBytes) return;
      touch(length).push(body.buffer);
      keptBytes += length;
      while (keptBytes > maxBytes) dropOldest();
    },
    get keptBytes() {
      return keptBytes;
    },
  };
}
