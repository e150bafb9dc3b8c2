import { pureJsCrypto } from '@libp2p/noise';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { noiseCrypto } from '../../../src/runtime/control/noise-crypto.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const plain = (data: { subarray(): Uint8Array }): Uint8Array => new Uint8Array(data.subarray());

describe('the primitives of Noise equal their portable twins', () => {
  test('chacha20-poly1305', () => {
    fc.assert(
      fc.property(
        bytes(32),
        bytes(12),
        fc.uint8Array(),
        fc.uint8Array({ maxLength: 5000 }),
        (key, nonce, ad, text) => {
          const sealed = plain(noiseCrypto.chaCha20Poly1305Encrypt(text, nonce, ad, key));
          expect(sealed).toEqual(plain(pureJsCrypto.chaCha20Poly1305Encrypt(text, nonce, ad, key)));
          expect(plain(noiseCrypto.chaCha20Poly1305Decrypt(sealed, nonce, ad, key))).toEqual(
            new Uint8Array(text),
          );
        },
      ),
    );
  });

  test('a changed byte of text, tag, nonce or associated data is found', () => {
    const [key, nonce, ad, text] = [
      new Uint8Array(32),
      new Uint8Array(12),
      new Uint8Array(4),
      new Uint8Array(100),
    ];
    const sealed = plain(noiseCrypto.chaCha20Poly1305Encrypt(text, nonce, ad, key));
    for (let index = 0; index < sealed.length; index++) {
      const changed = sealed.slice();
      changed[index]! ^= 1;
      expect(() => noiseCrypto.chaCha20Poly1305Decrypt(changed, nonce, ad, key)).toThrow();
    }
    const other = new Uint8Array(12).fill(1);
    expect(() => noiseCrypto.chaCha20Poly1305Decrypt(sealed, other, ad, key)).toThrow();
    expect(() => noiseCrypto.chaCha20Poly1305Decrypt(sealed, nonce, other, key)).toThrow();
    expect(() => noiseCrypto.chaCha20Poly1305Decrypt(sealed.subarray(0, 10), nonce, ad, key)).toThrow();
  });

  test('x25519', () => {
    const [ours, theirs] = [noiseCrypto.generateX25519KeyPair(), pureJsCrypto.generateX25519KeyPair()];
    const shared = plain(noiseCrypto.generateX25519SharedKey(ours.privateKey, theirs.publicKey));
    expect(plain(pureJsCrypto.generateX25519SharedKey(theirs.privateKey, ours.publicKey))).toEqual(shared);
    expect(plain(pureJsCrypto.generateX25519SharedKey(ours.privateKey, theirs.publicKey))).toEqual(shared);
  });

  test('a public key of small order is refused: the shared key would be known to everybody', () => {
    const { privateKey } = noiseCrypto.generateX25519KeyPair();
    expect(() => noiseCrypto.generateX25519SharedKey(privateKey, new Uint8Array(32))).toThrow();
  });

  test('sha256', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (data) => {
        expect(plain(noiseCrypto.hashSHA256(data))).toEqual(plain(pureJsCrypto.hashSHA256(data)));
      }),
    );
  });
});
