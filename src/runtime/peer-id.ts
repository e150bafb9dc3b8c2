// Node ids in libp2p's clothes. A libp2p peer id of an ed25519 key is the key itself: an identity multihash around the
// protobuf {type: ed25519, data: key}, shown in base58btc (`12D3KooW...`). So both forms say the same 32 bytes, and
// this module needs nothing of libp2p.

import { base58btc } from 'multiformats/bases/base58';
import { concat } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import { PUBLIC_KEY_LENGTH } from '../base/keys.ts';

/** Multihash identity (0x00) of 0x24 bytes; field 1 = 1 (ed25519), field 2 = 0x20 bytes. */
const PREFIX: Uint8Array = new Uint8Array([0x00, 0x24, 0x08, 0x01, 0x12, 0x20]);

/** The peer id of a node as text. */
export function peerIdText(node: NodeId): string {
  // base58btc of multiformats puts the multibase letter in front, which peer ids do not have.
  return base58btc.encode(concat(PREFIX, node)).slice(1);
}

/** The node behind the text of a peer id. Throws INVALID_ARGUMENT for anything that is not an ed25519 peer id. */
export function nodeIdFromPeerIdText(text: string): NodeId {
  const bytes = decodeText(text);
  const isEd25519 =
    bytes?.length === PREFIX.length + PUBLIC_KEY_LENGTH &&
    PREFIX.every((byte, index) => bytes[index] === byte);
  if (bytes === undefined || !isEd25519) {
    throw new StoreError('INVALID_ARGUMENT', `not the peer id of an ed25519 key: ${printable(text)}`);
  }
  return bytes.slice(PREFIX.length) as NodeId;
}

/** A peer id is 52 characters; base58 decoding is quadratic, so longer text is not looked at. */
function decodeText(text: string): Uint8Array | undefined {
  if (text.length > 64) return undefined;
  try {
    return base58btc.decode(`z${text}`);
  } catch {
    return undefined;
  }
}

function printable(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
