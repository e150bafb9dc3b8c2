// The bound on bytes that segments in flight hold. First come, first served; a request larger than the whole bound
// is let through alone, so that one segment is always possible.

import type { SegmentShape, Slot } from '../base/ports.ts';
import type { Context } from './context.ts';
import { abortReason } from './tasks.ts';

export interface MemoryGate {
  /** Waits until `length` bytes are free; the result gives them back, once. Throws ABORTED. */
  take(length: number, signal: AbortSignal): Promise<() => void>;
}

export function createMemoryGate(limitBytes: number): MemoryGate {
  let used = 0;
  const waiting: { readonly length: number; readonly start: () => void }[] = [];
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
  return {
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
      }),
  };
}

/** A slot whose bytes are counted: `columns` of its pieces will be touched. Release it once. */
export async function holdSlot(
  context: Context,
  shape: SegmentShape,
  columns: number,
  signal: AbortSignal,
): Promise<Slot> {
  const giveBack = await context.memory.take(shape.plaintextLength + columns * shape.pieceLength, signal);
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
