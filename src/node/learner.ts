// Taking in what other nodes say: their addresses and those they pass on. Everything is hostile until checked; a check that
// fails is told to whoever watches, and changes nothing.
//
// Invariants: one fetch from a peer at a time.

import { toHex } from '../base/bytes.ts';
import { type ErrorCode, StoreError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import { EXCHANGE_TIMEOUT_MS } from '../base/limits.ts';
import type { Network } from '../base/ports.ts';
import { decodeMembersReply, MEMBERS_REPLY_LENGTH_MAX, SERVICES } from '../replication/messages.ts';
import type { AddressBook } from './address-book.ts';
import { EMPTY_HEADER } from './keeper-ports.ts';

export interface LearnerPorts {
  readonly network: Network;
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
   * Asks a peer for the addresses it knows, and takes them in. Throws UNREACHABLE, TIMEOUT and the like; what the peer says wrong is
   * refused and told.
   */
  fetchFrom(peer: NodeId): Promise<void> {
    const key = toHex(peer);
    const underWay = this.#fetching.get(key);
    if (underWay !== undefined) return underWay;
    const fetching = this.#fetch(peer).finally(() => this.#fetching.delete(key));
    this.#fetching.set(key, fetching);
    return fetching;
  }

  async #fetch(peer: NodeId): Promise<void> {
    const { network } = this.#ports;
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
      const { nodeRecords } = decodeMembersReply(reply.body);
      let count = 0;
      for (const record of nodeRecords) if (await this.learn(peer, record)) count += 1;
      if (count > 0) this.#options.onLearned();
    });
  }

  /** Runs a check of what `from` said; a failure that is its fault is told, one that may be nobody's is not. */
  judge(from: NodeId, check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#refuse(from, error);
    }
  }

  async #orRefuse(from: NodeId, check: () => Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      this.#refuse(from, error);
    }
  }

  #refuse(from: NodeId, error: unknown): void {
    if (!(error instanceof StoreError)) throw error;
    if (DISHONEST.has(error.code)) this.#options.onRefused(from, error);
    // Expired, or of a member that the other side knows already and we do not.
    else if (error.code !== 'NOT_FOUND' && error.code !== 'UNAUTHORIZED') throw error;
  }
}
