// A network of one founder with a real node, and what tests of joining and leaving do with it.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '../../src/base/bytes.ts';
import type { OpenChainClient } from '../../src/client/chain/client.ts';
import { createStore } from '../../src/client/store.ts';
import type { NetworkDescription, Store } from '../../src/client/types.ts';
import type { NodeConfig } from '../../src/node/config.ts';
import { dataFolder } from '../../src/node/data-folder.ts';
import { candidateOf, epochsOf, finishFolder, foundFolders } from '../../src/node/folder-setup.ts';
import { descriptionFromCode, type MadeInvitation, makeInvitation } from '../../src/node/invite.ts';
import { type JoinedNode, joinNetwork, type JoinOptions } from '../../src/node/join.ts';
import { createNode, type Node } from '../../src/node/node.ts';
import { accountOf } from '../../src/node/node-keys.ts';
import { send } from '../../src/node/operator-actions.ts';
import { loadIdentity } from '../../src/runtime/identity.ts';

const EPOCH_BLOCKS = 12;
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export const NODE_CONFIG: Partial<NodeConfig> = {
  host: '127.0.0.1',
  controlPort: 0,
  bulkPort: 0,
  capacityBytes: 2 ** 28,
  reserveBytes: 0,
};

export class JoiningNetwork {
  readonly founder: Node;
  /** Of a client of the founder's. */
  readonly chain: OpenChainClient;
  readonly #root: string;
  readonly #running: Node[];
  readonly #stores: Store[] = [];

  private constructor(root: string, founder: Node, store: Store, chain: OpenChainClient) {
    this.#root = root;
    this.#running = [founder];
    this.#stores.push(store);
    this.founder = founder;
    this.chain = chain;
  }

  /** With the founder's node, which has made a block. */
  static async start(): Promise<JoiningNetwork> {
    const root = await mkdtemp(join(tmpdir(), 'holdfast-joining-'));
    const config = { ...NODE_CONFIG, operator: 'alice' };
    const folder = dataFolder(join(root, 'alice'));
    const { founding } = await foundFolders([folder], 'test', {
      candidates: ([identity]) => [candidateOf(identity!, config)],
      params: { isTrial: true },
      parameters: epochsOf(EPOCH_BLOCKS),
    });
    await finishFolder(folder, founding, config);
    const founder = await createNode({ folder: folder.path, logger: SILENT });
    await until('the first block', () => founder.status().chain.height > 0);
    const bootstrap = [...founder.status().addresses.bulk];
    const network = { network: toHex(founding.signed.record.network), name: 'test', bootstrap };
    const store = await createStore({ home: join(root, 'home of alice'), network });
    return new JoiningNetwork(root, founder, store, await store.chain());
  }

  async stop(): Promise<void> {
    await Promise.all(this.#stores.map((store) => store.close()));
    await Promise.all(this.#running.map((node) => node.stop()));
    await rm(this.#root, { recursive: true, force: true });
  }

  folderOf(name: string): string {
    return join(this.#root, name);
  }

  async run(name: string): Promise<Node> {
    const node = await createNode({ folder: this.folderOf(name), logger: SILENT });
    this.#running.push(node);
    return node;
  }

  invite(tokens = 100n): Promise<MadeInvitation> {
    const addresses = this.founder.status().addresses.bulk;
    return makeInvitation({ folder: this.folderOf('alice'), chain: this.chain, tokens, addresses });
  }

  /** By a client of its own, where `options` name none. */
  async join(code: string, name: string, options: Partial<JoinOptions> = {}): Promise<JoinedNode> {
    const config = { ...NODE_CONFIG, operator: name, domains: { rack: 'r2' } };
    const chain = options.chain ?? (await this.#open(name, descriptionFromCode(code)));
    return joinNetwork({ folder: this.folderOf(name), code, config, ...options, chain });
  }

  async #open(name: string, network: NetworkDescription): Promise<OpenChainClient> {
    const store = await createStore({ home: join(this.#root, `home of ${name}`), network });
    this.#stores.push(store);
    return store.chain();
  }

  /** Makes blocks until the founder is in an epoch. */
  async reach(epoch: number): Promise<void> {
    const operator = await loadIdentity(dataFolder(this.folderOf('alice')).operatorKey);
    const { founder, chain } = this;
    while (founder.status().chain.epoch < epoch) await send(chain, operator.signer, accountOf(operator), 1n);
    await until(`epoch ${epoch}`, () => founder.status().epoch >= epoch);
  }
}

export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`did not come: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
