// How a cell is encrypted: AES-256-GCM under the segment key, without associated data. The key belongs to one encoding
// run of one segment (see `segmentKey`), so the number of the cell within the segment is nonce enough. The tag is stored
// behind the ciphertext. The cipher itself is the runtime's.

import { assert } from '../base/assert.ts';
import { uint32 } from '../base/bytes.ts';

/** Length of a segment key. */
export const CELL_KEY_LENGTH = 32;
const NONCE_LENGTH = 12;

/** Nonce of cell `index` (stripe * k + column, stripes counted from the start of the segment): u64 zero, u32 index. */
export function cellNonce(index: number): Uint8Array {
  assert(Number.isInteger(index) && index >= 0 && index < 2 ** 32, 'a cell index is a u32');
  const nonce = new Uint8Array(NONCE_LENGTH);
  nonce.set(uint32(index), NONCE_LENGTH - 4);
  return nonce;
}
