// The keys of a home, as commands and programs use them: make, list, open, export, import, protect, remove. A key is
// an ed25519 seed under a name; protected ones are sealed under a passphrase, which is asked for only when the seed
// is needed.
//
// Which key signs: the name that the caller gives, else HOLDFAST_KEY, else the one chosen with `chooseDefault`, else
// the key called `default`. A seed lives in memory for as long as it takes to hand it to the signer.

import { randomBytes } from 'node:crypto';
import { equal, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import { SEED_LENGTH } from '../../base/keys.ts';
import { PASSPHRASE_LENGTH_MIN } from '../../base/limits.ts';
import type { Signer } from '../../base/ports.ts';
import { systemClock } from '../../runtime/clock.ts';
import { nativeSigner } from '../../runtime/crypto.ts';
import { type Files, systemFiles } from '../../runtime/files.ts';
import { type NameKeys, nameKeysOfSeed } from '../names/name-cipher.ts';
import { isSealed, type KeyFile } from './key-file.ts';
import {
  keyNames,
  nameTaken,
  readDefaultName,
  readKey,
  removeKeyFiles,
  replaceKey,
  type StoredKey,
  writeDefaultName,
  writeNewKey,
} from './key-folder.ts';
import { checkKeyName, DEFAULT_KEY_NAME } from './key-paths.ts';
import { openSeal, sealSeed } from './seal.ts';

/** Asks for the passphrase of the key `name`. Called only where one is needed. */
export type AskPassphrase = (name: string) => Promise<string>;

export interface KeyEntry {
  readonly name: string;
  /** Hex; the account that the key signs for. Undefined where the file cannot be read. */
  readonly publicKey: string | undefined;
  readonly isProtected: boolean;
  /** Signs where no key is named. */
  readonly isDefault: boolean;
  readonly createdAtMs: number | undefined;
  readonly path: string | undefined;
  /** Why the file cannot be read. */
  readonly error: StoreError | undefined;
}

export interface NewKey {
  readonly name: string;
  /** Undefined: the seed lies in the file as it is. */
  readonly passphrase: string | undefined;
  /** Makes it the default; the first key of a home is in any case. */
  readonly isDefault?: boolean;
  /** An imported key; wiped. Undefined: a new one. */
  readonly seed?: Uint8Array;
}

/** What is done with a key that was opened. */
export interface OpenedKey {
  readonly signer: Signer;
  /** Encrypt the names of the key's buckets, and the content keys that stand under them. They tell nothing about the seed. */
  readonly nameKeys: NameKeys;
}

/** What a test changes: disk and work factor. */
export interface KeyInternals {
  readonly files?: Files;
  readonly costLog2?: number;
}

/** Every key of the home by name; a damaged file is an entry with `error`. Throws INVALID_CONFIG, DISK. */
export async function listKeys(home: string, { files }: KeyInternals = {}): Promise<KeyEntry[]> {
  const chosen = (await readDefaultName(home, files)) ?? DEFAULT_KEY_NAME;
  const entries: KeyEntry[] = [];
  for (const name of await keyNames(home, files)) {
    entries.push(await readEntry(home, name, name === chosen, files));
  }
  return entries;
}

/** Whether a key signs where the caller names none, and which: undefined in a home where nobody ever made or chose one. */
export async function signingKeyName(home: string, name?: string): Promise<string | undefined> {
  const chosen = name ?? (process.env['HOLDFAST_KEY'] || undefined) ?? (await readDefaultName(home));
  if (chosen !== undefined) return checkKeyName(chosen);
  return (await keyNames(home)).includes(DEFAULT_KEY_NAME) ? DEFAULT_KEY_NAME : undefined;
}

/**
 * The signer of a key: `name`, else the one that signs by default. Throws NOT_FOUND, WRONG_KEY for another passphrase,
 * INVALID_ARGUMENT, INVALID_IDENTITY, INVALID_CONFIG, DISK, and what `passphrase` throws.
 *
 *     const signer = await openKey(home, { passphrase: async () => 'correct horse battery' });
 */
export async function openKey(home: string, options: OpenOptions): Promise<Signer> {
  return (await openOwner(home, options)).signer;
}

/** The signer, and what the key encrypts with. Throws as `openKey`. */
export async function openOwner(home: string, options: OpenOptions): Promise<OpenedKey> {
  const name = (await signingKeyName(home, options.name)) ?? DEFAULT_KEY_NAME;
  const stored = await mustRead(home, name);
  return withSeed(stored, options.passphrase, (seed) => ({
    signer: nativeSigner(seed),
    nameKeys: nameKeysOfSeed(seed),
  }));
}

interface OpenOptions {
  readonly name?: string;
  readonly passphrase: AskPassphrase;
}

/** Throws ALREADY_EXISTS, INVALID_ARGUMENT (name, passphrase too short), FULL, DISK. */
export async function createKey(
  home: string,
  { name, passphrase, isDefault, seed = new Uint8Array(randomBytes(SEED_LENGTH)) }: NewKey,
  { files, costLog2 }: KeyInternals = {},
): Promise<KeyEntry> {
  checkKeyName(name);
  await refuseTaken(home, name, files);
  const { publicKey } = nativeSigner(seed);
  const file = await fileOf({ name, publicKey, createdAtMs: systemClock.now() }, seed, passphrase, costLog2);
  const hasDefault = await isDefaultThere(home, files);
  await writeNewKey(home, file, files);
  seed.fill(0);
  if (isDefault === true || (!hasDefault && name !== DEFAULT_KEY_NAME)) {
    await writeDefaultName(home, name, files);
  }
  return entryOf(home, name, files);
}

/** Throws ALREADY_EXISTS: before a passphrase is asked for in vain, and once more when the file is made. */
export async function refuseTaken(home: string, name: string, files: Files = systemFiles): Promise<void> {
  if (!(await keyNames(home, files)).includes(checkKeyName(name))) return;
  throw nameTaken(name);
}

/** The recovery phrase of a key. Throws as `openKey`. */
export async function exportPhrase(home: string, name: string, passphrase: AskPassphrase): Promise<string> {
  const { phraseOfSeed } = await import('./phrase.ts');
  return withSeed(await mustRead(home, name), passphrase, phraseOfSeed);
}

/**
 * Seals a key under another passphrase, or under none. `next` is asked after the old passphrase was right. Throws as
 * `openKey` and `createKey`; then the key is as it was.
 */
export async function changePassphrase(
  home: string,
  name: string,
  passphrase: AskPassphrase,
  next: () => Promise<string | undefined>,
  { files, costLog2 }: KeyInternals = {},
): Promise<KeyEntry> {
  const stored = await mustRead(home, name, files);
  const file = await withSeed(stored, passphrase, async (seed) =>
    fileOf(stored.file, seed, await next(), costLog2),
  );
  await replaceKey(home, file, files);
  return entryOf(home, name, files);
}

/** Makes a key the one that signs by default. Throws NOT_FOUND, INVALID_ARGUMENT, DISK. */
export async function chooseDefault(
  home: string,
  name: string,
  { files }: KeyInternals = {},
): Promise<KeyEntry> {
  await mustRead(home, name, files);
  await writeDefaultName(home, name, files);
  return entryOf(home, name, files);
}

/** The files of a key are gone when it resolves, damaged ones too. Throws NOT_FOUND, INVALID_ARGUMENT, DISK. */
export async function removeKey(home: string, name: string, { files }: KeyInternals = {}): Promise<KeyEntry> {
  const entry = await entryOf(home, name, files);
  await removeKeyFiles(home, name, files);
  return entry;
}

/** Throws INVALID_ARGUMENT for a passphrase that is too short to protect a key. */
export function checkNewPassphrase(passphrase: string): string {
  if (passphrase.normalize('NFKC').length >= PASSPHRASE_LENGTH_MIN) return passphrase;
  throw new StoreError('INVALID_ARGUMENT', 'the passphrase is too short', {
    next: `Give at least ${PASSPHRASE_LENGTH_MIN} characters; four or five words chosen by dice are good.`,
  });
}

async function fileOf(
  { name, publicKey, createdAtMs }: Pick<KeyFile, 'name' | 'publicKey' | 'createdAtMs'>,
  seed: Uint8Array,
  passphrase: string | undefined,
  costLog2: number | undefined,
): Promise<KeyFile> {
  const header = { name, publicKey, createdAtMs };
  if (passphrase === undefined) return { ...header, seed: seed.slice() };
  return sealSeed(header, seed, checkNewPassphrase(passphrase), costLog2);
}

/** Runs `use` with the seed, which is wiped afterwards. */
async function withSeed<T>(
  { file, path }: StoredKey,
  passphrase: AskPassphrase,
  use: (seed: Uint8Array) => T | Promise<T>,
): Promise<T> {
  const seed = isSealed(file) ? await openSeal(file, await passphrase(file.name)) : file.seed;
  try {
    if (!equal(nativeSigner(seed).publicKey, file.publicKey)) {
      throw new StoreError(
        'INVALID_IDENTITY',
        `key file ${path} is damaged: its public key is another key's`,
        {
          next: 'Restore it from a backup, or import its recovery phrase under a new name.',
        },
      );
    }
    return await use(seed);
  } finally {
    seed.fill(0);
  }
}

async function mustRead(home: string, name: string, files?: Files): Promise<StoredKey> {
  const stored = await readKey(home, name, files);
  if (stored === undefined) throw noSuchKey(home, name);
  return stored;
}

function noSuchKey(home: string, name: string): StoreError {
  return new StoreError('NOT_FOUND', `there is no key ${name} in ${home}`, {
    next: '"store keys" lists the keys, "store keys create NAME" makes one, "store keys default NAME" chooses one.',
  });
}

/** Whether the key that signs by default is there; a choice whose key was removed is none. */
async function isDefaultThere(home: string, files: Files | undefined): Promise<boolean> {
  const name = (await readDefaultName(home, files)) ?? DEFAULT_KEY_NAME;
  return (await keyNames(home, files)).includes(name);
}

async function entryOf(home: string, name: string, files: Files | undefined): Promise<KeyEntry> {
  if (!(await keyNames(home, files)).includes(checkKeyName(name))) throw noSuchKey(home, name);
  const chosen = (await readDefaultName(home, files)) ?? DEFAULT_KEY_NAME;
  return readEntry(home, name, name === chosen, files);
}

async function readEntry(
  home: string,
  name: string,
  isDefault: boolean,
  files: Files | undefined,
): Promise<KeyEntry> {
  try {
    const { file, path } = await mustRead(home, name, files);
    const isProtected = isSealed(file);
    if (!isProtected) file.seed.fill(0);
    const { createdAtMs } = file;
    return {
      name,
      publicKey: toHex(file.publicKey),
      isProtected,
      isDefault,
      createdAtMs,
      path,
      error: undefined,
    };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const unknown = { publicKey: undefined, createdAtMs: undefined, path: undefined };
    return { name, ...unknown, isProtected: false, isDefault, error };
  }
}
