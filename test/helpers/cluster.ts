// A whole network in one process: the real storage services of `src/node/keeper.ts` on logs in memory, the real client
// over `createStoreOver`, the plain TypeScript coder, and the network in memory with its faults. Time runs faster than on
// the wall, so that waits of seconds are waits of milliseconds.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex, toUtf8 } from '../../src/base/bytes.ts';
import { type EpochRecord, type Genesis, type Member, networkIdOf, signEpoch } from '../../src/base/epoch.ts';
import { StoreError } from '../../src/base/errors.ts';
import { digest } from '../../src/base/hash.ts';
import type { Digest, Epoch, NetworkId, NodeId, OperatorId, Stake } from '../../src/base/ids.ts';
import { DEFAULT_PARAMS } from '../../src/base/params.ts';
import type { Clock, LogEntry, PieceLog, Signer } from '../../src/base/ports.ts';
import type { ClientPorts } from '../../src/client/context.ts';
import { fileOwnerKey } from '../../src/client/home.ts';
import { createStoreOver, type StoreOverOptions } from '../../src/client/operations.ts';
import type { Store } from '../../src/client/types.ts';
import { createDirectory } from '../../src/dht/directory.ts';
import { signRecord } from '../../src/dht/record.ts';
import { createKeeper } from '../../src/node/keeper.ts';
import { openPublicObjects } from '../../src/node/public-objects.ts';
import { createTwinCoder } from '../../src/runtime/coder/coder.ts';
import { nativeSha256, nativeSigner, nativeVerify } from '../../src/runtime/crypto.ts';
import { MemoryKeyValue } from '../../src/runtime/memory-key-value.ts';
import { createMemoryHub, type MemoryHub, type MemoryNode } from '../../src/runtime/memory-network.ts';
import { ClusterChain } from './cluster-chain.ts';
import { portableHasher } from '../../src/replication/blake3.ts';

/** A clock on which waits take a `speed`-th of what they say. */
export function fastClock(speed: number): Clock {
  const origin = performance.now();
  const sleep: Clock['sleep'] = (delayMs, signal) =>
    new Promise((resolve, reject) => {
      const abort = (): void => {
        clearTimeout(handle);
        reject(new StoreError('ABORTED', 'wait aborted'));
      };
      const handle = setTimeout(() => {
        signal?.removeEventListener('abort', abort);
        resolve();
      }, delayMs / speed);
      if (signal?.aborted === true) abort();
      else signal?.addEventListener('abort', abort, { once: true });
    });
  return {
    now: () => Date.now(),
    monotonic: () => (performance.now() - origin) * speed,
    sleep,
    timer: (delayMs, run) => {
      const handle = setTimeout(run, delayMs / speed);
      return () => clearTimeout(handle);
    },
  };
}

export interface ClusterNode {
  readonly id: NodeId;
  readonly hex: string;
  readonly signer: Signer;
  readonly memory: MemoryNode;
  readonly log: PieceLog;
  /** Entries as they lie on the "disk": change bytes at will. */
  readonly entries: Map<string, LogEntry>;
  /** Height up to which it has the chain, where it is behind. */
  head?: number;
}

export interface Cluster {
  readonly hub: MemoryHub;
  readonly network: NetworkId;
  readonly clock: Clock;
  readonly nodes: readonly ClusterNode[];
  readonly chain: ClusterChain;
  /** What the nodes published, by the hex of its key, as one DHT without distances: put false records in, take true ones out. */
  readonly published: Map<string, Uint8Array>;
  /** The record in force. */
  readonly epoch: EpochRecord;
  /** A client with a home of its own, or the one named. */
  client(options?: ClientOptions): Promise<TestClient>;
  node(hex: string): ClusterNode;
  close(): Promise<void>;
}

interface ClientOptions extends Partial<Pick<StoreOverOptions, 'memoryBytes' | 'timing' | 'bootstrap'>> {
  readonly home?: string;
  readonly ports?: Partial<ClientPorts>;
}

export interface TestClient extends Store {
  readonly home: string;
  readonly memory: MemoryNode;
}

export interface ClusterOptions {
  readonly nodes: number;
  /** Operators, nodes dealt out in turn; one per node when absent. */
  readonly operators?: number;
  /** Waits take 1/speed. */
  readonly speed?: number;
  readonly shardBits?: number;
  /** Bootstrap nodes of clients; the first three when absent. */
  readonly bootstrap?: number;
  readonly isTrial?: boolean;
  readonly name?: string;
  readonly hub?: MemoryHub;
}

const GIB = 1024 ** 3;

export function seedOf(text: string): Uint8Array {
  return nativeSha256(toUtf8(text));
}

export async function createCluster(options: ClusterOptions): Promise<Cluster> {
  const clock = fastClock(options.speed ?? 20);
  const hub = options.hub ?? createMemoryHub({ clock });
  const name = options.name ?? 'test';
  const genesisSigner = nativeSigner(seedOf(`${name} genesis`));
  const genesis: Genesis = {
    name,
    genesisKey: genesisSigner.publicKey,
    createdAtMs: Date.now() - 60_000,
    nonce: seedOf(name).slice(0, 16),
  };
  const network = networkIdOf(genesis);
  const signers = Array.from({ length: options.nodes }, (_, index) =>
    nativeSigner(seedOf(`${name} node ${index}`)),
  );
  const operators = options.operators ?? options.nodes;
  const members = signers.map(
    (signer, index): Member => ({
      node: signer.publicKey as NodeId,
      operator: `operator-${index % operators}` as OperatorId,
      stake: 1000n as Stake,
      capacityBytes: 100 * GIB,
      admissionSeed: seedOf(`${name} admission ${index}`) as Digest,
      domains: [],
    }),
  );
  const record: EpochRecord = {
    network,
    epoch: 0 as Epoch,
    previous: new Uint8Array(32) as Digest,
    seed: digest('network', [network]),
    params: { ...DEFAULT_PARAMS, shardBits: options.shardBits ?? 0, isTrial: options.isTrial ?? false },
    members,
  };
  const homes: string[] = [];
  const clients: Store[] = [];
  const closings: (() => Promise<void>)[] = [];
  const chain = new ClusterChain(signEpoch(genesis, record, genesisSigner), signers, genesisSigner);
  const nodes: ClusterNode[] = signers.map((signer) => {
    const id = signer.publicKey as NodeId;
    const memory = hub.join(id, { network });
    const entries = new Map<string, LogEntry>();
    return { id, hex: toHex(id), signer, memory, log: memoryLog(entries), entries };
  });
  const nodeRecords = nodes.map(({ id, signer, memory }) =>
    signRecord(
      {
        kind: 'node',
        network,
        node: id,
        sequence: 1,
        expiresAtMs: Date.now() + 3_600_000,
        addresses: { control: [], bulk: [memory.address] },
      },
      signer,
    ),
  );
  const cluster: Cluster = {
    hub,
    network,
    clock,
    nodes,
    chain,
    published: new Map(),
    get epoch() {
      return chain.record();
    },
    node: (hex) => nodes.find((node) => node.hex === hex)!,
    client: async (client = {}) => {
      const home = client.home ?? (await mkdtemp(join(tmpdir(), 'holdfast-client-')));
      homes.push(home);
      const memory = hub.join(seedOf(`client ${home} ${clients.length} ${Math.random()}`) as NodeId, {
        network,
      });
      const coder = createTwinCoder({ maxMemory: 512 * 1024 * 1024 });
      const store = createStoreOver(
        {
          clock,
          random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
          network: memory,
          coder,
          verify: nativeVerify,
          sha256: nativeSha256,
          hasher: portableHasher,
          owner: fileOwnerKey(home),
          ...client.ports,
        },
        {
          networkId: network,
          name,
          bootstrap:
            client.bootstrap ?? nodes.slice(0, options.bootstrap ?? 3).map((node) => node.memory.address),
          home,
          onClose: async () => {
            await Promise.all([memory.close(), coder.close()]);
          },
          ...(client.memoryBytes === undefined ? {} : { memoryBytes: client.memoryBytes }),
          ...(client.timing === undefined ? {} : { timing: client.timing }),
        },
      );
      clients.push(store);
      return { ...store, home, memory };
    },
    close: async () => {
      await Promise.all(clients.map((client) => client.close()));
      await Promise.all(closings.map((end) => end()));
      await Promise.all(nodes.map((node) => node.memory.close()));
      await Promise.all(homes.map((home) => rm(home, { recursive: true, force: true })));
    },
  };
  const coder = createTwinCoder();
  for (const node of nodes) {
    const directory = createDirectory({
      clock,
      sign: (record) => signRecord(record, node.signer),
      kademlia: {
        put: async (key, record) => cluster.published.set(toHex(key), record).size,
        get: async (key) => cluster.published.get(toHex(key)),
      },
    });
    const publicObjects = openPublicObjects({
      clock,
      log: node.log,
      keyValue: new MemoryKeyValue(),
      signer: node.signer,
      membership: {
        network,
        member: (id) => cluster.epoch.members.find((member) => toHex(member.node) === toHex(id)),
      },
      directory,
    });
    closings.push(async () => {
      await publicObjects.stop();
      directory.close();
    });
    const keeper = createKeeper(
      { clock, log: node.log, coder, signer: node.signer, verify: nativeVerify, sha256: nativeSha256 },
      { network, epoch: () => cluster.epoch, nodeRecords: () => nodeRecords, publicObjects },
    );
    for (const service of chain.services(() => node.head ?? chain.height)) node.memory.serve(service);
    for (const service of keeper.services) node.memory.serve({ ...service, maxPerSecondPerPeer: 1_000_000 });
  }
  return cluster;
}

/** The PieceLog port over a Map. */
function memoryLog(entries: Map<string, LogEntry>): PieceLog {
  const quotaBytes = 64 * GIB;
  const under = (prefix: Uint8Array): [string, LogEntry][] =>
    [...entries].filter(([key]) => key.startsWith(toHex(prefix))).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    put: async (entry) => {
      entries.set(toHex(entry.key), {
        key: entry.key.slice(),
        meta: entry.meta.slice(),
        payload: entry.payload.slice(),
      });
    },
    stat: async (key) => {
      const entry = entries.get(toHex(key));
      return entry && { key: entry.key, meta: entry.meta, payloadLength: entry.payload.length };
    },
    read: async (key, offset, length, into) => {
      const entry = entries.get(toHex(key));
      if (entry === undefined) throw new StoreError('NOT_FOUND', 'no such entry');
      const bytes = entry.payload.slice(offset, offset + length);
      if (into === undefined) return bytes;
      into.set(bytes);
      return into.subarray(0, length);
    },
    remove: async (keys) => keys.filter((key) => entries.delete(toHex(key))).length,
    keys: async function* (prefix, limit = Number.POSITIVE_INFINITY) {
      for (const [, entry] of under(prefix).slice(0, limit)) yield entry.key;
    },
    list: async function* (prefix, limit = Number.POSITIVE_INFINITY) {
      for (const [, entry] of under(prefix).slice(0, limit)) {
        yield { key: entry.key, meta: entry.meta, payloadLength: entry.payload.length };
      }
    },
    usage: () => {
      const liveBytes = [...entries.values()].reduce((sum, entry) => sum + entry.payload.length, 0);
      return {
        state: 'writable',
        entries: entries.size,
        liveBytes,
        logBytes: liveBytes,
        quotaBytes,
        freeBytes: quotaBytes,
        reserveBytes: 0,
      };
    },
    scrub: async () => ({ entriesChecked: entries.size, bytesChecked: 0, damaged: [] }),
    close: async () => undefined,
  };
}

/** Bytes that differ from place to place, the same for the same seed. */
export function patterned(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0 || 1;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}
