// The Coder port made real. `createCoder` runs whole-segment jobs in worker threads on one shared WebAssembly memory: the
// caller's views of pieces are the very bytes that the workers code and hash, so nothing is copied on the
// way. `createTwinCoder` does the same in line and in plain TypeScript, for tests, the simulator and machines without SIMD.
//
// Slots own disjoint regions, a job has its region to itself, and a region is free for others only when the slot was
// released and its last job has ended. Small jobs run in line: asking a worker would take longer.

import { availableParallelism } from 'node:os';
import { assert } from '../../base/assert.ts';
import { StoreError } from '../../base/errors.ts';
import type { Digest } from '../../base/ids.ts';
import {
  CODER_MEMORY_DEFAULT,
  CODER_MEMORY_MAX,
  CODER_WORKERS_DEFAULT,
  CODER_WORKERS_MAX,
  INLINE_JOB_LENGTH,
  PIECE_LENGTH_MAX,
} from '../../base/limits.ts';
import type { Coder, HashedPiece, SegmentShape, Slot } from '../../base/ports.ts';
import { CELL_KEY_LENGTH } from '../../replication/cell-cipher.ts';
import { type Blake3Hasher, createBlake3Hasher } from '../kernel/blake3-kernel.ts';
import { simdLevel } from '../kernel/gf-kernel.ts';
import { createHeapArena, createRegionQueue, createSharedArena, type RegionQueue } from './arena.ts';
import { createSimdEngine, createTwinEngine, ENGINE_SCRATCH_LENGTH, type Engine } from './engine.ts';
import {
  type Job,
  jobLength,
  type JobResult,
  pieceOffset,
  plaintextCells,
  runJob,
  slotLayout,
} from './job.ts';
import { createWorkerPool, type WorkerPool } from './pool.ts';
import type { WorkerSetup } from './worker.ts';

export interface CoderOptions {
  /** Worker threads; by default CODER_WORKERS_DEFAULT, never more than the machine has cores. */
  readonly workers?: number;
  /** Bytes of working memory for slots; CODER_MEMORY_DEFAULT by default. Pages are used when first touched. */
  readonly maxMemory?: number;
  /** Jobs on more bytes than this go to a worker; INLINE_JOB_LENGTH by default. */
  readonly inlineJobLength?: number;
}

/** The fast coder, or the twin where WebAssembly has no SIMD. Throws INVALID_ARGUMENT for options out of bounds. */
export function createCoder(options: CoderOptions = {}): Coder {
  const { workers, maxMemory, inlineJobLength } = checkOptions(options);
  const level = simdLevel();
  if (level === 'none') return createTwinCoder({ maxMemory });
  const scratchLength = (workers + 1) * ENGINE_SCRATCH_LENGTH;
  // A page more, because regions start at a whole page.
  const memory = sharedMemory(scratchLength + maxMemory + PAGE_LENGTH);
  const script = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
  const setup = (seat: number): WorkerSetup => ({ memory, scratchAt: seat * ENGINE_SCRATCH_LENGTH, level });
  return coderOn({
    regions: createRegionQueue(createSharedArena(memory, scratchLength, maxMemory)),
    pool: createWorkerPool({ size: workers, script, setup }),
    engine: lazy(() => createSimdEngine(memory, workers * ENGINE_SCRATCH_LENGTH, level)),
    hasher: lazy(createBlake3Hasher),
    inlineJobLength,
  });
}

/** The same port in line, in plain TypeScript. */
export function createTwinCoder(options: Pick<CoderOptions, 'maxMemory'> = {}): Coder {
  const { maxMemory } = checkOptions(options);
  return coderOn({
    regions: createRegionQueue(createHeapArena(maxMemory)),
    engine: lazy(createTwinEngine),
    inlineJobLength: Number.POSITIVE_INFINITY,
  });
}

interface Backend {
  readonly regions: RegionQueue;
  /** Absent: all jobs run in line. */
  readonly pool?: WorkerPool;
  /** For jobs in line. */
  readonly engine: () => Engine;
  /** For bytes that lie anywhere; the engine can when absent. */
  readonly hasher?: () => Blake3Hasher;
  readonly inlineJobLength: number;
}

function coderOn(backend: Backend): Coder {
  const { regions, pool, engine, hasher, inlineJobLength } = backend;
  let isClosed = false;

  const run = async (region: Uint8Array, job: Job): Promise<JobResult> => {
    if (!pool || jobLength(job) <= inlineJobLength) {
      if (isClosed) throw new StoreError('CLOSED', 'the coder is closed');
      return runJob(engine(), region, job);
    }
    return pool.run({ offset: region.byteOffset, length: region.length, job });
  };

  const hashInWorker = async (region: Uint8Array, piece: Uint8Array): Promise<HashedPiece> => {
    try {
      region.set(piece);
      const { roots, outboard } = await run(region, { kind: 'hash', offset: 0, length: piece.length });
      return { root: roots[0]!, outboard: outboard! };
    } finally {
      regions.give(region);
    }
  };

  return {
    async acquire(shape, signal) {
      return createSlot(shape, await regions.take(slotLayout(shape).length, signal), regions, run);
    },
    async hashPiece(piece) {
      if (isClosed) throw new StoreError('CLOSED', 'the coder is closed');
      if (piece.length > PIECE_LENGTH_MAX) {
        throw new StoreError('INVALID_ARGUMENT', `a piece has at most ${PIECE_LENGTH_MAX} bytes`);
      }
      if (!hasher) return engine().hash(piece);
      const region = piece.length > inlineJobLength ? regions.tryTake(piece.length) : undefined;
      return region ? hashInWorker(region, piece) : hasher().hashBytes(piece);
    },
    async close() {
      isClosed = true;
      regions.close();
      await pool?.close();
    },
  };
}

function createSlot(
  shape: SegmentShape,
  region: Uint8Array,
  regions: RegionQueue,
  run: (region: Uint8Array, job: Job) => Promise<JobResult>,
): Slot {
  let isReleased = false;
  let running = 0;

  const freeWhenDone = (): void => {
    if (isReleased && running === 0) regions.give(region);
  };

  const work = async (job: Job): Promise<JobResult> => {
    if (isReleased) throw new StoreError('CLOSED', 'the slot was released');
    running++;
    try {
      return await run(region, job);
    } finally {
      running--;
      freeWhenDone();
    }
  };

  return {
    shape,
    piece(index) {
      const start = pieceOffset(shape, index);
      return region.subarray(start, start + shape.pieceLength);
    },
    cells: (offset, length) => plaintextCells(shape, region, offset, length),
    async encodeInPlace(key) {
      checkKey(shape, key);
      return (await work({ kind: 'encode', shape, key })).roots;
    },
    async hash(index) {
      const offset = pieceOffset(shape, index);
      return (await work({ kind: 'hash', offset, length: shape.pieceLength })).roots[0]! as Digest;
    },
    async decodeInPlace(present, key) {
      checkKey(shape, key);
      checkPresent(shape, present);
      await work({ kind: 'decode', shape, present, key });
    },
    async rebuild(present, target) {
      checkPresent(shape, present);
      pieceOffset(shape, target);
      assert(!present.includes(target), 'the rebuilt column is not one of its sources');
      return (await work({ kind: 'rebuild', shape, present, target })).roots[0]! as Digest;
    },
    async verify() {
      return (await work({ kind: 'verify', shape })).isCodeWord!;
    },
    release() {
      if (isReleased) return;
      isReleased = true;
      freeWhenDone();
    },
  };
}

function checkKey(shape: SegmentShape, key: Uint8Array | undefined): void {
  assert((key !== undefined) === shape.isEncrypted, 'encrypted segments, and only they, have a key');
  assert(key === undefined || key.length === CELL_KEY_LENGTH, 'a segment key has 32 bytes');
}

function checkPresent({ k, n }: SegmentShape, present: readonly number[]): void {
  assert(present.length === k, 'exactly k columns are present');
  const isAscending = present.every(
    (column, i) => Number.isInteger(column) && column > (present[i - 1] ?? -1),
  );
  assert(isAscending && present[k - 1]! < n, 'present columns ascend within 0..n-1');
}

function checkOptions(options: CoderOptions): Required<CoderOptions> {
  const workers = options.workers ?? CODER_WORKERS_DEFAULT;
  const maxMemory = options.maxMemory ?? CODER_MEMORY_DEFAULT;
  if (!Number.isInteger(workers) || workers < 1 || workers > CODER_WORKERS_MAX) {
    throw new StoreError('INVALID_ARGUMENT', `a coder has 1 to ${CODER_WORKERS_MAX} workers, not ${workers}`);
  }
  const most = CODER_MEMORY_MAX - (CODER_WORKERS_MAX + 1) * ENGINE_SCRATCH_LENGTH - PAGE_LENGTH;
  if (!Number.isInteger(maxMemory) || maxMemory < PAGE_LENGTH || maxMemory > most) {
    throw new StoreError(
      'INVALID_ARGUMENT',
      `a coder has 64 KiB to ${most} bytes of memory, not ${maxMemory}`,
    );
  }
  return {
    workers: Math.min(workers, availableParallelism()),
    maxMemory,
    inlineJobLength: options.inlineJobLength ?? INLINE_JOB_LENGTH,
  };
}

/** Pages are counted by the operating system when they are touched, so the whole budget is reserved at once. */
function sharedMemory(length: number): WebAssembly.Memory {
  const pages = Math.ceil(length / PAGE_LENGTH);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    throw new StoreError(
      'BUSY',
      `the system does not grant ${Math.ceil(length / 1_048_576)} MiB for coding`,
      {
        next: 'set a smaller memory for coding, or raise the limit of the process',
        cause,
      },
    );
  }
}

/** Page of WebAssembly. */
const PAGE_LENGTH = 65_536;

function lazy<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
