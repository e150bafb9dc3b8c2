// Who is at the other end of a TLS connection, by the libp2p TLS specification: each side shows one self-signed
// certificate of a key made for the purpose, which carries an extension with the node's ed25519 identity key and that
// key's signature over the certificate's own public key. So the identity key never enters the TLS library, and whoever
// finishes the handshake holds a key that the identity has vouched for.
//
//   extension 1.3.6.1.4.1.53594.1.1 = SEQUENCE { OCTET STRING publicKey, OCTET STRING signature }
//   publicKey = protobuf { 1: type = 1 (ed25519), 2: data = 32 bytes }
//   signature = ed25519 over "libp2p-tls-handshake:" + DER of the certificate's SubjectPublicKeyInfo
//
// What OpenSSL authenticated in the handshake is read with OpenSSL (key, dates, self-signature). Only the extension is found
// here, and our own certificate put together: an X.509 library takes two hundred modules and a fifth of a node's start.
// The dates protect nothing, since the identity's signature does not cover them: whoever steals the key can write new
// ones. They are checked because the specification says so, and ours are wide enough for any process.

import { generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { concat, equal, toUtf8 } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { PUBLIC_KEY_LENGTH } from '../../base/keys.ts';
import { BULK_CERTIFICATE_LENGTH_MAX } from '../../base/limits.ts';
import type { Signer } from '../../base/ports.ts';
import { nativeVerify } from '../crypto.ts';
import { decodeDer, type DerValue, encodeDer, encodeTime, TAG } from './der.ts';

/** What node:tls wants to show at a handshake. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** 1.3.6.1.4.1.53594.1.1 */
const EXTENSION_OID: Uint8Array = Buffer.from('060a2b0601040183a25a0101', 'hex');
/** ecdsa-with-SHA256 */
const SIGNATURE_ALGORITHM: Uint8Array = Buffer.from('300a06082a8648ce3d040302', 'hex');
const VERSION_3 = new Uint8Array([TAG.integer, 1, 2]);
const TRUE = new Uint8Array([0xff]);
const NO_NAME: Uint8Array = encodeDer(TAG.sequence);
const SIGNED_PREFIX = toUtf8('libp2p-tls-handshake:');
const HOUR_MS = 3_600_000;
const LIFETIME_MS = 10 * 365 * 24 * HOUR_MS;

// With an ed25519 key every length in the extension is fixed, so its DER is a frame around key and signature.
const SEQUENCE_AND_KEY = new Uint8Array([0x30, 0x68, 0x04, 0x24, 0x08, 0x01, 0x12, 0x20]);
const SIGNATURE_TAG = new Uint8Array([0x04, 0x40]);
const KEY_END = SEQUENCE_AND_KEY.length + PUBLIC_KEY_LENGTH;
const EXTENSION_LENGTH = KEY_END + SIGNATURE_TAG.length + 64;

const credentialsOf = new WeakMap<Signer, Promise<Credentials>>();

/** The certificate of this process for `signer`: made at the first call, the same afterwards. */
export function credentialsFor(signer: Signer, nowMs: number = Date.now()): Promise<Credentials> {
  let credentials = credentialsOf.get(signer);
  if (credentials === undefined) {
    credentials = createCredentials(signer, {
      notBeforeMs: nowMs - HOUR_MS,
      notAfterMs: nowMs + LIFETIME_MS,
    });
    credentialsOf.set(signer, credentials);
  }
  return credentials;
}

/** A certificate of a fresh P-256 key, vouched for by `signer`. */
export async function createCredentials(
  signer: Signer,
  validity: { readonly notBeforeMs: number; readonly notAfterMs: number },
): Promise<Credentials> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
  const signature = signer.sign(concat(SIGNED_PREFIX, spki));
  const value = concat(SEQUENCE_AND_KEY, signer.publicKey, SIGNATURE_TAG, signature);
  const extension = encodeDer(
    TAG.sequence,
    EXTENSION_OID,
    encodeDer(TAG.boolean, TRUE),
    encodeDer(TAG.octetString, value),
  );
  const signedPart = encodeDer(
    TAG.sequence,
    encodeDer(TAG.version, VERSION_3),
    // A serial number means nothing without an issuer; the first byte is kept positive, as DER wants it.
    encodeDer(TAG.integer, new Uint8Array([1]), randomBytes(8)),
    SIGNATURE_ALGORITHM,
    NO_NAME,
    encodeDer(TAG.sequence, encodeTime(validity.notBeforeMs), encodeTime(validity.notAfterMs)),
    NO_NAME,
    spki,
    encodeDer(TAG.extensions, encodeDer(TAG.sequence, extension)),
  );
  const ownSignature = encodeDer(TAG.bitString, new Uint8Array(1), sign('sha256', signedPart, privateKey));
  const certificate = encodeDer(TAG.sequence, signedPart, SIGNATURE_ALGORITHM, ownSignature);
  return {
    cert: new X509Certificate(certificate).toString(),
    key: String(privateKey.export({ format: 'pem', type: 'pkcs8' })),
  };
}

/**
 * The node that the certificate of a finished handshake stands for. `isOnly`: the peer sent no second certificate.
 * Throws PROTOCOL, saying which rule was broken.
 */
export async function verifyCertificate(der: Uint8Array, isOnly: boolean, nowMs: number): Promise<NodeId> {
  if (!isOnly) throw refused('is followed by another');
  if (der.length > BULK_CERTIFICATE_LENGTH_MAX) throw refused(`has ${der.length} bytes`);
  try {
    const certificate = new X509Certificate(der);
    if (!certificate.raw.equals(der)) throw refused('is followed by other bytes');
    if (!(certificate.validFromDate.getTime() <= nowMs)) throw refused('is not yet valid');
    if (!(nowMs <= certificate.validToDate.getTime())) throw refused('has expired');
    if (!certificate.verify(certificate.publicKey)) throw refused('is not signed by its own key');
    const spki = certificate.publicKey.export({ format: 'der', type: 'spki' });
    return identityIn(extensionsOf(der), spki);
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw refused('cannot be read', error);
  }
}

/** The values of our extension, one for each time that it is there. */
function extensionsOf(der: Uint8Array): Uint8Array[] {
  // A copy, because a Buffer's slices would not be.
  const signedPart = decodeDer(decodeDer(new Uint8Array(der))[0]!.content)[0]!;
  const lists = decodeDer(signedPart.content).filter(({ tag }) => tag === TAG.extensions);
  return lists
    .flatMap(({ content }) => decodeDer(content))
    .flatMap(({ content }) => decodeDer(content))
    .map(({ content }) => decodeDer(content))
    .filter(([oid]) => oid !== undefined && equal(oid.whole, EXTENSION_OID))
    .map((parts) => octetsOf(parts.at(-1)!));
}

function octetsOf(value: DerValue): Uint8Array {
  if (value.tag !== TAG.octetString) throw refused('has a malformed extension');
  return value.content;
}

function identityIn(found: readonly Uint8Array[], spki: Uint8Array): NodeId {
  if (found.length !== 1) throw refused('has no libp2p extension, or several');
  const value = found[0]!;
  const isEd25519 =
    value.length === EXTENSION_LENGTH &&
    SEQUENCE_AND_KEY.every((byte, index) => value[index] === byte) &&
    SIGNATURE_TAG.every((byte, index) => value[KEY_END + index] === byte);
  if (!isEd25519) throw refused('is not that of an ed25519 identity');
  const node = value.slice(SEQUENCE_AND_KEY.length, KEY_END);
  const signature = value.subarray(KEY_END + SIGNATURE_TAG.length);
  if (!nativeVerify(node, concat(SIGNED_PREFIX, spki), signature)) {
    throw refused('was not vouched for by the identity it names');
  }
  return node as NodeId;
}

function refused(reason: string, cause?: unknown): StoreError {
  return new StoreError('PROTOCOL', `the peer's certificate ${reason}`, cause === undefined ? {} : { cause });
}
