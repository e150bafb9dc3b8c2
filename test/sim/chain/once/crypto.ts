// `src/runtime/crypto.ts`, where short bytes that were hashed before are not hashed again. Digests are shared: nobody may change one.

import type { Sha256 } from '../../../../src/base/hash.ts';
import * as real from '../../../../src/runtime/crypto.ts';
import { isSharing, memo } from './sharing.ts';

export * from '../../../../src/runtime/crypto.ts';

const LENGTH_MAX = 512;
const ENTRIES_MAX = 200_000;

const digests = memo(new Map<string, Uint8Array>());
const joined = Buffer.alloc(LENGTH_MAX);

export const nativeSha256: Sha256 = (...parts) => {
  if (!isSharing()) return real.nativeSha256(...parts);
  let length = 0;
  for (const part of parts) {
    if (length + part.length > LENGTH_MAX) return real.nativeSha256(...parts);
    joined.set(part, length);
    length += part.length;
  }
  const text = joined.toString('latin1', 0, length);
  let digest = digests.get(text);
  if (digest === undefined) {
    digest = real.nativeSha256(joined.subarray(0, length));
    if (digests.size >= ENTRIES_MAX) digests.clear();
    digests.set(text, digest);
  }
  return digest;
};
