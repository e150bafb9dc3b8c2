// The client's folder: configuration, keys, what was last known of the network, and the state of interrupted
// uploads. Only its owner can enter it. Every file in it is replaced whole or appended to, never edited in place.

import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { toStoreError } from '../base/errors.ts';
import type { Signer } from '../base/ports.ts';
import { systemFiles } from '../runtime/files.ts';
import { ownerKeyPath } from './keys/key-paths.ts';
import type { OpenedKey } from './keys/keys.ts';
import type { NameKeys } from './names/name-cipher.ts';

/** The folder that `option`, else HOLDFAST_HOME, else the user's home names. Does not touch the disk. */
export function homeFolder(option?: string): string {
  const named = option ?? process.env['HOLDFAST_HOME'];
  if (named !== undefined && named !== '') return resolve(named);
  return join(homedir(), '.holdfast');
}

/** Makes the folder, for its owner alone and durably, where it does not exist. Throws DISK. */
export async function makeHome(home: string): Promise<void> {
  try {
    await systemFiles.makeDirectory(home);
  } catch (error) {
    throw toStoreError(error, 'DISK', `cannot make the folder ${home}`);
  }
}

export const networkFilePath = (home: string): string => join(home, 'network.json');
export const uploadsFolder = (home: string): string => join(home, 'uploads');
/** What is stored and not yet on the chain. */
export const registrationsFolder = (home: string): string => join(home, 'registrations');
/** Objects without a name that this home has put. */
export const objectsPath = (home: string, networkHex: string): string =>
  join(home, 'networks', `${networkHex.slice(0, 16)}.objects`);
/** What was last known of the network with this id. */
export const membersPath = (home: string, networkHex: string): string =>
  join(home, 'networks', `${networkHex.slice(0, 16)}.members`);

/** The key that owns what this home puts. Opened when first needed, and made by the first put of a home without keys. */
export interface OwnerKey {
  /**
   * Makes an unprotected key where the home has none. Throws INVALID_IDENTITY, DISK; WRONG_KEY or UNAUTHORIZED for a
   * key whose passphrase is wrong or missing; NOT_FOUND for a key that was named or chosen and is not there.
   */
  loadOrCreate(): Promise<Signer>;
  /** Undefined where there is none. Throws as `loadOrCreate`. */
  load(): Promise<Signer | undefined>;
  /** What encrypts the names of its buckets. Undefined where there is none. Throws as `loadOrCreate`. */
  nameKeys(): Promise<NameKeys | undefined>;
}

/** Which key, and how its passphrase is had. */
export interface KeyChoice {
  /** Default: HOLDFAST_KEY, else the default key of the home. */
  readonly name?: string;
  /** Default: the file that HOLDFAST_PASSPHRASE_FILE names. */
  readonly passphrase?: (name: string) => Promise<string>;
}

export function fileOwnerKey(home: string, choice: KeyChoice = {}): OwnerKey {
  let opening: Promise<OpenedKey | undefined> | undefined;
  /** Puts that begin together open the key once, so that one of them asks; a failure is not kept. */
  const open = (): Promise<OpenedKey | undefined> => {
    opening ??= openOwnerKey(home, choice).then(
      (opened) => {
        if (opened === undefined) opening = undefined;
        return opened;
      },
      (error: unknown) => {
        opening = undefined;
        throw error;
      },
    );
    return opening;
  };
  const load = async (): Promise<Signer | undefined> => (await open())?.signer;
  return {
    load,
    nameKeys: async () => (await open())?.nameKeys,
    loadOrCreate: async () => {
      const known = await load();
      if (known !== undefined) return known;
      const { loadOrCreateIdentity } = await import('../runtime/identity.ts');
      await makeHome(home);
      await loadOrCreateIdentity(ownerKeyPath(home));
      return (await load())!;
    },
  };
}

async function openOwnerKey(home: string, choice: KeyChoice): Promise<OpenedKey | undefined> {
  const { openOwner, signingKeyName } = await import('./keys/keys.ts');
  const name = await signingKeyName(home, choice.name);
  if (name === undefined) return undefined;
  const { environmentPassphrase } = await import('./keys/passphrase.ts');
  return openOwner(home, { name, passphrase: choice.passphrase ?? environmentPassphrase });
}
