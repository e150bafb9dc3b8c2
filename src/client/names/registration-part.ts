// Segments that go onto the chain in one transaction: as many as fit. Lengths are upper bounds that add up, so that nothing is encoded more than
// once. The message that travels on from the sender's home is shorter: it has no signatures.

import { toHex } from '../../base/bytes.ts';
import { encode } from '../../base/codec.ts';
import { PAGE_SEGMENTS_MAX, SIGNED_SEGMENTS_PIECES_MAX, TRANSACTION_LENGTH_MAX } from '../../base/limits.ts';
import type { SegmentRecord } from '../../replication/manifest.ts';

/** Leaves a kibibyte for the header of the transaction and what a registration says of its object. */
const PART_LENGTH_MAX: number = TRANSACTION_LENGTH_MAX - 1024;
/** Encoded node id of the table of holders. */
const NODE_LENGTH = 34;
/** Index of a holder in the table. */
const INDEX_LENGTH = 3;

export interface Part {
  readonly segments: readonly SegmentRecord[];
  /** False, and nothing changed, when the segment does not fit any more. */
  add(segment: SegmentRecord): boolean;
}

/** `headLength`: of what else stands in the transaction, beyond a kibibyte. */
export function createPart(headLength: number): Part {
  const segments: SegmentRecord[] = [];
  const holders = new Set<string>();
  let length = headLength;
  let pieces = 0;
  return {
    segments,
    add: (segment) => {
      const added = new Set(segment.holders.map(toHex).filter((holder) => !holders.has(holder)));
      const more = lengthOf(segment) + added.size * NODE_LENGTH;
      const isTooMuch =
        length + more > PART_LENGTH_MAX ||
        pieces + segment.roots.length > SIGNED_SEGMENTS_PIECES_MAX ||
        segments.length === PAGE_SEGMENTS_MAX;
      if (isTooMuch) return false;
      segments.push(segment);
      for (const holder of added) holders.add(holder);
      length += more;
      pieces += segment.roots.length;
      return true;
    },
  };
}

function lengthOf({ salt, roots, holders, confirmations }: SegmentRecord): number {
  const signed = confirmations.map(({ pieceIndex, signature }) => [pieceIndex, signature]);
  return encode([salt, roots, [], signed]).length + holders.length * INDEX_LENGTH + INDEX_LENGTH;
}
