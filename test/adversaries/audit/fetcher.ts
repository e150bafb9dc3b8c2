// A holder that keeps nothing and fetches what it is asked for while the auditor waits.

import { toHex } from '../../../src/base/bytes.ts';
import { GROUP_LENGTH, LEAF_LENGTH } from '../../../src/base/limits.ts';
import { type Opening, PORTABLE_HASHES } from '../../../src/proofs/opening.ts';
import type { Asked } from '../../../src/proofs/draw.ts';
import { decodeRequest, encodeRequest, encodeResponse, signResponse } from '../../../src/proofs/response.ts';
import { decodeGetPieceReply, encodeGetPiece, SERVICES } from '../../../src/replication/messages.ts';
import { proveLeaf } from '../../../src/replication/piece-tree.ts';
import { rebuild } from '../../../src/replication/reed-solomon.ts';
import type { AuditWorld, Auditor } from '../../node/audit/audit-kit.ts';
import { contextOf } from './answering.ts';
import { lies, replyWith } from './liar.ts';

export interface Fetched {
  /** Bytes that came for it. */
  bytes: number;
  /** Bytes of leaves that it showed. */
  shown: number;
}

const K = 2;

/**
 * As a reader does: the same part of k other pieces, from those who have them. It has thrown its pieces away but has kept the upper hashes of each, `outboards`
 * by segment: a hundredth of the data.
 */
export function fetchesFromReads(
  world: AuditWorld,
  auditor: Auditor,
  outboards: ReadonlyMap<string, Uint8Array>,
): Fetched {
  const fetched: Fetched = { bytes: 0, shown: 0 };
  lies(auditor, 'audit', async (_from, header) => {
    const openings: Opening[] = [];
    for (const asked of decodeRequest(header).asked) {
      const opening = await fetchOne(world, auditor, asked, outboards, fetched).catch(() => undefined);
      if (opening !== undefined) openings.push(opening);
    }
    const context = contextOf(auditor, header);
    return replyWith(encodeResponse(signResponse(context, openings, [], auditor.signer, PORTABLE_HASHES)));
  });
  return fetched;
}

async function fetchOne(
  world: AuditWorld,
  auditor: Auditor,
  asked: Asked,
  outboards: ReadonlyMap<string, Uint8Array>,
  fetched: Fetched,
): Promise<Opening> {
  const { place, leafIndex } = asked;
  const lengthBytes = world.payloadLength(place);
  const offset = Math.floor((leafIndex * LEAF_LENGTH) / GROUP_LENGTH) * GROUP_LENGTH;
  const length = Math.min(GROUP_LENGTH, lengthBytes - offset);
  const group = Array.from({ length: 4 }, () => new Uint8Array(length));
  const present: number[] = [];
  for (let column = 0; column < 4 && present.length < K; column++) {
    if (column === place.pieceIndex) continue;
    const other = { ...place, pieceIndex: column };
    const header = encodeGetPiece({ ...other, root: world.rootOf(other), range: { offset, length } });
    const options = { maxBodyLength: 2 ** 24 };
    const reply = await auditor.network
      .call(world.holderOf(other), SERVICES.getPiece, { header }, options)
      .catch(() => undefined);
    if (reply === undefined || decodeGetPieceReply(reply.header).pieceLength !== lengthBytes) continue;
    group[column]!.set(reply.body);
    fetched.bytes += reply.body.length + reply.header.length;
    present.push(column);
  }
  if (present.length < K) throw new Error('too few have it');
  rebuild(K, group, present, place.pieceIndex);
  const outboard = outboards.get(`${place.segmentIndex}/${place.pieceIndex}`)!;
  const path = proveLeaf(group[place.pieceIndex]!, outboard, lengthBytes, leafIndex, PORTABLE_HASHES.hasher);
  const from = (leafIndex * LEAF_LENGTH) % GROUP_LENGTH;
  const bytes = group[place.pieceIndex]!.slice(from, from + LEAF_LENGTH);
  fetched.shown += bytes.length;
  return { place, leafIndex, bytes, path };
}

/** The same from the audit service of another holder, as if it audited that one: what it says to each leaf, by code. */
export async function asksAsAuditor(
  world: AuditWorld,
  auditor: Auditor,
  holder: Auditor,
): Promise<readonly string[]> {
  const { round, seed } = auditor.watched.round;
  const own = new Set(holder.watched.own.asked.map((asked) => keyOf(asked)));
  const answers: string[] = [];
  for (const { place, leafIndex } of auditor.watched.own.asked) {
    // The leaf at the same place in each of the other pieces of the segment.
    for (let column = 0; column < 4; column++) {
      const wanted = { place: { ...place, pieceIndex: column }, leafIndex };
      if (own.has(keyOf(wanted))) continue;
      const header = encodeRequest({ round, seed, asked: [wanted] });
      // Slowly, so that it is not refused for its haste.
      world.clock.advance(1000);
      await auditor.network
        .call(holder.node, 'audit', { header }, { maxBodyLength: 2 ** 24 })
        .then(() => answers.push('answered'))
        .catch((error: unknown) => answers.push((error as { code: string }).code));
    }
  }
  return answers;
}

const keyOf = ({ place, leafIndex }: Asked): string =>
  `${toHex(place.object)}/${place.segmentIndex}/${place.pieceIndex}/${leafIndex}`;
