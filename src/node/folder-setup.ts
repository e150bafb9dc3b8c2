// Making the data folder of a node: its keys, its network file and its configuration. `store init`, `store join` and
// `store up` all end here. genesis.json is written last: a folder without it is no node yet and may be made again.

import { access } from 'node:fs/promises';
import { stringify } from 'yaml';
import { toHex, toUtf8 } from '../base/bytes.ts';
import { networkIdOf } from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import type { NetworkId, OperatorId, OwnerId, Stake } from '../base/ids.ts';
import type { NetworkParams } from '../base/params.ts';
import type { NetworkDescription } from '../client/types.ts';
import { systemClock } from '../runtime/clock.ts';
import { atomicWrite, systemFiles } from '../runtime/files.ts';
import { type Identity, loadOrCreateIdentity } from '../runtime/identity.ts';
import { systemRandom } from '../runtime/random.ts';
import { amountOf, NATIVE } from '../shards/amounts.ts';
import type { FoundingDocument } from '../shards/founding.ts';
import { DEFAULT_PARAMETERS, type Parameters } from '../shards/parameters.ts';
import { type Candidate, sortDomains } from './candidate.ts';
import { CONFIG_DEFAULTS, type NodeConfig } from './config.ts';
import { type DataFolder, dataFolder } from './data-folder.ts';
import {
  DEFAULT_STAKE,
  drawGenesis,
  type FoundingMember,
  foundNetwork,
  type FoundOptions,
  writeGenesis,
} from './genesis.ts';
import { makeKeys, type NodeKeys } from './node-keys.ts';

export interface InitOptions {
  readonly folder: string;
  /** Name of the network. */
  readonly name: string;
  /** What node.yaml will say; the rest stays at its default. */
  readonly config: Partial<NodeConfig> & { readonly operator: string };
  readonly stake?: Stake;
  readonly params?: Partial<NetworkParams>;
  /** Blocks of an epoch, where they are not those of DEFAULT_PARAMETERS. Evidence lives as many epochs either way. */
  readonly epochBlocks?: number;
}

export interface MadeNode {
  readonly folder: DataFolder;
  readonly identity: Identity;
  /** Of the node's operator, on the chain. */
  readonly account: OwnerId;
  readonly founding: FoundingDocument;
}

/** Native tokens that each founding operator has beside its stake, to hand out to whoever joins: no others are ever made. */
export const FOUNDER_BALANCE = 1_000_000n;

/**
 * Makes a network of one member and the founder's data folder. Throws ALREADY_EXISTS when the folder has a network,
 * INVALID_ARGUMENT for bad names, DISK.
 */
export async function initNetwork(options: InitOptions): Promise<MadeNode> {
  const folder = dataFolder(options.folder);
  await refuseExisting(folder);
  const { config, stake, params, epochBlocks } = options;
  const { founding, keys } = await foundFolders([folder], options.name, {
    candidates: ([identity]) => [candidateOf(identity!, config, stake)],
    ...(params === undefined ? {} : { params }),
    ...(epochBlocks === undefined ? {} : { parameters: epochsOf(epochBlocks) }),
  });
  await finishFolder(folder, founding, config);
  const { identity, account } = keys[0]!;
  return { folder, identity, account, founding };
}

/** Parameters of a network whose epochs have so many blocks. */
export function epochsOf(epochBlocks: number): Pick<Parameters, 'epochBlocks' | 'evidence'> {
  const ageBlocks = DEFAULT_PARAMETERS.stake.unbondingEpochs * epochBlocks;
  return { epochBlocks, evidence: { ...DEFAULT_PARAMETERS.evidence, ageBlocks } };
}

export interface FoundFoldersOptions extends Pick<FoundOptions, 'params' | 'parameters'> {
  /** What each node offers, in the order of the folders. */
  readonly candidates: (identities: readonly Identity[]) => readonly Candidate[];
}

/**
 * A new network of the nodes in `folders`, the first of which is the founder's and gets the genesis key. Their keys are made,
 * `finishFolder` makes nodes of them. Throws INVALID_ARGUMENT, INVALID_CONFIG, INVALID_IDENTITY, DISK.
 */
export async function foundFolders(
  folders: readonly DataFolder[],
  name: string,
  { candidates, ...options }: FoundFoldersOptions,
): Promise<{ readonly founding: FoundingDocument; readonly keys: readonly NodeKeys[] }> {
  const genesisKey = await loadOrCreateIdentity(folders[0]!.genesisKey);
  const ports = { clock: systemClock, random: systemRandom, genesisSigner: genesisKey.signer };
  const genesis = drawGenesis(ports, name);
  const keys: NodeKeys[] = [];
  for (const folder of folders) keys.push(await makeFolder(folder, networkIdOf(genesis), true));
  const members = candidates(keys.map(({ identity }) => identity)).map((candidate, index): FoundingMember => {
    const { account, beacon } = keys[index]!;
    return { ...candidate, account, chain: beacon.commitment() };
  });
  const balances = keys.map(({ account }) => [account, amountOf(NATIVE, FOUNDER_BALANCE)] as const);
  return { founding: foundNetwork(ports, genesis, { ...options, members, balances }), keys };
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

/**
 * The folder with the secrets of a node of `network` in it, which may have been drawn just now. Throws what `makeKeys` throws.
 */
export async function makeFolder(
  folder: DataFolder,
  network: NetworkId,
  isNewNetwork: boolean,
): Promise<NodeKeys> {
  await systemFiles.makeDirectory(folder.path).catch((error: unknown) => {
    throw new StoreError('DISK', `cannot make ${folder.path}`, { cause: error });
  });
  return makeKeys(folder, network, isNewNetwork);
}

/** Writes what makes a folder a node. A configuration that a person wrote is left alone. */
export async function finishFolder(
  folder: DataFolder,
  founding: FoundingDocument,
  config: Partial<NodeConfig>,
): Promise<void> {
  if (!(await exists(folder.configFile))) await atomicWrite(folder.configFile, toUtf8(formatConfig(config)));
  await writeGenesis(folder.genesisFile, founding);
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
export function describeNetwork(
  { signed }: FoundingDocument,
  bootstrap: readonly string[],
): NetworkDescription {
  return { network: toHex(signed.record.network), name: signed.genesis.name, bootstrap: [...bootstrap] };
}

/** Writes a client's network.json, whole or not at all. Throws DISK. */
export async function writeDescription(path: string, description: NetworkDescription): Promise<void> {
  await atomicWrite(path, toUtf8(`${JSON.stringify(description, undefined, 2)}\n`));
}
