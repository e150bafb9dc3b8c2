// The words for nodes, accounts, assets and keys of a command line, as what the chain knows them by.

import { resolve } from 'node:path';
import { fromHex, toHex } from '../src/base/bytes.ts';
import { StoreError } from '../src/base/errors.ts';
import type { NodeId, OwnerId } from '../src/base/ids.ts';
import type { Signer } from '../src/base/ports.ts';
import { listKeys, openKey, signingKeyName } from '../src/client/keys/keys.ts';
import { dataFolder } from '../src/node/data-folder.ts';
import { accountOf } from '../src/node/node-keys.ts';
import { type Identity, loadIdentity } from '../src/runtime/identity.ts';
import { allRegistrations } from '../src/shards/node-index.ts';
import { nodeOf, type NodeRecord, nodeStateKey, nodeWithKey } from '../src/shards/node.ts';
import type { Parameters } from '../src/shards/parameters.ts';
import { readAll } from '../src/shards/read-all.ts';
import type { Overlay } from '../src/shards/view.ts';
import type { Context } from './command.ts';
import { shortId } from './format.ts';
import { askPassphrase } from './passphrase.ts';
import type { StakeFlags } from './stake.ts';

const ID = /^[0-9a-f]{64}$/i;
const PREFIX = /^[0-9a-f]{4,63}$/i;

// ---- Who signs ---------------------------------------------------------------------------------------------------

/** The account that signs, without its secret. Throws NOT_FOUND, INVALID_ARGUMENT, INVALID_IDENTITY, DISK. */
export async function signingAccount({ home }: Context, flags: StakeFlags): Promise<OwnerId> {
  const folder = folderIn(flags);
  if (folder !== undefined) return accountOf(await operatorIn(folder));
  const name = await signingKeyName(home, flags.key);
  const entry = (await listKeys(home)).find((each) => each.name === name);
  if (entry?.error !== undefined) throw entry.error;
  if (entry?.publicKey !== undefined) return fromHex(entry.publicKey) as OwnerId;
  throw new StoreError(
    'NOT_FOUND',
    name === undefined ? `${home} has no keys` : `${home} has no key ${name}`,
    {
      next: 'Make one with "store keys create NAME", name another with --key, or a node\'s folder with --dir.',
    },
  );
}

/** Throws as `signingAccount`, and WRONG_KEY, UNAUTHORIZED for the passphrase. */
export async function signerIn(context: Context, flags: StakeFlags): Promise<Signer> {
  const folder = folderIn(flags);
  if (folder !== undefined) return (await operatorIn(folder)).signer;
  return openKey(context.home, {
    ...(flags.key === undefined ? {} : { name: flags.key }),
    passphrase: (name) => askPassphrase(context, name, flags.passphraseFile),
  });
}

function folderIn({ key, dir }: StakeFlags): string | undefined {
  if (key !== undefined && dir !== undefined) {
    throw new StoreError('INVALID_ARGUMENT', '--key and --dir both say who signs', {
      next: 'Give one of them.',
    });
  }
  return dir === undefined ? undefined : resolve(dir);
}

async function operatorIn(folder: string): Promise<Identity> {
  const path = dataFolder(folder).operatorKey;
  try {
    return await loadIdentity(path);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
    throw new StoreError('NOT_FOUND', `there is no ${path}`, {
      next: 'Name the data folder of a node; a local network has node-1, node-2 and so on in its folder.',
      cause: error,
    });
  }
}

// ---- Accounts ----------------------------------------------------------------------------------------------------

/** 64 hex digits, or the name of a key of this home; undefined when it is neither. */
export async function accountNamed(home: string, text: string): Promise<OwnerId | undefined> {
  if (ID.test(text)) return fromHex(text.toLowerCase()) as OwnerId;
  const entry = (await listKeys(home)).find(({ name }) => name === text);
  return entry?.publicKey === undefined ? undefined : (fromHex(entry.publicKey) as OwnerId);
}

/** Throws INVALID_ARGUMENT. */
export async function mustBeAccount(home: string, text: string): Promise<OwnerId> {
  const account = await accountNamed(home, text);
  if (account !== undefined) return account;
  throw new StoreError('INVALID_ARGUMENT', `"${text}" is no account`, {
    next: 'Give its 64 hex digits, or the name of a key of this home ("store keys").',
  });
}

// ---- Nodes -------------------------------------------------------------------------------------------------------

/** Whether the text could mean a node at all. Throws INVALID_ARGUMENT. */
export function checkNodeText(text: string): void {
  if (ID.test(text) || PREFIX.test(text)) return;
  throw new StoreError('INVALID_ARGUMENT', `"${text}" is no node`, {
    next: 'Give the first digits of its id, at least 4; "store validators" and "store network" list nodes.',
  });
}

/** The node of that key, or whose id begins so. Throws MissingRecords, NOT_FOUND, INVALID_ARGUMENT when several do. */
export function nodeNamed(state: Overlay, text: string): NodeRecord {
  const name = text.toLowerCase();
  if (ID.test(text)) {
    const known = nodeWithKey(state, fromHex(name) as NodeId);
    if (known === undefined) throw noNode(text);
    return known;
  }
  const found = allNodes(state).filter(
    ({ key, registration }) => toHex(key).startsWith(name) || toHex(registration).startsWith(name),
  );
  if (found.length === 0) throw noNode(text);
  if (found.length === 1) return found[0]!;
  throw new StoreError('INVALID_ARGUMENT', `${found.length} nodes begin with "${text}"`, {
    next: `Give more digits: ${found
      .slice(0, 4)
      .map(({ key }) => toHex(key).slice(0, 16))
      .join(', ')}`,
  });
}

/** Throws MissingRecords. */
export function allNodes(state: Overlay): readonly NodeRecord[] {
  const registrations = allRegistrations(state);
  readAll(state, registrations.map(nodeStateKey));
  return registrations.map((registration) => nodeOf(state, registration)!);
}

function noNode(text: string): StoreError {
  return new StoreError('NOT_FOUND', `no node is registered under "${shortId(text)}"`, {
    next: '"store validators" and "store network" list nodes.',
  });
}

// ---- Assets ------------------------------------------------------------------------------------------------------

/** Index of the asset of that name; the native one where none is named. Throws INVALID_ARGUMENT. */
export function assetNamed({ assets }: Parameters, name: string | undefined): number {
  if (name === undefined) return 0;
  const index = assets.findIndex((asset) => asset.name === name);
  if (index >= 0) return index;
  throw new StoreError('INVALID_ARGUMENT', `there is no asset "${name}"`, {
    next: `Give one of ${assets.map((asset) => asset.name).join(', ')}.`,
  });
}

export function assetName({ assets }: Parameters, index: number): string {
  return assets[index]?.name ?? `asset ${index}`;
}
