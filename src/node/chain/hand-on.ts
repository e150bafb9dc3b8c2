// Transactions that were handed in here go straight to those who propose the next blocks. So one of them costs a few messages, where saying it to
// everybody costs each node several, with a signature to check for each: the most part of what a single write costs a small network.
//
// It is a short cut and no more. What is in no block after a while, what cannot be brought there, and whatever comes while much waits, is said to
// everybody; and whoever proposes may leave out what he likes, as ever.
//
// Invariants: at most HANDED_ON_WAITING_MAX are remembered; each is said to everybody at most once by this.

import { toHex } from '../../base/bytes.ts';
import type { Digest, NodeId } from '../../base/ids.ts';
import {
  GOSSIP_TRANSACTIONS_PER_SECOND,
  HANDED_ON_PATIENCE_MS,
  HANDED_ON_WAITING_MAX,
  SUBMITS_PER_SECOND,
  TELL_LENGTH_MAX,
} from '../../base/limits.ts';
import type { Clock, Network, Service } from '../../base/ports.ts';
import { proposerAt } from '../../consensus/proposer.ts';
import type { Chain } from './chain.ts';
import { decodeTransactions, encodeTransactions } from './transaction-batch.ts';

export const HAND_ON_SERVICE = 'chain-hand-on';
/** Turns that a transaction is brought to: of the block under way, and of the next, which it may just miss the one before. */
const TURNS = 2;

export interface HandOnPorts {
  readonly network: Pick<Network, 'self' | 'tell' | 'serve'>;
  readonly clock: Pick<Clock, 'timer'>;
  readonly chain: Pick<Chain, 'next' | 'rolesAt'>;
  readonly isWaiting: (id: Digest) => boolean;
  /** Takes one that another node hands on. */
  readonly take: (bytes: Uint8Array) => Promise<unknown>;
  readonly sayToAll: (bytes: Uint8Array) => void;
}

interface Handed {
  readonly id: Digest;
  readonly bytes: Uint8Array;
}

export class HandOn {
  readonly #ports: HandOnPorts;
  /** Of this turn of the loop: they go together. */
  #gathered: Handed[] = [];
  #waiting = 0;
  readonly #cancels = new Set<() => void>();
  #isStopped = false;

  /** Serves at once. */
  constructor(ports: HandOnPorts) {
    this.#ports = ports;
    ports.network.serve(this.#service());
  }

  /** Of a transaction that waits in the pool of this node. */
  pass(id: Digest, bytes: Uint8Array): void {
    if (this.#isStopped) return;
    if (this.#waiting >= HANDED_ON_WAITING_MAX || bytes.length >= TELL_LENGTH_MAX) {
      this.#ports.sayToAll(bytes);
      return;
    }
    this.#waiting++;
    if (this.#gathered.push({ id, bytes }) === 1) this.#after(0, () => this.#bring());
  }

  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }

  #after(delayMs: number, run: () => void): void {
    const cancel = this.#ports.clock.timer(delayMs, () => {
      this.#cancels.delete(cancel);
      run();
    });
    this.#cancels.add(cancel);
  }

  #bring(): void {
    const handed = this.#gathered;
    this.#gathered = [];
    const nodes = this.#nextProposers();
    for (const message of messagesOf(handed)) {
      for (const node of nodes) {
        void this.#ports.network.tell(node, HAND_ON_SERVICE, message).catch(() => undefined);
      }
    }
    this.#after(HANDED_ON_PATIENCE_MS, () => {
      this.#waiting -= handed.length;
      for (const { id, bytes } of handed) if (this.#ports.isWaiting(id)) this.#ports.sayToAll(bytes);
    });
  }

  #nextProposers(): readonly NodeId[] {
    const { chain, network } = this.#ports;
    const nodes = new Map<string, NodeId>();
    for (let height = chain.next.height; height < chain.next.height + TURNS; height++) {
      const roles = chain.rolesAt(height);
      if (roles === undefined) continue;
      const { node } = roles.validators.validators[proposerAt(roles.proposers, height, 0)]!;
      nodes.set(toHex(node), node);
    }
    nodes.delete(toHex(network.self));
    return [...nodes.values()];
  }

  #service(): Service {
    return {
      name: HAND_ON_SERVICE,
      maxHeaderLength: TELL_LENGTH_MAX,
      maxBodyLength: 0,
      timeoutMs: 1_000,
      maxConcurrentPerPeer: HANDED_ON_WAITING_MAX,
      maxPerSecondPerPeer: Math.min(GOSSIP_TRANSACTIONS_PER_SECOND, SUBMITS_PER_SECOND),
      handle: async (_from, header) => {
        for (const bytes of decodeTransactions(new Uint8Array(header))) await this.#take(bytes);
        return { header: new Uint8Array(0) };
      },
    };
  }

  /** Of several, those that are refused are no reason to leave out the others. */
  async #take(bytes: Uint8Array): Promise<void> {
    if (!this.#isStopped) await this.#ports.take(bytes).catch(() => undefined);
  }
}

/** As many in each as may be told at once. */
function messagesOf(handed: readonly Handed[]): readonly Uint8Array[] {
  const groups: Uint8Array[][] = [];
  let length = Number.POSITIVE_INFINITY;
  for (const { bytes } of handed) {
    length += bytes.length + ROOM;
    if (length <= TELL_LENGTH_MAX) groups.at(-1)!.push(bytes);
    else {
      groups.push([bytes]);
      length = bytes.length + ROOM;
    }
  }
  return groups.map(encodeTransactions);
}

/** Of the length before a transaction, and of what marks a message of several. */
const ROOM = 5;
