// One unit of coding work: where a slot's bytes lie, and what is done to them. A job runs to its end on one thread, with
// either engine; it never waits. Workers get jobs as messages, so jobs and results are plain data.

import { assert } from '../../base/assert.ts';
import type { Digest } from '../../base/ids.ts';
import { CELL_LENGTH, TAG_LENGTH } from '../../base/limits.ts';
import type { SegmentShape } from '../../base/ports.ts';
import { decode, rebuild, verify } from '../../replication/reed-solomon.ts';
import { type Cell, cellAt, stripeCount } from '../../replication/segment.ts';
import { importCellKey, openCell, sealCell } from './cells.ts';
import type { Engine } from './engine.ts';

export type Job =
  | {
      readonly kind: 'encode';
      readonly shape: SegmentShape;
      readonly key: Uint8Array | undefined;
    }
  | {
      readonly kind: 'decode';
      readonly shape: SegmentShape;
      readonly present: readonly number[];
      readonly key: Uint8Array | undefined;
    }
  | {
      readonly kind: 'rebuild';
      readonly shape: SegmentShape;
      readonly present: readonly number[];
      readonly target: number;
    }
  | { readonly kind: 'verify'; readonly shape: SegmentShape }
  /** Hashes bytes [offset, offset + length) of the region. */
  | { readonly kind: 'hash'; readonly offset: number; readonly length: number };

export interface JobResult {
  /** Of all n pieces after `encode`, of the one piece after `rebuild` and `hash`. */
  readonly roots: readonly Digest[];
  /** After `hash`. */
  readonly outboard?: Uint8Array;
  /** After `verify`. */
  readonly isCodeWord?: boolean;
}

/** Offsets within a slot's region. */
export interface SlotLayout {
  /** Piece i is at i * stride. */
  readonly stride: number;
  readonly length: number;
}

/** How the bytes of a slot are laid out: plaintext lies in the data pieces. */
export function slotLayout(shape: SegmentShape): SlotLayout {
  const { k, n, fullStripes, tailCellLength, pieceLength } = shape;
  assert(k >= 1 && k <= n, 'a shape has a code');
  assert(pieceLength === fullStripes * CELL_LENGTH + tailCellLength, 'a piece is its cells');
  const stride = spaced(pieceLength);
  return { stride, length: n * stride };
}

/** Offset of piece `index` in the slot's region. */
export function pieceOffset(shape: SegmentShape, index: number): number {
  assert(Number.isInteger(index) && index >= 0 && index < shape.n, 'a piece index is 0..n-1');
  return index * slotLayout(shape).stride;
}

/** Where plaintext bytes [offset, offset + length) lie: at the start of their cells. */
export function plaintextCells(
  shape: SegmentShape,
  region: Uint8Array,
  offset: number,
  length: number,
): Uint8Array[] {
  const end = offset + length;
  assert(offset >= 0 && length >= 0 && end <= shape.plaintextLength, 'the bytes lie within the plaintext');
  const { k, isEncrypted, fullStripes } = shape;
  const stripePayload = k * (CELL_LENGTH - (isEncrypted ? TAG_LENGTH : 0));
  const pieces = piecesOf(shape, region);
  const parts: Uint8Array[] = [];
  const first = Math.min(fullStripes, Math.floor(offset / stripePayload));
  for (let stripe = first; stripe * stripePayload < end && stripe < stripeCount(shape); stripe++) {
    for (const cell of cellsOfStripe(shape, stripe)) {
      const from = Math.max(0, offset - cell.plaintextOffset);
      const to = Math.min(cell.plaintextLength, end - cell.plaintextOffset);
      if (from < to) parts.push(stored(pieces, cell).subarray(from, to));
    }
  }
  return parts;
}

/** Does `job` on the slot's bytes. Throws WRONG_KEY. */
export function runJob(engine: Engine, region: Uint8Array, job: Job): JobResult {
  switch (job.kind) {
    case 'encode':
      return { roots: encodeSegment(engine, region, job) };
    case 'decode':
      decodeSegment(engine, region, job);
      return { roots: [] };
    case 'rebuild': {
      const pieces = piecesOf(job.shape, region);
      rebuild(job.shape.k, pieces, job.present, job.target, engine.combine);
      return { roots: [engine.hash(pieces[job.target]!).root] };
    }
    case 'verify': {
      const pieces = piecesOf(job.shape, region);
      return { roots: [], isCodeWord: verify(job.shape.k, pieces, engine.combine, engine.scratch) };
    }
    case 'hash': {
      const { root, outboard } = engine.hash(region.subarray(job.offset, job.offset + job.length));
      return { roots: [root], outboard };
    }
  }
}

/** Bytes that a job reads or writes: what it costs. */
export function jobLength(job: Job): number {
  switch (job.kind) {
    case 'encode':
    case 'verify':
      return job.shape.n * job.shape.pieceLength;
    case 'decode':
    case 'rebuild':
      return job.shape.k * job.shape.pieceLength;
    case 'hash':
      return job.length;
  }
}

/** Stripe by stripe, so that parity is computed from cells that are still in the cache. */
function encodeSegment(
  engine: Engine,
  region: Uint8Array,
  { shape, key: keyBytes }: Extract<Job, { readonly kind: 'encode' }>,
): Digest[] {
  const key = keyBytes && importCellKey(keyBytes);
  const pieces = piecesOf(shape, region);
  for (let stripe = 0; stripe < stripeCount(shape); stripe++) {
    const cells = cellsOfStripe(shape, stripe);
    for (const cell of cells) {
      const target = stored(pieces, cell);
      sealCell(key, cell.index, target.subarray(0, cell.plaintextLength), target);
    }
    const { pieceOffset: start, cellLength } = cells[0]!;
    const strips = pieces.map((piece) => piece.subarray(start, start + cellLength));
    engine.encode(shape.k, strips);
  }
  // Whole copies are equal, so one root is the root of all.
  if (shape.k === 1) return Array<Digest>(shape.n).fill(engine.hash(pieces[0]!).root);
  return pieces.map((piece) => engine.hash(piece).root);
}

function decodeSegment(
  engine: Engine,
  region: Uint8Array,
  { shape, present, key: keyBytes }: Extract<Job, { readonly kind: 'decode' }>,
): void {
  const key = keyBytes && importCellKey(keyBytes);
  const pieces = piecesOf(shape, region);
  decode(shape.k, pieces, present, engine.combine);
  if (key === undefined) return;
  for (let stripe = 0; stripe < stripeCount(shape); stripe++) {
    for (const cell of cellsOfStripe(shape, stripe)) {
      const source = stored(pieces, cell);
      openCell(key, cell.index, source, source.subarray(0, cell.plaintextLength));
    }
  }
}

function piecesOf(shape: SegmentShape, region: Uint8Array): Uint8Array[] {
  const { stride } = slotLayout(shape);
  return Array.from({ length: shape.n }, (_, index) =>
    region.subarray(index * stride, index * stride + shape.pieceLength),
  );
}

function cellsOfStripe(shape: SegmentShape, stripe: number): Cell[] {
  return Array.from({ length: shape.k }, (_, column) => cellAt(shape, stripe, column));
}

function stored(pieces: readonly Uint8Array[], cell: Cell): Uint8Array {
  return pieces[cell.column]!.subarray(cell.pieceOffset, cell.pieceOffset + cell.cellLength);
}

/**
 * Distance to the next array: an odd number of cache lines. Pieces a power of two apart would share the few lines of one
 * set of the first-level cache, which costs up to 40 % of the speed of coding.
 */
function spaced(length: number): number {
  const lines = Math.ceil(length / 64) + 3;
  return 64 * (lines + (lines % 2 === 0 ? 1 : 0));
}
