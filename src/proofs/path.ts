// Paths of inclusion proofs as records carry them: one byte string of all siblings, lowest first. Thirty heads of two bytes are saved where a proof
// has to fit a kilobyte.

import type { z } from 'zod';
import { concat } from '../base/bytes.ts';
import { bytesUpTo } from '../base/codec.ts';
import { DIGEST_LENGTH } from '../base/ids.ts';

export type Path = readonly Uint8Array[];

/** Of at most `max` siblings. */
export function pathSchema(max: number): z.ZodType<Path> {
  return bytesUpTo(max * DIGEST_LENGTH)
    .refine((bytes) => bytes.length % DIGEST_LENGTH === 0, 'not whole digests')
    .transform((bytes) =>
      Array.from({ length: bytes.length / DIGEST_LENGTH }, (_, index) =>
        bytes.slice(index * DIGEST_LENGTH, (index + 1) * DIGEST_LENGTH),
      ),
    );
}

export function pathBytes(path: Path): Uint8Array {
  return concat(...path);
}

/** Siblings on the way up from a leaf of so many, at most. */
export function pathLengthMax(leafCount: number): number {
  return leafCount < 2 ? 0 : 32 - Math.clz32(leafCount - 1);
}
