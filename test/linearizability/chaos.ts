// A local network of real node processes that are killed and frozen while several programs write and read names: every history must be one
// that a single register could have given, every node must end with the same blocks, and nobody may have signed twice.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NodeProcess, startNodeProcess } from '../../cli/node-process.ts';
import { createBucket } from '../../src/client/names/bucket-operations.ts';
import { namesContext, type NamesContext } from '../../src/client/names/context.ts';
import { createNameKeys } from '../../src/client/names/name-cipher.ts';
import { createStore } from '../../src/client/store.ts';
import type { NetworkDescription, Store } from '../../src/client/types.ts';
import { openChainStore } from '../../src/node/chain/chain-store.ts';
import { dataFolder } from '../../src/node/data-folder.ts';
import { prepareLocalNetwork } from '../../src/node/local-network.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { openKeyValue } from '../../src/runtime/key-value.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import { LEDGER_RULES } from '../../src/shards/ledger.ts';
import { digestFrom, signerFrom } from '../helpers/records.ts';
import { SeededRandom } from '../sim/random.ts';
import { linearize, type Operation } from './checker.ts';
import { NameClient } from './name-client.ts';

export interface ChaosOptions {
  readonly nodes: number;
  readonly clients: number;
  /** Names under test at a time. */
  readonly keys: number;
  /** Histories, one after the other on the same network. */
  readonly runs: number;
  /** How long each one writes, at least. */
  readonly runMs: number;
  /** It goes on until so many operations have a known outcome, however slow the machine is. */
  readonly leastKnown: number;
  readonly seed: number;
  readonly onRun?: (run: number, counts: ChaosCounts) => void;
}

export interface ChaosCounts {
  kills: number;
  freezes: number;
  operations: number;
  unknown: number;
  refused: number;
}

const READY_MS = 60_000;
/** Longer than a node needs to come back, so that most outcomes are known. */
const PATIENCE_MS = 20_000;

/** Throws with the history that no register gives, or what else did not hold. */
export async function chaos(options: ChaosOptions): Promise<ChaosCounts> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-chaos-'));
  const { nodeFolders, description } = await prepareLocalNetwork({ folder, count: options.nodes });
  const arena = new Arena(options, folder, nodeFolders, description);
  try {
    await arena.start();
    for (let run = 0; run < options.runs; run++) {
      await arena.run(run);
      options.onRun?.(run + 1, arena.counts);
    }
    await arena.stop();
    await expectOneChain(nodeFolders);
    return arena.counts;
  } finally {
    await arena.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Arena {
  readonly counts: ChaosCounts = { kills: 0, freezes: 0, operations: 0, unknown: 0, refused: 0 };
  readonly #options: ChaosOptions;
  readonly #folder: string;
  readonly #nodeFolders: readonly string[];
  readonly #description: NetworkDescription;
  readonly #random: SeededRandom;
  readonly #nodes: NodeProcess[] = [];
  readonly #stores: Store[] = [];
  readonly #names: NamesContext[] = [];

  constructor(
    options: ChaosOptions,
    folder: string,
    nodeFolders: readonly string[],
    description: NetworkDescription,
  ) {
    this.#options = options;
    this.#folder = folder;
    this.#nodeFolders = nodeFolders;
    this.#description = description;
    this.#random = new SeededRandom(options.seed);
  }

  async start(): Promise<void> {
    for (const path of this.#nodeFolders) this.#nodes.push(startNodeProcess(path, READY_MS));
    await Promise.all(this.#nodes.map(({ ready }) => ready));
    // Programs of one owner: they share the account, and know nothing of each other.
    const signer = signerFrom('owner of all names');
    for (let client = 0; client < this.#options.clients; client++) {
      const store = await createStore({
        home: join(this.#folder, `client-${client}`),
        network: this.#description,
      });
      this.#stores.push(store);
      const chain = await store.chain();
      this.#names.push(
        namesContext({ chain, signer, random: systemRandom }, createNameKeys(digestFrom('secret'))),
      );
    }
    await createBucket(this.#names[0]!, 'chaos', {});
  }

  /** A second call does nothing. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#stores.splice(0).map((store) => store.close()));
    const nodes = this.#nodes.splice(0);
    for (const node of nodes) node.kill('SIGCONT');
    await Promise.all(nodes.map((node) => node.stop(10_000)));
  }

  // ---- One history -------------------------------------------------------------------------------------------

  async run(run: number): Promise<void> {
    const paths = Array.from({ length: this.#options.keys }, (_, key) => ({
      bucket: 'chaos',
      key: `run-${run}/${key}`,
    }));
    const histories = new Map<string, Operation[]>(paths.map(({ key }) => [key, []]));
    const end = performance.now() + this.#options.runMs;
    let known = 0;
    const over = (): boolean => performance.now() >= end && known >= this.#options.leastKnown;
    const clients = this.#names.map(async (names, client) => {
      const random = this.#random.fork(`run ${run} client ${client}`);
      const program = new NameClient({
        client,
        names,
        random,
        now: () => performance.now(),
        patienceMs: PATIENCE_MS,
      });
      while (!over()) {
        const path = random.pick(paths);
        const operation = await program.act(path);
        if (operation.result.kind !== 'unknown') known++;
        histories.get(path.key)!.push(operation);
        await systemClock.sleep(random.below(30));
      }
    });
    await Promise.all([...clients, this.#harm(over)]);
    for (const [key, history] of histories) this.#check(key, history);
  }

  #check(key: string, history: readonly Operation[]): void {
    this.counts.operations += history.length;
    this.counts.unknown += history.filter(({ result }) => result.kind === 'unknown').length;
    this.counts.refused += history.filter(({ result }) => result.kind === 'refused').length;
    if (linearize(history) !== undefined) return;
    const lines = history
      .toSorted((a, b) => a.begunAt - b.begunAt)
      .map(({ client, call, result, begunAt, endedAt }) =>
        JSON.stringify({ client, begunAt: Math.round(begunAt), endedAt: Math.round(endedAt), call, result }),
      );
    throw new Error(
      `no register gives the history of ${key} (seed ${this.#options.seed}):\n${lines.join('\n')}`,
    );
  }

  // ---- Harm --------------------------------------------------------------------------------------------------

  /** One node after the other is killed and comes back, or stands still for a while; now and then two at once, and the chain with them. */
  async #harm(over: () => boolean): Promise<void> {
    const random = this.#random.fork(`harm ${this.counts.kills}`);
    while (!over()) {
      await systemClock.sleep(random.below(700));
      const first = random.below(this.#nodes.length);
      const both = random.chance(0.15) ? [first, (first + 1) % this.#nodes.length] : [first];
      await Promise.all(
        both.map((index) => (random.chance(0.7) ? this.#kill(index) : this.#freeze(index, random))),
      );
    }
  }

  async #kill(index: number): Promise<void> {
    this.counts.kills++;
    this.#nodes[index]!.kill('SIGKILL');
    await this.#nodes[index]!.exited;
    this.#nodes[index] = startNodeProcess(this.#nodeFolders[index]!, READY_MS);
    await this.#nodes[index]!.ready;
  }

  async #freeze(index: number, random: SeededRandom): Promise<void> {
    this.counts.freezes++;
    this.#nodes[index]!.kill('SIGSTOP');
    await systemClock.sleep(300 + random.below(1_500));
    this.#nodes[index]!.kill('SIGCONT');
  }
}

/** Every height that two nodes have, they have with the same block. */
async function expectOneChain(nodeFolders: readonly string[]): Promise<void> {
  const decided = new Map<number, string>();
  for (const path of nodeFolders) {
    const keyValue = await openKeyValue(dataFolder(path).chain);
    try {
      const store = await openChainStore({ keyValue, sha256: nativeSha256, kinds: LEDGER_RULES });
      for (let height = Math.max(1, store.oldestBlock); height <= store.head!.height; height++) {
        const { blockId } = (await store.decision(height))!.certificate;
        const other = decided.get(height) ?? blockId;
        if (other !== blockId) throw new Error(`two blocks at height ${height}: ${other} and ${blockId}`);
        decided.set(height, blockId);
      }
    } finally {
      await keyValue.close();
    }
  }
}
