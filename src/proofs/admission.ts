// A node admits that it has not got what the chain says it holds: what it signs is enough for others to rebuild and take over the place, and
// costs it less than being caught. The round is signed with it, so that an admission says nothing about the same piece when the node has got it back.

import { encode } from '../base/codec.ts';
import { signedBytes } from '../base/hash.ts';
import type { NetworkId, NodeId, Signature } from '../base/ids.ts';
import type { Signer, Verify } from '../base/ports.ts';
import { type Place, placeBytes } from './place.ts';

export interface AdmittedPlace {
  readonly network: NetworkId;
  /** The audit round that runs when it is signed. */
  readonly round: number;
  /** Who admits. */
  readonly node: NodeId;
  readonly place: Place;
  /** What the chain says is there: piece root, or digest of a manifest. */
  readonly root: Uint8Array;
}

/** Asserts that the place is in form. */
export function signAdmission(admitted: AdmittedPlace, node: Signer): Signature {
  return node.sign(admissionBytes(admitted));
}

export function verifyAdmission(admitted: AdmittedPlace, signature: Uint8Array, verify: Verify): boolean {
  return verify(admitted.node, admissionBytes(admitted), signature);
}

function admissionBytes({ network, round, node, place, root }: AdmittedPlace): Uint8Array {
  return signedBytes('audit-admission', encode([network, round, node, placeBytes(place), root]));
}
