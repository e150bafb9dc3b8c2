// Plaintext into stored cells and back. A stored cell is the ciphertext of its payload and the tag, or the payload as it
// is when the segment is public. Rules of layout: replication/segment.ts; of nonces: replication/cell-cipher.ts.

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { assert } from '../../base/assert.ts';
import { StoreError } from '../../base/errors.ts';
import { TAG_LENGTH } from '../../base/limits.ts';
import { CELL_KEY_LENGTH, cellNonce } from '../../replication/cell-cipher.ts';

const CIPHER = 'aes-256-gcm';
const TAG_OPTIONS = { authTagLength: TAG_LENGTH } as const;

/** The segment key, imported once per segment: importing costs more than a small cell. */
export function importCellKey(key: Uint8Array): KeyObject {
  assert(key.length === CELL_KEY_LENGTH, 'a segment key has 32 bytes');
  return createSecretKey(key);
}

/** Fills `cell`, a stored cell, from its part of the plaintext, which may be its own start; the payload beyond it is zeros. */
export function sealCell(
  key: KeyObject | undefined,
  index: number,
  plaintext: Uint8Array,
  cell: Uint8Array,
): void {
  if (key === undefined) {
    cell.set(plaintext);
    cell.fill(0, plaintext.length);
    return;
  }
  const payloadLength = cell.length - TAG_LENGTH;
  const cipher = createCipheriv(CIPHER, key, cellNonce(index), TAG_OPTIONS);
  moveInto(cell, 0, cipher.update(plaintext));
  const padding = payloadLength - plaintext.length;
  if (padding > 0) moveInto(cell, plaintext.length, cipher.update(new Uint8Array(padding)));
  cipher.final();
  cell.set(cipher.getAuthTag(), payloadLength);
}

/** Fills `plaintext`, which may be the cell's own start, from a stored cell. Throws WRONG_KEY when the tag fails; `plaintext` is then as it was. */
export function openCell(
  key: KeyObject | undefined,
  index: number,
  cell: Uint8Array,
  plaintext: Uint8Array,
): void {
  if (key === undefined) {
    plaintext.set(cell.subarray(0, plaintext.length));
    return;
  }
  const payloadLength = cell.length - TAG_LENGTH;
  const decipher = createDecipheriv(CIPHER, key, cellNonce(index), TAG_OPTIONS);
  decipher.setAuthTag(cell.subarray(payloadLength));
  const payload = decipher.update(cell.subarray(0, payloadLength));
  try {
    decipher.final();
  } catch (cause) {
    free(payload);
    throw new StoreError('WRONG_KEY', `the content key does not decrypt cell ${index}`, {
      next: 'check that the URI is complete and belongs to this object',
      cause,
    });
  }
  plaintext.set(payload.length === plaintext.length ? payload : payload.subarray(0, plaintext.length));
  free(payload);
}

function moveInto(target: Uint8Array, at: number, output: Buffer): void {
  target.set(output, at);
  free(output);
}

/**
 * Gives the memory of what a cipher put out back at once: the next output gets the same, which is still in the cache. Left to
 * the collector, outputs pile up to many megabytes of touched pages.
 */
function free({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
