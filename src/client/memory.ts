// The bound on bytes that segments in flight hold. First come, first served; a request larger than the whole bound
// is let through alone, so that one segment is always possible.
//
// Whoever waits for a reader must not keep others from memory: the reader may be waiting for them. Such memory is lent, and
// taken back as soon as somebody else has to wait.

import type { SegmentShape, Slot } from '../base/ports.ts';
import type { Context } from './context.ts';
import { abortReason } from './tasks.ts';

export interface MemoryGate {
  /** Waits until `length` bytes are free; the result gives them back, once. Throws ABORTED. */
  take(length: number, signal: AbortSignal): Promise<() => void>;
  /**
   * Memory that was taken may be called back: `moveOut` is called at most once, when others wait or LENT_MAX were lent
   * later, and gives it back at once. The result ends the loan.
   */
  lend(moveOut: () => void): () => void;
}

/** Segments lent at a time: one that is being read and the next of the same reader. */
const LENT_MAX = 2;

export function createMemoryGate(limitBytes: number): MemoryGate {
  let used = 0;
  const waiting: { readonly length: number; readonly start: () => void }[] = [];
  /** Oldest first. */
  const lent = new Set<() => void>();
  const fits = (length: number): boolean => used === 0 || used + length <= limitBytes;
  const give = (length: number): (() => void) => {
    used += length;
    let isGiven = true;
    return () => {
      if (!isGiven) return;
      isGiven = false;
      used -= length;
      serve();
    };
  };
  const serve = (): void => {
    while (waiting.length > 0 && fits(waiting[0]!.length)) waiting.shift()!.start();
  };
  /** What was lent last is read last. */
  const callBack = (): void => {
    for (const moveOut of [...lent].reverse()) {
      if (waiting.length === 0) return;
      lent.delete(moveOut);
      moveOut();
    }
  };
  return {
    lend: (moveOut) => {
      lent.add(moveOut);
      callBack();
      for (const oldest of lent) {
        if (lent.size <= LENT_MAX) break;
        lent.delete(oldest);
        oldest();
      }
      return () => lent.delete(moveOut);
    },
    take: (length, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(abortReason(signal));
          return;
        }
        if (waiting.length === 0 && fits(length)) {
          resolve(give(length));
          return;
        }
        const onAbort = (): void => {
          waiting.splice(waiting.indexOf(entry), 1);
          reject(abortReason(signal));
          serve();
        };
        const entry = {
          length,
          start: () => {
            signal.removeEventListener('abort', onAbort);
            resolve(give(length));
          },
        };
        waiting.push(entry);
        signal.addEventListener('abort', onAbort, { once: true });
        callBack();
      }),
  };
}

/** A slot whose bytes are counted: `columns` of its pieces will be touched, coding is done in place. Release it once. */
export async function holdSlot(
  context: Context,
  shape: SegmentShape,
  columns: number,
  signal: AbortSignal,
): Promise<Slot> {
  const giveBack = await context.memory.take(columns * shape.pieceLength, signal);
  let slot: Slot;
  try {
    slot = await context.coder.acquire(shape, signal);
  } catch (error) {
    giveBack();
    throw error;
  }
  return {
    ...slot,
    release: () => {
      slot.release();
      giveBack();
    },
  };
}

/** Copies plaintext bytes from `offset` on, which lie in the slot's cells, until `into` is full. */
export function copyCells(slot: Slot, offset: number, into: Uint8Array): void {
  let at = 0;
  for (const part of slot.cells(offset, into.length)) {
    into.set(part, at);
    at += part.length;
  }
}
