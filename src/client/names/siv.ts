// Deterministic authenticated encryption: equal input, equal output, and nothing else can be seen from outside. The tag is a MAC of context
// and plaintext (a synthetic IV, after Rogaway and Shrimpton), the stream comes out of the tag; whoever opens makes the tag again.
// There is no nonce that could be used twice.
//
// Both halves are HMAC-SHA256: it runs in every browser, at once and not as a promise, and needs no package that is not there already. Names
// are short, so what AES would save is a few microseconds.
//
// Contexts of one pair of keys all have the same length, so context and plaintext cannot be cut differently.

import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, equal, toUtf8, uint32 } from '../../base/bytes.ts';

export interface SivKeys {
  readonly mac: Uint8Array;
  readonly stream: Uint8Array;
}

export const SIV_TAG_LENGTH = 16;
const BLOCK_LENGTH = 32;

/** `secret` is uniformly random; each purpose has keys of its own. */
export function deriveSivKeys(secret: Uint8Array, purpose: 'name' | 'content-key'): SivKeys {
  const derive = (half: string): Uint8Array =>
    hkdf(sha256, secret, undefined, toUtf8(`holdfast/${purpose}-${half}`), 32);
  return { mac: derive('mac'), stream: derive('stream') };
}

/** SIV_TAG_LENGTH bytes longer than `plaintext`. */
export function seal(keys: SivKeys, context: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const tag = tagOf(keys, context, plaintext);
  return concat(tag, masked(keys, tag, plaintext));
}

/** Undefined unless it was sealed under these keys in this context. */
export function open(keys: SivKeys, context: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < SIV_TAG_LENGTH) return undefined;
  const tag = sealed.subarray(0, SIV_TAG_LENGTH);
  const plaintext = masked(keys, tag, sealed.subarray(SIV_TAG_LENGTH));
  return equal(tag, tagOf(keys, context, plaintext)) ? plaintext : undefined;
}

function tagOf({ mac }: SivKeys, context: Uint8Array, plaintext: Uint8Array): Uint8Array {
  return hmac(sha256, mac, concat(context, plaintext)).slice(0, SIV_TAG_LENGTH);
}

/** Block i of the stream is HMAC(key, tag, i). */
function masked({ stream }: SivKeys, tag: Uint8Array, bytes: Uint8Array): Uint8Array {
  const result = bytes.slice();
  for (let at = 0, block = 0; at < bytes.length; at += BLOCK_LENGTH, block++) {
    const mask = hmac(sha256, stream, concat(tag, uint32(block)));
    const end = Math.min(bytes.length, at + BLOCK_LENGTH);
    for (let index = at; index < end; index++) result[index]! ^= mask[index - at]!;
  }
  return result;
}
