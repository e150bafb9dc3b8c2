// What a coding job needs of the machine: linear combination and hashing. Two engines give equal results: WebAssembly
// SIMD on a shared memory, and plain TypeScript on any array.

import { assert } from '../../base/assert.ts';
import { CODE_PIECES_MAX } from '../../base/limits.ts';
import type { HashedPiece } from '../../base/ports.ts';
import { hashPiece } from '../../replication/piece-tree.ts';
import { type Combine, combineBytes } from '../../replication/combine-bytes.ts';
import { encode } from '../../replication/reed-solomon.ts';
import { BLAKE3_SCRATCH_LENGTH, createBlake3Kernel } from '../kernel/blake3-kernel.ts';
import { createFftKernel, FFT_SCRATCH_LENGTH } from '../kernel/fft-kernel.ts';
import { createGfKernel, GF_SCRATCH_LENGTH } from '../kernel/gf-kernel.ts';
import type { SimdLevel } from '../kernel/gf-module.ts';

export interface Engine {
  /** Computes the parity pieces from the k data pieces. */
  encode(k: number, pieces: readonly Uint8Array[]): void;
  readonly combine: Combine;
  /** Where check values may be computed; in the memory that `combine` needs. */
  readonly scratch: Uint8Array;
  hash(piece: Uint8Array): HashedPiece;
}

/** Strips of 4 KiB for every piece of the widest code; fewer pieces get longer strips. */
const CHECK_SCRATCH_LENGTH: number = (CODE_PIECES_MAX + 1) * 4096;

const GF_AT = 0;
const BLAKE3_AT: number = roundUp(GF_SCRATCH_LENGTH);
const FFT_AT: number = BLAKE3_AT + roundUp(BLAKE3_SCRATCH_LENGTH);
const CHECK_AT: number = FFT_AT + roundUp(FFT_SCRATCH_LENGTH);

/** Bytes of the shared memory that one engine needs for itself. */
export const ENGINE_SCRATCH_LENGTH: number = CHECK_AT + CHECK_SCRATCH_LENGTH;

/** The engine of one thread on `memory`, with ENGINE_SCRATCH_LENGTH bytes of its own at `at`. */
export function createSimdEngine(
  memory: WebAssembly.Memory,
  at: number,
  level: Exclude<SimdLevel, 'none'>,
): Engine {
  const blake3 = createBlake3Kernel(memory, at + BLAKE3_AT);
  const fft = createFftKernel(memory, at + FFT_AT, level);
  const combine = createGfKernel(memory, at + GF_AT, level);
  return {
    encode(k, pieces) {
      if (fft.isFaster(k, pieces.length)) fft.encode(k, pieces);
      else encode(k, pieces, combine);
    },
    combine,
    scratch: new Uint8Array(memory.buffer, at + CHECK_AT, CHECK_SCRATCH_LENGTH),
    hash(piece) {
      assert(piece.buffer === memory.buffer, 'the piece lies in the memory of the engine');
      return blake3.hash(piece.byteOffset, piece.length);
    },
  };
}

/** The engine for machines without SIMD, and the reference for the other one. */
export function createTwinEngine(): Engine {
  return {
    encode: (k, pieces) => encode(k, pieces),
    combine: combineBytes,
    scratch: new Uint8Array(CHECK_SCRATCH_LENGTH),
    hash: (piece) => hashPiece(piece),
  };
}

function roundUp(length: number): number {
  return Math.ceil(length / 64) * 64;
}
