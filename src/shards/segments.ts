// Segments of an object as the chain keeps and carries them. The same few nodes hold many pieces, so holders are indices into a table
// of nodes in front, in the order of their first piece: one list of segments has one form.

import { z } from 'zod';
import { toHex } from '../base/bytes.ts';
import { bytesOf, digestOf, listOf, uint } from '../base/codec.ts';
import type { NodeId, PieceRoot, Signature } from '../base/ids.ts';
import { CODE_PIECES_MAX, PAGE_SEGMENTS_MAX, SIGNED_SEGMENTS_PIECES_MAX } from '../base/limits.ts';
import type { Confirmation } from '../replication/confirmation.ts';
import type { SegmentRecord } from '../replication/manifest.ts';
import { SALT_LENGTH } from '../replication/object.ts';
import type { RecordType } from './record.ts';

/** A segment without the signatures: they were checked when it was registered. */
export interface PlacedSegment {
  /** Salt of the segment key; zeros for a public object. */
  readonly salt: Uint8Array;
  readonly roots: readonly PieceRoot[];
  /** Holder of piece i at index i. */
  readonly holders: readonly NodeId[];
}

type Row = readonly [salt: Uint8Array, roots: readonly PieceRoot[], holders: readonly number[]];

// Every piece of a list may have a holder of its own.
const indexSchema = uint(SIGNED_SEGMENTS_PIECES_MAX);
const tableSchema = listOf(digestOf<NodeId>(), SIGNED_SEGMENTS_PIECES_MAX);
const rowParts = [
  bytesOf(SALT_LENGTH),
  listOf(digestOf<PieceRoot>(), CODE_PIECES_MAX),
  listOf(indexSchema, CODE_PIECES_MAX),
] as const;

const confirmationSchema = z
  .tuple([uint(CODE_PIECES_MAX - 1), bytesOf(64)])
  .transform(([pieceIndex, signature]): Confirmation => ({ pieceIndex, signature: signature as Signature }));

/** Of a transaction: with the confirmations of their holders. */
export const signedSegmentsSchema: z.ZodType<readonly SegmentRecord[]> = z
  .tuple([
    tableSchema,
    listOf(z.tuple([...rowParts, listOf(confirmationSchema, CODE_PIECES_MAX)]), PAGE_SEGMENTS_MAX),
  ])
  .refine(([table, rows]) => isTableOf(table, rows), 'a table of holders out of order')
  .transform(([table, rows]) =>
    rows.map(([salt, roots, holders, confirmations]) => ({
      ...placed(table, [salt, roots, holders]),
      confirmations,
    })),
  );

export function signedSegmentsTuple(segments: readonly SegmentRecord[]): readonly unknown[] {
  const { table, rows } = packed(segments);
  return [
    table,
    rows.map((row, index) => [
      ...row,
      segments[index]!.confirmations.map(({ pieceIndex, signature }) => [pieceIndex, signature]),
    ]),
  ];
}

/** Of a message and of a record. */
export const segmentsSchema: z.ZodType<readonly PlacedSegment[]> = z
  .tuple([tableSchema, listOf(z.tuple([...rowParts]), SIGNED_SEGMENTS_PIECES_MAX)])
  .refine(([table, rows]) => isTableOf(table, rows), 'a table of holders out of order')
  .transform(([table, rows]) => rows.map((row) => placed(table, row)));

export function segmentsTuple(segments: readonly PlacedSegment[]): readonly unknown[] {
  const { table, rows } = packed(segments);
  return [table, rows];
}

export const segmentsRecord: RecordType<readonly PlacedSegment[]> = {
  name: 'segments',
  schema: segmentsSchema,
  tuple: segmentsTuple,
};

function placed(table: readonly NodeId[], [salt, roots, holders]: Row): PlacedSegment {
  return { salt, roots, holders: holders.map((index) => table[index]!) };
}

function packed(segments: readonly PlacedSegment[]): {
  readonly table: readonly NodeId[];
  readonly rows: readonly Row[];
} {
  const table: NodeId[] = [];
  const indices = new Map<string, number>();
  const indexOf = (node: NodeId): number => {
    const text = toHex(node);
    const known = indices.get(text);
    if (known !== undefined) return known;
    indices.set(text, table.length);
    return table.push(node) - 1;
  };
  const rows = segments.map(({ salt, roots, holders }): Row => [salt, roots, holders.map(indexOf)]);
  return { table, rows };
}

/** Each node once, in the order in which rows first name them, none unused; as many holders as roots. */
function isTableOf(
  table: readonly NodeId[],
  rows: readonly (readonly [Uint8Array, readonly PieceRoot[], readonly number[], ...unknown[]])[],
): boolean {
  if (new Set(table.map(toHex)).size !== table.length) return false;
  let named = 0;
  for (const [, roots, holders] of rows) {
    if (roots.length !== holders.length) return false;
    for (const index of holders) {
      if (index > named) return false;
      if (index === named) named++;
    }
  }
  return named === table.length;
}
