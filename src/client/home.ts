// The client's folder: configuration, owner key, what was last known of the network, and the state of interrupted
// uploads. Only its owner can enter it. Every file in it is replaced whole or appended to, never edited in place.

import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { StoreError, toStoreError } from '../base/errors.ts';
import type { Signer } from '../base/ports.ts';
import { systemFiles } from '../runtime/files.ts';

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

export const ownerKeyPath = (home: string): string => join(home, 'owner.key');
export const networkFilePath = (home: string): string => join(home, 'network.json');
export const uploadsFolder = (home: string): string => join(home, 'uploads');
/** What was last known of the network with this id. */
export const membersPath = (home: string, networkHex: string): string =>
  join(home, 'networks', `${networkHex.slice(0, 16)}.members`);

/** The key that owns what this home puts. Read when first needed, and made by the first put. */
export interface OwnerKey {
  /** Makes the key where there is none. Throws INVALID_IDENTITY, DISK. */
  loadOrCreate(): Promise<Signer>;
  /** Undefined where there is none. Throws INVALID_IDENTITY, DISK. */
  load(): Promise<Signer | undefined>;
}

export function fileOwnerKey(home: string): OwnerKey {
  const path = ownerKeyPath(home);
  let known: Signer | undefined;
  return {
    loadOrCreate: async () => {
      const { loadOrCreateIdentity } = await import('../runtime/identity.ts');
      await makeHome(home);
      known ??= (await loadOrCreateIdentity(path).catch(renamed)).signer;
      return known;
    },
    load: async () => {
      const { loadIdentity } = await import('../runtime/identity.ts');
      try {
        known ??= (await loadIdentity(path).catch(renamed)).signer;
      } catch (error) {
        if (error instanceof StoreError && error.code === 'NOT_FOUND') return undefined;
        throw error;
      }
      return known;
    },
  };
}

/** Key files of nodes and owners have one form; what to do about a damaged one differs. */
function renamed(error: unknown): never {
  if (!(error instanceof StoreError) || error.code !== 'INVALID_IDENTITY') throw error;
  throw new StoreError('INVALID_IDENTITY', `owner key: ${error.message}`, {
    cause: error,
    next:
      error.next?.startsWith('Run') === true
        ? error.next
        : 'Restore it from a backup. Without it what it owns can be read but not removed; move the file away to start a new key.',
  });
}
