// SHA-256 and ed25519 by the operating environment: ten to twenty times the portable ones, with equal
// results. The verifier accepts exactly what `portableVerify` accepts, for nodes that disagree on a signature
// disagree on everything above it. What is signed or hashed is left to the callers.

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  hash,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { assert } from '../base/assert.ts';
import { concat } from '../base/bytes.ts';
import type { Sha256 } from '../base/hash.ts';
import type { Signature } from '../base/ids.ts';
import { isStrictPublicKey, isStrictSignature, SEED_LENGTH } from '../base/keys.ts';
import { VERIFY_KEYS_MAX } from '../base/limits.ts';
import type { Signer, Verify } from '../base/ports.ts';

/** Below this, joining the parts for a one-shot call is cheaper than a hash object. */
const ONE_SHOT_LENGTH = 4096;

/** SHA-256 over the concatenation of `parts`, by OpenSSL. */
export const nativeSha256: Sha256 = (...parts) => {
  if (parts.length === 1) return plain(hash('sha256', parts[0]!, 'buffer'));
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length <= ONE_SHOT_LENGTH) return plain(hash('sha256', concat(...parts), 'buffer'));
  const state = createHash('sha256');
  for (const part of parts) state.update(part);
  return plain(state.digest());
};

/** Signer from a 32-byte seed. The key lives in OpenSSL's memory and is never printed. */
export function nativeSigner(seed: Uint8Array): Signer {
  assert(seed.length === SEED_LENGTH, 'an ed25519 seed has 32 bytes');
  const key = createPrivateKey({ key: der(PRIVATE_PREFIX, seed), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return {
    publicKey: plain(spki.subarray(PUBLIC_PREFIX.length)),
    sign: (message) => plain(sign(null, message, key)) as Signature,
  };
}

/**
 * ed25519 verification with imported keys kept for the next time: importing costs as much as half a
 * verification.
 */
export const nativeVerify: Verify = (publicKey, message, signature) => {
  if (!isStrictSignature(signature)) return false;
  const key = importedKey(publicKey);
  return key !== undefined && verify(null, message, key, signature);
};

/** Least recently used first; a Map iterates in order of insertion. */
const importedKeys = new Map<string, KeyObject>();

/** The imported key, or undefined when no honest signer has such a key. Only good keys are kept. */
function importedKey(publicKey: Uint8Array): KeyObject | undefined {
  const id = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.length).toString('latin1');
  let key = importedKeys.get(id);
  if (key !== undefined) importedKeys.delete(id);
  else key = importKey(publicKey);
  if (key === undefined) return undefined;
  importedKeys.set(id, key);
  if (importedKeys.size > VERIFY_KEYS_MAX) importedKeys.delete(importedKeys.keys().next().value!);
  return key;
}

function importKey(publicKey: Uint8Array): KeyObject | undefined {
  if (!isStrictPublicKey(publicKey)) return undefined;
  try {
    return createPublicKey({ key: der(PUBLIC_PREFIX, publicKey), format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

// RFC 8410: the fixed DER in front of a raw ed25519 seed (PKCS #8) and of a raw public key
// (SubjectPublicKeyInfo).
const PRIVATE_PREFIX: Uint8Array = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_PREFIX: Uint8Array = Buffer.from('302a300506032b6570032100', 'hex');

function der(prefix: Uint8Array, key: Uint8Array): Buffer {
  return Buffer.concat([prefix, key]);
}

/**
 * Copies a Buffer into a plain array: Buffers come from a shared pool and would be kept alive by a digest.
 */
function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer);
}
