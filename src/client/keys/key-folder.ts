// The keys of a home on the disk: one file each in the folder `keys`, for their owner alone, and the key of the first
// put in `owner.key` beside it, which is the key `default` for as long as it is there. A key file is made under a
// name that nothing has, or replaced whole: at any moment the old one or the new one is there. Sealing the key in
// `owner.key` writes `keys/default.json` first and removes `owner.key` last.

import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { equal, toUtf8 } from '../../base/bytes.ts';
import { StoreError, toStoreError } from '../../base/errors.ts';
import { KEYS_MAX, LABEL_LENGTH_MAX } from '../../base/limits.ts';
import {
  atomicWrite,
  type Files,
  readPrivateFile,
  readWhole,
  systemCode,
  systemFiles,
  writeWhole,
} from '../../runtime/files.ts';
import { loadIdentity } from '../../runtime/identity.ts';
import { decodeKeyFile, encodeKeyFile, type KeyFile, type PlainKeyFile } from './key-file.ts';
import {
  checkKeyName,
  DEFAULT_KEY_NAME,
  defaultNamePath,
  isKeyName,
  keyFolder,
  keyNameOf,
  keyPath,
  ownerKeyPath,
} from './key-paths.ts';

export interface StoredKey {
  readonly path: string;
  readonly file: KeyFile;
}

/** The key of that name; undefined where there is none. Throws INVALID_ARGUMENT, INVALID_IDENTITY, UNSUPPORTED, DISK. */
export async function readKey(
  home: string,
  name: string,
  files: Files = systemFiles,
): Promise<StoredKey | undefined> {
  const path = keyPath(home, checkKeyName(name));
  const bytes = await unlessMissing(readPrivateFile(path, files));
  const found = bytes === undefined ? undefined : { path, file: decodeKeyFile(bytes, name, path) };
  bytes?.fill(0);
  if (name !== DEFAULT_KEY_NAME) return found;
  const owner = await readOwnerFile(ownerKeyPath(home));
  if (owner === undefined) return found;
  if (found !== undefined && !equal(found.file.publicKey, owner.publicKey)) {
    throw new StoreError('INVALID_IDENTITY', `${ownerKeyPath(home)} and ${path} hold two keys of one name`, {
      next: 'Move one of the files away; to keep both, give one of them another name by export and import.',
    });
  }
  // Were it sealed only in part, the key would still lie here in plain: what is said of it must be true.
  return { path: ownerKeyPath(home), file: owner };
}

/** Names of all keys, sorted. Throws DISK. */
export async function keyNames(home: string, files: Files = systemFiles): Promise<string[]> {
  const inFolder = (await listFolder(keyFolder(home), files)).flatMap((each) => keyNameOf(each) ?? []);
  const hasOwnerFile = (await listFolder(home, files)).includes(basename(ownerKeyPath(home)));
  return [...new Set(hasOwnerFile ? [DEFAULT_KEY_NAME, ...inFolder] : inFolder)].sort();
}

/** Makes the file of a new key and returns its path. Throws ALREADY_EXISTS, FULL, DISK. */
export async function writeNewKey(home: string, file: KeyFile, files: Files = systemFiles): Promise<string> {
  const names = await keyNames(home, files);
  if (names.includes(file.name)) throw nameTaken(file.name);
  if (names.length >= KEYS_MAX) {
    throw new StoreError('FULL', `${keyFolder(home)} holds ${names.length} keys, and may hold no more`, {
      next: 'Remove keys that are not needed: store keys remove NAME.',
    });
  }
  const path = keyPath(home, file.name);
  try {
    await files.makeDirectory(keyFolder(home));
    await createWhole(path, encodeKeyFile(file), files);
    // After the link: a sweep before it could take the file of somebody who makes the same key just now.
    await sweep(path, files);
  } catch (error) {
    if ((await keyNames(home, files)).includes(file.name)) throw nameTaken(file.name);
    throw toStoreError(error, 'DISK', `cannot write ${path}`);
  }
  return path;
}

/** Puts `file` in the place of the key of its name, which exists, and returns its path. Throws DISK. */
export async function replaceKey(home: string, file: KeyFile, files: Files = systemFiles): Promise<string> {
  const path = keyPath(home, file.name);
  try {
    await files.makeDirectory(keyFolder(home));
    await atomicWrite(path, encodeKeyFile(file), files);
    await sweep(path, files);
    if (file.name === DEFAULT_KEY_NAME) await removeFile(ownerKeyPath(home), files);
  } catch (error) {
    throw toStoreError(error, 'DISK', `cannot write ${path}`);
  }
  return path;
}

/** Removes every file that holds the key. Throws DISK. */
export async function removeKeyFiles(home: string, name: string, files: Files = systemFiles): Promise<void> {
  const path = keyPath(home, checkKeyName(name));
  try {
    await sweep(path, files);
    if (name === DEFAULT_KEY_NAME) await removeFile(ownerKeyPath(home), files);
    await removeFile(path, files);
  } catch (error) {
    throw toStoreError(error, 'DISK', `cannot remove ${path}`);
  }
}

/** The name of the key that was chosen as default; undefined where none was. Throws INVALID_CONFIG, DISK. */
export async function readDefaultName(home: string, files: Files = systemFiles): Promise<string | undefined> {
  const path = defaultNamePath(home);
  const bytes = await readWhole(path, 4 * LABEL_LENGTH_MAX, files);
  if (bytes === undefined) return undefined;
  const name = new TextDecoder().decode(bytes).trimEnd();
  if (isKeyName(name)) return name;
  throw new StoreError('INVALID_CONFIG', `${path} does not hold the name of a key`, {
    next: 'Choose the key that signs again: store keys default NAME.',
  });
}

/** Throws DISK. */
export async function writeDefaultName(
  home: string,
  name: string,
  files: Files = systemFiles,
): Promise<void> {
  const path = defaultNamePath(home);
  try {
    await files.makeDirectory(keyFolder(home));
    await atomicWrite(path, toUtf8(`${checkKeyName(name)}\n`), files);
    await sweep(path, files);
  } catch (error) {
    throw toStoreError(error, 'DISK', `cannot write ${path}`);
  }
}

export function nameTaken(name: string): StoreError {
  return new StoreError('ALREADY_EXISTS', `there is a key ${name} already`, {
    next: 'Choose another name; a key is never overwritten.',
  });
}

/** The key in `owner.key`, whose form is that of a node's. */
async function readOwnerFile(path: string): Promise<PlainKeyFile | undefined> {
  const identity = await unlessMissing(loadIdentity(path).catch(aboutOwnerKey));
  if (identity === undefined) return undefined;
  // It was written once.
  const { mtimeMs } = await stat(path);
  const { publicKey } = identity.signer;
  const createdAtMs = Math.max(0, Math.floor(mtimeMs));
  return { name: DEFAULT_KEY_NAME, publicKey, createdAtMs, seed: identity.secretSeed() };
}

/** Key files of nodes and owners have one form; what to do about a damaged one differs. */
function aboutOwnerKey(error: unknown): never {
  if (!(error instanceof StoreError) || error.code !== 'INVALID_IDENTITY') throw error;
  throw new StoreError('INVALID_IDENTITY', `owner key: ${error.message}`, {
    cause: error,
    next:
      error.next?.startsWith('Run') === true
        ? error.next
        : 'Restore it from a backup. Without it what it owns can be read but not removed; move the file away to start a new key.',
  });
}

/** Links a whole, synced file to a name that must be free: `rename` would overwrite somebody's key. */
async function createWhole(path: string, bytes: Uint8Array, files: Files): Promise<void> {
  const aside = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}.tmp`);
  try {
    await writeWhole(aside, bytes, files);
    await files.link(aside, path);
  } finally {
    await files.remove(aside).catch(() => undefined);
  }
  await files.syncDirectory(dirname(path));
}

/** Removes what a process that died while it wrote the file left aside: a copy of the key. */
async function sweep(path: string, files: Files): Promise<void> {
  const folder = dirname(path);
  const start = `.${basename(path)}.`;
  for (const name of await listFolder(folder, files)) {
    if (name.startsWith(start) && name.endsWith('.tmp')) await removeFile(join(folder, name), files);
  }
}

/** Durably; nothing happens where there is no such file, or somebody else is faster. */
async function removeFile(path: string, files: Files): Promise<void> {
  try {
    await files.remove(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw error;
  }
  await files.syncDirectory(dirname(path));
}

/** Names in a folder; none where there is no folder. */
async function listFolder(path: string, files: Files): Promise<string[]> {
  try {
    return await files.list(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw toStoreError(error, 'DISK', `cannot read ${path}`);
  }
}

async function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof StoreError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}
