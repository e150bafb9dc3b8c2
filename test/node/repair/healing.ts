// A local network of real node processes of which one is killed for good, its disk and all: how long until the chain names others for everything that it held, and
// whether what was stored comes back when as many more are gone as the code bears.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NodeProcess, startNodeProcess } from '../../../cli/node-process.ts';
import { equal, toHex } from '../../../src/base/bytes.ts';
import type { NodeId, ObjectId } from '../../../src/base/ids.ts';
import type { ChainClient } from '../../../src/client/chain/types.ts';
import { createStore } from '../../../src/client/store.ts';
import type { NetworkDescription, Store } from '../../../src/client/types.ts';
import { dataFolder } from '../../../src/node/data-folder.ts';
import { prepareLocalNetwork } from '../../../src/node/local-network.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { loadIdentity } from '../../../src/runtime/identity.ts';
import { openPieceLog } from '../../../src/runtime/piece-log/log.ts';
import type { AuditRules } from '../../../src/shards/audit-rules.ts';
import { objectOf, segmentsOf } from '../../../src/shards/object-record.ts';
import { segmentCount, segmentsPerRecord } from '../../../src/shards/object-shape.ts';
import type { Overlay } from '../../../src/shards/view.ts';
import { subjectOf } from '../../../src/node/entry-keys.ts';

const READY_MS = 60_000;

/** Rounds of seconds: silent for three of them is lost. */
export const SHORT_ROUNDS: Partial<AuditRules> = {
  roundMs: 3000,
  leaves: 16,
  sweepRounds: 10,
  suspendRounds: 1,
  lostRounds: 3,
};

export class HealingNetwork {
  readonly folder: string;
  readonly description: NetworkDescription;
  readonly #nodeFolders: readonly string[];
  readonly #nodes: (NodeProcess | undefined)[] = [];
  readonly #stores: Store[] = [];

  private constructor(folder: string, nodeFolders: readonly string[], description: NetworkDescription) {
    this.folder = folder;
    this.#nodeFolders = nodeFolders;
    this.description = description;
  }

  static async start(count: number, audit: Partial<AuditRules> = SHORT_ROUNDS): Promise<HealingNetwork> {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-healing-'));
    const { nodeFolders, description } = await prepareLocalNetwork({ folder, count, audit });
    const network = new HealingNetwork(folder, nodeFolders, description);
    for (const path of nodeFolders) network.#nodes.push(startNodeProcess(path, READY_MS));
    await Promise.all(network.#nodes.map((node) => node!.ready));
    return network;
  }

  async store(name: string): Promise<Store> {
    const store = await createStore({ home: join(this.folder, name), network: this.description });
    this.#stores.push(store);
    return store;
  }

  async nodeIds(): Promise<readonly NodeId[]> {
    const identities = this.#nodeFolders.map((path) => loadIdentity(dataFolder(path).identityKey));
    return (await Promise.all(identities)).map(({ nodeId }) => nodeId);
  }

  /** Ends at once, as by a loss of power. */
  async kill(index: number): Promise<void> {
    this.#nodes[index]!.kill('SIGKILL');
    await this.#nodes[index]!.exited;
    this.#nodes[index] = undefined;
  }

  async restart(index: number): Promise<void> {
    this.#nodes[index] = startNodeProcess(this.#nodeFolders[index]!, READY_MS);
    await this.#nodes[index].ready;
  }

  /** Of a node that does not run. */
  async removeFolder(index: number): Promise<void> {
    await rm(this.#nodeFolders[index]!, { recursive: true, force: true, maxRetries: 5 });
  }

  async removePieces(index: number): Promise<void> {
    await rm(dataFolder(this.#nodeFolders[index]!).pieces, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Pieces and records in the log of a node that does not run, and the objects they are of. */
  async contentOf(
    index: number,
  ): Promise<{ readonly keys: ReadonlySet<string>; readonly objects: readonly ObjectId[] }> {
    const path = dataFolder(this.#nodeFolders[index]!);
    const { nodeId } = await loadIdentity(path.identityKey);
    const { log } = await openPieceLog({
      folder: path.pieces,
      network: Buffer.from(this.description.network, 'hex') as Uint8Array as never,
      node: nodeId,
      clock: systemClock,
      quotaBytes: 2 ** 40,
      reserveBytes: 0,
    });
    const keys = new Set<string>();
    const objects = new Map<string, ObjectId>();
    try {
      for await (const { key } of log.list(new Uint8Array(0))) {
        keys.add(toHex(key));
        const object = subjectOf(key)?.object;
        if (object !== undefined) objects.set(toHex(object), object);
      }
    } finally {
      await log.close();
    }
    return { keys, objects: [...objects.values()] };
  }

  /** A second call does nothing. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#stores.splice(0).map((store) => store.close()));
    await Promise.all(this.#nodes.splice(0).map(async (node) => node?.stop(10_000)));
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** How many places of the objects the chain gives to the node. */
export async function placesOf(
  chain: ChainClient,
  objects: readonly ObjectId[],
  node: NodeId,
): Promise<number> {
  const { value } = await chain.read((state) => {
    const counts = objects.map((object) => placesIn(state, object, node));
    return counts.reduce((sum, count) => sum + count, 0);
  });
  return value;
}

function placesIn(state: Overlay, id: ObjectId, node: NodeId): number {
  const object = objectOf(state, id);
  if (object === undefined) return 0;
  const size = segmentsPerRecord(object.shape.code);
  const parts = Math.ceil(segmentCount(object.shape) / size);
  const segments = Array.from({ length: parts }, (_, part) => segmentsOf(state, id, part)).flat();
  const holders = [...object.manifest.holders, ...segments.flatMap((segment) => segment.holders)];
  return holders.filter((holder) => equal(holder, node)).length;
}

/** Waits for a condition, for two minutes at most. */
export async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 120_000;
  while (!(await isTrue())) {
    if (performance.now() > endMs) throw new Error(`it did not come to pass that ${what}`);
    await systemClock.sleep(200);
  }
}
