// What both ends of the bulk lane ask of node:tls, and what they check themselves once a handshake is over. The TLS
// library is told to accept any certificate, because its rules are those of certificate authorities; ours are checked
// here, on both sides, before a byte of the peer is looked at.

import { constants } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { StoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { verifyCertificate } from './certificate.ts';

const PROTOCOL_NAME = 'holdfast-bulk';

/** Options of both sides. Without tickets there is no resumption, which would skip the certificates. */
export const TLS_OPTIONS: {
  readonly minVersion: 'TLSv1.3';
  readonly maxVersion: 'TLSv1.3';
  readonly ALPNProtocols: string[];
  readonly rejectUnauthorized: false;
  readonly secureOptions: number;
  readonly ciphers: string;
} = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ALPNProtocols: [PROTOCOL_NAME],
  rejectUnauthorized: false,
  secureOptions: constants.SSL_OP_NO_TICKET,
  // AES with 128-bit keys first: a tenth cheaper than 256, and the certificate's key has 128 bits of strength too.
  ciphers: 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384',
};

/** The node that the other end proved to be. Throws PROTOCOL. */
export async function peerOf(socket: TLSSocket): Promise<NodeId> {
  if (socket.alpnProtocol !== PROTOCOL_NAME) {
    throw new StoreError('PROTOCOL', 'the peer does not speak the bulk lane');
  }
  if (socket.getProtocol() !== 'TLSv1.3' || socket.isSessionReused()) {
    throw new StoreError('PROTOCOL', 'the peer did not make a full TLS 1.3 handshake');
  }
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) throw new StoreError('PROTOCOL', 'the peer showed no certificate');
  // Whatever the peer sent after its certificate appears here as the issuer.
  const isOnly = certificate.issuerCertificate === undefined;
  return await verifyCertificate(certificate.raw, isOnly, Date.now());
}
