// The first frames of a connection: both sides say which network they belong to and, where the network has a
// pre-shared key, prove that they know it. The caller speaks first; the server answers with its own hello or a refusal.
//
//   proof = HMAC-SHA256(pre-shared key, keying material exported from this TLS connection | role)
//
// The keying material is different in every connection and known to its two ends only, so that a proof cannot be
// replayed or passed on by somebody in the middle; the role keeps a server from echoing its caller's proof.

import { createHmac } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { equal, short, toUtf8 } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NetworkId } from '../../base/ids.ts';
import { decodeHello, encodeHello } from './frame.ts';

export interface NetworkAccess {
  readonly network: NetworkId;
  /** Secret that all nodes and clients of a closed network share. */
  readonly preSharedKey?: Uint8Array | undefined;
}

export type Role = 'client' | 'server';

const EXPORTER_LABEL = 'EXPORTER-holdfast-bulk';

/** Our hello on this connection. */
export function createHello(access: NetworkAccess, socket: TLSSocket, role: Role): Uint8Array {
  return encodeHello({ network: access.network, proof: proofOf(access, socket, role) });
}

/** Checks the hello of the other side, whose role is `role`. Throws WRONG_NETWORK, UNAUTHORIZED, UNSUPPORTED or PROTOCOL. */
export function checkHello(bytes: Uint8Array, access: NetworkAccess, socket: TLSSocket, role: Role): void {
  const hello = decodeHello(bytes);
  if (!equal(hello.network, access.network)) {
    const names = `the ${role} belongs to network ${short(hello.network)}, this side to ${short(access.network)}`;
    throw new StoreError('WRONG_NETWORK', names);
  }
  const expected = proofOf(access, socket, role);
  if (expected === undefined) return;
  if (hello.proof === undefined || !equal(hello.proof, expected)) {
    throw new StoreError(
      'UNAUTHORIZED',
      `the ${role} does not know the pre-shared key of network ${short(access.network)}`,
      {
        next: 'Give every node and client of this network the same pre-shared key.',
      },
    );
  }
}

function proofOf(access: NetworkAccess, socket: TLSSocket, role: Role): Uint8Array | undefined {
  if (access.preSharedKey === undefined) return undefined;
  const material = socket.exportKeyingMaterial(32, EXPORTER_LABEL, Buffer.alloc(0));
  return createHmac('sha256', access.preSharedKey).update(material).update(toUtf8(role)).digest();
}
