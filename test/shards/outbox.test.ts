import { expect, test } from 'vitest';
import {
  LANE_BATCH_RECEIPTS_MAX,
  LANE_RECEIPTS_MAX,
  MESSAGES_PER_STEP_MAX,
  RECEIPTS_PER_BLOCK_MAX,
} from '../../src/base/limits.ts';
import { namesIn, ownerOf, withBody, World } from './world.ts';

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
