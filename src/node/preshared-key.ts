// The pre-shared key of a closed network: 32 secret bytes as 64 hex digits in a file that only its owner reads. Who lacks it
// cannot even say hello.

import { fromHex } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import { readPrivateFile } from '../runtime/files.ts';

/** Throws NOT_FOUND, INVALID_IDENTITY (readable by others), INVALID_CONFIG (not such a key), DISK. */
export async function readPresharedKey(path: string): Promise<Uint8Array> {
  const text = new TextDecoder().decode(await readPrivateFile(path)).trim();
  if (/^[0-9a-f]{64}$/.test(text)) return fromHex(text);
  throw new StoreError('INVALID_CONFIG', `${path} is not a pre-shared key of 64 hex digits`, {
    next: 'Make one with "openssl rand -hex 32" and give the same file to every node and client.',
  });
}
