// Which place of this node an entry of its log belongs to that was found damaged. A record says by its meta, which lies in another part of the entry than
// its bytes, what object it is of. Pages that this node keeps without being a holder of the manifest are nobody's place: others have them, too.

import { equal } from '../../base/bytes.ts';
import { DIGEST_LENGTH, type NodeId, type ObjectId } from '../../base/ids.ts';
import type { PieceLog } from '../../base/ports.ts';
import { COPY_SEGMENT, type Place } from '../../proofs/place.ts';
import type { RecordSource } from '../chain/settle.ts';
import { subjectOf } from '../entry-keys.ts';
import { heldSegment } from './held-segment.ts';

/** Undefined when the chain names this node for nothing that the entry belongs to. */
export async function damagedPlace(
  log: Pick<PieceLog, 'stat'>,
  chain: RecordSource,
  self: NodeId,
  key: Uint8Array,
): Promise<Place | undefined> {
  const subject = subjectOf(key);
  if (subject === undefined) return undefined;
  if (subject.kind === 'piece') {
    const { object, segmentIndex, pieceIndex } = subject;
    return { object, segmentIndex, pieceIndex };
  }
  const object = subject.object ?? (await objectOfMeta(log, key));
  if (object === undefined) return undefined;
  const copies = await heldSegment(chain, { object, segmentIndex: COPY_SEGMENT });
  const pieceIndex = copies?.holders.findIndex((holder) => equal(holder, self)) ?? -1;
  return pieceIndex < 0 ? undefined : { object, segmentIndex: COPY_SEGMENT, pieceIndex };
}

async function objectOfMeta(log: Pick<PieceLog, 'stat'>, key: Uint8Array): Promise<ObjectId | undefined> {
  try {
    const meta = (await log.stat(key))?.meta;
    return meta?.length === DIGEST_LENGTH ? (meta as ObjectId) : undefined;
  } catch {
    // The meta is damaged, too: the walk over all places finds what is missing.
    return undefined;
  }
}
