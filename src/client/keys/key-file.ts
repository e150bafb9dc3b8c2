// The form of a key file: JSON with a header that says whose key it is, and the 32-byte seed, plain or sealed under a
// passphrase (seal.ts). A file is believed as little as a message of a peer: strict members, costs within bounds, and a
// checksum, by which damage is told from a wrong passphrase. docs/keys.md has the form to the byte.
//
// The checksum is no protection: who changes a file on purpose corrects it too. What protects a sealed file is that
// its whole header goes into the seal as authenticated data.

import { z } from 'zod';
import { equal, fromHex, toHex, toUtf8 } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import { PUBLIC_KEY_LENGTH, SEED_LENGTH } from '../../base/keys.ts';
import { KEY_COST_LOG2_MAX, KEY_COST_LOG2_MIN, KEY_FILE_LENGTH_MAX } from '../../base/limits.ts';
import { nativeSha256 } from '../../runtime/crypto.ts';
import { isKeyName } from './key-paths.ts';

export const SALT_LENGTH = 32;
export const NONCE_LENGTH = 12;
export const TAG_LENGTH = 16;
export const SCRYPT_BLOCK_SIZE = 8;
export const SCRYPT_PARALLELISM = 1;

const KIND = 'holdfast-key';
const VERSION = 1;
const CHECKSUM_LENGTH = 8;
const TIME_MS_MAX = 8.64e15;

export interface KeyHeader {
  readonly name: string;
  /** Of ed25519: the account that the key signs for. */
  readonly publicKey: Uint8Array;
  readonly createdAtMs: number;
}

/** How a seed is sealed: scrypt(passphrase, salt, N = 2^costLog2) is the AES-256-GCM key for `nonce`. */
export interface SealHeader {
  readonly costLog2: number;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
}

export interface PlainKeyFile extends KeyHeader {
  readonly seed: Uint8Array;
}

export interface SealedKeyFile extends KeyHeader {
  readonly seal: SealHeader;
  /** The seed and the tag of 16 bytes. */
  readonly ciphertext: Uint8Array;
}

export type KeyFile = PlainKeyFile | SealedKeyFile;

export const isSealed = (file: KeyFile): file is SealedKeyFile => 'seal' in file;

const hex = (length: number): z.ZodType<string> =>
  z.string().regex(new RegExp(`^[0-9a-f]{${2 * length}}$`), `not ${2 * length} hex digits`);

const header = {
  kind: z.literal(KIND),
  version: z.literal(VERSION),
  name: z.string().refine(isKeyName, 'not the name of a key'),
  publicKey: hex(PUBLIC_KEY_LENGTH),
  createdAtMs: z.number().int().min(0).max(TIME_MS_MAX),
};

const plainSchema = z.strictObject({
  ...header,
  seed: hex(SEED_LENGTH),
  checksum: hex(CHECKSUM_LENGTH),
});

const sealedSchema = z.strictObject({
  ...header,
  kdf: z.strictObject({
    name: z.literal('scrypt'),
    n: z
      .number()
      .int()
      .refine(
        (n) => n >= 2 ** KEY_COST_LOG2_MIN && n <= 2 ** KEY_COST_LOG2_MAX && Number.isInteger(Math.log2(n)),
        `not a power of two from 2^${KEY_COST_LOG2_MIN} to 2^${KEY_COST_LOG2_MAX}`,
      ),
    r: z.literal(SCRYPT_BLOCK_SIZE),
    p: z.literal(SCRYPT_PARALLELISM),
    salt: hex(SALT_LENGTH),
  }),
  cipher: z.strictObject({ name: z.literal('aes-256-gcm'), nonce: hex(NONCE_LENGTH) }),
  ciphertext: hex(SEED_LENGTH + TAG_LENGTH),
  checksum: hex(CHECKSUM_LENGTH),
});

/**
 * The key in the bytes of a file that should hold the key `name`; `path` is for messages. Throws INVALID_IDENTITY,
 * and UNSUPPORTED for a later version.
 */
export function decodeKeyFile(bytes: Uint8Array, name: string, path: string): KeyFile {
  const value = jsonOf(bytes, path);
  if (value['kind'] === KIND && typeof value['version'] === 'number' && value['version'] > VERSION) {
    throw new StoreError('UNSUPPORTED', `key file ${path} was made by a later version`);
  }
  const parsed = ('seed' in value ? plainSchema : sealedSchema).safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw damaged(path, `${issue?.path.join('.') || 'value'}: ${issue?.message ?? 'off'}`);
  }
  const file = 'seed' in parsed.data ? plainOf(parsed.data) : sealedOf(parsed.data);
  if (!equal(checksumOf(file), fromHex(parsed.data.checksum))) {
    throw damaged(path, 'its checksum does not match');
  }
  if (file.name !== name) {
    throw new StoreError('INVALID_IDENTITY', `key file ${path} holds the key ${file.name}`, {
      next: `Name it ${file.name}.json again; to have the key under another name, export and import it.`,
    });
  }
  return file;
}

export function encodeKeyFile(file: KeyFile): Uint8Array {
  const secret = isSealed(file) ? { ciphertext: toHex(file.ciphertext) } : { seed: toHex(file.seed) };
  const value = { ...headerOf(file), ...secret, checksum: toHex(checksumOf(file)) };
  return toUtf8(`${JSON.stringify(value, null, 2)}\n`);
}

/** What a seal vouches for besides the seed: everything else in the file. */
export function authenticatedBytes(file: KeyHeader & { readonly seal: SealHeader }): Uint8Array {
  return toUtf8(JSON.stringify(headerOf(file)));
}

/** The members in front of the secret, in the order of the file. */
function headerOf(file: KeyHeader & { readonly seal?: SealHeader }): Record<string, unknown> {
  const { name, publicKey, createdAtMs, seal } = file;
  const common = { kind: KIND, version: VERSION, name, publicKey: toHex(publicKey), createdAtMs };
  if (seal === undefined) return common;
  const n = 2 ** seal.costLog2;
  return {
    ...common,
    kdf: { name: 'scrypt', n, r: SCRYPT_BLOCK_SIZE, p: SCRYPT_PARALLELISM, salt: toHex(seal.salt) },
    cipher: { name: 'aes-256-gcm', nonce: toHex(seal.nonce) },
  };
}

function checksumOf(file: KeyFile): Uint8Array {
  const secret = isSealed(file) ? file.ciphertext : file.seed;
  return nativeSha256(toUtf8(JSON.stringify(headerOf(file))), secret).subarray(0, CHECKSUM_LENGTH);
}

function plainOf({ name, publicKey, createdAtMs, seed }: z.infer<typeof plainSchema>): PlainKeyFile {
  return { name, publicKey: fromHex(publicKey), createdAtMs, seed: fromHex(seed) };
}

function sealedOf(value: z.infer<typeof sealedSchema>): SealedKeyFile {
  const { name, publicKey, createdAtMs, kdf, cipher, ciphertext } = value;
  return {
    name,
    publicKey: fromHex(publicKey),
    createdAtMs,
    seal: { costLog2: Math.log2(kdf.n), salt: fromHex(kdf.salt), nonce: fromHex(cipher.nonce) },
    ciphertext: fromHex(ciphertext),
  };
}

function jsonOf(bytes: Uint8Array, path: string): Record<string, unknown> {
  if (bytes.length > KEY_FILE_LENGTH_MAX) throw damaged(path, 'it is too long');
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // The parser's words would quote the file, which may hold a seed.
  }
  throw damaged(path, 'it is not a JSON object');
}

function damaged(path: string, reason: string): StoreError {
  return new StoreError('INVALID_IDENTITY', `key file ${path} is damaged: ${reason}`, {
    next: 'Restore it from a backup, or move it away and import its recovery phrase (store keys import).',
  });
}
