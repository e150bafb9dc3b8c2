import { describe, expect, test } from 'vitest';
import { isStrictPublicKey, isStrictSignature, portableSigner, portableVerify } from '../../src/base/keys.ts';
import { NOT_CANONICAL_KEYS, SMALL_ORDER_KEYS } from '../adversaries/signature-forger.ts';
import { signatureSuite } from '../suites/signatures.ts';

describe('portable ed25519', () => {
  signatureSuite(portableSigner, portableVerify);
});

describe('a strict public key', () => {
  test('is one that a signer makes', () => {
    for (let seed = 0; seed < 5; seed++) {
      expect(isStrictPublicKey(portableSigner(new Uint8Array(32).fill(seed)).publicKey)).toBe(true);
    }
  });

  test('is not of small order, not in a second encoding, not of another length', () => {
    for (const key of [...SMALL_ORDER_KEYS, ...NOT_CANONICAL_KEYS])
      expect(isStrictPublicKey(key)).toBe(false);
    for (const length of [0, 31, 33]) expect(isStrictPublicKey(new Uint8Array(length).fill(1))).toBe(false);
  });
});

test('a strict signature has its length and an R that is not of small order', () => {
  const signature = portableSigner(new Uint8Array(32).fill(1)).sign(new Uint8Array(3));
  expect(isStrictSignature(signature)).toBe(true);
  for (const r of [...SMALL_ORDER_KEYS, ...NOT_CANONICAL_KEYS.slice(5)]) {
    expect(isStrictSignature(Uint8Array.from([...r, ...signature.subarray(32)]))).toBe(false);
  }
  for (const length of [0, 63, 65]) expect(isStrictSignature(new Uint8Array(length).fill(1))).toBe(false);
});

test('a seed never shows in what a person may print of a signer', () => {
  const signer = portableSigner(new Uint8Array(32).fill(0xab));
  expect(JSON.stringify(signer)).not.toContain('171');
  expect(Object.keys(signer).sort()).toEqual(['publicKey', 'sign']);
});
