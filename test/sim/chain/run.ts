// Whole nodes in a simulated world: chain services as they are (pool, sync, gossip, queries, ledger, validator with engine, host, log and
// guard) on simulated clocks, wires and disks, with people who use them. One seed decides everything.
//
// A run is a storm, in which everything but progress is asked for, and then quiet. The storm ends when what every run must go through is
// over: borders of epochs, a change of the number of shards, a node that joined and validates, one that left. What must hold is in
// `checks.ts` and at the end of this file.
//
//     machine.ts   a machine that crashes; database.ts, files.ts its disks         wire.ts    the network
//     node.ts      the node on it, and its supervisor                              storm.ts   faults
//     founding.ts  what the network begins with                                    client.ts, workload.ts   people
//     liar.ts      a validator that says two things
//
// The services are full of promises. The scheduler runs one event, then everything that waits for its turn, until only events to come are
// left; nothing in a node knows another clock or another source of chance, so the order of it all is a function of the seed.

import type { NodeId } from '../../../src/base/ids.ts';
import { phaseMs } from '../../../src/consensus/obligations.ts';
import type { ChainService } from '../../../src/node/chain/chain-service.ts';
import { amountOf, NATIVE } from '../../../src/shards/amounts.ts';
import { nodeOf } from '../../../src/shards/node.ts';
import { epochStateOf } from '../../../src/shards/epoch-state.ts';
import { settledEntries } from '../../../src/shards/validator-sets.ts';
import { equal } from '../../../src/base/bytes.ts';
import { SeededRandom } from '../random.ts';
import { Scheduler } from '../scheduler.ts';
import { Tally } from '../tally.ts';
import { Trace } from '../trace.ts';
import { ChainChecks, type Violation } from './checks.ts';
import { Client, type ClientPorts } from './client.ts';
import { type Founded, found } from './founding.ts';
import { Liar } from './liar.ts';
import { Machine, type World } from './machine.ts';
import { SimNode } from './node.ts';
import { Storm } from './storm.ts';
import { Wire } from './wire.ts';
import { Workload, type WorkloadPlan } from './workload.ts';

export interface ChainRunOptions {
  /** Gets each line of the story, with the simulated time. */
  readonly tell?: (line: string) => void;
  /** Databases say that a batch is durable when it is not: something must be found. */
  readonly hasLyingDisks?: boolean;
  /** Ends the storm then and the run with it, whatever it went through. */
  readonly stormMs?: number;
}

export interface ChainRunResult {
  readonly seed: number;
  /** Of everything that happened. */
  readonly digest: string;
  readonly events: number;
  readonly simulatedMs: number;
  readonly heights: number;
  /** From the end of the faults until a new transaction was final everywhere. */
  readonly recoveryMs: number | undefined;
  readonly tally: Tally;
  readonly violation: Violation | undefined;
}

const STORM_MIN_MS = 14_000;
/** A storm that lets nothing through ends then, and the rest happens in the quiet. */
const STORM_MAX_MS = 45_000;
/** A new transaction is final at every node within so long after the faults, ... */
const RECOVERY_MAX_MS = 10_000;
/** ...or within so many rounds, where the faults have led to rounds that last longer. */
const RECOVERY_ROUNDS = 3;
/** By then everything that was handed in is decided, and no receipt is on its way. */
const SETTLING_MAX_MS = 30_000;
const COVERAGE_MAX_MS = 60_000;
const CONVICTION_MAX_MS = 20_000;
const EVENTS_MAX = 3_000_000;

export async function runChain(seed: number, options: ChainRunOptions = {}): Promise<ChainRunResult> {
  // Else what is waited for first would run as part of the caller's tick, and not before the next event.
  await Promise.resolve();
  const run = new Run(seed, options);
  try {
    await run.storm(options.stormMs);
    if (options.stormMs === undefined) await run.quiet();
  } catch (error) {
    run.checks.fail('crash', error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return run.result();
}

class Run {
  readonly checks: ChainChecks;
  readonly #seed: number;
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #wire: Wire;
  readonly #founded: Founded;
  readonly #nodes: readonly SimNode[];
  readonly #storm: Storm;
  readonly #liar: Liar | undefined;
  readonly #workload: Workload;
  readonly #plan: WorkloadPlan;
  readonly #ports: ClientPorts;
  #recoveryMs: number | undefined;

  constructor(seed: number, { tell, hasLyingDisks = false }: ChainRunOptions) {
    const random = new SeededRandom(seed, 'chain');
    const scheduler = new Scheduler();
    this.#seed = seed;
    this.#random = random;
    this.#world = {
      scheduler,
      random,
      tally: new Tally(),
      trace: new Trace(),
      tell: (text) => tell?.(`${(scheduler.now / 1000).toFixed(4).padStart(9)} s  ${text()}`),
      isStirred: false,
      hasLyingDisks,
    };
    const hasLiar = random.chance(0.4);
    const validators = random.pick(hasLiar ? [4, 5, 5, 7] : [4, 4, 4, 4, 5, 7]);
    const followers = random.pick([0, 1, 1, 2]);
    const cast = { validators, others: 1 + followers, clients: 6 };
    this.#founded = found(random.fork('founding'), cast);
    this.checks = new ChainChecks(this.#world, this.#founded.changes);
    const desk = random.bytes(32) as NodeId;
    const places = [...this.#founded.nodes.map(({ publicKey }) => publicKey as NodeId), desk];
    this.#wire = new Wire(this.#world, places, (from, service, header) =>
      this.checks.sniff(from, service, header),
    );
    this.#nodes = this.#makeNodes(random.fork('nodes'));
    this.#liar = hasLiar ? new Liar(this.#world, this.#wire, this.checks, this.#founded) : undefined;
    this.#storm = new Storm(this.#world, this.#wire, this.#nodes, places.length);
    this.#ports = {
      network: this.#deskNetwork(places.length - 1),
      founded: this.#founded,
      checks: this.checks,
      nodes: this.#nodes,
      tally: this.#world.tally,
      nowMs: () => this.#world.scheduler.now,
    };
    const burstMs = 1_500;
    this.#plan = {
      newcomer: validators,
      leaver: random.between(1, validators - 1),
      joinMs: random.between(500, 2_500),
      leaveMs: random.between(3_000, 8_000),
      bursts: [1_500, 4_500, 8_000, 12_000].map((atMs) => atMs + random.between(0, 1_500)),
      burstMs,
    };
    this.#workload = new Workload(this.#world, this.#ports, this.#plan);
  }

  #makeNodes(random: SeededRandom): readonly SimNode[] {
    const heartbeatMs = random.pick([1_000, 2_000]);
    const skewMaxMs = random.pick([0, 500]);
    // Where little is kept, whoever comes late or was away for long fetches the state.
    const keeping = random.chance(0.5) ? {} : { blocks: random.between(1, 10), states: random.between(2, 8) };
    const drifting = random.below(2 * this.#founded.nodes.length);
    return this.#founded.nodes.map(
      (_, index) =>
        new SimNode(this.#world, this.#wire, this.checks, this.#founded, {
          index,
          skewMs: random.between(0, skewMaxMs),
          rate: index === drifting ? 0.9 + 0.2 * random.unit() : 0.9998 + 0.0004 * random.unit(),
          heartbeatMs,
          listenMs: 200,
          keeping,
          restartMs: random.between(50, 1_500),
        }),
    );
  }

  #deskNetwork(place: number): ClientPorts['network'] {
    const idle = (): void => undefined;
    const startMs = this.#founded.startMs;
    const machine = new Machine(this.#world, { index: place, startMs, skewMs: 0, rate: 1 }, idle, idle);
    machine.start();
    return this.#wire.join(place, machine.life!, machine.clockOf(machine.life!));
  }

  // ---- Storm ---------------------------------------------------------------------------------------------------

  async storm(stormMs?: number): Promise<void> {
    const { newcomer } = this.#plan;
    for (const node of this.#nodes) {
      // Whoever comes later has a chain to catch up with.
      if (node.index < newcomer) node.machine.start();
      else node.machine.startLater(this.#random.between(0, 12_000));
    }
    this.#storm.start();
    this.#liar?.start();
    this.#workload.start();
    await this.#advance(stormMs ?? STORM_MIN_MS);
    if (stormMs !== undefined) return;
    await this.#advance(STORM_MAX_MS, () => this.#isCovered());
  }

  /** Every run goes through this. */
  #isCovered(): boolean {
    const { epochs, splits, merges } = this.checks;
    return epochs >= 4 && splits + merges >= 2 && this.#hasJoined() && this.#hasLeft();
  }

  #hasJoined(): boolean {
    return this.#nodes[this.#plan.newcomer]!.hasValidated;
  }

  #hasLeft(): boolean {
    const { state } = this.checks;
    const key = this.#founded.nodes[this.#plan.leaver]!.publicKey as NodeId;
    const entries = settledEntries(state, epochStateOf(state).epoch);
    return nodeOf(state, key)?.isRetired === true && entries.every(({ node }) => !equal(node, key));
  }

  // ---- Quiet ---------------------------------------------------------------------------------------------------

  async quiet(): Promise<void> {
    const { checks } = this;
    if (checks.violation !== undefined) return;
    const healedMs = this.#world.scheduler.now;
    this.#world.tell(() => 'quiet from now on');
    this.#storm.end();
    if (this.#liar !== undefined) this.#liar.isSilent = true;
    for (const { machine } of this.#nodes) machine.start();
    this.#workload.isOpen = false;
    await this.#recover(healedMs);
    await this.#cover();
    await this.#convict();
    await this.#settle();
    await this.#compareStates();
  }

  /** One node is told once of a new transaction. */
  async #recover(healedMs: number): Promise<void> {
    const probe = new Probe(this.#ports, this.#founded, this.#random.fork('probe'));
    this.#world.isStirred = true;
    const isDone = (): boolean => {
      probe.tick(this.#world.scheduler.now);
      const height = this.checks.included.get(probe.name)?.height;
      return height !== undefined && this.#nodes.every((node) => node.height >= height);
    };
    const boundMs = this.#recoveryBoundMs();
    await this.#advance(healedMs + boundMs, isDone);
    if (this.checks.violation !== undefined) return;
    if (!isDone()) {
      const where = this.#nodes.map((node) => describe(node)).join('; ');
      const height = this.checks.included.get(probe.name)?.height;
      const became = height === undefined ? 'not included' : `in block ${height}`;
      const { name } = probe;
      this.checks.fail(
        'liveness',
        `${boundMs} ms after the faults the new transaction ${name.slice(0, 8)} (${probe.fate}) is ${became}, the chain at ${this.checks.height}: ${where}`,
      );
      return;
    }
    this.#recoveryMs = this.#world.scheduler.now - healedMs;
    if (this.#recoveryMs > RECOVERY_MAX_MS) this.#world.tally.add('recovery above 10 s, rounds were long');
  }

  #recoveryBoundMs(): number {
    const { height, round } = this.checks.round;
    const { timeouts } = this.#founded.parameters;
    const first = height > this.checks.height ? round : 0;
    this.#world.tell(() => `height ${this.checks.height + 1} is in round ${first}`);
    let boundMs = 0;
    for (let i = 0; i < RECOVERY_ROUNDS; i++) boundMs += phaseMs(timeouts, 'rebroadcast', first + i);
    return Math.max(RECOVERY_MAX_MS, boundMs);
  }

  /** What the storm kept from happening. */
  async #cover(): Promise<void> {
    if (this.checks.violation !== undefined || this.#isCovered()) return;
    this.#world.tally.add('coverage needed quiet');
    this.#workload.isOpen = true;
    await this.#advance(this.#world.scheduler.now + COVERAGE_MAX_MS, () => this.#isCovered());
    this.#workload.isOpen = false;
    if (!this.#isCovered()) this.#world.tally.add('not covered');
  }

  /** Who says two things to everybody is slashed, whatever the storm did to the proofs. */
  async #convict(): Promise<void> {
    const { checks } = this;
    const liar = this.#liar;
    if (checks.violation !== undefined || liar === undefined) return;
    const isDone = (): boolean => {
      liar.sayBothToAll();
      return liar.isConvicted || !liar.isMember;
    };
    await this.#advance(this.#world.scheduler.now + CONVICTION_MAX_MS, isDone);
    if (checks.violation !== undefined) return;
    if (!isDone()) checks.fail('accountability', `${CONVICTION_MAX_MS} ms of lies, and nobody is slashed`);
    if (liar.isConvicted) this.#world.tally.add('liar slashed');
  }

  async #settle(): Promise<void> {
    if (this.checks.violation !== undefined) return;
    const isDone = (): boolean =>
      this.#workload.waiting === 0 && this.checks.pending === 0 && this.#nodes.every(hasEmptyPool);
    await this.#advance(this.#world.scheduler.now + SETTLING_MAX_MS, isDone);
    if (this.checks.violation !== undefined || isDone()) return;
    const clients = [...this.#workload.clients, ...this.#workload.operators];
    const lost = clients.filter(({ waiting }) => waiting > 0).map((client) => client.describe());
    const full = this.#nodes.filter((node) => !hasEmptyPool(node)).map(describe);
    if (lost.length === 0 && this.checks.pending === 0) {
      this.checks.fail('memory', `everything is decided, and transactions still wait: ${full.join('; ')}`);
      return;
    }
    this.checks.fail(
      'lost transaction',
      `${SETTLING_MAX_MS} ms of quiet and ${this.checks.pending} receipts wait, and: ${lost.join('; ')}`,
    );
  }

  /** The state that a node has is the one that the blocks make, record by record. */
  async #compareStates(): Promise<void> {
    const { checks } = this;
    if (checks.violation !== undefined) return;
    checks.audit();
    const node = this.#random.pick(this.#nodes);
    await this.#advance(this.#world.scheduler.now + 5_000, () => node.height === checks.height);
    const { service } = node;
    if (service === undefined || node.height !== checks.height) return;
    const expected = [...checks.records.values()];
    const found = await service.store.load(expected.map(({ key }) => key));
    for (const [index, { key, bytes }] of expected.entries()) {
      const record = found[index];
      if (record === null || record === undefined || !equal(record, bytes))
        checks.fail('roots', `machine ${node.index} has another ${key.kind} than the blocks make`);
    }
  }

  // ---- Time ----------------------------------------------------------------------------------------------------

  async #advance(untilMs: number, isDone?: () => boolean): Promise<void> {
    const { checks } = this;
    const world = this.#world;
    let asked = -1;
    for (;;) {
      if (world.isStirred) {
        world.isStirred = false;
        await drain();
      }
      if (checks.violation !== undefined) return;
      if (isDone !== undefined && Math.floor(world.scheduler.now / 50) !== asked) {
        asked = Math.floor(world.scheduler.now / 50);
        if (isDone()) return;
      }
      if (!world.scheduler.step(untilMs) && !world.isStirred) return;
      if (world.scheduler.count > EVENTS_MAX) checks.fail('liveness', 'the run does not end');
    }
  }

  result(): ChainRunResult {
    const { checks } = this;
    const { scheduler, trace, tally } = this.#world;
    trace.addText(checks.violation?.text ?? '');
    tally.add('epochs', checks.epochs);
    tally.add('shard splits', checks.splits);
    tally.add('shard merges', checks.merges);
    if (this.#hasJoined()) tally.add('node joined and validates');
    if (this.#hasLeft()) tally.add('node left');
    if (this.#isCovered()) tally.add('covered');
    return {
      seed: this.#seed,
      digest: trace.toString(),
      events: scheduler.count,
      simulatedMs: scheduler.now,
      heights: checks.height,
      recoveryMs: checks.violation === undefined ? this.#recoveryMs : undefined,
      tally,
      violation: checks.violation,
    };
  }
}

/** All microtasks: they come before anything else that a loop of events does. */
const drain = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

const hasEmptyPool = ({ service }: SimNode): boolean => service?.status().waitingTransactions === 0;

function describe(node: SimNode): string {
  const status: ReturnType<ChainService['status']> | undefined = node.service?.status();
  if (status === undefined) return `machine ${node.index} is down`;
  const { role, height, waitingTransactions, validator } = status;
  return `machine ${node.index} is ${role} at ${height}, ${waitingTransactions} wait${validator === undefined ? '' : `, agrees on ${validator.height}`}`;
}

/** A transaction of a new account, handed in until one node has taken it, and not again while that one lives. */
class Probe {
  readonly name: string;
  readonly #client: Client;
  #tickedMs = 0;

  constructor(ports: ClientPorts, founded: Founded, random: SeededRandom) {
    const signer = founded.clients.at(-1)!;
    this.#client = new Client(ports, signer, random, true);
    const parameters = { to: founded.clients[0]!.publicKey, amounts: amountOf(NATIVE, 1n) };
    const id = this.#client.issue({ kind: 'transfer', parameters }, 1_000);
    this.name = Buffer.from(id).toString('hex');
  }

  get fate(): string {
    return this.#client.describe();
  }

  tick(nowMs: number): void {
    if (nowMs - this.#tickedMs < 500) return;
    this.#tickedMs = nowMs;
    void this.#client.tick();
  }
}
