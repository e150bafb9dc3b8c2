// A holder that leaves asks a member to take a piece over. Whoever is asked looks for itself: the chain must name the asker for the place, and this node
// must be fit to hold it. Then it copies the piece from the asker, checks the root, and gives its confirmation, with which the asker's operator
// brings the change onto the chain.

import { z } from 'zod';
import { equal, short } from '../../base/bytes.ts';
import { bytesOf, decodeCanonical, encode } from '../../base/codec.ts';
import { StoreError } from '../../base/errors.ts';
import type { Digest, NetworkId, NodeId, PieceRoot, Signature } from '../../base/ids.ts';
import { RESTORE_FETCH_TIMEOUT_MS } from '../../base/limits.ts';
import type { Service, Signer } from '../../base/ports.ts';
import { type Place, placeBytes, placeSchema } from '../../proofs/place.ts';
import { confirmedRecord, signConfirmation } from '../../replication/confirmation.ts';
import type { RecordSource } from '../chain/settle.ts';
import { type HeldSegment, heldSegment, holderOrder, isOfCopies } from './held-segment.ts';
import { restoreCopy } from './restore-copy.ts';
import { restorePiece } from './restore-piece.ts';
import type { RestorePorts } from './restore-ports.ts';

export const HAND_OVER_SERVICE = 'hand-over';

const HEADER_LENGTH_MAX = 64;
const requestSchema = z.tuple([placeSchema]).transform(([place]) => place);
const replySchema = z.tuple([bytesOf(64)]).transform(([signature]) => signature as Signature);

export const encodeHandOver = (place: Place): Uint8Array => encode([placeBytes(place)]);
/** Throws INVALID_ENCODING. */
export const decodeHandOverReply = (bytes: Uint8Array): Signature =>
  decodeCanonical(replySchema, bytes, 128, 'hand-over reply');

export interface HandOverServicePorts extends RestorePorts {
  readonly chain: RecordSource;
}

export function handOverService(ports: HandOverServicePorts): Service {
  let isBusy = false;
  return {
    name: HAND_OVER_SERVICE,
    maxHeaderLength: HEADER_LENGTH_MAX,
    maxBodyLength: 0,
    timeoutMs: 2 * RESTORE_FETCH_TIMEOUT_MS,
    maxConcurrentPerPeer: 1,
    maxPerSecondPerPeer: 50,
    handle: async (from, header, _body, signal) => {
      const place = decodeCanonical(requestSchema, header, HEADER_LENGTH_MAX, 'hand-over request');
      if (isBusy) throw new StoreError('BUSY', 'this node takes another piece over');
      isBusy = true;
      try {
        return { header: encode([await takeFrom(ports, from, place, signal)]) };
      } finally {
        isBusy = false;
      }
    },
  };
}

async function takeFrom(
  ports: HandOverServicePorts,
  from: NodeId,
  place: Place,
  signal: AbortSignal,
): Promise<Signature> {
  const held = await heldSegment(ports.chain, place);
  const holder = held?.holders[place.pieceIndex];
  if (held === undefined || holder === undefined || !equal(holder, from)) {
    throw new StoreError('UNAUTHORIZED', `the chain does not name node ${short(from)} for that place`);
  }
  checkFit(ports, held);
  if (isOfCopies(held)) await restoreCopy(ports, held, signal);
  else await restorePiece(ports, held, place.pieceIndex, { signal, from });
  return confirmPlace(ports, held, place.pieceIndex);
}

/** Throws INVALID_ARGUMENT (no storage member of the shard, or a holder already), FULL. */
function checkFit({ epoch, signer, log }: HandOverServicePorts, held: HeldSegment): void {
  const isSelf = (node: Uint8Array): boolean => equal(node, signer.publicKey);
  const isMember = holderOrder(epoch(), held).some(({ node }) => isSelf(node));
  if (!isMember || held.holders.some(isSelf)) {
    throw new StoreError('INVALID_ARGUMENT', 'this node is not one to hold that piece');
  }
  if (log.usage().state !== 'writable') throw new StoreError('FULL', 'this node takes nothing new');
}

/** The node's word that it has what the chain says is at the place. */
export function confirmPlace(
  { networkId: network, signer }: { readonly networkId: NetworkId; readonly signer: Signer },
  held: HeldSegment,
  pieceIndex: number,
): Signature {
  const { object, segmentIndex, lengthBytes } = held;
  const root = held.roots[pieceIndex]!;
  const confirmed = isOfCopies(held)
    ? confirmedRecord(network, object, root as Digest, lengthBytes)
    : { network, object, segmentIndex, pieceIndex, root: root as PieceRoot, lengthBytes };
  return signConfirmation(confirmed, signer);
}
