// What every ed25519 implementation behind `Signer` and `Verify` must do: portable and native pass the same suite.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import type { Signer, Verify } from '../../src/base/ports.ts';
import {
  cofactorForgeries,
  identitySignature,
  malleatedForgeries,
  mixedKeySignatures,
  NOT_CANONICAL_KEYS,
  SMALL_ORDER_KEYS,
  smallOrderForgeries,
} from '../adversaries/signature-forger.ts';

interface Vectors {
  readonly cases: readonly { seed: string; publicKey: string; message: string; signature: string }[];
}

export function signatureSuite(signerOf: (seed: Uint8Array) => Signer, verify: Verify): void {
  const signer = signerOf(new Uint8Array(32).fill(1));
  const message = new Uint8Array(50).fill(3);
  const signature = signer.sign(message);

  test('signs and verifies as RFC 8032 section 7.1 writes down', () => {
    const file = new URL('../vectors/ed25519.json', import.meta.url);
    const { cases } = JSON.parse(readFileSync(file, 'utf8')) as Vectors;
    expect(cases.length).toBeGreaterThan(2);
    for (const vector of cases) {
      const signs = signerOf(fromHex(vector.seed));
      expect(toHex(signs.publicKey)).toBe(vector.publicKey);
      expect(toHex(signs.sign(fromHex(vector.message)))).toBe(vector.signature);
      expect(verify(signs.publicKey, fromHex(vector.message), fromHex(vector.signature))).toBe(true);
    }
  });

  test('gives plain byte arrays of the right length', () => {
    for (const [bytes, length] of [
      [signer.publicKey, 32],
      [signature, 64],
    ] as const) {
      expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
      expect(bytes.length).toBe(length);
    }
  });

  test('accepts any message, the empty one too, and views into larger buffers', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const own = signer.sign(bytes);
        const padded = new Uint8Array([0, 0, ...signer.publicKey, 0]);
        expect(verify(padded.subarray(2, 34), bytes, own)).toBe(true);
      }),
      { numRuns: 10 },
    );
  });

  test('refuses when one bit of key, message or signature is another', () => {
    const parts = { key: signer.publicKey, message, signature };
    fc.assert(
      fc.property(fc.constantFrom('key', 'message', 'signature'), fc.nat(), fc.nat(7), (where, at, bit) => {
        const bent = parts[where as keyof typeof parts].slice();
        bent[at % bent.length]! ^= 1 << bit;
        const now = { ...parts, [where]: bent };
        expect(verify(now.key, now.message, now.signature)).toBe(false);
      }),
      { numRuns: 40 },
    );
  });

  test('refuses wrong lengths without a throw', () => {
    for (const length of [0, 1, 31, 33, 64, 1000]) {
      expect(verify(new Uint8Array(length).fill(1), message, signature)).toBe(false);
    }
    for (const length of [0, 1, 32, 63, 65, 1000]) {
      expect(verify(signer.publicKey, message, new Uint8Array(length))).toBe(false);
    }
  });

  test('refuses keys that are no point', () => {
    for (let y = 2; y < 30; y++) {
      const key = new Uint8Array(32);
      key[0] = y;
      expect(verify(key, message, signature)).toBe(false);
    }
  });

  test('refuses keys of small order, though their signatures satisfy the equation', () => {
    const forgeries = smallOrderForgeries();
    expect(forgeries.length).toBe(SMALL_ORDER_KEYS.length);
    for (const { name, publicKey, message: forged, signature: bare } of forgeries) {
      expect(verify(publicKey, forged, bare), name).toBe(false);
    }
  });

  test('refuses an R of small order, though the signature satisfies the equation', () => {
    const { publicKey, message: forged, signature: bare } = identitySignature();
    expect(verify(publicKey, forged, bare)).toBe(false);
  });

  test('refuses keys in a second encoding', () => {
    for (const key of NOT_CANONICAL_KEYS) {
      for (const forgery of smallOrderForgeries())
        expect(verify(key, forgery.message, forgery.signature)).toBe(false);
    }
  });

  test('refuses second forms of a signature, and what only a cofactor would let pass', () => {
    for (const { name, publicKey, message: forged, signature: bare } of [
      ...malleatedForgeries(),
      ...cofactorForgeries(),
    ]) {
      expect(verify(publicKey, forged, bare), name).toBe(false);
    }
  });

  test('accepts the odd but unambiguous: a key of mixed order, where its small part vanishes', () => {
    const mixed = mixedKeySignatures();
    expect(new Set(mixed.map(({ isEquationMet }) => isEquationMet)).size).toBe(2);
    for (const { name, publicKey, message: forged, signature: bare, isEquationMet } of mixed) {
      expect(verify(publicKey, forged, bare), name).toBe(isEquationMet);
    }
  });
}
