// A confirmation is a storage node's signature that it holds a piece durably. Enough of them for every segment are
// the availability certificate: a reader can check it offline, and a node that later denies is caught by its own word.

import { encode } from '../base/codec.ts';
import { signedBytes } from '../base/hash.ts';
import type { Digest, NetworkId, NodeId, ObjectId, PieceRoot, Signature } from '../base/ids.ts';
import type { Signer, Verify } from '../base/ports.ts';
import { type Code, putQuorum } from './code.ts';

export interface ConfirmedPiece {
  readonly network: NetworkId;
  readonly object: ObjectId;
  readonly segmentIndex: number;
  readonly pieceIndex: number;
  readonly root: PieceRoot;
  readonly lengthBytes: number;
}

/** The holders' words for one segment, as the manifest carries them. */
export interface SegmentCertificate {
  readonly network: NetworkId;
  readonly object: ObjectId;
  readonly segmentIndex: number;
  readonly pieceLength: number;
  readonly roots: readonly PieceRoot[];
  /** Holder of piece i at index i. */
  readonly holders: readonly NodeId[];
  readonly confirmations: readonly Confirmation[];
}

export interface Confirmation {
  readonly pieceIndex: number;
  readonly signature: Signature;
}

/** Segment index that no segment has: it keeps a signature for a record from being shown as one for a piece. */
const RECORD_SEGMENT = 2 ** 32 - 1;

/** What a node confirms when it stores a record: the manifest of an object or one of its pages. */
export function confirmedRecord(
  network: NetworkId,
  object: ObjectId,
  digest: Digest,
  lengthBytes: number,
): ConfirmedPiece {
  const root = digest as Uint8Array as PieceRoot;
  return { network, object, segmentIndex: RECORD_SEGMENT, pieceIndex: 0, root, lengthBytes };
}

export function signConfirmation(piece: ConfirmedPiece, node: Signer): Signature {
  return node.sign(confirmationBytes(piece));
}

export function verifyConfirmation(
  piece: ConfirmedPiece,
  node: NodeId,
  signature: Uint8Array,
  verify: Verify,
): boolean {
  return verify(node, confirmationBytes(piece), signature);
}

/** True when distinct holders, at least a put quorum of them, confirmed their piece of this segment. */
export function verifyCertificate(certificate: SegmentCertificate, code: Code, verify: Verify): boolean {
  const confirmed = new Set<number>();
  for (const { pieceIndex, signature } of certificate.confirmations) {
    const holder = certificate.holders[pieceIndex];
    const root = certificate.roots[pieceIndex];
    if (holder === undefined || root === undefined || confirmed.has(pieceIndex)) return false;
    const piece: ConfirmedPiece = {
      network: certificate.network,
      object: certificate.object,
      segmentIndex: certificate.segmentIndex,
      pieceIndex,
      root,
      lengthBytes: certificate.pieceLength,
    };
    if (!verifyConfirmation(piece, holder, signature, verify)) return false;
    confirmed.add(pieceIndex);
  }
  return confirmed.size >= putQuorum(code);
}

function confirmationBytes(piece: ConfirmedPiece): Uint8Array {
  return signedBytes(
    'confirmation',
    encode([
      piece.network,
      piece.object,
      piece.segmentIndex,
      piece.pieceIndex,
      piece.root,
      piece.lengthBytes,
    ]),
  );
}
