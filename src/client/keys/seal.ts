// A seed under a passphrase: scrypt (RFC 7914) makes a key of the passphrase, AES-256-GCM seals the seed with it and
// vouches for the header of the file. Every seal has a new salt, hence a new key, so that a nonce never meets a key
// twice. Keys and seeds are wiped after use where they are bytes; a passphrase is text and stays until it is collected.

import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { concat, toUtf8 } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import { KEY_COST_LOG2, PASSPHRASE_LENGTH_MAX } from '../../base/limits.ts';
import {
  authenticatedBytes,
  type KeyHeader,
  NONCE_LENGTH,
  SALT_LENGTH,
  SCRYPT_BLOCK_SIZE,
  SCRYPT_PARALLELISM,
  type SealedKeyFile,
  type SealHeader,
  TAG_LENGTH,
} from './key-file.ts';

const CIPHER = 'aes-256-gcm';
const CIPHER_KEY_LENGTH = 32;
const SCRYPT_SLACK = 1024 * 1024;

/** `costLog2` below the usual is for tests. Throws INVALID_ARGUMENT for a passphrase that is too long. */
export async function sealSeed(
  header: KeyHeader,
  seed: Uint8Array,
  passphrase: string,
  costLog2: number = KEY_COST_LOG2,
): Promise<SealedKeyFile> {
  const salt = new Uint8Array(randomBytes(SALT_LENGTH));
  const nonce = new Uint8Array(randomBytes(NONCE_LENGTH));
  return sealWith(header, { costLog2, salt, nonce }, seed, passphrase);
}

/** As `sealSeed`, with salt and nonce given: they must never have been used. */
export async function sealWith(
  { name, publicKey, createdAtMs }: KeyHeader,
  seal: SealHeader,
  seed: Uint8Array,
  passphrase: string,
): Promise<SealedKeyFile> {
  const header = { name, publicKey, createdAtMs, seal };
  const key = await cipherKey(passphrase, seal);
  try {
    const cipher = createCipheriv(CIPHER, key, seal.nonce, { authTagLength: TAG_LENGTH });
    cipher.setAAD(authenticatedBytes(header));
    const body = concat(cipher.update(seed), cipher.final());
    return { ...header, ciphertext: concat(body, cipher.getAuthTag()) };
  } finally {
    key.fill(0);
  }
}

/** The seed; the caller wipes it. Throws WRONG_KEY for another passphrase, or when somebody changed the file. */
export async function openSeal(file: SealedKeyFile, passphrase: string): Promise<Uint8Array> {
  const key = await cipherKey(passphrase, file.seal);
  const body = file.ciphertext.subarray(0, -TAG_LENGTH);
  try {
    const decipher = createDecipheriv(CIPHER, key, file.seal.nonce, { authTagLength: TAG_LENGTH });
    decipher.setAAD(authenticatedBytes(file));
    decipher.setAuthTag(file.ciphertext.subarray(-TAG_LENGTH));
    const opened = decipher.update(body);
    const seed = new Uint8Array(opened);
    opened.fill(0);
    try {
      decipher.final();
    } catch {
      seed.fill(0);
      throw wrongPassphrase(file.name);
    }
    return seed;
  } finally {
    key.fill(0);
  }
}

function wrongPassphrase(name: string): StoreError {
  return new StoreError('WRONG_KEY', `the passphrase does not open the key ${name}`, {
    next: 'Type it again. If it is lost, import the recovery phrase under a new name: store keys import NAME.',
  });
}

/** Text that looks alike is alike (NFKC): keyboards differ in how they write the same letter. */
async function cipherKey(passphrase: string, { costLog2, salt }: SealHeader): Promise<Uint8Array> {
  const bytes = toUtf8(passphrase.normalize('NFKC'));
  if (bytes.length > PASSPHRASE_LENGTH_MAX) {
    throw new StoreError('INVALID_ARGUMENT', `the passphrase has more than ${PASSPHRASE_LENGTH_MAX} bytes`, {
      next: 'Give the passphrase, and nothing else.',
    });
  }
  const N = 2 ** costLog2;
  const maxmem = 128 * SCRYPT_BLOCK_SIZE * N + SCRYPT_SLACK;
  const cost = { N, r: SCRYPT_BLOCK_SIZE, p: SCRYPT_PARALLELISM, maxmem };
  try {
    return await new Promise<Uint8Array>((resolve, reject) => {
      scrypt(bytes, salt, CIPHER_KEY_LENGTH, cost, (error, key) =>
        error === null ? resolve(key) : reject(error),
      );
    });
  } finally {
    bytes.fill(0);
  }
}
