// What an owner signs to write or remove. A put ticket is bound to one node, one piece and a time, so that nobody can
// replay it to fill other disks. A remove ticket is bound to the object and valid for ever: removing twice harms
// nobody, and object ids are never used again, because each carries a fresh salt.

import { encode } from '../base/codec.ts';
import { signedBytes } from '../base/hash.ts';
import type { NetworkId, NodeId, ObjectId, OwnerId, PieceRoot, Signature } from '../base/ids.ts';
import type { Signer, Verify } from '../base/ports.ts';

/** What a put ticket allows: storing these bytes under this object at this node until then. */
export interface PutClaim {
  readonly network: NetworkId;
  readonly node: NodeId;
  readonly object: ObjectId;
  /** Segment and piece; a record (manifest or page) has none and is named by its digest alone. */
  readonly place: { readonly segmentIndex: number; readonly pieceIndex: number } | undefined;
  /** Piece root, or SHA-256 of a record. */
  readonly content: PieceRoot | Uint8Array;
  readonly lengthBytes: number;
  readonly expiresAtMs: number;
}

/** How long a put ticket is good for: longer than any clock difference and any queue, shorter than a grudge. */
export const TICKET_LIFETIME_MS: number = 24 * 3600 * 1000;

export function signPut(claim: PutClaim, owner: Signer): Signature {
  return owner.sign(putBytes(claim));
}

export function verifyPut(claim: PutClaim, owner: OwnerId, signature: Uint8Array, verify: Verify): boolean {
  return verify(owner, putBytes(claim), signature);
}

export function signRemove(network: NetworkId, object: ObjectId, owner: Signer): Signature {
  return owner.sign(removeBytes(network, object));
}

export function verifyRemove(
  network: NetworkId,
  object: ObjectId,
  owner: OwnerId,
  signature: Uint8Array,
  verify: Verify,
): boolean {
  return verify(owner, removeBytes(network, object), signature);
}

function putBytes(claim: PutClaim): Uint8Array {
  const place = claim.place === undefined ? null : [claim.place.segmentIndex, claim.place.pieceIndex];
  return signedBytes(
    'ticket-put',
    encode([
      claim.network,
      claim.node,
      claim.object,
      place,
      claim.content,
      claim.lengthBytes,
      claim.expiresAtMs,
    ]),
  );
}

function removeBytes(network: NetworkId, object: ObjectId): Uint8Array {
  return signedBytes('ticket-remove', encode([network, object]));
}
