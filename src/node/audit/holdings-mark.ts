// How far the index of holdings is: at which height it stands, and, while it is built, which objects are in it already.
//
// Objects are read in the order of the paths of their records, and of each the copies of its manifest first and then its records of
// segments in order. So one cursor says what is in the index, and what blocks change behind it is left to the reading.

import { z } from 'zod';
import { compare } from '../../base/bytes.ts';
import { decodeCanonical, digestOf, encode, uint } from '../../base/codec.ts';
import { DIGEST_LENGTH, type Digest } from '../../base/ids.ts';
import { HEIGHT_MAX } from '../../base/limits.ts';
import { COPIES } from './holdings-diff.ts';

/** Clearing: what is there means nothing and is taken away. Reading: what lies before the cursor is there. Whole: everything is. */
const STAGES = ['clearing', 'reading', 'whole'] as const;
export type Stage = (typeof STAGES)[number];

/** Records of segments of the object whose own record lies at `path` are in, as far as they are below `part`. */
export interface Cursor {
  readonly path: Uint8Array;
  readonly part: number;
}

export interface Mark {
  /** Of the block after which it was so. */
  readonly height: number;
  readonly stage: Stage;
  readonly cursor: Cursor;
  /** Nodes that hold something. */
  readonly holders: number;
}

/** More than records of segments can be numbered. */
export const ALL_PARTS: number = 2 ** 32;
const START: Cursor = { path: new Uint8Array(DIGEST_LENGTH), part: COPIES };

/** Where building begins. */
export function firstMark(height: number): Mark {
  return { height, stage: 'clearing', cursor: START, holders: 0 };
}

/** Whether the index has what record number `part` says of the object whose own record lies at `path`. */
export function isCovered({ stage, cursor }: Mark, path: Uint8Array, part: number): boolean {
  if (stage !== 'reading') return stage === 'whole';
  const order = compare(path, cursor.path);
  return order < 0 || (order === 0 && part < cursor.part);
}

const MARK_LENGTH_MAX = 128;

const markSchema = z
  .tuple([uint(HEIGHT_MAX), uint(STAGES.length - 1), digestOf<Digest>(), uint(ALL_PARTS - COPIES), uint()])
  .transform(
    ([height, stage, path, place, holders]): Mark => ({
      height,
      stage: STAGES[stage]!,
      cursor: { path, part: place + COPIES },
      holders,
    }),
  );

export function encodeMark({ height, stage, cursor, holders }: Mark): Uint8Array {
  return encode([height, STAGES.indexOf(stage), cursor.path, cursor.part - COPIES, holders]);
}

/** Throws INVALID_ENCODING. */
export function decodeMark(bytes: Uint8Array): Mark {
  return decodeCanonical(markSchema, bytes, MARK_LENGTH_MAX, 'mark of the index of holdings');
}
