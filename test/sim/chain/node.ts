// A node on a simulated machine: the chain service as it is, with its store, log and guard on the machine's disks, and its supervisor, which
// starts it again when it has ended by itself.

import { StoreError, toStoreError } from '../../../src/base/errors.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { POOL_TRANSACTIONS_MAX } from '../../../src/base/limits.ts';
import { type ChainLife, startChainLife } from '../../../src/node/chain/chain-life.ts';
import type { ChainService } from '../../../src/node/chain/chain-service.ts';
import type { Keeping } from '../../../src/node/chain/pruner.ts';
import { openChainStore } from '../../../src/node/chain/chain-store.ts';
import type { NodeLogger } from '../../../src/node/storage-node.ts';
import { guardNewKey } from '../../../src/node/validator/signer-file.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import { LEDGER_RULES } from '../../../src/shards/ledger.ts';
import { type ChainChecks, EVIDENCE, SECOND_COPY } from './checks.ts';
import { filesOf } from './files.ts';
import type { Founded } from './founding.ts';
import { type Life, Machine, type World } from './machine.ts';
import type { Wire } from './wire.ts';

export interface NodePlan {
  readonly index: number;
  readonly skewMs: number;
  readonly rate: number;
  readonly heartbeatMs: number;
  readonly listenMs: number;
  readonly keeping: Keeping;
  /** How soon its supervisor starts it again. */
  readonly restartMs: number;
}

/** Whose key is in one place, and who keeps what it signed, never hears of these. */
const ACCUSATIONS = [EVIDENCE, SECOND_COPY, 'the guard of the key refused'];
const FOLDER = '/node';
/** What a disk failure brings is what was injected; everything else is a defect. */
const EXPECTED_ENDS: ReadonlySet<string> = new Set(['DISK']);

export class SimNode {
  readonly machine: Machine;
  readonly nodeId: NodeId;
  /** The chain of the process that runs. */
  #chain: ChainLife | undefined;
  hasValidated = false;
  readonly #founded: Founded;
  readonly #plan: NodePlan;
  readonly #wire: Wire;
  readonly #checks: ChainChecks;
  readonly #world: World;

  constructor(world: World, wire: Wire, checks: ChainChecks, founded: Founded, plan: NodePlan) {
    this.#world = world;
    this.#wire = wire;
    this.#checks = checks;
    this.#founded = founded;
    this.#plan = plan;
    this.nodeId = founded.nodes[plan.index]!.publicKey as NodeId;
    const machine = { ...plan, startMs: founded.startMs };
    this.machine = new Machine(
      world,
      machine,
      (life) => void this.#boot(life),
      () => this.#down(),
    );
  }

  get index(): number {
    return this.#plan.index;
  }

  /** None while the machine is down, or a state is fetched. */
  get service(): ChainService | undefined {
    return this.#chain?.service;
  }

  get height(): number {
    return this.service?.chain.head.height ?? -1;
  }

  /** Asks it to end, as an operator does. */
  async stop(downMs: number): Promise<void> {
    const { machine } = this;
    const { life } = machine;
    if (this.#chain === undefined || life === undefined) return;
    await this.#chain.stop();
    if (!life.isOver) machine.exited(downMs);
  }

  /** Only of a node that never had to remember what it signed. */
  loseDisks(downMs: number): void {
    if (this.hasValidated || !this.machine.isUp) return;
    this.#world.tally.add('new disks');
    this.machine.loseDisks(downMs);
    this.#checks.forget(this.index);
  }

  #down(): void {
    this.#chain = undefined;
    this.#wire.leave(this.index);
  }

  async #boot(life: Life): Promise<void> {
    try {
      const chain = await this.#open(life);
      if (life.isOver) return;
      this.#chain = chain;
      chain.onService((service) => this.#watch(life, service));
      const error = await chain.ended;
      if (life.isOver || error === undefined) return;
      this.#failed(error);
    } catch (error) {
      if (!life.isOver) this.#failed(toStoreError(error, 'INTERNAL', 'boot'));
    }
  }

  #watch(life: Life, service: ChainService): void {
    const { height, id } = service.chain.head;
    this.#checks.started(this.index, height, id);
    service.chain.onCommit((committed) => {
      if (life.isOver) return;
      this.#checks.committed(this.index, committed);
      this.#checkMemory(service);
    });
  }

  #failed(error: StoreError): void {
    this.#world.tally.add(`ended: ${error.code}`);
    this.#world.tell(() => `machine ${this.index} has ended: ${error.message}`);
    if (!EXPECTED_ENDS.has(error.code))
      this.#checks.fail('crash', `machine ${this.index} ended: ${error.code} ${error.stack ?? ''}`);
    this.machine.exited(this.#plan.restartMs);
  }

  async #open(life: Life): Promise<ChainLife> {
    const { machine } = this;
    const { document, network: networkId, changes, head, nodes, verify } = this.#founded;
    const files = filesOf(machine, life);
    const signer = nodes[this.index]!;
    const { nodeId } = this;
    await guardNewKey({ folder: `${FOLDER}/signer`, network: networkId, files }, nodeId).catch(
      (error: unknown) => {
        if (!(error instanceof StoreError) || error.code !== 'ALREADY_EXISTS') throw error;
      },
    );
    const keyValue = machine.database.open(life);
    const store = await openChainStore({ keyValue, sha256: nativeSha256, kinds: LEDGER_RULES });
    if (store.head === undefined) await store.found(changes, head, networkId);
    const clock = machine.clockOf(life);
    const network = this.#wire.join(this.index, life, clock);
    return await startChainLife(
      {
        store,
        identity: { nodeId, signer, secretSeed: () => new Uint8Array(32) },
        network,
        gossip: network,
        clock,
        random: this.#world.random.fork(`node ${this.index} ${this.#world.scheduler.count}`),
        logger: this.#logger(),
        networkId,
        rules: LEDGER_RULES,
        sha256: nativeSha256,
        verify,
        files,
      },
      {
        founding: document,
        folder: FOLDER,
        peers: () => nodes.map(({ publicKey }) => publicKey as NodeId).filter((node) => node !== nodeId),
        heartbeatMs: this.#plan.heartbeatMs,
        listenMs: this.#plan.listenMs,
        keeping: this.#plan.keeping,
      },
    );
  }

  #logger(): NodeLogger {
    const log = (fields: object, text: string): void => {
      if (text === 'takes part in agreement') this.hasValidated = true;
      this.#world.tally.add(`log: ${text}`);
      this.#world.tell(() => `machine ${this.index}: ${text} ${JSON.stringify(fields)}`);
      if (ACCUSATIONS.some((each) => text.startsWith(each)) && !this.#checks.isEarned(this.nodeId, text))
        this.#checks.fail('accusation', `machine ${this.index}: ${text} ${JSON.stringify(fields)}`);
    };
    return { debug: log, info: log, warn: log, error: log };
  }

  #checkMemory(service: ChainService): void {
    const { waitingTransactions } = service.status();
    if (waitingTransactions > POOL_TRANSACTIONS_MAX || this.machine.database.size > 1_000_000)
      this.#checks.fail('memory', `machine ${this.index}: ${waitingTransactions} transactions wait`);
  }
}
