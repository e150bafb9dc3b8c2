import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FastHash, MESSAGE_LENGTH_MAX } from '../../src/forecast/fast-hash.ts';

test('the first 64 bits are those of SHA-256, for every length of two blocks and whatever was hashed before', () => {
  for (let length = 56; length <= MESSAGE_LENGTH_MAX; length++) {
    const hash = new FastHash(length);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: length, maxLength: length }), (bytes) => {
        hash.message.set(bytes);
        hash.run();
        const wanted = createHash('sha256').update(bytes).digest();
        expect([hash.high, hash.low]).toEqual([wanted.readUInt32BE(0), wanted.readUInt32BE(4)]);
      }),
      { numRuns: 10 },
    );
  }
});
