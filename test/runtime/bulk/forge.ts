// Certificates that break one rule each, and ends of TLS connections that show them.

import 'reflect-metadata';
import { createPrivateKey } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { concat, toUtf8 } from '../../../src/base/bytes.ts';
import type { Signer } from '../../../src/base/ports.ts';
import type { Credentials } from '../../../src/runtime/bulk/certificate.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;

export interface Forgery {
  /** Whose identity is named. */
  readonly identity: Signer;
  /** Who signs for the identity; the identity itself when absent. */
  readonly voucher?: Signer;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly hasExtension?: boolean;
  readonly hasExtensionTwice?: boolean;
  /** The identity's signature is that of another certificate, copied into this one. */
  readonly isCopied?: boolean;
  /** Signed by another key than its own. */
  readonly isForeign?: boolean;
  readonly keyType?: 'P-256' | 'Ed25519' | 'RSA';
}

export interface Forged extends Credentials {
  readonly der: Uint8Array;
}

export async function forge(forgery: Forgery): Promise<Forged> {
  const keys = await keyPair(forgery.keyType ?? 'P-256');
  const vouchedFor = forgery.isCopied === true ? await keyPair('P-256') : keys;
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', vouchedFor.publicKey));
  const signer = forgery.voucher ?? forgery.identity;
  const value = extensionValue(
    forgery.identity.publicKey,
    signer.sign(concat(toUtf8('libp2p-tls-handshake:'), spki)),
  );
  const extension = new x509.Extension('1.3.6.1.4.1.53594.1.1', true, value);
  const unrelated = new x509.BasicConstraintsExtension(false);
  const extensions = forgery.hasExtension === false ? [unrelated] : [unrelated, extension];
  if (forgery.hasExtensionTwice === true) extensions.push(extension);
  const signing = forgery.isForeign === true ? await keyPair('P-256') : keys;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: '01',
    subject: 'CN=forged',
    issuer: 'CN=forged',
    notBefore: new Date(forgery.notBeforeMs ?? Date.now() - DAY_MS),
    notAfter: new Date(forgery.notAfterMs ?? Date.now() + DAY_MS),
    publicKey: keys.publicKey,
    signingKey: signing.privateKey,
    signingAlgorithm:
      signing.privateKey.algorithm.name === 'ECDSA' ? ALGORITHM : signing.privateKey.algorithm,
    extensions,
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({
    format: 'pem',
    type: 'pkcs8',
  });
  return { cert: certificate.toString('pem'), key: String(key), der: new Uint8Array(certificate.rawData) };
}

/** SEQUENCE { OCTET STRING protobuf key, OCTET STRING signature } */
function extensionValue(publicKey: Uint8Array, signature: Uint8Array): Uint8Array<ArrayBuffer> {
  const key = concat(new Uint8Array([0x08, 1, 0x12, publicKey.length]), publicKey);
  const parts = concat(
    new Uint8Array([4, key.length]),
    key,
    new Uint8Array([4, signature.length]),
    signature,
  );
  return new Uint8Array(concat(new Uint8Array([0x30, parts.length]), parts));
}

async function keyPair(type: 'P-256' | 'Ed25519' | 'RSA'): Promise<CryptoKeyPair> {
  if (type === 'Ed25519')
    return (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as CryptoKeyPair;
  if (type === 'P-256') return await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const publicExponent = new Uint8Array([1, 0, 1]);
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent };
  return await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}
