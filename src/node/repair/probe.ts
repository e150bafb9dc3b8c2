// Whether a holder has by now what it could not show: the very leaf is asked for again, as any reader asks.

import { equal } from '../../base/bytes.ts';
import type { Digest, NodeId, PieceRoot } from '../../base/ids.ts';
import { LEAF_LENGTH } from '../../base/limits.ts';
import { fetchPiece, fetchRecord } from '../../client/calls.ts';
import type { GroupHasher } from '../../replication/blake3.ts';
import { coveringGroups, verifyRange } from '../../replication/piece-tree.ts';
import { type HeldSegment, isOfCopies } from './held-segment.ts';
import { RESTORE_TIMING, type RestorePorts } from './restore-ports.ts';

/** False also when it does not answer. Throws only what the signal says. */
export async function showsLeaf(
  ports: RestorePorts & { readonly hasher: GroupHasher },
  held: HeldSegment,
  pieceIndex: number,
  leafIndex: number,
  signal: AbortSignal,
): Promise<boolean> {
  const caller = { ...ports, timing: RESTORE_TIMING };
  const node = held.holders[pieceIndex] as NodeId;
  try {
    if (isOfCopies(held)) {
      const digest = held.roots[pieceIndex] as Digest;
      return equal(ports.sha256(await fetchRecord(caller, node, digest, signal)), digest);
    }
    const { object, segmentIndex, lengthBytes } = held;
    const root = held.roots[pieceIndex] as PieceRoot;
    const offset = leafIndex * LEAF_LENGTH;
    const range = { offset, length: Math.min(LEAF_LENGTH, lengthBytes - offset) };
    const { length } = coveringGroups(lengthBytes, range);
    const get = { object, segmentIndex, pieceIndex, root, range };
    const { reply, bytes } = await fetchPiece(caller, node, get, length, { signal });
    return verifyRange(root, lengthBytes, range, bytes, reply.proof, ports.hasher);
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
