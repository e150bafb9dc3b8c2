// Whole storage nodes in one process: the real node over memory ports. They have no chain: a test says what it would say.

import { toHex } from '../../src/base/bytes.ts';
import type { EpochRecord } from '../../src/base/epoch.ts';
import type { NodeId, OperatorId, Stake } from '../../src/base/ids.ts';
import type { NodeAddresses, Signer } from '../../src/base/ports.ts';
import type { Candidate } from '../../src/node/candidate.ts';
import { drawGenesis, foundNetwork } from '../../src/node/genesis.ts';
import { type Membership, openMembership } from '../../src/node/membership.ts';
import { type NodeLogger, startStorageNode, type StorageNode } from '../../src/node/storage-node.ts';
import { hashPiece } from '../../src/replication/piece-tree.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { nativeSha256, nativeVerify } from '../../src/runtime/crypto.ts';
import { MemoryLog } from '../../src/runtime/memory-log.ts';
import { MemoryKeyValue } from '../../src/runtime/memory-key-value.ts';
import { createMemoryHub, type MemoryHub, type MemoryNode } from '../../src/runtime/memory-network.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import { firstEpochRecord } from '../../src/shards/founding.ts';
import { digestFrom, signerFrom } from './records.ts';

export interface TestNode {
  readonly signer: Signer;
  readonly id: NodeId;
  readonly memory: MemoryNode;
  readonly membership: Membership;
  readonly keyValue: MemoryKeyValue;
  readonly node: StorageNode;
  /** Lines of the log: level and message. */
  readonly lines: string[];
  stop(): Promise<void>;
}

export interface TestNetwork {
  readonly hub: MemoryHub;
  /** What the network began with. */
  readonly epoch: EpochRecord;
  readonly nodes: TestNode[];
  /** Starts one more node; a member or not, as the epoch record says. */
  start(name: string, options?: StartOptions): Promise<TestNode>;
  /** All running nodes' chains say this record now. */
  adopt(record: EpochRecord): Promise<void>;
  close(): Promise<void>;
}

export interface StartOptions {
  readonly keyValue?: MemoryKeyValue;
  readonly epoch?: EpochRecord;
  readonly bootstrap?: readonly string[];
}

const genesisSigner: Signer = signerFrom('the genesis');

export function candidateNamed(name: string, overrides: Partial<Candidate> = {}): Candidate {
  return {
    node: signerFrom(name).publicKey as NodeId,
    operator: name as OperatorId,
    stake: 100n as Stake,
    capacityBytes: 2 ** 40,
    domains: [],
    ...overrides,
  };
}

export const addressOf = (name: string): string => `/memory/${name}`;

/** A network whose members are `names`. All know the address of the first to begin with. */
export async function openTestNetwork(names: readonly string[]): Promise<TestNetwork> {
  const hub = createMemoryHub();
  const ports = { clock: systemClock, random: systemRandom, genesisSigner };
  const founding = foundNetwork(ports, drawGenesis(ports, 'test'), {
    members: names.map((name) => ({ ...candidateNamed(name), account: digestFrom(`account of ${name}`) })),
  });
  const epoch = firstEpochRecord(founding);
  const nodes: TestNode[] = [];

  async function start(name: string, options: StartOptions = {}): Promise<TestNode> {
    const signer = signerFrom(name);
    const id = signer.publicKey as NodeId;
    const memory = hub.join(id, { network: epoch.network, address: addressOf(name) });
    const keyValue = options.keyValue ?? new MemoryKeyValue();
    const common = { keyValue, verify: nativeVerify, sha256: nativeSha256 };
    const membership = await openMembership(common, options.epoch ?? epoch);
    const log = new MemoryLog();
    const lines: string[] = [];
    const addresses: NodeAddresses = { control: [], bulk: [addressOf(name)] };
    const node = await startStorageNode(
      {
        ...common,
        clock: systemClock,
        random: systemRandom,
        log,
        coder: { hashPiece: async (piece) => hashPiece(piece) },
        signer,
        membership,
        network: memory,
        gossip: memory,
        logger: loggerInto(lines),
      },
      {
        addresses: () => addresses,
        bootstrap: options.bootstrap ?? (name === names[0] ? [] : [addressOf(names[0]!)]),
        greetIntervalMs: 200,
        reconnectMinMs: 20,
      },
    );
    const made: TestNode = {
      signer,
      id,
      memory,
      membership,
      keyValue,
      node,
      lines,
      stop: async () => {
        await node.stop();
        await memory.close();
        await log.close();
        nodes.splice(nodes.indexOf(made), 1);
      },
    };
    nodes.push(made);
    return made;
  }

  for (const name of names) await start(name);
  return {
    hub,
    epoch,
    nodes,
    start,
    adopt: async (record) => {
      for (const { membership } of nodes) await membership.adopt(record);
    },
    close: async () => {
      for (const node of nodes.slice()) await node.stop();
    },
  };
}

function loggerInto(lines: string[]): NodeLogger {
  const line =
    (level: string) =>
    (facts: object, message: string): void => {
      lines.push(`${level} ${message} ${JSON.stringify(facts)}`);
    };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

/** Waits until `condition` holds, or fails after twenty seconds and says what did not come. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`did not come: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Hex of the neighbours that a node heard of lately. */
export function neighboursOf({ node }: TestNode): readonly string[] {
  return node.status().neighbours.map(toHex);
}
