// A network of real node processes and a light client of it: nodes are killed, started again, started from a copy or as another build, and
// in the end their folders are read.

import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type NodeProcess, startNodeProcess } from '../../cli/node-process.ts';
import { equal } from '../../src/base/bytes.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { NodeId, OwnerId } from '../../src/base/ids.ts';
import type { OpenChainClient } from '../../src/client/chain/client.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { createStore } from '../../src/client/store.ts';
import type { Store } from '../../src/client/types.ts';
import { openChainStore } from '../../src/node/chain/chain-store.ts';
import { dataFolder } from '../../src/node/data-folder.ts';
import { candidateOf, describeNetwork, finishFolder, foundFolders } from '../../src/node/folder-setup.ts';
import { send } from '../../src/node/operator-actions.ts';
import { lastSignedIn } from '../../src/node/validator/validator.ts';
import { formatEndpoint } from '../../src/runtime/bulk/endpoint.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { loadIdentity } from '../../src/runtime/identity.ts';
import { openKeyValue } from '../../src/runtime/key-value.ts';
import { type Block, decodeBlock } from '../../src/shards/block.ts';
import { LEDGER_RULES } from '../../src/shards/ledger.ts';

const HOST = '127.0.0.1';
const READY_MS = 60_000;
const WAIT_MS = 60_000;
const STOP_MS = 10_000;

export class NodeProcesses {
  readonly root: string;
  readonly folders: readonly string[];
  readonly #store: Store;
  readonly #running = new Map<string, NodeProcess>();
  #chain: OpenChainClient | undefined;

  private constructor(root: string, folders: readonly string[], store: Store) {
    this.root = root;
    this.folders = folders;
    this.#store = store;
  }

  /** Founds it; no node runs yet. Nodes of a trial begin to vote sooner: they hardly look out for copies of their keys. */
  static async found(count: number, isTrial = false): Promise<NodeProcesses> {
    const root = await mkdtemp(join(tmpdir(), 'holdfast-nodes-'));
    const folders = Array.from({ length: count }, (_, index) => dataFolder(join(root, `node-${index + 1}`)));
    const ports = await freePorts(2 * count);
    const bootstrap = folders.map((_, index) => formatEndpoint(HOST, ports[2 * index + 1]!));
    const configs = folders.map((_, index) => ({
      host: HOST,
      controlPort: ports[2 * index]!,
      bulkPort: ports[2 * index + 1]!,
      operator: `operator-${index + 1}`,
      bootstrap: bootstrap.filter((_address, other) => other !== index),
      capacityBytes: 2 ** 28,
      reserveBytes: 0,
    }));
    const { founding } = await foundFolders(folders, 'test', {
      candidates: (identities) => identities.map((identity, index) => candidateOf(identity, configs[index]!)),
      params: { isTrial },
    });
    for (const [index, folder] of folders.entries()) await finishFolder(folder, founding, configs[index]!);
    const network = describeNetwork(founding, bootstrap);
    const store = await createStore({ home: join(root, 'home'), network });
    return new NodeProcesses(
      root,
      folders.map(({ path }) => path),
      store,
    );
  }

  /** A light client, once nodes run. */
  get chain(): OpenChainClient {
    return this.#chain!;
  }

  /** Runs the nodes of these folders until they serve. `flags` are of Node itself. */
  async run(folders: readonly string[], flags: readonly string[] = []): Promise<void> {
    const started = folders.map((folder) => startNodeProcess(folder, READY_MS, [], flags));
    for (const node of started) this.#running.set(node.folder, node);
    await Promise.all(started.map(({ ready }) => ready));
    this.#chain ??= await this.#store.chain();
  }

  /** As by a power cut of the process. */
  async kill(folders: readonly string[]): Promise<void> {
    for (const folder of folders) this.#running.get(folder)!.kill('SIGKILL');
    await Promise.all(folders.map((folder) => this.#running.get(folder)!.exited));
    for (const folder of folders) this.#running.delete(folder);
  }

  async stop(folders: readonly string[] = [...this.#running.keys()]): Promise<void> {
    await Promise.all(
      folders.map(async (folder) => {
        await this.#running.get(folder)!.stop(STOP_MS);
        this.#running.delete(folder);
      }),
    );
  }

  /** Stops what runs and removes everything. */
  async remove(): Promise<void> {
    await this.#store.close();
    await this.stop();
    await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
  }

  /** A transfer from the operator of a node becomes final. Nodes that have just started may not answer yet: it is tried again. */
  async transfer(folder: string = this.folders[0]!): Promise<void> {
    const { signer } = await loadIdentity(dataFolder(folder).operatorKey);
    const once = (): Promise<void> => send(this.chain, signer, signer.publicKey as OwnerId, 1n);
    const deadlineMs = performance.now() + WAIT_MS;
    const again = async (error: unknown): Promise<void> => {
      const isSilence = error instanceof StoreError && error.code === 'UNREACHABLE';
      if (!isSilence || performance.now() > deadlineMs) throw error;
      await sleep(200);
      await once().catch(again);
    };
    await once().catch(again);
  }

  /**
   * A copy of the data folder of a node that runs, as it is at one moment, for another machine: other ports, and no lock. Nothing of
   * what the node signed before is missing.
   */
  async copy(folder: string, name: string): Promise<string> {
    const copy = join(this.root, name);
    const running = this.#running.get(folder)!;
    running.kill('SIGSTOP');
    const left = ['LOCK', 'node.log'];
    await cp(folder, copy, { recursive: true, filter: (path) => !left.includes(basename(path)) });
    running.kill('SIGCONT');
    const { configFile } = dataFolder(copy);
    const config = await readFile(configFile, 'utf8');
    await writeFile(configFile, config.replace(/^(controlPort|bulkPort): .*$/gm, '$1: 0'));
    return copy;
  }

  log(folder: string): Promise<string> {
    return readFile(join(folder, 'node.log'), 'utf8');
  }

  /** The last height at which the key of a node has signed. */
  async lastSigned(folder: string): Promise<number> {
    const owner = { network: this.chain.network, node: await this.nodeOf(folder) };
    return (await lastSignedIn(dataFolder(folder).validator, owner))?.height ?? 0;
  }

  async nodeOf(folder: string): Promise<NodeId> {
    return (await loadIdentity(dataFolder(folder).identityKey)).nodeId;
  }
}

/** The blocks on the disk of a node that does not run, by height. */
async function blocksIn(folder: string): Promise<ReadonlyMap<number, Block>> {
  const keyValue = await openKeyValue(dataFolder(folder).chain);
  try {
    const store = await openChainStore({ keyValue, sha256: nativeSha256, kinds: LEDGER_RULES });
    const blocks = new Map<number, Block>();
    for (let height = Math.max(1, store.oldestBlock); height <= store.head!.height; height++) {
      blocks.set(height, decodeBlock((await store.decision(height))!.block, LEDGER_RULES, nativeSha256));
    }
    return blocks;
  } finally {
    await keyValue.close();
  }
}

/** What all nodes together have on their disks, stopped: throws when two of them have different blocks at a height. */
export async function commonBlocks(folders: readonly string[]): Promise<readonly Block[]> {
  const all = new Map<number, Block>();
  for (const folder of folders) {
    for (const [height, block] of await blocksIn(folder)) {
      const other = all.get(height) ?? block;
      if (!equal(other.id, block.id)) throw new Error(`two blocks at height ${height}`);
      all.set(height, block);
    }
  }
  return [...all.values()];
}

/** All different: they are held until the last one is found. */
async function freePorts(count: number): Promise<readonly number[]> {
  const held = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, HOST);
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = held.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + WAIT_MS;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs) throw new Error(`did not come: ${what}`);
    await sleep(100);
  }
}
