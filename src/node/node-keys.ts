// The secrets of a node's folder: its own key, its operator's account, its reveal chain, and the guard of what the node's key signs as
// a validator.
//
// Invariants
//   A key has its name only after its guard is there, so that a key which could have signed is never given an empty guard.
//   A guard is never overwritten or removed. One that belongs to another network or key is moved aside where a key begins anew.

import { join } from 'node:path';
import { toHex } from '../base/bytes.ts';
import { StoreError, toStoreError } from '../base/errors.ts';
import type { NetworkId, NodeId, OwnerId } from '../base/ids.ts';
import { systemFiles } from '../runtime/files.ts';
import { type Identity, loadIdentity, loadOrCreateIdentity } from '../runtime/identity.ts';
import { systemRandom } from '../runtime/random.ts';
import { type Beacon, openBeacon } from './beacon-file.ts';
import type { DataFolder } from './data-folder.ts';
import { readGuardFile } from './validator/guard-file.ts';
import { guardNewKey } from './validator/signer-file.ts';

export interface NodeKeys {
  readonly identity: Identity;
  /** Signs for the operator's account. */
  readonly operator: Identity;
  readonly account: OwnerId;
  readonly beacon: Beacon;
}

/**
 * Makes what is missing of a node's secrets for `network`. `isNewNetwork` says that the network was drawn just now, so that no key has
 * signed in it. Throws INVALID_IDENTITY, WRONG_NETWORK (the key of the folder has the guard of another network), DAMAGED, LOCKED, DISK.
 */
export async function makeKeys(
  folder: DataFolder,
  network: NetworkId,
  isNewNetwork: boolean,
): Promise<NodeKeys> {
  const identity = await guardedIdentity(folder, network, isNewNetwork);
  const operator = await loadOrCreateIdentity(folder.operatorKey);
  const owner = { network, node: identity.nodeId };
  const beacon = await openBeacon({ path: folder.beaconKey, owner, random: systemRandom });
  return { identity, operator, account: accountOf(operator), beacon };
}

/** An account is named by the public key that signs for it. */
export function accountOf(operator: Identity): OwnerId {
  return operator.nodeId as Uint8Array as OwnerId;
}

async function guardedIdentity(
  folder: DataFolder,
  network: NetworkId,
  isNewNetwork: boolean,
): Promise<Identity> {
  const known = await loadIdentity(folder.identityKey).catch((error: unknown) => {
    if (error instanceof StoreError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  });
  if (known !== undefined) {
    await guard(folder, network, known.nodeId, isNewNetwork);
    return known;
  }
  // Until the key has its name, nobody has seen it.
  const newPath = `${folder.identityKey}.new`;
  const made = await loadOrCreateIdentity(newPath);
  await guard(folder, network, made.nodeId, true);
  try {
    await systemFiles.rename(newPath, folder.identityKey);
    await systemFiles.syncDirectory(folder.path);
  } catch (error) {
    throw toStoreError(error, 'DISK', `cannot write ${folder.identityKey}`);
  }
  return made;
}

/** A key that may have signed keeps the guard it has; without one it can be no validator, and the start of one says so. */
async function guard(
  folder: DataFolder,
  network: NetworkId,
  node: NodeId,
  isUnsigned: boolean,
): Promise<void> {
  const path = join(folder.validator, 'signer');
  try {
    if ((await readGuardFile(path, { network, node }, systemFiles)) !== undefined) return;
  } catch (error) {
    if (!isAnothers(error)) throw error;
    if (!isUnsigned) {
      throw new StoreError('WRONG_NETWORK', `the key in ${folder.path} is that of a validator elsewhere`, {
        next: 'Use an empty folder: what this key has signed in another network must not be forgotten.',
        cause: error,
      });
    }
    await moveAside(folder);
  }
  if (isUnsigned) await guardNewKey({ folder: path, network }, node);
}

function isAnothers(error: unknown): boolean {
  return error instanceof StoreError && (error.code === 'WRONG_NETWORK' || error.code === 'INVALID_CONFIG');
}

async function moveAside(folder: DataFolder): Promise<void> {
  const aside = `${folder.validator}.old-${toHex(systemRandom.bytes(4))}`;
  try {
    await systemFiles.rename(folder.validator, aside);
    await systemFiles.syncDirectory(folder.path);
  } catch (error) {
    throw toStoreError(error, 'DISK', `cannot move ${folder.validator} aside`);
  }
}
