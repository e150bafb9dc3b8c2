import { expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { CELL_LENGTH, SEGMENT_CELLS_MAX } from '../../src/base/limits.ts';
import { cellNonce } from '../../src/replication/cell-cipher.ts';
import { cellAt, segmentShape, stripeCount } from '../../src/replication/segment.ts';

it('the nonce of a cell is its number, big-endian, behind eight zero bytes', () => {
  expect(toHex(cellNonce(0))).toBe('000000000000000000000000');
  expect(toHex(cellNonce(0x01_02_03_04))).toBe('000000000000000001020304');
  expect(() => cellNonce(-1)).toThrow('invariant');
  expect(() => cellNonce(2 ** 32)).toThrow('invariant');
});

it('no two cells of the largest segment share a nonce, tail included', () => {
  const plaintextLength = SEGMENT_CELLS_MAX * CELL_LENGTH - 30_000;
  const shape = segmentShape({ k: 7, n: 9, plaintextLength, isEncrypted: true });
  const nonces = new Set<string>();
  for (let stripe = 0; stripe < stripeCount(shape); stripe++) {
    for (let column = 0; column < 7; column++)
      nonces.add(toHex(cellNonce(cellAt(shape, stripe, column).index)));
  }
  expect(nonces.size).toBe(stripeCount(shape) * 7);
  expect(nonces.size).toBeGreaterThanOrEqual(SEGMENT_CELLS_MAX);
});
