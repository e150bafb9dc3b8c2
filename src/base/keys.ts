// ed25519 (RFC 8032). The portable implementation; nodes use the runtime's native one behind the same ports.
//
// Verifiers of the world disagree on signatures that no honest signer makes. Ours all follow one rule, so that a
// signature is good everywhere or nowhere: the public key is canonical and not of small order, S < L, and the bytes of
// R equal the encoding of [S]B - [k]A (no multiplication by the cofactor). This is what OpenSSL computes, once the key is checked.

import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { concat, equal } from './bytes.ts';
import { SIGNATURE_LENGTH, type Signature } from './ids.ts';
import type { Signer, Verify } from './ports.ts';

export const SEED_LENGTH = 32;
export const PUBLIC_KEY_LENGTH = 32;

const { Point } = ed25519;

/** Signer from a 32-byte seed. The seed stays in the closure and is never printed. */
export function portableSigner(seed: Uint8Array): Signer {
  const publicKey = ed25519.getPublicKey(seed);
  return { publicKey, sign: (message) => ed25519.sign(message, seed) as Signature };
}

/** False for anything malformed; never throws. */
export const portableVerify: Verify = (publicKey, message, signature) => {
  if (publicKey.length !== PUBLIC_KEY_LENGTH || signature.length !== SIGNATURE_LENGTH) return false;
  try {
    const a = Point.fromBytes(publicKey);
    const s = littleEndian(signature.subarray(32));
    if (a.isSmallOrder() || s >= Point.Fn.ORDER) return false;
    const r = signature.subarray(0, 32);
    const k = littleEndian(sha512(concat(r, publicKey, message))) % Point.Fn.ORDER;
    const expected = Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(k));
    return equal(expected.toBytes(), r);
  } catch {
    return false;
  }
};

/**
 * False for keys that make a signature fit many messages, or that two verifiers may read differently: wrong length, not a point,
 * a y of p or above, or one of the eight points of small order. Never throws.
 */
export function isStrictPublicKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_LENGTH) return false;
  try {
    return !Point.fromBytes(publicKey).isSmallOrder();
  } catch {
    return false;
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let index = bytes.length - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[index]!);
  return value;
}
