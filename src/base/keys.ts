// ed25519 (RFC 8032). The portable implementation; nodes use the runtime's native one behind the same ports.
//
// Verifiers of the world disagree on signatures that no honest signer makes, and Node's own answer changed
// between releases. Ours all follow one rule, so that a signature is good everywhere or nowhere: the public
// key and R are canonical points that are not of small order, S < L, and R equals [S]B - [k]A (without
// multiplication by the cofactor). What OpenSSL accepts is this, once small orders and the key's encoding are
// checked.

import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { concat, equal, fromHex } from './bytes.ts';
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
  if (!isStrictPublicKey(publicKey) || !isStrictSignature(signature)) return false;
  const r = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  if (s >= Point.Fn.ORDER) return false;
  const k = littleEndian(sha512(concat(r, publicKey, message))) % Point.Fn.ORDER;
  const expected = Point.BASE.multiplyUnsafe(s).subtract(Point.fromBytes(publicKey).multiplyUnsafe(k));
  return equal(expected.toBytes(), r);
};

/**
 * False for keys that make a signature fit many messages, or that two verifiers may read differently: wrong
 * length, not a point, a y of p or above, small order. Never throws. Costs a square root, so remember the
 * answer.
 */
export function isStrictPublicKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_LENGTH || isSmallOrder(publicKey)) return false;
  try {
    Point.fromBytes(publicKey);
    return true;
  } catch {
    return false;
  }
}

/**
 * False for signatures of wrong length, or whose R is of small order. What else may be wrong with one, the
 * equation shows.
 */
export function isStrictSignature(signature: Uint8Array): boolean {
  return signature.length === SIGNATURE_LENGTH && !isSmallOrder(signature.subarray(0, 32));
}

/** The y of the eight points whose order divides 8, little-endian: 0, 1, -1, and the two of order 8. */
const SMALL_ORDER_Y: readonly Uint8Array[] = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
].map(fromHex);

/** For an encoding of 32 bytes; the sign of x, its highest bit, does not matter. */
function isSmallOrder(encoding: Uint8Array): boolean {
  const y = Uint8Array.from(encoding);
  y[31]! &= 0x7f;
  return SMALL_ORDER_Y.some((small) => equal(small, y));
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let index = bytes.length - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[index]!);
  return value;
}
