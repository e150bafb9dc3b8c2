// Which network the home belongs to, as commands change it: `network.json` and the folder of this machine's node.

import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { StoreError, toStoreError } from '../src/base/errors.ts';
import { readNetworkFile, writeNetworkFile } from '../src/client/network-file.ts';
import type { NetworkDescription } from '../src/client/types.ts';

/** The home's network; undefined when there is none. Throws INVALID_CONFIG, DISK. */
export async function currentNetwork(home: string): Promise<NetworkDescription | undefined> {
  try {
    return await readNetworkFile(home);
  } catch (error) {
    if (error instanceof StoreError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

/** Throws ALREADY_EXISTS when the home belongs to another network than `network`, unless `isForced`. */
export async function refuseOtherNetwork(
  home: string,
  network: string | undefined,
  isForced: boolean,
): Promise<void> {
  const current = await currentNetwork(home);
  if (current === undefined || current.network === network || isForced) return;
  throw new StoreError('ALREADY_EXISTS', `the home ${home} belongs to network ${current.name} already`, {
    next: 'Choose another --home, or give --force to make the new network its default.',
  });
}

/** Makes `description` the network of the home. Throws INVALID_CONFIG, DISK. */
export async function adoptNetwork(
  home: string,
  description: NetworkDescription,
  presharedKeyFile = '',
): Promise<void> {
  await writeNetworkFile(home, presharedKeyFile === '' ? description : { ...description, presharedKeyFile });
}

/** Makes a pre-shared network key at `path` where there is none. Throws DISK. */
export async function makePresharedKey(path: string): Promise<void> {
  try {
    await writeFile(path, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw toStoreError(error, 'DISK', `cannot write ${path}`);
  }
}
