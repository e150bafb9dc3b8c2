import { describe, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { ERROR_CODES, StoreError } from '../../../src/base/errors.ts';
import type { NodeId, Signature } from '../../../src/base/ids.ts';
import {
  GOSSIP_DECISIONS_JUDGED_MAX,
  GOSSIP_MESSAGE_LENGTH_MAX,
  TRANSACTION_LENGTH_MAX,
} from '../../../src/base/limits.ts';
import type { Gossip, GossipVerdict } from '../../../src/base/ports.ts';
import type { BlockId, CommitCertificate } from '../../../src/consensus/types.ts';
import { type DecisionNews, encodeDecisionNews } from '../../../src/node/chain/decision-news.ts';
import {
  type ChainGossipCallbacks,
  createChainGossip,
  DECISION_TOPIC,
  TRANSACTION_TOPIC,
  verdictOf,
} from '../../../src/node/chain/gossip.ts';
import { encodeTransactions } from '../../../src/node/chain/transaction-batch.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createMemoryHub } from '../../../src/runtime/memory-network.ts';
import { expectCode } from '../../helpers/expect-code.ts';
import { digestFrom } from '../../helpers/records.ts';
import { LEDGER } from '../../shards/ledger-vectors.ts';

const AUTHOR = digestFrom<NodeId>('author');

function decisionOf(height: number, block?: Uint8Array): DecisionNews {
  const certificate: CommitCertificate = {
    kind: 'commit-certificate',
    height,
    round: 0,
    blockId: toHex(LEDGER.blockId) as BlockId,
    signatures: [{ validator: 0, signature: new Uint8Array(64) as Signature }],
  };
  return { certificate, block };
}

/** A node alone with its gossip: what others say is handed to it, what it says is written down. */
function alone(callbacks: Partial<ChainGossipCallbacks> = {}, listeners: () => number = () => 1) {
  const listening: string[] = [];
  const said: { readonly topic: string; readonly message: Uint8Array }[] = [];
  const handlers = new Map<string, Parameters<Gossip['subscribe']>[1]>();
  const gossip: Gossip = {
    publish: async (topic, message) => void said.push({ topic, message }),
    subscribe: (topic, handle) => void handlers.set(topic, handle),
    setListening: (topic, isListening) => void listening.push(`${topic} ${isListening}`),
    listeners,
  };
  const chain = createChainGossip(
    { gossip, clock: systemClock },
    { transaction: async () => 'accept', decision: async () => 'accept', ...callbacks },
  );
  const hear = (topic: string, message: Uint8Array): Promise<GossipVerdict> =>
    handlers.get(topic)!(AUTHOR, message);
  return { chain, said, hear, listening };
}

describe('among nodes', () => {
  test('a transaction and a decision of one reach the others as they were said', async () => {
    const hub = createMemoryHub();
    const heard: string[] = [];
    const nodes = ['a', 'b', 'c'].map((name) => {
      const gossip = hub.join(digestFrom<NodeId>(name));
      return createChainGossip(
        { gossip, clock: systemClock },
        {
          transaction: async (bytes) => {
            heard.push(`${name}: ${toHex(bytes)}`);
            return 'accept';
          },
          decision: async ({ certificate, block }) => {
            heard.push(`${name}: height ${certificate.height}, ${block?.length} bytes`);
            return 'accept';
          },
        },
      );
    });
    expect(nodes[0]!.publishTransaction(new Uint8Array([7]))).toBe(true);
    nodes[1]!.publishDecision(decisionOf(3, LEDGER.block));
    await systemClock.sleep(10);
    const decided = `height 3, ${LEDGER.block.length} bytes`;
    expect(heard.toSorted()).toEqual([`a: ${decided}`, 'b: 07', 'c: 07', `c: ${decided}`]);
    for (const node of nodes) node.stop();
  });
});

describe('what is heard', () => {
  test.each(['accept', 'ignore', 'reject'] as const)(
    'is passed on as its judge says: %s',
    async (verdict) => {
      const { hear } = alone({ transaction: async () => verdict, decision: async () => verdict });
      expect(await hear(TRANSACTION_TOPIC, new Uint8Array(10))).toBe(verdict);
      expect(await hear(DECISION_TOPIC, encodeDecisionNews(decisionOf(1)))).toBe(verdict);
    },
  );

  test('comes to its judge with its author, and may be as long as a transaction', async () => {
    const seen: string[] = [];
    const { hear } = alone({
      transaction: async (bytes, from) => {
        seen.push(`${bytes.length} ${toHex(from)}`);
        return 'accept';
      },
    });
    expect(TRANSACTION_LENGTH_MAX).toBeLessThanOrEqual(GOSSIP_MESSAGE_LENGTH_MAX);
    expect(await hear(TRANSACTION_TOPIC, new Uint8Array(TRANSACTION_LENGTH_MAX))).toBe('accept');
    expect(await hear(TRANSACTION_TOPIC, new Uint8Array(TRANSACTION_LENGTH_MAX + 1))).toBe('reject');
    expect(seen).toEqual([`${TRANSACTION_LENGTH_MAX} ${toHex(AUTHOR)}`]);
  });

  test('together is judged one by one: passed on with one that is new, rejected with one that is forged', async () => {
    const verdicts: Record<number, GossipVerdict | 'FULL' | 'INVALID_SIGNATURE'> = {
      1: 'accept',
      2: 'ignore',
      3: 'FULL',
      4: 'INVALID_SIGNATURE',
    };
    const seen: number[] = [];
    const { hear } = alone({
      transaction: async (bytes) => {
        const verdict = verdicts[bytes[1]!]!;
        seen.push(bytes[1]!);
        if (verdict === 'FULL' || verdict === 'INVALID_SIGNATURE') throw new StoreError(verdict, 'no');
        return verdict;
      },
    });
    const heard = async (...numbers: readonly number[]): Promise<GossipVerdict> =>
      hear(TRANSACTION_TOPIC, encodeTransactions(numbers.map((number) => Uint8Array.of(0x82, number))));
    expect(await heard(2, 3, 1, 3)).toBe('accept');
    expect(await heard(2, 3)).toBe('ignore');
    seen.length = 0;
    expect(await heard(1, 4, 2)).toBe('reject');
    expect(seen).toEqual([1, 4]);
    expect(await heard(...Array.from({ length: 200 }, () => 1))).toBe('accept');
    expect(await hear(TRANSACTION_TOPIC, Uint8Array.of(0xff, 0))).toBe('reject');
  });

  test('is rejected when it is forged, and ignored for every other trouble', async () => {
    const forged = ERROR_CODES.filter((code) => verdictOf(new StoreError(code, 'x')) === 'reject');
    expect(forged).toEqual(['INVALID_ENCODING', 'INVALID_SIGNATURE', 'WRONG_NETWORK', 'PROTOCOL']);
    for (const [code, verdict] of [
      ['INVALID_SIGNATURE', 'reject'],
      ['FULL', 'ignore'],
      ['EXPIRED', 'ignore'],
    ] as const) {
      const fail = async (): Promise<GossipVerdict> => {
        throw new StoreError(code, 'no');
      };
      const { hear } = alone({ transaction: fail, decision: fail });
      expect(await hear(TRANSACTION_TOPIC, new Uint8Array(10))).toBe(verdict);
      expect(await hear(DECISION_TOPIC, encodeDecisionNews(decisionOf(1)))).toBe(verdict);
    }
    const defect = alone({
      transaction: async () => {
        throw new TypeError('defect');
      },
    });
    expect(await defect.hear(TRANSACTION_TOPIC, new Uint8Array(10))).toBe('ignore');
  });

  test('and is no decision in form is rejected before anybody looks at it', async () => {
    let judged = 0;
    const { hear } = alone({
      decision: async () => {
        judged++;
        return 'accept';
      },
    });
    expect(await hear(DECISION_TOPIC, new Uint8Array([1]))).toBe('reject');
    expect(await hear(DECISION_TOPIC, encodeDecisionNews(decisionOf(1, new Uint8Array([1]))))).toBe('reject');
    expect(judged).toBe(0);
  });

  test('while too much is being judged is ignored, and heard again afterwards', async () => {
    const gate = Promise.withResolvers<void>();
    const { hear } = alone({
      decision: async () => {
        await gate.promise;
        return 'accept';
      },
    });
    const news = encodeDecisionNews(decisionOf(1));
    const waiting = Array.from({ length: GOSSIP_DECISIONS_JUDGED_MAX }, () => hear(DECISION_TOPIC, news));
    expect(await hear(DECISION_TOPIC, news)).toBe('ignore');
    gate.resolve();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['accept']));
    expect(await hear(DECISION_TOPIC, news)).toBe('accept');
  });
});

describe('what is said', () => {
  test('of a decision is said once a height, and not when somebody else said it', async () => {
    const { chain, said, hear } = alone();
    chain.publishDecision(decisionOf(5));
    chain.publishDecision(decisionOf(5));
    chain.publishDecision(decisionOf(4));
    expect(said.length).toBe(1);
    await hear(DECISION_TOPIC, encodeDecisionNews(decisionOf(6)));
    chain.publishDecision(decisionOf(6));
    expect(said.length).toBe(1);
    chain.publishDecision(decisionOf(7));
    expect(said.map(({ topic }) => topic)).toEqual([DECISION_TOPIC, DECISION_TOPIC]);
  });

  test('by somebody whose decision was not accepted silences nobody', async () => {
    const { chain, said, hear } = alone({ decision: async () => 'ignore' });
    await hear(DECISION_TOPIC, encodeDecisionNews(decisionOf(99)));
    chain.publishDecision(decisionOf(7));
    expect(said.length).toBe(1);
  });

  test('is bounded: a flood of transactions is not taken whole', () => {
    const { chain, said } = alone();
    let taken = 0;
    for (let number = 0; number < 10_000; number++) {
      if (chain.publishTransaction(new Uint8Array(200))) taken++;
    }
    expect(said.length).toBeLessThan(1_200);
    expect(taken).toBeLessThan(6_000);
    expect(taken).toBeGreaterThanOrEqual(5_000);
    chain.stop();
  });

  test('is nothing that is too long', () => {
    const { chain } = alone();
    expectCode('INVALID_ARGUMENT', () =>
      chain.publishTransaction(new Uint8Array(TRANSACTION_LENGTH_MAX + 1)),
    );
  });

  test('after the end is nothing, and nothing is heard', async () => {
    const { chain, said, hear } = alone();
    chain.stop();
    expect(chain.publishTransaction(new Uint8Array(1))).toBe(false);
    chain.publishDecision(decisionOf(1));
    expect(said).toEqual([]);
    expect(await hear(TRANSACTION_TOPIC, new Uint8Array(10))).toBe('ignore');
  });
});

test('a decision is not said where nobody listens, and who votes does not listen', async () => {
  const { chain, said, listening } = alone({}, () => 0);
  chain.publishDecision(decisionOf(1));
  chain.hearDecisions(false);
  chain.hearDecisions(true);
  expect(said).toEqual([]);
  expect(listening).toEqual([`${DECISION_TOPIC} false`, `${DECISION_TOPIC} true`]);
});
