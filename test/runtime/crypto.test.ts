import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { portableSha256 } from '../../src/base/hash.ts';
import { portableSigner, portableVerify } from '../../src/base/keys.ts';
import { nativeSha256, nativeSigner, nativeVerify } from '../../src/runtime/crypto.ts';
import { signatureSuite } from '../suites/signatures.ts';

describe('native ed25519', () => {
  signatureSuite(nativeSigner, nativeVerify);

  test('makes the same keys and signatures as the portable one, and each verifies the other', () => {
    const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(bytes32, fc.uint8Array({ maxLength: 300 }), (seed, message) => {
        const [native, portable] = [nativeSigner(seed), portableSigner(seed)];
        expect(native.publicKey).toEqual(portable.publicKey);
        const signature = native.sign(message);
        expect(signature).toEqual(portable.sign(message));
        expect(nativeVerify(portable.publicKey, message, signature)).toBe(true);
        expect(portableVerify(native.publicKey, message, signature)).toBe(true);
      }),
      { numRuns: 15 },
    );
  });

  test('agrees with the portable one on bytes of any kind', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(bytes(32), bytes(64), bytes(3), (key, signature, message) => {
        expect(nativeVerify(key, message, signature)).toBe(portableVerify(key, message, signature));
      }),
      { numRuns: 60 },
    );
  });

  test('does not keep what callers may change: key bytes reused for another key are another key', () => {
    const [first, second] = [
      nativeSigner(new Uint8Array(32).fill(1)),
      nativeSigner(new Uint8Array(32).fill(2)),
    ];
    const message = new Uint8Array(4);
    const buffer = first.publicKey.slice();
    expect(nativeVerify(buffer, message, first.sign(message))).toBe(true);
    buffer.set(second.publicKey);
    expect(nativeVerify(buffer, message, first.sign(message))).toBe(false);
    expect(nativeVerify(buffer, message, second.sign(message))).toBe(true);
  });

  test('treats a seed of another length as a defect of the caller', () => {
    for (const length of [0, 31, 33, 64])
      expect(() => nativeSigner(new Uint8Array(length))).toThrow(AssertionError);
  });

  test('shows no seed to whoever prints a signer', () => {
    expect(Object.keys(nativeSigner(new Uint8Array(32).fill(9))).sort()).toEqual(['publicKey', 'sign']);
  });
});

describe('native SHA-256', () => {
  test('gives the digest of the portable one for one part and for many, short and long', () => {
    for (const lengths of [
      [],
      [0],
      [1],
      [4096],
      [4097],
      [100_000],
      [64, 32],
      [2048, 2048],
      [2048, 2049],
      [9, 50_000, 0, 3],
    ]) {
      const parts = lengths.map((length, index) => new Uint8Array(length).fill(index + 1));
      expect(nativeSha256(...parts)).toEqual(portableSha256(...parts));
    }
  });

  test('gives a plain byte array of its own 32 bytes, no view into a pool', () => {
    for (const parts of [
      [new Uint8Array(3)],
      [new Uint8Array(3), new Uint8Array(3)],
      [new Uint8Array(9000), new Uint8Array(1)],
    ]) {
      const digest = nativeSha256(...parts);
      expect(Object.getPrototypeOf(digest)).toBe(Uint8Array.prototype);
      expect(digest.buffer.byteLength).toBe(32);
    }
  });
});
