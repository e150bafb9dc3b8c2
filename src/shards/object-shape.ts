// The shape of an object: how long it is and how it is coded. Number and length of its segments and pieces follow from it, so nobody
// has to state them, and nobody can state them wrong.

import { z } from 'zod';
import { assert } from '../base/assert.ts';
import { uint } from '../base/codec.ts';
import {
  INLINE_LENGTH_MAX,
  MANIFEST_PAGES_MAX,
  OBJECT_LENGTH_MAX,
  PAGE_SEGMENTS_MAX,
  SEGMENT_CELLS_MAX,
  SEGMENT_CELLS_MIN,
  SEGMENTS_RECORD_PIECES,
} from '../base/limits.ts';
import type { Code } from '../replication/code.ts';
import { segmentCapacity } from '../replication/manifest.ts';
import { segmentShape } from '../replication/segment.ts';
import { codeSchema, codeTuple } from './bucket.ts';

export interface ObjectShape {
  readonly lengthBytes: number;
  readonly code: Code;
  /** Cells of a full segment. */
  readonly segmentCells: number;
  readonly isEncrypted: boolean;
  /** The bytes are in the manifest, and there are no segments. */
  readonly isInline: boolean;
}

// ---- Geometry ------------------------------------------------------------------------------------------------

export function segmentCount({ lengthBytes, segmentCells, isEncrypted, isInline }: ObjectShape): number {
  return isInline ? 0 : Math.ceil(lengthBytes / segmentCapacity(segmentCells, isEncrypted));
}

/** Bytes of each piece of segment `index`. */
export function pieceLengthOf(shape: ObjectShape, index: number): number {
  const { lengthBytes, code, segmentCells, isEncrypted } = shape;
  const capacity = segmentCapacity(segmentCells, isEncrypted);
  const plaintextLength = Math.min(capacity, lengthBytes - index * capacity);
  assert(plaintextLength > 0, 'the object has the segment');
  return segmentShape({ ...code, plaintextLength, isEncrypted }).pieceLength;
}

/** Segments of which one record of the state says who holds them. */
export function segmentsPerRecord({ n }: Code): number {
  return Math.max(1, Math.floor(SEGMENTS_RECORD_PIECES / n));
}

function shapeProblem(shape: ObjectShape): string | undefined {
  const isShort = shape.lengthBytes <= INLINE_LENGTH_MAX;
  if (shape.isInline && !isShort) return 'too long to be inline';
  if (!shape.isInline && shape.lengthBytes === 0) return 'nothing to make segments of';
  return segmentCount(shape) <= MANIFEST_PAGES_MAX * PAGE_SEGMENTS_MAX ? undefined : 'too many segments';
}

// ---- Form ----------------------------------------------------------------------------------------------------

export const shapeSchema: z.ZodType<ObjectShape> = z
  .tuple([
    uint(OBJECT_LENGTH_MAX),
    codeSchema,
    uint(SEGMENT_CELLS_MAX).refine((cells) => cells >= SEGMENT_CELLS_MIN, 'segments that are too short'),
    z.boolean(),
    z.boolean(),
  ])
  .transform(
    ([lengthBytes, code, segmentCells, isEncrypted, isInline]): ObjectShape => ({
      lengthBytes,
      code,
      segmentCells,
      isEncrypted,
      isInline,
    }),
  )
  .superRefine((shape, context) => {
    const problem = shapeProblem(shape);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

export const shapeTuple = (shape: ObjectShape): readonly unknown[] => [
  shape.lengthBytes,
  codeTuple(shape.code),
  shape.segmentCells,
  shape.isEncrypted,
  shape.isInline,
];

export function isSameShape(a: ObjectShape, b: ObjectShape): boolean {
  return (
    a.lengthBytes === b.lengthBytes &&
    a.code.k === b.code.k &&
    a.code.n === b.code.n &&
    a.segmentCells === b.segmentCells &&
    a.isEncrypted === b.isEncrypted &&
    a.isInline === b.isInline
  );
}
