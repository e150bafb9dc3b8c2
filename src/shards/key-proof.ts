// That whoever names a key as a node's has it: a signature of the key over the network and the operator. Without it anybody could
// take the keys of others before they do.

import { encode } from '../base/codec.ts';
import { signedBytes } from '../base/hash.ts';
import type { NetworkId, NodeId, OwnerId, Signature } from '../base/ids.ts';
import type { Signer, Verify } from '../base/ports.ts';

export function proveKey(network: NetworkId, operator: OwnerId, signer: Signer): Signature {
  return signer.sign(bytesToProve(network, operator));
}

export function isKeyProven(
  network: NetworkId,
  operator: OwnerId,
  key: NodeId,
  proof: Signature,
  verify: Verify,
): boolean {
  return verify(key, bytesToProve(network, operator), proof);
}

function bytesToProve(network: NetworkId, operator: OwnerId): Uint8Array {
  return signedBytes('node-registration', encode([network, operator]));
}
