// One segment on its way out: encode, place, send all pieces, hold the memory until the last one is stored or given up.

import { short, toHex } from '../base/bytes.ts';
import type { EpochRecord } from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import type { NodeId, OwnerId, PieceRoot, Signature } from '../base/ids.ts';
import type { Slot } from '../base/ports.ts';
import { putQuorum } from '../replication/code.ts';
import { verifyConfirmation } from '../replication/confirmation.ts';
import type { SegmentRecord } from '../replication/manifest.ts';
import { SALT_LENGTH, segmentIdOf, segmentKey } from '../replication/object.ts';
import { placeSegment } from '../replication/placement.ts';
import { signPut, TICKET_LIFETIME_MS } from '../replication/ticket.ts';
import { sendPiece } from './calls.ts';
import type { Context } from './context.ts';
import type { Health } from './health.ts';
import type { PutPlan } from './put-plan.ts';
import { type Missing, scatter } from './scatter.ts';
import type { NoticeEvent } from './types.ts';

export interface SegmentUpload {
  readonly context: Context;
  readonly epoch: EpochRecord;
  readonly plan: PutPlan;
  readonly health: Health;
  readonly signal: AbortSignal;
  readonly notice: (event: NoticeEvent) => void;
  /** Piece bytes that left for a holder. */
  readonly onSent: (segmentIndex: number, bytes: number) => void;
}

export interface SentSegment {
  /** What the manifest says of the segment. */
  readonly record: SegmentRecord;
  /** Pieces confirmed, once nothing is under way any more. Never rejects. */
  readonly finished: Promise<number>;
}

/**
 * Sends the plaintext in the cells of `slot` as segment `index`; resolves at the quorum. The slot is released when it is not needed any
 * more, whatever happens. Throws NOT_ENOUGH_CONFIRMATIONS, NOT_ENOUGH_OPERATORS, ABORTED.
 */
export async function sendSegment(upload: SegmentUpload, index: number, slot: Slot): Promise<SentSegment> {
  const { context, plan, signal } = upload;
  const { object, code, allowSameOperator } = plan;
  let isHandedOver = false;
  try {
    const salt = plan.key === undefined ? new Uint8Array(SALT_LENGTH) : context.random.bytes(SALT_LENGTH);
    const key = plan.key === undefined ? undefined : segmentKey(plan.key, object, index, salt);
    const roots = (await slot.encodeInPlace(key)) as readonly Uint8Array[] as readonly PieceRoot[];
    const placed = placeSegment(upload.epoch, object, segmentIdOf(object, index), code.n, {
      allowSameOperator,
    });
    const { acknowledged, finished } = scatter(context, {
      targets: placed.holders,
      spares: placed.spares,
      quorum: putQuorum(code),
      allowSameOperator,
      what: `segment ${index}`,
      health: upload.health,
      signal,
      send: (piece, node, options) =>
        putPiece(
          upload,
          { segmentIndex: index, pieceIndex: piece },
          roots[piece]!,
          slot.piece(piece),
          node,
          options,
        ),
      onReplaced: (piece, failed, error, next) =>
        upload.notice({
          kind: 'holder-replaced',
          node: toHex(failed.node),
          segmentIndex: index,
          pieceIndex: piece,
          message: `node ${short(failed.node)} is replaced by ${short(next.node)}: ${error.message}`,
        }),
    });
    isHandedOver = true;
    const released = finished.finally(() => slot.release());
    const counted = released.then(({ confirmations }) => confirmations.length);
    const { holders, confirmations } = await acknowledged.catch(async (error: unknown) => {
      await counted;
      throw error;
    });
    void released.then(({ missing }) => {
      for (const piece of missing) upload.notice(missingPiece(index, piece));
    });
    return { record: { salt, roots, holders, confirmations }, finished: counted };
  } finally {
    if (!isHandedOver) slot.release();
  }
}

function missingPiece(segmentIndex: number, { item, node, error }: Missing): NoticeEvent {
  const message = `piece ${item} of segment ${segmentIndex} is missing at node ${short(node)}: ${error.message}`;
  return { kind: 'piece-missing', node: toHex(node), segmentIndex, pieceIndex: item, message };
}

async function putPiece(
  upload: SegmentUpload,
  place: { readonly segmentIndex: number; readonly pieceIndex: number },
  root: PieceRoot,
  piece: Uint8Array,
  node: NodeId,
  options: { readonly signal: AbortSignal; readonly onBytes: (count: number) => void },
): Promise<Signature> {
  const { context, plan } = upload;
  const { owner, salt, object } = plan;
  plan.sentTo.add(node);
  const network = context.networkId;
  const lengthBytes = piece.length;
  const expiresAtMs = context.clock.now() + TICKET_LIFETIME_MS;
  const ticket = signPut({ network, node, object, place, content: root, lengthBytes, expiresAtMs }, owner);
  const put = {
    owner: owner.publicKey as OwnerId,
    objectSalt: salt,
    ...place,
    root,
    lengthBytes,
    expiresAtMs,
    ticket,
  };
  const signature = await sendPiece(context, node, put, piece, {
    signal: options.signal,
    onBytes: (count) => {
      options.onBytes(count);
      upload.onSent(place.segmentIndex, count);
    },
  });
  const confirmed = { network, object, ...place, root, lengthBytes };
  if (!verifyConfirmation(confirmed, node, signature, context.verify)) {
    throw new StoreError('INVALID_SIGNATURE', `node ${short(node)} confirmed with a wrong signature`);
  }
  return signature;
}
