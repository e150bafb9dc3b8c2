// A network of chain services in one process: real engine, ledger, logs and guards on disk, keys and signatures; network, gossip and
// the chain's store in memory.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '../../src/base/bytes.ts';
import { networkIdOf, signEpoch } from '../../src/base/epoch.ts';
import type { NetworkId, NodeId, OwnerId } from '../../src/base/ids.ts';
import { DEFAULT_TIMEOUTS } from '../../src/consensus/types.ts';
import { openChainStore } from '../../src/node/chain/chain-store.ts';
import { type ChainLife, type ChainLifeOptions, startChainLife } from '../../src/node/chain/chain-life.ts';
import type { ChainService } from '../../src/node/chain/chain-service.ts';
import { guardNewKey } from '../../src/node/validator/signer-file.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { nativeSha256, nativeVerify } from '../../src/runtime/crypto.ts';
import { ephemeralIdentity, type Identity } from '../../src/runtime/identity.ts';
import type { LocalKeyValue } from '../../src/runtime/key-value.ts';
import { MemoryKeyValue } from '../../src/runtime/memory-key-value.ts';
import { createMemoryHub, type MemoryHub, type MemoryNode } from '../../src/runtime/memory-network.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import {
  type ChainPart,
  firstHead,
  type FoundingDocument,
  foundState,
  signFounding,
} from '../../src/shards/founding.ts';
import { LEDGER_RULES } from '../../src/shards/ledger.ts';
import { DEFAULT_PARAMETERS, type Parameters } from '../../src/shards/parameters.ts';
import { type Action, encodeTransaction, signTransaction } from '../../src/shards/transaction.ts';
import { sampleEpoch, sampleGenesis, sampleMember, signerFrom } from './records.ts';

/** One machine: phases are short. */
const TIMEOUTS: typeof DEFAULT_TIMEOUTS = {
  ...DEFAULT_TIMEOUTS,
  proposeMs: 400,
  proposeGrowthMs: 100,
  voteMs: 150,
  voteGrowthMs: 50,
};

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export interface ChainNetworkOptions {
  readonly members: number;
  /** Nodes that are no members and follow. */
  readonly followers?: number;
  readonly parameters?: Partial<Parameters>;
  readonly shardBits?: number;
  readonly balances?: ChainPart['balances'];
  readonly heartbeatMs?: number;
  /** When the network was founded; a minute ago where absent, so that those who come may judge its first blocks. */
  readonly createdAtMs?: number;
  /** What the nodes that it starts with keep. */
  readonly keeping?: ChainLifeOptions['keeping'];
}

/** What the operator of a node says. */
export type ChainNodeOptions = Pick<ChainLifeOptions, 'keeping' | 'trust'>;

export interface ChainNode {
  readonly identity: Identity;
  readonly keyValue: LocalKeyValue;
  readonly folder: string;
  readonly options: ChainNodeOptions;
  network: MemoryNode;
  life: ChainLife;
  /** Not to be asked for while a state is fetched. */
  readonly service: ChainService;
}

export const operatorOf = (index: number): OwnerId => signerFrom(`operator ${index}`).publicKey as OwnerId;

export class ChainNetwork {
  readonly hub: MemoryHub = createMemoryHub();
  readonly founding: FoundingDocument;
  readonly nodes: ChainNode[] = [];
  readonly #options: ChainNetworkOptions;
  readonly #folder: string;

  private constructor(options: ChainNetworkOptions, folder: string, identities: readonly Identity[]) {
    this.#options = options;
    this.#folder = folder;
    const members = identities
      .slice(0, options.members)
      .map(({ nodeId }, index) => sampleMember(index, { node: nodeId }));
    const params = options.shardBits === undefined ? {} : { shardBits: options.shardBits };
    const genesis = sampleGenesis();
    const founded = { ...genesis, createdAtMs: options.createdAtMs ?? Date.now() - 60_000 };
    const record = { ...sampleEpoch(members, params), network: networkIdOf(founded) };
    const signed = signEpoch(founded, record, signerFrom('genesis of sample'));
    const part: ChainPart = {
      parameters: {
        ...DEFAULT_PARAMETERS,
        epochBlocks: 20,
        evidence: { ...DEFAULT_PARAMETERS.evidence, ageBlocks: 40 },
        timeouts: TIMEOUTS,
        ...options.parameters,
      },
      operators: members.map(({ operator }, index) => [operator, operatorOf(index)]),
      balances: options.balances ?? [],
      chains: [],
    };
    this.founding = signFounding(signed, part, signerFrom('genesis of sample'));
  }

  static async start(options: ChainNetworkOptions): Promise<ChainNetwork> {
    const folder = await mkdtemp(join(tmpdir(), 'chain-network-'));
    const count = options.members + (options.followers ?? 0);
    const identities = Array.from({ length: count }, () => ephemeralIdentity());
    const network = new ChainNetwork(options, folder, identities);
    for (const identity of identities) await network.add(identity, { keeping: options.keeping ?? {} });
    return network;
  }

  get id(): NetworkId {
    return this.founding.signed.record.network;
  }

  /** Brings a node with a new disk. */
  async add(
    identity: Identity = ephemeralIdentity(),
    options: ChainNodeOptions = {},
    keyValue: LocalKeyValue = new MemoryKeyValue(),
  ): Promise<ChainNode> {
    const folder = join(this.#folder, toHex(identity.nodeId).slice(0, 8));
    await mkdir(folder);
    await guardNewKey({ folder: join(folder, 'signer'), network: this.id }, identity.nodeId);
    const network = this.#joined(identity);
    const life = await this.#open(identity, folder, keyValue, network, options);
    const node: ChainNode = {
      identity,
      keyValue,
      folder,
      options,
      network,
      life,
      get service() {
        if (this.life.service === undefined) throw new Error('this node fetches a state');
        return this.life.service;
      },
    };
    this.nodes.push(node);
    return node;
  }

  /** Starts a node again that was stopped, on what it has on its disk. */
  async restart(node: ChainNode, options: ChainNodeOptions = node.options): Promise<void> {
    node.network = this.#joined(node.identity);
    node.life = await this.#open(node.identity, node.folder, node.keyValue, node.network, options);
  }

  #joined(identity: Identity): MemoryNode {
    const network = this.hub.join(identity.nodeId);
    for (const other of this.nodes) {
      other.network.setAddresses(network.self, { control: ['/memory'], bulk: [] });
      network.setAddresses(other.network.self, { control: ['/memory'], bulk: [] });
    }
    return network;
  }

  async #open(
    identity: Identity,
    folder: string,
    keyValue: LocalKeyValue,
    network: MemoryNode,
    options: ChainNodeOptions,
  ): Promise<ChainLife> {
    const store = await openChainStore({ keyValue, sha256: nativeSha256, kinds: LEDGER_RULES });
    if (store.head === undefined) {
      const changes = foundState(this.founding, nativeSha256);
      await store.found(changes, firstHead(this.founding, nativeSha256), this.id);
    }
    return startChainLife(
      {
        store,
        identity,
        network,
        gossip: network,
        clock: systemClock,
        random: systemRandom,
        logger: SILENT,
        networkId: this.id,
        rules: LEDGER_RULES,
        sha256: nativeSha256,
        verify: nativeVerify,
      },
      {
        founding: this.founding,
        folder,
        peers: (): readonly NodeId[] =>
          this.nodes.map((node) => node.identity.nodeId).filter((id) => toHex(id) !== toHex(network.self)),
        heartbeatMs: this.#options.heartbeatMs ?? 200,
        listenMs: 0,
        ...options,
      },
    );
  }

  /** A transaction of the named key, as bytes. */
  signed(name: string, nonce: number, action: Action, expiresAtHeight = 10_000): Uint8Array {
    const signer = signerFrom(name);
    const transaction = {
      network: this.id,
      sender: signer.publicKey as OwnerId,
      nonce,
      fee: 0n,
      expiresAtHeight,
      action,
    };
    const { operations } = LEDGER_RULES;
    return encodeTransaction(signTransaction(transaction, operations, signer, nativeSha256), operations);
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.life.stop()));
    await rm(this.#folder, { recursive: true, force: true });
  }
}
