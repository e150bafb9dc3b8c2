// Every operation on stake is a message to the system's home: nothing but the sender's account is touched before it arrives, wherever that is.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { decodeCanonical, encode } from '../../src/base/codec.ts';
import type { ObjectId } from '../../src/base/ids.ts';
import { CONSENSUS_MESSAGE_LENGTH_MAX, RECEIPT_LENGTH_MAX } from '../../src/base/limits.ts';
import { accountKey, accountRecord } from '../../src/shards/account.ts';
import type { Message, Operation } from '../../src/shards/operation.ts';
import { DEFAULT_PARAMETERS } from '../../src/shards/parameters.ts';
import { STAKE_DELIVERIES, STAKE_OPERATIONS } from '../../src/shards/stake-rules.ts';
import { SYSTEM } from '../../src/shards/system-key.ts';
import { LoadedState, Overlay } from '../../src/shards/view.ts';
import { digestFrom } from '../helpers/records.ts';
import { doubleVote, report } from './evidence-kit.ts';
import { accountNamed, idOf, Ledger, PLAIN, registration } from './stake-kit.ts';

const ledger = new Ledger();
const node = idOf('n0');
const asked = {
  place: { object: digestFrom<ObjectId>('object'), segmentIndex: 3, pieceIndex: 1 },
  leafIndex: 77,
};
const ACTIONS: Readonly<Record<string, unknown>> = {
  'register-node': registration('a', 'alice', 100n),
  'rekey-node': { node, key: idOf('a'), proof: registration('a', 'alice').proof },
  'retire-node': { node },
  'change-node': { node, data: PLAIN },
  bond: { node, amounts: [[0, 100n]] },
  delegate: {
    node,
    amounts: [
      [0, 100n],
      [1, 10n],
    ],
  },
  unbond: { node, asset: 0, amount: 10n },
  withdraw: { node },
  unjail: { node },
  'commit-beacon': { node, tip: digestFrom('tip'), remaining: 10 },
  'report-evidence': report(doubleVote(ledger, 'n0')),
  'propose-parameters': { replaces: digestFrom('replaced'), parameters: DEFAULT_PARAMETERS },
  'vote-parameters': { proposal: digestFrom('proposal'), isYes: true },
  'anchor-audit': {
    round: 12,
    group: 1,
    count: 40,
    root: digestFrom('results'),
    counts: [{ asked: 32, failed: 1, heldKib: 2 ** 30 }],
    signatures: [{ auditor: 2, signature: new Uint8Array(64).fill(3) }],
  },
  'return-node': { node },
  'report-auditor': {
    evidence: {
      round: 12,
      group: 1,
      auditor: 2,
      node,
      asked,
      receipt: {
        root: digestFrom('receipt'),
        count: 32,
        index: 9,
        path: [digestFrom('sibling 0')],
        signature: new Uint8Array(64).fill(3),
      },
      result: { index: 5, path: [digestFrom('sibling 1')] },
    },
  },
  'answer-dispute': {
    round: 12,
    group: 1,
    index: 5,
    shown: {
      opening: { ...asked, bytes: new Uint8Array(1024).fill(4), path: [digestFrom('sibling 2')] },
      index: 3,
      count: 32,
      path: [digestFrom('sibling 3')],
      root: digestFrom('openings'),
      signature: new Uint8Array(64).fill(5),
    },
  },
};

test('kinds and numbers are one to one, and each operation has its delivery', () => {
  expect(STAKE_OPERATIONS.map(({ kind }) => kind)).toEqual(Object.keys(ACTIONS));
  expect(new Set(STAKE_OPERATIONS.map(({ tag }) => tag)).size).toBe(STAKE_OPERATIONS.length);
  expect(STAKE_DELIVERIES.map(({ kind, tag }) => [kind, tag])).toEqual(
    STAKE_OPERATIONS.map(({ kind, tag }) => [kind, tag]),
  );
});

test('what they say is its bytes, for ever', () => {
  const file = new URL('../vectors/stake-actions.json', import.meta.url);
  const frozen = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  const now = STAKE_OPERATIONS.map(({ kind, tuple }) => [kind, toHex(encode(tuple(ACTIONS[kind])))]);
  expect(Object.fromEntries(now)).toEqual(frozen);
});

describe.each(STAKE_OPERATIONS.map((operation) => [operation.kind, operation] as const))(
  '%s',
  (kind, each) => {
    const operation = each as unknown as Operation<unknown>;
    const delivery = STAKE_DELIVERIES.find((other) => other.kind === kind)!;
    const action = ACTIONS[kind];

    test('comes back from its bytes', () => {
      const bytes = encode(operation.tuple(action));
      expect(decodeCanonical(operation.schema, bytes, CONSENSUS_MESSAGE_LENGTH_MAX * 2, kind)).toEqual(
        action,
      );
      expect(operation.schema.safeParse([]).success).toBe(false);
    });

    test('needs the sender’s account only, takes its value from there and travels as one message', () => {
      const loaded = new LoadedState();
      const sender = accountNamed('alice');
      loaded.add(accountKey(sender), ledger.state.read(accountKey(sender)));
      const state = new Overlay(loaded);
      const sent: Message[] = [];
      const context = {
        block: ledger.block,
        state,
        sender,
        transactionId: digestFrom('transaction'),
        send: (message: Message): void => {
          sent.push(message);
        },
      };
      expect(operation.commit(context, action)).toBe(undefined);
      expect(sent.length).toBe(1);
      const message = sent[0]!;
      expect(message).toMatchObject({ to: SYSTEM, kind, refundTo: sender });
      const left = state.get(accountKey(sender), accountRecord)!.balances;
      expect(left).toEqual([
        [0, 10_000n - (message.value[0]?.[1] ?? 0n)],
        [1, 100n - (message.value[1]?.[1] ?? 0n)],
      ]);
      const bytes = encode(delivery.tuple(message.payload));
      expect(bytes.length).toBeLessThan(RECEIPT_LENGTH_MAX);
      expect(decodeCanonical(delivery.schema, bytes, RECEIPT_LENGTH_MAX, kind)).toEqual(message.payload);
    });

    test('says what it touches, so that a node under its first key is loaded in one round', () => {
      const keys = operation.touches(accountNamed('alice'), action as never, ledger.block);
      expect(new Set(keys.map(({ text }) => text)).size).toBe(keys.length);
      expect(keys[0]!.text).toBe(accountKey(accountNamed('alice')).text);
    });
  },
);
