// The two things that a chain says to everybody: transactions that want to be included, and blocks that were decided.
//
// Invariants: nothing is passed on before it was judged here; what no honest node would send is rejected, everything else that is of no
// use is ignored; what this node publishes, what waits for that and what is being judged is bounded. Gossip promises nothing:
// whoever has a transaction that is not included says it again after a while, and whoever misses a decision asks for it.

import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { NodeId } from '../../base/ids.ts';
import {
  GOSSIP_DECISIONS_JUDGED_MAX,
  GOSSIP_DECISIONS_PER_SECOND,
  GOSSIP_MESSAGE_LENGTH_MAX,
  GOSSIP_TRANSACTIONS_JUDGED_MAX,
  GOSSIP_TRANSACTIONS_LENGTH_PER_SECOND,
  GOSSIP_TRANSACTIONS_PER_SECOND,
  GOSSIP_WAITING_LENGTH_MAX,
  GOSSIP_WAITING_MAX,
  TRANSACTION_LENGTH_MAX,
} from '../../base/limits.ts';
import type { Clock, Gossip, GossipVerdict } from '../../base/ports.ts';
import { type DecisionNews, decodeDecisionNews, encodeDecisionNews } from './decision-news.ts';
import { PacedPublisher, type PaceLimits } from './paced-publisher.ts';
import { decodeTransactions, TransactionBatcher } from './transaction-batch.ts';

/** Signed transactions: one as it is, or several (`transaction-batch.ts`). */
export const TRANSACTION_TOPIC = 'transaction';
/** The bytes of `encodeDecisionNews`. */
export const DECISION_TOPIC = 'decision';

export interface ChainGossipPorts {
  readonly gossip: Gossip;
  readonly clock: Clock;
  readonly sha256?: Sha256;
}

/** What is thought of what others say. An error is a verdict too: `verdictOf`. `from` is the author, not who passed it on. */
export interface ChainGossipCallbacks {
  transaction(bytes: Uint8Array, from: NodeId): Promise<GossipVerdict>;
  /** In form, and the block the one that the certificate names; who signed is to be checked. */
  decision(news: DecisionNews, from: NodeId): Promise<GossipVerdict>;
}

export interface ChainGossip {
  /** False when it does not go out now, nor soon: so much waits to be published. Throws INVALID_ARGUMENT for what is too long. */
  publishTransaction(bytes: Uint8Array): boolean;
  /** Does nothing when a decision of this height or a later one was said, by anybody. */
  publishDecision(news: DecisionNews): void;
  /** Who votes has every decision already, and need not be told. */
  hearDecisions(isHearing: boolean): void;
  /** From now on nothing is published and everything ignored. */
  stop(): void;
}

const TRANSACTION_PACE: PaceLimits = {
  messagesPerSecond: GOSSIP_TRANSACTIONS_PER_SECOND,
  bytesPerSecond: GOSSIP_TRANSACTIONS_LENGTH_PER_SECOND,
  waitingMax: GOSSIP_WAITING_MAX,
  waitingBytesMax: GOSSIP_WAITING_LENGTH_MAX,
};

/** One waits, the latest: earlier ones follow from it. */
const DECISION_PACE: PaceLimits = {
  messagesPerSecond: GOSSIP_DECISIONS_PER_SECOND,
  bytesPerSecond: GOSSIP_DECISIONS_PER_SECOND * GOSSIP_MESSAGE_LENGTH_MAX,
  waitingMax: 1,
  waitingBytesMax: GOSSIP_MESSAGE_LENGTH_MAX,
};

/** Transactions of a message that are judged without a pause: some milliseconds. */
const JUDGED_AT_ONCE = 16;

function pause(clock: Pick<Clock, 'timer'>): Promise<void> {
  return new Promise((resolve) => void clock.timer(0, resolve));
}

/** Subscribes to both topics, each of which has one handler at a node. */
export function createChainGossip(ports: ChainGossipPorts, callbacks: ChainGossipCallbacks): ChainGossip {
  const { gossip, clock, sha256 } = ports;
  const sayTo =
    (topic: string) =>
    (message: Uint8Array): void =>
      void gossip.publish(topic, message).catch(() => undefined);
  const batcher = new TransactionBatcher(clock, sayTo(TRANSACTION_TOPIC));
  const transactions = new PacedPublisher(clock, (bytes) => batcher.add(bytes), TRANSACTION_PACE);
  const decisions = new PacedPublisher(clock, sayTo(DECISION_TOPIC), DECISION_PACE);
  let saidHeight = 0;
  let isStopped = false;

  /** A message is passed on when one of its transactions is, and rejected with the first that is forged: its author had them all. */
  async function judgeTransactions(from: NodeId, message: Uint8Array): Promise<GossipVerdict> {
    if (message.length > GOSSIP_MESSAGE_LENGTH_MAX) return 'reject';
    let verdict: GossipVerdict = 'ignore';
    for (const [index, bytes] of decodeTransactions(message).entries()) {
      // Votes and blocks must not wait for all of a long message.
      if (index > 0 && index % JUDGED_AT_ONCE === 0) await pause(clock);
      if (isStopped) return 'ignore';
      const each = await judgeTransaction(from, bytes);
      if (each === 'reject') return each;
      if (each === 'accept') verdict = each;
    }
    return verdict;
  }

  async function judgeTransaction(from: NodeId, bytes: Uint8Array): Promise<GossipVerdict> {
    if (bytes.length > TRANSACTION_LENGTH_MAX) return 'reject';
    try {
      return await callbacks.transaction(bytes, from);
    } catch (error) {
      return verdictOf(error);
    }
  }

  async function judgeDecision(from: NodeId, message: Uint8Array): Promise<GossipVerdict> {
    const news = decodeDecisionNews(message, sha256);
    const verdict = await callbacks.decision(news, from);
    if (verdict === 'accept') saidHeight = Math.max(saidHeight, news.certificate.height);
    return verdict;
  }

  function listen(
    topic: string,
    judgedMax: number,
    judge: (from: NodeId, message: Uint8Array) => Promise<GossipVerdict>,
  ): void {
    let judged = 0;
    gossip.subscribe(topic, async (from, message) => {
      if (isStopped || judged >= judgedMax) return 'ignore';
      judged++;
      try {
        return await judge(from, message);
      } catch (error) {
        return verdictOf(error);
      } finally {
        judged--;
      }
    });
  }

  listen(TRANSACTION_TOPIC, GOSSIP_TRANSACTIONS_JUDGED_MAX, judgeTransactions);
  listen(DECISION_TOPIC, GOSSIP_DECISIONS_JUDGED_MAX, judgeDecision);
  return {
    publishTransaction(bytes) {
      if (bytes.length <= TRANSACTION_LENGTH_MAX) return transactions.offer(bytes);
      throw new StoreError('INVALID_ARGUMENT', `transaction of ${bytes.length} bytes is too long`);
    },
    publishDecision(news) {
      if (news.certificate.height <= saidHeight || gossip.listeners?.(DECISION_TOPIC) === 0) return;
      saidHeight = news.certificate.height;
      decisions.offerInstead(encodeDecisionNews(news));
    },
    hearDecisions: (isHearing) => gossip.setListening?.(DECISION_TOPIC, isHearing),
    stop() {
      isStopped = true;
      transactions.stop();
      batcher.stop();
      decisions.stop();
    },
  };
}

const FORGED: ReadonlySet<string> = new Set([
  'INVALID_ENCODING',
  'INVALID_SIGNATURE',
  'WRONG_NETWORK',
  'PROTOCOL',
]);

/** What no honest node would send is held against who sent it; being late, poor or known is no offence, nor is our own trouble. */
export function verdictOf(error: unknown): GossipVerdict {
  return error instanceof StoreError && FORGED.has(error.code) ? 'reject' : 'ignore';
}
