// Working memory of a coder, handed out in regions. The bound is hard: who asks for more than is free waits in line, first
// come first served, so that a large segment is not starved by small ones.

import { assert } from '../../base/assert.ts';
import { StoreError } from '../../base/errors.ts';

export interface Arena {
  /** The largest region there can be. */
  readonly capacity: number;
  /** `length` bytes, not cleared, or undefined when there is no room now. */
  allocate(length: number): Uint8Array | undefined;
  free(region: Uint8Array): void;
}

/** Regions start at pages of the operating system, so that no two share one. */
const GRAIN = 4096;

/** At most `length` bytes of `memory` from `start` on: first fit, free neighbours joined. */
export function createSharedArena(memory: WebAssembly.Memory, start: number, length: number): Arena {
  const { buffer } = memory;
  const begin = roundUp(start);
  const capacity = Math.floor(Math.min(length, buffer.byteLength - begin) / GRAIN) * GRAIN;
  assert(capacity > 0, 'the memory has room beyond the scratch areas');
  /** Free ranges, ascending, never adjacent. */
  let holes = [{ from: begin, to: begin + capacity }];
  return {
    capacity,
    allocate(length) {
      const needed = roundUp(length);
      const hole = holes.find(({ from, to }) => to - from >= needed);
      if (!hole) return undefined;
      const region = new Uint8Array(buffer, hole.from, length);
      hole.from += needed;
      holes = holes.filter(({ from, to }) => from < to);
      return region;
    },
    free(region) {
      const from = region.byteOffset;
      const all = [...holes, { from, to: from + roundUp(region.length) }].sort((a, b) => a.from - b.from);
      holes = [];
      for (const hole of all) {
        const last = holes.at(-1);
        if (last && last.to === hole.from) last.to = hole.to;
        else holes.push(hole);
      }
    },
  };
}

/** Regions from the heap, only counted. */
export function createHeapArena(capacity: number): Arena {
  let used = 0;
  return {
    capacity,
    allocate(length) {
      if (used + roundUp(length) > capacity) return undefined;
      used += roundUp(length);
      return new Uint8Array(length);
    },
    free(region) {
      used -= roundUp(region.length);
    },
  };
}

export interface RegionQueue {
  /** Waits for room. Throws INVALID_ARGUMENT when there can never be enough, ABORTED, CLOSED. */
  take(length: number, signal?: AbortSignal): Promise<Uint8Array>;
  /** A region if there is room now and nobody waits. */
  tryTake(length: number): Uint8Array | undefined;
  give(region: Uint8Array): void;
  /** Refuses all who wait, and everybody after. */
  close(): void;
}

interface Waiter {
  readonly length: number;
  readonly resolve: (region: Uint8Array) => void;
  readonly reject: (error: StoreError) => void;
}

export function createRegionQueue(arena: Arena): RegionQueue {
  const waiting = new Set<Waiter>();
  let isClosed = false;

  const serve = (): void => {
    for (const waiter of waiting) {
      const region = arena.allocate(waiter.length);
      if (!region) return;
      waiting.delete(waiter);
      waiter.resolve(region);
    }
  };

  const wait = (length: number, signal: AbortSignal | undefined): Promise<Uint8Array> => {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const onAbort = (): void => {
      waiting.delete(waiter);
      reject(aborted(signal));
      // The one who left may have been the one for whom there was no room.
      serve();
    };
    const settle = <T>(then: (value: T) => void): ((value: T) => void) => {
      return (value) => {
        signal?.removeEventListener('abort', onAbort);
        then(value);
      };
    };
    const waiter: Waiter = { length, resolve: settle(resolve), reject: settle(reject) };
    signal?.addEventListener('abort', onAbort, { once: true });
    waiting.add(waiter);
    return promise;
  };

  const tryTake = (length: number): Uint8Array | undefined =>
    isClosed || waiting.size > 0 ? undefined : arena.allocate(length);

  return {
    tryTake,
    async take(length, signal) {
      if (isClosed) throw closedCoder();
      if (signal?.aborted) throw aborted(signal);
      if (roundUp(length) > arena.capacity) throw tooLarge(length, arena.capacity);
      return tryTake(length) ?? (await wait(length, signal));
    },
    give(region) {
      arena.free(region);
      if (!isClosed) serve();
    },
    close() {
      isClosed = true;
      for (const waiter of waiting) waiter.reject(closedCoder());
      waiting.clear();
    },
  };
}

export function closedCoder(): StoreError {
  return new StoreError('CLOSED', 'the coder is closed');
}

function aborted(signal: AbortSignal | undefined): StoreError {
  return new StoreError('ABORTED', 'waiting for coding memory: aborted', { cause: signal?.reason });
}

function tooLarge(length: number, capacity: number): StoreError {
  const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 1_048_576)} MiB`;
  return new StoreError(
    'INVALID_ARGUMENT',
    `a segment of this shape needs ${mebibytes(length)} of coding memory, of ${mebibytes(capacity)}`,
    { next: 'choose smaller segments, fewer pieces, or more memory for coding' },
  );
}

function roundUp(length: number): number {
  return Math.max(1, Math.ceil(length / GRAIN)) * GRAIN;
}
