// The primitives of Noise by OpenSSL, with keys that are imported once: handing the raw key over for every frame costs
// a quarter of the whole lane. A cipher state keeps its key in one array for life, so the array itself is the name under
// which the imported key is kept, and both go together.

import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { type ICryptoInterface, pureJsCrypto } from '@libp2p/noise';
import { concat } from '../../base/bytes.ts';
import { nativeSha256 } from '../crypto.ts';

const CIPHER = 'chacha20-poly1305';
const TAG_LENGTH = 16;

// RFC 8410: the fixed DER in front of a raw x25519 key.
const PRIVATE_PREFIX: Uint8Array = Buffer.from('302e020100300506032b656e04220420', 'hex');
const PUBLIC_PREFIX: Uint8Array = Buffer.from('302a300506032b656e032100', 'hex');

const importedKeys = new WeakMap<Uint8Array, KeyObject>();

function importedKey(key: Uint8Array): KeyObject {
  let imported = importedKeys.get(key);
  if (imported === undefined) {
    imported = createSecretKey(key);
    importedKeys.set(key, imported);
  }
  return imported;
}

export const noiseCrypto: ICryptoInterface = {
  ...pureJsCrypto,
  hashSHA256: (data) => nativeSha256(data.subarray()),
  generateX25519KeyPair() {
    const pair = generateKeyPairSync('x25519');
    const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' });
    const privateKey = pair.privateKey.export({ type: 'pkcs8', format: 'der' });
    return {
      publicKey: publicKey.subarray(PUBLIC_PREFIX.length),
      privateKey: privateKey.subarray(PRIVATE_PREFIX.length),
    };
  },
  generateX25519SharedKey(privateKey, publicKey) {
    const secret = Buffer.from(concat(PRIVATE_PREFIX, privateKey.subarray()));
    const open = Buffer.from(concat(PUBLIC_PREFIX, publicKey.subarray()));
    return diffieHellman({
      privateKey: createPrivateKey({ key: secret, type: 'pkcs8', format: 'der' }),
      publicKey: createPublicKey({ key: open, type: 'spki', format: 'der' }),
    });
  },
  chaCha20Poly1305Encrypt(plaintext, nonce, ad, key) {
    const cipher = createCipheriv(CIPHER, importedKey(key), nonce, { authTagLength: TAG_LENGTH });
    cipher.setAAD(ad, { plaintextLength: plaintext.byteLength });
    const parts = [...partsOf(plaintext)].map((part) => cipher.update(part));
    parts.push(cipher.final());
    return Buffer.concat([...parts, cipher.getAuthTag()]);
  },
  chaCha20Poly1305Decrypt(ciphertext, nonce, ad, key) {
    const textLength = ciphertext.byteLength - TAG_LENGTH;
    const bytes = ciphertext.subarray();
    const decipher = createDecipheriv(CIPHER, importedKey(key), nonce, { authTagLength: TAG_LENGTH });
    decipher.setAAD(ad, { plaintextLength: textLength });
    decipher.setAuthTag(bytes.subarray(textLength));
    const text = decipher.update(bytes.subarray(0, textLength));
    // A stream cipher has nothing left to give; `final` throws when the tag does not fit.
    decipher.final();
    return text;
  },
};

function partsOf(data: Uint8Array | Iterable<Uint8Array>): Iterable<Uint8Array> {
  return data instanceof Uint8Array ? [data] : data;
}
