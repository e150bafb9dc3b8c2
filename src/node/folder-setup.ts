// Making the data folder of a node: its key, its network file and its configuration. `store init`, `store join` and
// `store up` all end here. genesis.json is written last: a folder without it is no node yet and may be made again.

import { access } from 'node:fs/promises';
import { stringify } from 'yaml';
import { toHex, toUtf8 } from '../base/bytes.ts';
import type { SignedEpoch } from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import type { OperatorId, Stake } from '../base/ids.ts';
import type { NetworkParams } from '../base/params.ts';
import type { NetworkDescription } from '../client/types.ts';
import { systemClock } from '../runtime/clock.ts';
import { atomicWrite, systemFiles } from '../runtime/files.ts';
import { type Identity, loadOrCreateIdentity } from '../runtime/identity.ts';
import { systemRandom } from '../runtime/random.ts';
import { CONFIG_DEFAULTS, type NodeConfig } from './config.ts';
import { type DataFolder, dataFolder } from './data-folder.ts';
import { type Candidate, DEFAULT_STAKE, foundNetwork, sortDomains, writeGenesis } from './genesis.ts';

export interface InitOptions {
  readonly folder: string;
  /** Name of the network. */
  readonly name: string;
  /** What node.yaml will say; the rest stays at its default. */
  readonly config: Partial<NodeConfig> & { readonly operator: string };
  readonly stake?: Stake;
  readonly params?: Partial<NetworkParams>;
}

export interface MadeNode {
  readonly folder: DataFolder;
  readonly identity: Identity;
  readonly epoch: SignedEpoch;
}

/**
 * Makes a network of one member and the founder's data folder. Throws ALREADY_EXISTS when the folder has a network,
 * INVALID_ARGUMENT for bad names, DISK.
 */
export async function initNetwork(options: InitOptions): Promise<MadeNode> {
  const folder = dataFolder(options.folder);
  await refuseExisting(folder);
  const identity = await makeFolder(folder);
  const genesisKey = await loadOrCreateIdentity(folder.genesisKey);
  const epoch = foundNetwork(
    { clock: systemClock, random: systemRandom, genesisSigner: genesisKey.signer },
    {
      name: options.name,
      members: [candidateOf(identity, options.config, options.stake)],
      ...(options.params === undefined ? {} : { params: options.params }),
    },
  );
  await finishFolder(folder, epoch, options.config);
  return { folder, identity, epoch };
}

/** What a node with this configuration offers. Throws INVALID_ARGUMENT for a bad failure domain. */
export function candidateOf(
  identity: Identity,
  config: Partial<NodeConfig> & { readonly operator: string },
  stake: Stake = DEFAULT_STAKE,
): Candidate {
  return {
    node: identity.nodeId,
    operator: config.operator as OperatorId,
    stake,
    capacityBytes: config.capacityBytes ?? CONFIG_DEFAULTS.capacityBytes,
    domains: sortDomains(Object.entries(config.domains ?? {})),
  };
}

/** Throws ALREADY_EXISTS when the folder holds a node. */
export async function refuseExisting(folder: DataFolder): Promise<void> {
  if (!(await exists(folder.genesisFile))) return;
  throw new StoreError('ALREADY_EXISTS', `${folder.path} already holds a node`, {
    next: 'Start it with "store node", or choose another folder.',
  });
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The folder with a node key in it. Throws INVALID_IDENTITY, DISK. */
export async function makeFolder(folder: DataFolder): Promise<Identity> {
  await systemFiles.makeDirectory(folder.path).catch((error: unknown) => {
    throw new StoreError('DISK', `cannot make ${folder.path}`, { cause: error });
  });
  return loadOrCreateIdentity(folder.identityKey);
}

/** Writes what makes a folder a node. A configuration that a person wrote is left alone. */
export async function finishFolder(
  folder: DataFolder,
  epoch: SignedEpoch,
  config: Partial<NodeConfig>,
): Promise<void> {
  if (!(await exists(folder.configFile))) await atomicWrite(folder.configFile, toUtf8(formatConfig(config)));
  await writeGenesis(folder.genesisFile, epoch);
}

/** The text of a node.yaml that says what differs from the defaults. */
export function formatConfig(config: Partial<NodeConfig>): string {
  const { capacityBytes, reserveBytes, ...rest } = config;
  const said = Object.entries({
    ...rest,
    ...(capacityBytes === undefined ? {} : { capacity: capacityBytes }),
    ...(reserveBytes === undefined ? {} : { reserve: reserveBytes }),
  }).filter(([, value]) => value !== undefined);
  const head =
    '# Configuration of this node; docs/operating.md lists every setting. Changes apply at the next start.\n';
  return said.length === 0 ? head : head + stringify(Object.fromEntries(said));
}

/** What a client needs to find the network. */
export function describeNetwork(epoch: SignedEpoch, bootstrap: readonly string[]): NetworkDescription {
  return { network: toHex(epoch.record.network), name: epoch.genesis.name, bootstrap: [...bootstrap] };
}

/** Writes a client's network.json, whole or not at all. Throws DISK. */
export async function writeDescription(path: string, description: NetworkDescription): Promise<void> {
  await atomicWrite(path, toUtf8(`${JSON.stringify(description, undefined, 2)}\n`));
}
