// A signature that was found good is good for ever, so that a transaction which was checked when it came is not checked again when its
// block is judged and when it is executed.
//
// Invariant: true without asking only for a public key, message and signature that were found valid before, all three equal to the byte.
// What was found invalid is not remembered: it would let anybody fill the memory for nothing. Bounded in entries and in bytes by two
// generations: when the young one has its half, it becomes the old one, which is forgotten; what is asked for again becomes young.

import { equal } from '../../base/bytes.ts';
import { VERIFIED_SIGNATURES_LENGTH_MAX } from '../../base/limits.ts';
import type { Verify } from '../../base/ports.ts';
import { nameOfBytes } from '../../shards/recent-keys.ts';

interface Valid {
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
}

/**
 * `verify`, remembering at most `max` valid signatures with messages of `maxBytes` together, and at least the half of it that was asked for
 * last.
 */
export function rememberingVerify(
  verify: Verify,
  max: number,
  maxBytes: number = VERIFIED_SIGNATURES_LENGTH_MAX,
): Verify {
  let young = new Map<string, Valid>();
  let old = new Map<string, Valid>();
  let youngBytes = 0;

  function keep(key: string, valid: Valid): void {
    const { length } = valid.message;
    if (2 * length > maxBytes || max < 2) return;
    if (2 * (young.size + 1) > max || 2 * (youngBytes + length) > maxBytes) {
      old = young;
      young = new Map();
      youngBytes = 0;
    }
    youngBytes += length - (young.get(key)?.message.length ?? 0);
    young.set(key, valid);
  }

  return (publicKey, message, signature) => {
    const key = nameOfBytes(signature);
    const known = young.get(key) ?? old.get(key);
    if (known !== undefined && equal(known.publicKey, publicKey) && equal(known.message, message)) {
      if (!young.has(key)) keep(key, known);
      return true;
    }
    if (!verify(publicKey, message, signature)) return false;
    keep(key, { publicKey: publicKey.slice(), message: message.slice() });
    return true;
  };
}
