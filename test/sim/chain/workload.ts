// What people do to a simulated chain: transfers in all directions, names under conditions, stake, and now and then a burst that makes
// shards split; one node joins and becomes a validator, another leaves. Operators whose node was jailed say that it is back.

import { toUtf8 } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import { amountOf, NATIVE } from '../../../src/shards/amounts.ts';
import { type BucketId, bucketIdOf, DEFAULT_POLICY } from '../../../src/shards/bucket.ts';
import { epochStateOf } from '../../../src/shards/epoch-state.ts';
import { proveKey } from '../../../src/shards/key-proof.ts';
import { etagOf } from '../../../src/shards/name-entry.ts';
import { nodeOf } from '../../../src/shards/node.ts';
import type { Action } from '../../../src/shards/transaction.ts';
import type { SeededRandom } from '../random.ts';
import { Client, type ClientPorts } from './client.ts';
import { ownerOf } from './founding.ts';
import type { World } from './machine.ts';

export interface WorkloadPlan {
  /** The machine that joins, and the one that leaves. */
  readonly newcomer: number;
  readonly leaver: number;
  readonly joinMs: number;
  readonly leaveMs: number;
  /** When bursts begin, and how long each lasts. */
  readonly bursts: readonly number[];
  readonly burstMs: number;
}

const TICK_MIN_MS = 400;
const TICK_MAX_MS = 900;
/** From then on people keep coming until shards have split. */
const LOAD_FROM_MS = 12_000;
const RUSH_EVERY_MS = 4_000;
const RUSH_MS = 1_000;
const WINDOW = 3;
const BURST_WINDOW = 16;

interface Writer {
  readonly client: Client;
  /** Etags of what it wrote, by bucket and name. */
  readonly etags: Map<string, Uint8Array>;
}

export class Workload {
  readonly clients: readonly Client[];
  readonly operators: readonly Client[];
  /** New work is made. */
  isOpen = true;
  readonly #world: World;
  readonly #ports: ClientPorts;
  readonly #plan: WorkloadPlan;
  readonly #random: SeededRandom;
  readonly #writers: readonly Writer[];

  constructor(world: World, ports: ClientPorts, plan: WorkloadPlan) {
    this.#world = world;
    this.#ports = ports;
    this.#plan = plan;
    this.#random = world.random.fork('workload');
    const make = (signer: (typeof ports.founded.clients)[number], index: number): Client =>
      new Client(ports, signer, this.#random.fork(`client ${index}`), index % 4 === 3);
    // The last one is for whoever looks whether the chain lives.
    this.clients = ports.founded.clients.slice(0, -1).map(make);
    this.operators = ports.founded.operators.map((signer, index) => make(signer, 4 * index + 1_000));
    this.#writers = this.clients.map((client) => ({ client, etags: new Map() }));
  }

  start(): void {
    for (const writer of this.#writers) this.#later(writer.client, () => this.#act(writer));
    for (const operator of this.operators.keys())
      this.#later(this.operators[operator]!, () => this.#operate(operator));
    const { joinMs, leaveMs, newcomer, leaver } = this.#plan;
    this.#at(joinMs, () => this.#join(newcomer));
    this.#at(leaveMs, () => this.#leave(leaver));
  }

  get waiting(): number {
    return [...this.clients, ...this.operators].reduce((sum, client) => sum + client.waiting, 0);
  }

  #at(atMs: number, run: () => void): void {
    this.#world.scheduler.after(atMs - this.#world.scheduler.now, {
      run: () => {
        this.#world.isStirred = true;
        run();
      },
    });
  }

  #later(client: Client, act: () => void): void {
    const delayMs = this.#random.between(TICK_MIN_MS, TICK_MAX_MS);
    this.#at(this.#world.scheduler.now + delayMs, () => {
      if (this.isOpen) act();
      void client.tick();
      this.#later(client, act);
    });
  }

  // ---- Clients -------------------------------------------------------------------------------------------------

  get #isBurst(): boolean {
    const { now } = this.#world.scheduler;
    if (now > LOAD_FROM_MS && this.#ports.checks.splits === 0) return true;
    return this.#plan.bursts.some((atMs) => now >= atMs && now < atMs + this.#plan.burstMs);
  }

  /** People come at the same times, so that blocks have several of their transactions. */
  get #isRush(): boolean {
    return this.#world.scheduler.now % RUSH_EVERY_MS < RUSH_MS;
  }

  #act(writer: Writer): void {
    const { client } = writer;
    const window = this.#isBurst ? BURST_WINDOW : WINDOW;
    if (!this.#isBurst && (!this.#isRush || this.#random.chance(0.6))) return;
    while (client.waiting < window) {
      this.#issue(writer);
      if (!this.#isBurst && this.#random.chance(0.7)) break;
    }
    if (this.#random.chance(0.1)) client.conflict(this.#transfer(), this.#lifetime());
    if (this.#random.chance(0.1)) client.forge(this.#transfer());
  }

  #lifetime(): number {
    return this.#random.chance(0.1) ? this.#random.between(0, 4) : 1_000;
  }

  #issue(writer: Writer): void {
    const { client, etags } = writer;
    const draw = this.#random.unit();
    if (draw < 0.55) client.issue(this.#transfer(), this.#lifetime());
    else if (draw < 0.63) client.issue(this.#createBucket(client), 1_000);
    else if (draw < 0.95) {
      const place = this.#place(client);
      const known = etags.get(place.text);
      const condition = this.#random.pick([
        { kind: 'any' },
        { kind: 'absent' },
        { kind: 'present' },
        ...(known === undefined
          ? []
          : [
              { kind: 'match', etag: known },
              { kind: 'match', etag: known },
            ]),
      ]);
      const isPut = this.#random.chance(0.85);
      const parameters = { bucket: place.bucket, name: place.name, condition };
      const id = isPut
        ? client.issue({ kind: 'put-name', parameters: { ...parameters, object: this.#object() } }, 1_000)
        : client.issue({ kind: 'delete-name', parameters }, 1_000);
      if (isPut) etags.set(place.text, etagOf(id));
    } else if (draw < 0.98) {
      const any = { kind: 'any' } as const;
      const from = this.#place(client);
      let to = this.#place(client);
      while (to.text === from.text) to = this.#place(client);
      const source = { bucket: from.bucket, name: from.name, condition: any };
      const destination = { bucket: to.bucket, name: to.name, condition: any };
      client.issue({ kind: 'rename', parameters: { source, destination } }, 1_000);
    } else {
      const { newcomer } = this.#plan;
      const amounts = amountOf(NATIVE, BigInt(this.#random.between(1, 20)));
      client.issue({ kind: 'delegate', parameters: { node: this.#key(newcomer), amounts } }, 1_000);
    }
  }

  #transfer(): Action {
    const to = ownerOf(this.#random.pick(this.#ports.founded.clients));
    const amount = this.#random.chance(0.05) ? 10n ** 9n : BigInt(this.#random.between(1, 50));
    return { kind: 'transfer', parameters: { to, amounts: amountOf(NATIVE, amount) } };
  }

  #createBucket(client: Client): Action {
    const name = `b${this.#random.below(3)}`;
    return {
      kind: 'create-bucket',
      parameters: { bucket: this.#bucket(client, name), name, policy: DEFAULT_POLICY },
    };
  }

  #bucket(client: Client, name: string): BucketId {
    return bucketIdOf(this.#ports.founded.network, client.owner, name, nativeSha256);
  }

  #place(client: Client): { readonly bucket: BucketId; readonly name: Uint8Array; readonly text: string } {
    const [bucket, name] = [`b${this.#random.below(3)}`, `n${this.#random.below(4)}`];
    return { bucket: this.#bucket(client, bucket), name: toUtf8(name), text: `${bucket}/${name}` };
  }

  #object(): unknown {
    const [manifest, object, wrappedKey] = [1, 2, 3].map(() => this.#random.bytes(32));
    return { manifest, object, lengthBytes: this.#random.below(100_000), wrappedKey };
  }

  // ---- Operators -----------------------------------------------------------------------------------------------

  #key(machine: number): NodeId {
    return this.#ports.founded.nodes[machine]!.publicKey as NodeId;
  }

  #operate(machine: number): void {
    const operator = this.operators[machine]!;
    if (operator.waiting > 0) return;
    const { state } = this.#ports.checks;
    const node = nodeOf(state, this.#key(machine));
    if (node === undefined || node.isRetired) return;
    if (node.isJailed && epochStateOf(state).epoch >= node.jailedUntil) {
      this.#world.tally.add('unjail asked');
      operator.issue({ kind: 'unjail', parameters: { node: node.registration } }, 1_000);
    } else if (this.#random.chance(0.1)) operator.issue(this.#stakeAction(machine), 1_000);
  }

  #stakeAction(machine: number): Action {
    const node = this.#key(machine);
    const amount = BigInt(this.#random.between(1, 15));
    return this.#random.pick<Action>([
      { kind: 'bond', parameters: { node, amounts: amountOf(NATIVE, amount) } },
      { kind: 'bond', parameters: { node, amounts: amountOf(NATIVE, amount) } },
      { kind: 'unbond', parameters: { node, asset: NATIVE, amount } },
      { kind: 'withdraw', parameters: { node } },
    ]);
  }

  #join(machine: number): void {
    const { founded } = this.#ports;
    const operator = this.operators[machine]!;
    const signer = founded.nodes[machine]!;
    const data = { capacityBytes: 2 ** 40, domains: [], validates: true, acceptsDelegation: true };
    const proof = proveKey(founded.network, operator.owner, signer);
    const parameters = { key: this.#key(machine), proof, data, amount: 120n };
    operator.issue({ kind: 'register-node', parameters }, 1_000);
  }

  #leave(machine: number): void {
    const node = this.#key(machine);
    const operator = this.operators[machine]!;
    operator.issue({ kind: 'retire-node', parameters: { node } }, 1_000);
    operator.issue({ kind: 'unbond', parameters: { node, asset: NATIVE, amount: 50n } }, 1_000);
  }
}
