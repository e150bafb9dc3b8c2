// Geometry of a coded segment: where each byte of plaintext lies in cells, stripes and pieces. Pure arithmetic; the
// terms are those of SegmentShape. Plaintext fills the cells in order (cell 0, 1, ..), each with its payload: the cell
// less the tag when encrypted. What is left of the last stripe is zero before encryption.

import { assert } from '../base/assert.ts';
import { CELL_ALIGNMENT, CELL_LENGTH, TAG_LENGTH } from '../base/limits.ts';
import type { SegmentShape } from '../base/ports.ts';

export interface SegmentInput {
  readonly k: number;
  readonly n: number;
  /** Bytes of the segment's plaintext; 0 is legal. */
  readonly plaintextLength: number;
  readonly isEncrypted: boolean;
}

/**
 * Shape of a whole segment: full stripes as long as plaintext fills k whole cells, then one tail stripe for the rest,
 * its cells as short as CELL_ALIGNMENT allows. An empty segment is one tail stripe of zeros, so that every piece has
 * bytes to store, to audit and (encrypted) to check a key with.
 */
export function segmentShape(input: SegmentInput): SegmentShape {
  const { k, n, plaintextLength, isEncrypted } = input;
  assert(Number.isSafeInteger(plaintextLength) && plaintextLength >= 0, 'a length is a whole number >= 0');
  const stripePayload = k * payloadLength(CELL_LENGTH, isEncrypted);
  const fullStripes = Math.floor(plaintextLength / stripePayload);
  const rest = plaintextLength - fullStripes * stripePayload;
  const hasTail = rest > 0 || plaintextLength === 0;
  const tailCellLength = hasTail ? tailLength(Math.ceil(rest / k), isEncrypted) : 0;
  const pieceLength = fullStripes * CELL_LENGTH + tailCellLength;
  return { k, n, firstStripe: 0, fullStripes, tailCellLength, pieceLength, plaintextLength, isEncrypted };
}

/** Stripes of a shape, the tail stripe included. */
export function stripeCount(shape: SegmentShape): number {
  return shape.fullStripes + (shape.tailCellLength > 0 ? 1 : 0);
}

/**
 * The shape of stripes `firstStripe` to `lastStripe`, both included and counted from the start of the segment. It codes
 * and decrypts on its own: bytes [pieceOffset, pieceOffset + pieceLength) of each piece are its pieces.
 */
export function runShape(shape: SegmentShape, firstStripe: number, lastStripe: number): SegmentShape {
  const first = firstStripe - shape.firstStripe;
  const last = lastStripe - shape.firstStripe;
  assert(first >= 0 && first <= last && last < stripeCount(shape), 'the run lies within the segment');
  const hasTail = last === shape.fullStripes;
  const fullStripes = last - first + (hasTail ? 0 : 1);
  const tailCellLength = hasTail ? shape.tailCellLength : 0;
  const start = first * shape.k * payloadLength(CELL_LENGTH, shape.isEncrypted);
  const capacity =
    fullStripes * shape.k * payloadLength(CELL_LENGTH, shape.isEncrypted) +
    (hasTail ? shape.k * payloadLength(tailCellLength, shape.isEncrypted) : 0);
  return {
    ...shape,
    firstStripe,
    fullStripes,
    tailCellLength,
    pieceLength: fullStripes * CELL_LENGTH + tailCellLength,
    plaintextLength: Math.min(capacity, shape.plaintextLength - start),
  };
}

/** One cell of a shape. */
export interface Cell {
  /** Position in the segment, row by row; the nonce follows from it. */
  readonly index: number;
  /** Data column, so also the data piece that holds it. */
  readonly column: number;
  /** Where the cell begins in its piece, and its bytes there, tag included. */
  readonly pieceOffset: number;
  readonly cellLength: number;
  /** Where its plaintext begins in the shape's plaintext, and how much of it there is; zeros fill the payload up. */
  readonly plaintextOffset: number;
  readonly plaintextLength: number;
}

/** Cell `column` of stripe `stripe`, counted from the shape's first stripe. */
export function cellAt(shape: SegmentShape, stripe: number, column: number): Cell {
  const { k, isEncrypted, fullStripes } = shape;
  assert(
    stripe >= 0 && stripe < stripeCount(shape) && column >= 0 && column < k,
    'the cell lies in the shape',
  );
  const cellLength = stripe < fullStripes ? CELL_LENGTH : shape.tailCellLength;
  const payload = payloadLength(cellLength, isEncrypted);
  const plaintextOffset = stripe * k * payloadLength(CELL_LENGTH, isEncrypted) + column * payload;
  return {
    index: (shape.firstStripe + stripe) * k + column,
    column,
    pieceOffset: stripe * CELL_LENGTH,
    cellLength,
    plaintextOffset: Math.min(plaintextOffset, shape.plaintextLength),
    plaintextLength: Math.max(0, Math.min(payload, shape.plaintextLength - plaintextOffset)),
  };
}

/** What a range of plaintext needs of the pieces. */
export interface CellRange {
  /** The stripes that hold the range: acquire a slot of this shape, fill k pieces of it and decode. */
  readonly run: SegmentShape;
  /** Where the run begins in every piece of the segment; its length there is `run.pieceLength`. */
  readonly pieceOffset: number;
  /** Bytes of the run's plaintext before the range. */
  readonly skip: number;
  /** Data columns whose cells hold bytes of the range, ascending. */
  readonly columns: readonly number[];
}

/** Where plaintext bytes [offset, offset + length) of the shape lie; the range must lie within it and not be empty. */
export function cellRange(shape: SegmentShape, offset: number, length: number): CellRange {
  const end = offset + length;
  assert(offset >= 0 && length > 0 && end <= shape.plaintextLength, 'the range lies within the plaintext');
  const first = cellOf(shape, offset);
  const last = cellOf(shape, end - 1);
  const run = runShape(shape, shape.firstStripe + first.stripe, shape.firstStripe + last.stripe);
  return {
    run,
    pieceOffset: first.stripe * CELL_LENGTH,
    skip: offset - cellAt(shape, first.stripe, 0).plaintextOffset,
    columns: columnsBetween(shape.k, first, last),
  };
}

/** Bytes of plaintext that a cell of this length holds. */
function payloadLength(cellLength: number, isEncrypted: boolean): number {
  return cellLength - (isEncrypted ? TAG_LENGTH : 0);
}

interface CellPosition {
  readonly stripe: number;
  readonly column: number;
}

/** Stripe (from the shape's first) and column of the cell that holds plaintext byte `offset`. */
function cellOf(shape: SegmentShape, offset: number): CellPosition {
  const payload = payloadLength(CELL_LENGTH, shape.isEncrypted);
  const stripe = Math.min(shape.fullStripes, Math.floor(offset / (shape.k * payload)));
  const within = offset - stripe * shape.k * payload;
  const isTail = stripe === shape.fullStripes;
  const cellPayload = isTail ? payloadLength(shape.tailCellLength, shape.isEncrypted) : payload;
  return { stripe, column: Math.floor(within / cellPayload) };
}

/** In cell order a range runs on from the last column to the first of the next stripe. */
function columnsBetween(k: number, first: CellPosition, last: CellPosition): number[] {
  const cells = (last.stripe - first.stripe) * k + last.column - first.column + 1;
  const columns = Array.from({ length: Math.min(k, cells) }, (_, step) => (first.column + step) % k);
  return columns.sort((a, b) => a - b);
}

/** Tail cells hold at least one CELL_ALIGNMENT and never more than a full cell, which is a multiple of it. */
function tailLength(payload: number, isEncrypted: boolean): number {
  const needed = Math.max(1, payload + (isEncrypted ? TAG_LENGTH : 0));
  return Math.ceil(needed / CELL_ALIGNMENT) * CELL_ALIGNMENT;
}
