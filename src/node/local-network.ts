// A whole network on one machine, for trying things out: `store up` makes the folders here and runs each node as a process
// of its own. It is a trial and says so: its operators are not independent, so it protects against nothing but the loss
// of some of the processes.
//
//     DIR/network.json            what clients need; written last, so a folder without it is not finished
//     DIR/node-1 .. DIR/node-N    data folders; node-1 is the founder

import { readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { toHex } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import { LOCAL_NODES_MAX } from '../base/limits.ts';
import type { NetworkDescription } from '../client/types.ts';
import { formatEndpoint } from '../runtime/bulk/endpoint.ts';
import { nativeVerify } from '../runtime/crypto.ts';
import { systemCode } from '../runtime/files.ts';
import type { AuditRules } from '../shards/audit-rules.ts';
import { DEFAULT_PARAMETERS, MILLION, type Parameters } from '../shards/parameters.ts';
import type { NodeConfig } from './config.ts';
import { dataFolder } from './data-folder.ts';
import {
  candidateOf,
  describeNetwork,
  epochsOf,
  finishFolder,
  foundFolders,
  writeDescription,
} from './folder-setup.ts';
import { readGenesis } from './genesis.ts';

export interface LocalNetworkOptions {
  readonly folder: string;
  readonly count: number;
  /** Name of the network; `local` when absent. */
  readonly name?: string;
  /** Of each node. */
  readonly capacityBytes?: number;
  /** Rules of audits that are not those of other trials. */
  readonly audit?: Partial<AuditRules>;
}

export interface LocalNetwork {
  /** Data folders, in order; each is run by a process of its own. */
  readonly nodeFolders: readonly string[];
  readonly networkFile: string;
  readonly description: NetworkDescription;
  /** False when the folder held this network already. */
  readonly isNew: boolean;
}

const HOST = '127.0.0.1';
const GIB = 1024 ** 3;
/** A trial should run on a laptop with little room; a full disk still stops it in time. */
const TRIAL_RESERVE = GIB;
/** Two minutes at a block a second: whoever tries things out should see epochs end. */
const TRIAL_EPOCH_BLOCKS = 120;
/** The rest is as elsewhere: the time-outs suit one machine, and no fees are taken. Evidence lives as many epochs as ever. */
const TRIAL_PARAMETERS: Pick<Parameters, 'epochBlocks' | 'evidence' | 'slashing' | 'audit'> = {
  ...epochsOf(TRIAL_EPOCH_BLOCKS),
  // Whoever tries things out stops nodes, and wants them back when they are started again.
  slashing: { ...DEFAULT_PARAMETERS.slashing, missedPerMillion: MILLION },
  // Three rounds a minute: what is lost shows, and is repaired, while one watches. Nobody is put out for a night with the lid closed.
  audit: {
    ...DEFAULT_PARAMETERS.audit,
    roundMs: 20_000,
    sweepRounds: 60,
    lostRounds: 6,
    expelRounds: 100_000,
    graceBlocks: 60,
  },
};

/**
 * Makes the folders of a local network, or finds the ones that are there. Throws INVALID_ARGUMENT (bad count, or the folder
 * holds another number of nodes), INVALID_CONFIG (it is not whole), DISK.
 */
export async function prepareLocalNetwork(options: LocalNetworkOptions): Promise<LocalNetwork> {
  const { folder, count } = options;
  if (!Number.isInteger(count) || count < 1 || count > LOCAL_NODES_MAX) {
    throw new StoreError(
      'INVALID_ARGUMENT',
      `a local network has 1 to ${LOCAL_NODES_MAX} nodes, not ${count}`,
    );
  }
  const nodeFolders = Array.from({ length: count }, (_, index) => join(folder, `node-${index + 1}`));
  const networkFile = join(folder, 'network.json');
  const present = await nodesIn(folder);
  const description = await readDescription(networkFile);
  if (description === undefined) {
    if (present > 0) throw unfinished(folder);
    const made = await makeNetwork(options, nodeFolders);
    await writeDescription(networkFile, made);
    return { nodeFolders, networkFile, description: made, isNew: true };
  }
  if (present !== count) {
    throw new StoreError('INVALID_ARGUMENT', `${folder} holds a network of ${present} nodes, not ${count}`, {
      next: `Use --nodes ${present}, or another folder for another network.`,
    });
  }
  for (const path of nodeFolders) await checkNode(path, description);
  return { nodeFolders, networkFile, description, isNew: false };
}

async function makeNetwork(
  options: LocalNetworkOptions,
  nodeFolders: readonly string[],
): Promise<NetworkDescription> {
  const ports = await freePorts(2 * nodeFolders.length);
  const bootstrap = nodeFolders.map((_, index) => formatEndpoint(HOST, ports[2 * index + 1]!));
  const configs = nodeFolders.map((_, index) => ({
    host: HOST,
    controlPort: ports[2 * index]!,
    bulkPort: ports[2 * index + 1]!,
    operator: `node-${index + 1}`,
    domains: { host: 'local' },
    bootstrap: bootstrap.filter((_address, other) => other !== index).slice(0, 8),
    capacityBytes: options.capacityBytes ?? 100 * GIB,
    reserveBytes: TRIAL_RESERVE,
  })) satisfies (Partial<NodeConfig> & { operator: string })[];
  const folders = nodeFolders.map(dataFolder);
  const { founding } = await foundFolders(folders, options.name ?? 'local', {
    candidates: (identities) => identities.map((identity, index) => candidateOf(identity, configs[index]!)),
    params: { isTrial: true },
    parameters: { ...TRIAL_PARAMETERS, audit: { ...TRIAL_PARAMETERS.audit, ...options.audit } },
  });
  for (const [index, folder] of folders.entries()) {
    await finishFolder(folder, founding, configs[index]!);
  }
  return describeNetwork(founding, bootstrap);
}

/** How many node folders there are. */
async function nodesIn(folder: string): Promise<number> {
  try {
    return (await readdir(folder)).filter((name) => /^node-[1-9][0-9]*$/.test(name)).length;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 0;
    throw new StoreError('DISK', `cannot read ${folder}`, { cause: error });
  }
}

const descriptionSchema = z.strictObject({
  network: z.string().regex(/^[0-9a-f]{64}$/),
  name: z.string(),
  bootstrap: z.array(z.string()),
});

async function readDescription(path: string): Promise<NetworkDescription | undefined> {
  try {
    return descriptionSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new StoreError('INVALID_CONFIG', `${path} is damaged`, {
      next: 'Remove the folder and let "store up" make a new network; what was stored in it is lost.',
      cause: error,
    });
  }
}

/** Throws INVALID_CONFIG unless the folder holds a node of the network described. */
async function checkNode(path: string, description: NetworkDescription): Promise<void> {
  const { signed } = await readGenesis(dataFolder(path).genesisFile, nativeVerify);
  if (toHex(signed.record.network) === description.network) return;
  throw new StoreError('INVALID_CONFIG', `${path} holds a node of another network`, {
    next: 'Use another folder for another network.',
  });
}

function unfinished(folder: string): StoreError {
  return new StoreError('INVALID_CONFIG', `${folder} holds a network that was never finished`, {
    next: 'Nothing was stored in it: remove the folder and run "store up" again.',
  });
}

/** Ports that are free now, all different: they are held until the last one is found. */
async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  try {
    for (let index = 0; index < count; index++) servers.push(await listenAnywhere());
    return servers.map((server) => (server.address() as { port: number }).port);
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

function listenAnywhere(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) =>
      reject(new StoreError('DISK', 'this machine has no free port', { cause: error })),
    );
    server.listen(0, HOST, () => resolve(server));
  });
}
