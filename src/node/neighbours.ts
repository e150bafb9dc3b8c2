// The other members, as this node knows them: greeted again and again, so that addresses stay fresh and whoever was cut off is
// found again. In a small network everybody greets everybody; in
// a large one each node greets a share of the others that both ends compute alike, which makes a random graph of degree
// NEIGHBOURS_MAX or a little more.
//
// Invariants: at most one greeting to a neighbour is under way; a neighbour that fails is tried later and later, up to
// RECONNECT_MAX_MS; nothing here ends because a peer misbehaves.

import { compare, concat, toHex } from '../base/bytes.ts';
import { StoreError, toStoreError } from '../base/errors.ts';
import type { Sha256 } from '../base/hash.ts';
import type { NodeId } from '../base/ids.ts';
import {
  GREET_INTERVAL_MS,
  GREET_TIMEOUT_MS,
  GREETING_LENGTH_MAX,
  NEIGHBOURS_MAX,
  RECONNECT_MAX_MS,
  RECONNECT_MIN_MS,
  SERVICE_CONCURRENCY,
  STATUS_REQUESTS_PER_SECOND,
} from '../base/limits.ts';
import type { Clock, Directory, Network, Random, Service } from '../base/ports.ts';
import { nodeKey } from '../dht/record.ts';
import { peerIdText } from '../runtime/peer-id.ts';
import type { AddressBook } from './address-book.ts';
import { decodeGreeting, encodeGreeting, GREET_SERVICE, type Greeting } from './greeting.ts';
import { Guides } from './guides.ts';
import { Learner } from './learner.ts';
import type { Membership } from './membership.ts';

export interface NeighbourPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly sha256: Sha256;
  readonly network: Network;
  readonly membership: Membership;
  readonly book: AddressBook;
  /** Asked for the address of a member who does not answer. */
  readonly directory?: Pick<Directory, 'find'> | undefined;
}

export interface NeighbourOptions {
  /** Bulk addresses to ask while nobody answers. */
  readonly bootstrap: readonly string[];
  /** This node's signed record; empty when it is no member. */
  readonly ownRecord: () => Uint8Array;
  /**
   * Whether a connection of the control lane to the node stands: gossip and DHT run over those, while greetings may take
   * another lane. Absent where there is one lane only.
   */
  readonly isLinked?: (node: NodeId) => boolean;
  /** Something worth a line in the log. */
  readonly onEvent?: (event: NeighbourEvent) => void;
  readonly greetIntervalMs?: number;
  readonly reconnectMinMs?: number;
}

export type NeighbourEvent =
  | { readonly kind: 'up' | 'down'; readonly node: NodeId; readonly error?: StoreError }
  | { readonly kind: 'refused'; readonly node: NodeId; readonly error: StoreError }
  | { readonly kind: 'bootstrap-failed'; readonly address: string; readonly error: StoreError };

interface Neighbour {
  readonly node: NodeId;
  failures: number;
  isUp: boolean;
  /** A greeting is under way; `isDue`: another shall follow at once. */
  isBusy: boolean;
  isDue: boolean;
  cancel: () => void;
}

export class Neighbours {
  readonly service: Service;
  readonly #ports: NeighbourPorts;
  readonly #options: NeighbourOptions;
  readonly #known: Map<string, Neighbour> = new Map();
  readonly #stop: AbortController = new AbortController();
  readonly #running: Set<Promise<unknown>> = new Set();
  readonly #learner: Learner;
  readonly #guides: Guides;
  #bootstrapFailures = 0;
  #cancelBootstrap: () => void = () => undefined;

  constructor(ports: NeighbourPorts, options: NeighbourOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#guides = new Guides(ports);
    this.#learner = new Learner(ports, {
      signal: this.#stop.signal,
      onRefused: (node, error) => options.onEvent?.({ kind: 'refused', node, error }),
      onLearned: () => {
        // Whoever could not be reached for want of an address can be now.
        for (const neighbour of this.#known.values()) if (!neighbour.isUp) this.#schedule(neighbour, 0);
      },
    });
    this.service = {
      name: GREET_SERVICE,
      maxHeaderLength: GREETING_LENGTH_MAX,
      maxBodyLength: 0,
      timeoutMs: GREET_TIMEOUT_MS,
      maxConcurrentPerPeer: SERVICE_CONCURRENCY,
      maxPerSecondPerPeer: STATUS_REQUESTS_PER_SECOND,
      handle: async (from, header) => {
        this.#inBackground(this.#hear(from, decodeGreeting(header)));
        return { header: this.#greeting() };
      },
    };
  }

  start(): void {
    this.update();
    this.#scheduleBootstrap(0);
  }

  /** Takes up a changed membership: greets who is new, forgets who left, tells everybody at once. */
  update(): void {
    if (this.#stop.signal.aborted) return;
    const wanted = new Map(this.#chosen().map((node) => [toHex(node), node]));
    for (const [key, neighbour] of this.#known) {
      if (wanted.has(key)) continue;
      neighbour.cancel();
      this.#known.delete(key);
    }
    for (const [key, node] of wanted) {
      const fresh = { node, failures: 0, isUp: false, isBusy: false, isDue: false };
      if (!this.#known.has(key)) this.#known.set(key, { ...fresh, cancel: () => undefined });
      this.#schedule(this.#known.get(key)!, 0);
    }
  }

  /** Neighbours heard of lately. */
  live(): readonly NodeId[] {
    return [...this.#known.values()].flatMap((neighbour) => (neighbour.isUp ? neighbour.node : []));
  }

  /** Who may know more of the chain than this node: neighbours first, then whoever else claimed to, or was found at the start. */
  sources(): readonly NodeId[] {
    return [...this.live(), ...this.#guides.list()];
  }

  async stop(): Promise<void> {
    this.#stop.abort(new StoreError('CLOSED', 'the node is stopping'));
    this.#cancelBootstrap();
    for (const neighbour of this.#known.values()) neighbour.cancel();
    await Promise.allSettled(this.#running);
  }

  // ---- Greeting ----------------------------------------------------------------------------------------------

  /** All members but this node while they are few, else those with the smallest draw, which both ends compute alike. */
  #chosen(): NodeId[] {
    const { membership, network, sha256 } = this.#ports;
    const others = membership
      .current()
      .members.flatMap((member) => (compare(member.node, network.self) === 0 ? [] : member.node));
    if (others.length <= NEIGHBOURS_MAX) return others;
    const draw = (node: NodeId): Uint8Array =>
      compare(node, network.self) < 0
        ? sha256(concat(node, network.self))
        : sha256(concat(network.self, node));
    return others
      .map((node) => ({ node, drawn: draw(node) }))
      .sort((a, b) => compare(a.drawn, b.drawn))
      .slice(0, NEIGHBOURS_MAX)
      .map(({ node }) => node);
  }

  #greeting(): Uint8Array {
    const { epoch } = this.#ports.membership.current();
    return encodeGreeting({ nodeRecord: this.#options.ownRecord(), epoch });
  }

  #schedule(neighbour: Neighbour, delayMs: number): void {
    neighbour.cancel();
    if (this.#stop.signal.aborted) return;
    neighbour.cancel = this.#ports.clock.timer(delayMs, () => this.#inBackground(this.#greet(neighbour)));
  }

  async #greet(neighbour: Neighbour): Promise<void> {
    neighbour.isDue = neighbour.isBusy;
    if (neighbour.isBusy) return;
    neighbour.isBusy = true;
    const delayMs = await this.#exchange(neighbour);
    neighbour.isBusy = false;
    // It may have left the network meanwhile.
    if (this.#known.get(toHex(neighbour.node)) !== neighbour) return;
    this.#schedule(neighbour, neighbour.isDue ? 0 : delayMs);
  }

  /** One greeting; returns after how long the next is due. */
  async #exchange(neighbour: Neighbour): Promise<number> {
    try {
      const reply = await this.#ports.network.call(
        neighbour.node,
        GREET_SERVICE,
        { header: this.#greeting() },
        { timeoutMs: GREET_TIMEOUT_MS, signal: this.#stop.signal },
      );
      await this.#hear(neighbour.node, decodeGreeting(reply.header));
      return this.#spread(this.#options.greetIntervalMs ?? GREET_INTERVAL_MS);
    } catch (error) {
      this.#fail(neighbour, toStoreError(error, 'UNREACHABLE', 'greeting'));
      return this.#backoffMs(neighbour.failures);
    }
  }

  #fail(neighbour: Neighbour, error: StoreError): void {
    if (this.#stop.signal.aborted) return;
    if (neighbour.isUp) this.#options.onEvent?.({ kind: 'down', node: neighbour.node, error });
    neighbour.isUp = false;
    neighbour.failures += 1;
    this.#inBackground(this.#searchFor(neighbour));
  }

  /** The DHT may know where a neighbour is now, and of one that nothing was heard of yet, as after it joined, another neighbour may. */
  async #searchFor({ node }: Neighbour): Promise<void> {
    const record = await this.#ports.directory?.find(nodeKey(node), this.#stop.signal);
    if (record !== undefined) await this.#learner.learn(node, record);
    if (this.#ports.book.find(node) !== undefined) return;
    const others = this.live();
    const [byte = 0] = this.#ports.random.bytes(1);
    if (others.length > 0) await this.#learner.fetchFrom(others[byte % others.length]!);
  }

  /** What a peer said of itself, whether asked or not. */
  async #hear(from: NodeId, greeting: Greeting): Promise<void> {
    const neighbour = this.#known.get(toHex(from));
    const isBack = neighbour !== undefined && !neighbour.isUp;
    if (greeting.nodeRecord.length > 0) await this.#learner.learn(from, greeting.nodeRecord);
    if (neighbour !== undefined) {
      neighbour.isUp = true;
      neighbour.failures = 0;
      if (isBack) this.#options.onEvent?.({ kind: 'up', node: from });
      this.#inBackground(this.#link(from, isBack));
    }
    const { membership } = this.#ports;
    if (greeting.epoch > membership.current().epoch && membership.member(from) === undefined)
      this.#learner.judge(from, () => this.#guides.claims(from, greeting.nodeRecord));
    if (isBack) await this.#learner.fetchFrom(from);
  }

  /** One of the two ends dials the control lane; the other only when that has not helped. */
  async #link(node: NodeId, isFirst: boolean): Promise<void> {
    const { network, book } = this.#ports;
    const isOurs = compare(network.self, node) < 0;
    if (this.#options.isLinked?.(node) !== false || (isFirst && !isOurs)) return;
    for (const address of book.find(node)?.addresses.control ?? []) {
      try {
        await network.connect(`${address}/p2p/${peerIdText(node)}`, this.#stop.signal);
        return;
      } catch (error) {
        if (this.#stop.signal.aborted || !(error instanceof StoreError)) return;
      }
    }
  }

  // ---- Beginning -----------------------------------------------------------------------------------------------

  /** While nobody answers, the configured addresses are asked, again and again. */
  #scheduleBootstrap(delayMs: number): void {
    if (this.#stop.signal.aborted || this.#options.bootstrap.length === 0) return;
    this.#cancelBootstrap = this.#ports.clock.timer(delayMs, () => {
      this.#inBackground(
        this.#bootstrap().finally(() => {
          this.#bootstrapFailures = this.live().length > 0 ? 0 : this.#bootstrapFailures + 1;
          this.#scheduleBootstrap(this.#backoffMs(this.#bootstrapFailures));
        }),
      );
    });
  }

  async #bootstrap(): Promise<void> {
    if (this.live().length > 0) return;
    for (const address of this.#options.bootstrap) {
      if (this.#stop.signal.aborted) return;
      try {
        const peer = await this.#ports.network.connect(address, this.#stop.signal);
        if (compare(peer, this.#ports.network.self) === 0) continue;
        this.#guides.found(peer);
        await this.#learner.fetchFrom(peer);
      } catch (error) {
        const failure = toStoreError(error, 'UNREACHABLE', address);
        if (!this.#stop.signal.aborted)
          this.#options.onEvent?.({ kind: 'bootstrap-failed', address, error: failure });
      }
    }
  }

  /** Twice as long after each failure, up to the bound, and spread so that many nodes do not knock at once. */
  #backoffMs(failures: number): number {
    const first = this.#options.reconnectMinMs ?? RECONNECT_MIN_MS;
    return this.#spread(Math.min(RECONNECT_MAX_MS, first * 2 ** Math.min(failures, 20)));
  }

  /** Three quarters to all of a delay. */
  #spread(delayMs: number): number {
    const [byte = 0] = this.#ports.random.bytes(1);
    return delayMs * (0.75 + byte / 1024);
  }

  /** Work that nobody waits for, but `stop` does. */
  #inBackground(work: Promise<unknown>): void {
    const running: Promise<unknown> = work
      .catch(() => undefined)
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}
