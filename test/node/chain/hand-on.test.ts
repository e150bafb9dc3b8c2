import { expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import type { Digest, NodeId } from '../../../src/base/ids.ts';
import { HANDED_ON_PATIENCE_MS, HANDED_ON_WAITING_MAX, TELL_LENGTH_MAX } from '../../../src/base/limits.ts';
import type { Network, Service } from '../../../src/base/ports.ts';
import { validatorSet } from '../../../src/consensus/validator-set.ts';
import type { Chain } from '../../../src/node/chain/chain.ts';
import { HAND_ON_SERVICE, HandOn } from '../../../src/node/chain/hand-on.ts';
import { decodeTransactions } from '../../../src/node/chain/transaction-batch.ts';
import { digestFrom } from '../../helpers/records.ts';

const SET = validatorSet(
  [0, 1, 2, 3].map((index) => ({ node: digestFrom<NodeId>(`validator ${index}`), power: 1n })),
);
const nodeOf = (index: number): NodeId => SET.validators[index]!.node;

/** A node before height 6, at which it is the turn of validator 1, and then of 2. */
function started(self: NodeId = digestFrom<NodeId>('self'), isReached = true) {
  const told: { readonly node: string; readonly transactions: readonly string[] }[] = [];
  const said: string[] = [];
  const taken: string[] = [];
  const waiting = new Set<string>();
  let timers: { readonly delayMs: number; readonly run: () => void }[] = [];
  let service: Service | undefined;
  const roles = { validators: SET, proposers: { firstHeight: 1, slots: [0, 1, 2, 3] } };
  const network: Pick<Network, 'self' | 'tell' | 'serve'> = {
    self,
    serve: (served) => {
      service = served;
    },
    tell: async (node, name, header) => {
      expect(name).toBe(HAND_ON_SERVICE);
      if (!isReached) throw new Error('cannot be reached');
      told.push({ node: toHex(node), transactions: decodeTransactions(header).map(toHex) });
    },
  };
  const handOn = new HandOn({
    network,
    clock: {
      timer: (delayMs, run) => {
        const timer = { delayMs, run };
        timers.push(timer);
        return () => {
          timers = timers.filter((other) => other !== timer);
        };
      },
    },
    chain: { next: { height: 6 }, rolesAt: () => roles } as unknown as Chain,
    isWaiting: (id) => waiting.has(toHex(id)),
    take: async (bytes) => {
      taken.push(toHex(bytes));
      if (bytes[0] === 0xee) throw new Error('refused');
    },
    sayToAll: (bytes) => void said.push(toHex(bytes)),
  });
  const fire = (delayMs: number): void => {
    const due = timers.filter((timer) => timer.delayMs === delayMs);
    timers = timers.filter((timer) => timer.delayMs !== delayMs);
    for (const { run } of due) run();
  };
  const pass = (bytes: Uint8Array): void => {
    const id = digestFrom<Digest>(toHex(bytes));
    waiting.add(toHex(id));
    handOn.pass(id, bytes);
  };
  return { handOn, told, said, taken, waiting, fire, pass, service: service!, left: () => timers.length };
}

const A = new Uint8Array([1, 2, 3]);
const B = new Uint8Array([4, 5]);

test('what is handed in together goes in one message to each of those who propose next', () => {
  const { told, said, pass, fire } = started();
  pass(A);
  pass(B);
  fire(0);
  const transactions = [toHex(A), toHex(B)];
  expect(told).toEqual([
    { node: toHex(nodeOf(1)), transactions },
    { node: toHex(nodeOf(2)), transactions },
  ]);
  expect(said).toEqual([]);
});

test('who proposes next tells itself nothing', () => {
  const { told, pass, fire } = started(nodeOf(1));
  pass(A);
  fire(0);
  expect(told.map(({ node }) => node)).toEqual([toHex(nodeOf(2))]);
});

test('what is in no block after a while is said to everybody, once, whether it was brought or not', () => {
  for (const isReached of [true, false]) {
    const { said, waiting, pass, fire } = started(undefined, isReached);
    pass(A);
    pass(B);
    fire(0);
    waiting.delete(toHex(digestFrom(toHex(A))));
    fire(HANDED_ON_PATIENCE_MS);
    fire(HANDED_ON_PATIENCE_MS);
    expect(said).toEqual([toHex(B)]);
  }
});

test('where much waits, and what is too long to be told, is said to everybody at once', () => {
  const { told, said, pass, fire } = started();
  const long = new Uint8Array(TELL_LENGTH_MAX);
  pass(long);
  expect(said).toEqual([toHex(long)]);
  for (let count = 0; count < HANDED_ON_WAITING_MAX; count++) pass(A);
  expect(said.length).toBe(1);
  pass(B);
  expect(said[1]).toBe(toHex(B));
  fire(0);
  fire(HANDED_ON_PATIENCE_MS);
  pass(B);
  fire(0);
  expect(told.at(-1)!.transactions).toEqual([toHex(B)]);
});

test('long ones go in messages of a length that may be told', () => {
  const { told, pass, fire } = started();
  const half = new Uint8Array(TELL_LENGTH_MAX / 2 - 5);
  for (let count = 0; count < 3; count++) pass(half);
  fire(0);
  expect(told.map(({ transactions }) => transactions.length)).toEqual([2, 2, 1, 1]);
  const small = started();
  const part = new Uint8Array(TELL_LENGTH_MAX / 4 - 6);
  for (let count = 0; count < 4; count++) small.pass(part);
  small.fire(0);
  expect(small.told.map(({ transactions }) => transactions.length)).toEqual([4, 4]);
});

test('of what another node hands on each is taken, though one is refused; after a stop none is', async () => {
  const { handOn, service, taken, pass, left } = started();
  const refused = new Uint8Array([0xee]);
  const message = new Uint8Array([0xff, 0, 0, 0, 1, ...refused, 0, 0, 0, 3, ...A]);
  const { signal } = new AbortController();
  await service.handle(nodeOf(0), message, new Uint8Array(0), signal);
  expect(taken).toEqual([toHex(refused), toHex(A)]);
  pass(A);
  handOn.stop();
  await service.handle(nodeOf(0), A, new Uint8Array(0), signal);
  expect(taken.length).toBe(2);
  expect(left()).toBe(0);
});
