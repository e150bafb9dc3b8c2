// Taking in what other nodes say: their addresses, those they pass on, and newer epoch records. Everything is hostile until
// checked; a check that fails is told to whoever watches, and changes nothing.
//
// Invariants: one fetch from a peer at a time; a claim that came to nothing is not looked into again for DISBELIEF_MS;
// strangers, who cost nothing to make, share one turn per STRANGER_INTERVAL_MS.

import { compare, toHex } from '../base/bytes.ts';
import { type ErrorCode, StoreError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import { DISBELIEF_MS, EXCHANGE_TIMEOUT_MS, PEERS_BANNED_MAX, STRANGER_INTERVAL_MS } from '../base/limits.ts';
import type { Clock, Network } from '../base/ports.ts';
import { decodeMembersReply, MEMBERS_REPLY_LENGTH_MAX, SERVICES } from '../replication/messages.ts';
import { type AddressBook, peekNodeRecord } from './address-book.ts';
import type { Greeting } from './greeting.ts';
import { EMPTY_HEADER } from './keeper-ports.ts';
import type { Membership } from './membership.ts';

export interface LearnerPorts {
  readonly clock: Clock;
  readonly network: Network;
  readonly membership: Membership;
  readonly book: AddressBook;
}

export interface LearnerOptions {
  readonly signal: AbortSignal;
  /** What a peer said is not fit to be said by an honest node. */
  readonly onRefused: (from: NodeId, error: StoreError) => void;
  /** Addresses became known. */
  readonly onLearned: () => void;
}

/** What an honest node never says. */
const DISHONEST: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'INTEGRITY',
  'INVALID_ENCODING',
  'INVALID_SIGNATURE',
  'WRONG_NETWORK',
  'PROTOCOL',
]);

export class Learner {
  readonly #ports: LearnerPorts;
  readonly #options: LearnerOptions;
  readonly #fetching: Map<string, Promise<void>> = new Map();
  /** Peers whose claim of a newer record came to nothing, and until when it is not believed again. */
  readonly #disbelieved: Map<string, number> = new Map();
  #strangersFromMs = 0;

  constructor(ports: LearnerPorts, options: LearnerOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /** Takes in a node record; a late one is dropped quietly, for who passed it on may be honest. */
  async learn(from: NodeId, record: Uint8Array): Promise<boolean> {
    let isNews = false;
    await this.#orRefuse(from, async () => {
      isNews = await this.#ports.book.learn(record);
    });
    return isNews;
  }

  /**
   * Asks a peer for its epoch record and the addresses it knows, and takes them in. Throws UNREACHABLE, TIMEOUT and the
   * like; what the peer says wrong is refused and told.
   */
  fetchFrom(peer: NodeId): Promise<void> {
    const key = toHex(peer);
    const underWay = this.#fetching.get(key);
    if (underWay !== undefined) return underWay;
    const fetching = this.#fetch(peer).finally(() => this.#fetching.delete(key));
    this.#fetching.set(key, fetching);
    return fetching;
  }

  /** A peer claims a newer epoch record than the one in force. Throws like `fetchFrom`. */
  async lookInto(from: NodeId, claim: Greeting): Promise<void> {
    const { clock, membership } = this.#ports;
    const key = toHex(from);
    const nowMs = clock.monotonic();
    if ((this.#disbelieved.get(key) ?? 0) > nowMs) return;
    this.#disbelieved.delete(key);
    try {
      if (membership.member(from) !== undefined) await this.fetchFrom(from);
      else await this.#orRefuse(from, () => this.#fetchFromStranger(from, claim));
    } finally {
      if (membership.current().record.epoch < claim.epoch) this.#disbelieve(key, nowMs + DISBELIEF_MS);
    }
  }

  #disbelieve(key: string, untilMs: number): void {
    this.#disbelieved.set(key, untilMs);
    if (this.#disbelieved.size > PEERS_BANNED_MAX) {
      this.#disbelieved.delete(this.#disbelieved.keys().next().value!);
    }
  }

  /** Whoever claims a newer record may be a member by it, and is not by ours: after a restore, or a long sleep. */
  async #fetchFromStranger(from: NodeId, { nodeRecord }: Greeting): Promise<void> {
    const nowMs = this.#ports.clock.monotonic();
    if (nowMs < this.#strangersFromMs || nodeRecord.length === 0) return;
    if (compare(peekNodeRecord(nodeRecord).node, from) !== 0) return;
    this.#strangersFromMs = nowMs + STRANGER_INTERVAL_MS;
    const end = this.#ports.book.introduce(nodeRecord);
    try {
      await this.fetchFrom(from);
      await this.learn(from, nodeRecord);
    } finally {
      end();
    }
  }

  async #fetch(peer: NodeId): Promise<void> {
    const { network, membership } = this.#ports;
    const reply = await network.call(
      peer,
      SERVICES.members,
      { header: EMPTY_HEADER },
      {
        maxBodyLength: MEMBERS_REPLY_LENGTH_MAX,
        timeoutMs: EXCHANGE_TIMEOUT_MS,
        signal: this.#options.signal,
      },
    );
    await this.#orRefuse(peer, async () => {
      const { epoch, nodeRecords } = decodeMembersReply(reply.body);
      await membership.offer(epoch);
      let count = 0;
      for (const record of nodeRecords) if (await this.learn(peer, record)) count += 1;
      if (count > 0) this.#options.onLearned();
    });
  }

  /** Runs a check of what `from` said; a failure that is its fault is told, one that may be nobody's is not. */
  async #orRefuse(from: NodeId, check: () => Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (DISHONEST.has(error.code)) this.#options.onRefused(from, error);
      // Expired, or of a member that the other side knows already and we do not.
      else if (error.code !== 'NOT_FOUND' && error.code !== 'UNAUTHORIZED') throw error;
    }
  }
}
