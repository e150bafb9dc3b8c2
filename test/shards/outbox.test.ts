import { expect, test } from 'vitest';
import {
  LANE_BATCH_RECEIPTS_MAX,
  LANE_LENGTH_MAX,
  LANE_RECEIPTS_MAX,
  MESSAGES_PER_STEP_MAX,
  RECEIPT_LENGTH_MAX,
  RECEIPTS_PER_BLOCK_MAX,
} from '../../src/base/limits.ts';
import { accountKey, accountOf } from '../../src/shards/account.ts';
import { outboxKey, outboxRecord } from '../../src/shards/lane.ts';
import type { BlockRule } from '../../src/shards/rules.ts';
import { laneBetween, namesIn, ownerOf, withBody, World } from './world.ts';

test('a lane that is full takes no more from transactions: they wait in the pool, or are refused without trace', () => {
  const [a, b] = namesIn(1, [0, 1]) as [string, string];
  const world = new World({ shardBits: 1, balances: { [a]: [[0, 1_000_000n]] } });
  const pay = (nonce: number) =>
    world.sign(a, nonce, { kind: 'transfer', parameters: { to: ownerOf(b), amounts: [[0, 1n]] } });
  const batch = Array.from({ length: LANE_BATCH_RECEIPTS_MAX + 5 }, (_, index) => pay(index));
  const block = world.build(batch);
  expect(block.body.transactions).toHaveLength(LANE_BATCH_RECEIPTS_MAX);
  const forced = world.apply(withBody(block, { transactions: batch }));
  if (forced.kind === 'invalid') throw new Error(forced.problem);
  expect(forced.sent).toHaveLength(LANE_BATCH_RECEIPTS_MAX);
  expect(forced.outcomes.slice(-5).map(({ refusal }) => refusal)).toEqual(Array(5).fill('destination-full'));
  world.accept(block);
  // Until the lane is drained again, it fills to its bound and not further.
  let nonce = LANE_BATCH_RECEIPTS_MAX;
  while (nonce < LANE_RECEIPTS_MAX) {
    const more = Array.from({ length: LANE_BATCH_RECEIPTS_MAX }, (_, index) => pay(nonce + index));
    world.step(more, { receiptsMax: 0 });
    nonce += LANE_BATCH_RECEIPTS_MAX;
  }
  expect(world.pending).toBe(LANE_RECEIPTS_MAX);
  expect(
    world.build([pay(nonce)], { ...world.ingredients([pay(nonce)]), receiptsMax: 0 }).body.transactions,
  ).toEqual([]);
  expect(world.step().outcomes).toHaveLength(RECEIPTS_PER_BLOCK_MAX);
  expect(world.pending).toBe(LANE_RECEIPTS_MAX - RECEIPTS_PER_BLOCK_MAX);
});

test('a receipt leads to at most one other: relayed once it goes on, doubled it is refused', () => {
  const [a, b] = namesIn(1, [0, 1]) as [string, string];
  const world = new World({ shardBits: 1 });
  const relay = (nonce: number, copies: number) =>
    world.sign(a, nonce, {
      kind: 'relay',
      parameters: { to: ownerOf(b), back: ownerOf(a), hops: 3, copies },
    });
  world.step([relay(0, 1), relay(1, 2)]);
  expect(world.step().outcomes.map(({ refusal }) => refusal)).toEqual([undefined, 'limit-exceeded']);
  expect(world.pending).toBe(1);
  expect(world.drain()).toBe(3);
});

test('a chain of messages in one shard ends at its bound, and the transaction is refused', () => {
  const world = new World();
  const relay = (nonce: number, hops: number) =>
    world.sign('a', nonce, {
      kind: 'relay',
      parameters: { to: ownerOf('b'), back: ownerOf('a'), hops, copies: 1 },
    });
  const { outcomes } = world.step([relay(0, MESSAGES_PER_STEP_MAX - 1), relay(1, MESSAGES_PER_STEP_MAX)]);
  expect(outcomes.map(({ refusal }) => refusal)).toEqual([undefined, 'limit-exceeded']);
});

const blobOf = (world: World, from: string, to: string, nonce: number, length: number) =>
  world.sign(from, nonce, { kind: 'blob', parameters: { to: ownerOf(to), bytes: new Uint8Array(length) } });

test('a message that is too long for a receipt is refused, though it would do within a shard', () => {
  const [a, b] = namesIn(1, [0, 1]) as [string, string];
  const world = new World({ shardBits: 1 });
  const length = RECEIPT_LENGTH_MAX - 300;
  const { outcomes } = world.step([blobOf(world, a, b, 0, length), blobOf(world, b, b, 0, length + 300)]);
  expect(outcomes.map(({ refusal }) => refusal)).toEqual([undefined, undefined]);
  const second = world.step([blobOf(world, a, b, 1, length + 300)]);
  expect(second.outcomes.map(({ kind, refusal }) => [kind, refusal])).toEqual([
    ['receipt', undefined],
    ['transaction', 'limit-exceeded'],
  ]);
});

test('a refund finds room on a lane that is full, where nothing else does', () => {
  const [a, b] = namesIn(1, [0, 1]) as [string, string];
  let seen = -1;
  const watch: BlockRule = {
    name: 'watch',
    touches: () => [accountKey(ownerOf(b))],
    apply: ({ state }) => {
      seen = accountOf(state, ownerOf(b)).nonce;
      return undefined;
    },
  };
  const rules = { closing: [watch] };
  const world = new World({ shardBits: 1, balances: { [a]: [[0, 100n]] }, rules });
  const lane = laneBetween(world, b, a);
  const waitingBytes = () => world.state.get(outboxKey(lane), outboxRecord)?.lengthBytes ?? 0;
  let nonce = 0;
  // Large ones first, then smaller ones, until not even an empty one goes.
  for (const length of [RECEIPT_LENGTH_MAX - 300, 5000, 500, 0]) {
    while (world.step([blobOf(world, b, a, nonce, length)], { receiptsMax: 0 }).outcomes.length > 0) nonce++;
  }
  const full = waitingBytes();
  // What is left out because the lane is full was not charged for either while the block was made.
  world.build([blobOf(world, b, a, nonce, 0)], {
    ...world.ingredients([blobOf(world, b, a, nonce, 0)]),
    receiptsMax: 0,
  });
  expect(seen).toBe(nonce);
  expect(full).toBeGreaterThan(LANE_LENGTH_MAX - 200);
  expect(full).toBeLessThanOrEqual(LANE_LENGTH_MAX);
  const parameters = { to: ownerOf(b), amounts: [[0, 60n]] };
  world.step([world.sign(a, 0, { kind: 'offer', parameters })], { receiptsMax: 0 });
  const pending = world.pending;
  // The turn of the lane with the offer comes at every second height; then nothing has left the other one.
  if (world.height % 2 === 1) world.step([], { receiptsMax: 0 });
  const { sent } = world.step([], { receiptsMax: 1 });
  expect(sent.map(({ receipt }) => receipt.message.kind)).toEqual(['refund']);
  expect(world.pending).toBe(pending);
  expect(waitingBytes()).toBeGreaterThan(full);
  world.drain();
  expect(world.balances(a)).toEqual([[0, 100n]]);
});
