import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import type { Amounts } from '../../src/shards/amounts.ts';
import { shardsRootOf } from '../../src/shards/header.ts';
import { isProved } from '../../src/shards/parcel.ts';
import { fastSha256, lentBy } from './kinds.ts';
import { LaneLog, namesIn, ownerOf, World } from './world.ts';

test('what is not executed in time is taken back, and not executed afterwards', () => {
  const [a, b] = namesIn(2, [0, 3]) as [string, string];
  const world = new World({
    shardBits: 2,
    balances: { [a]: [[0, 100n]] },
    params: { receiptLifetimeBlocks: 2 },
  });
  const amounts: Amounts = [[0, 30n]];
  const pay = (nonce: number) =>
    world.sign(a, nonce, { kind: 'transfer', parameters: { to: ownerOf(b), amounts } });
  world.step([pay(0), pay(1)]);
  const log = new LaneLog();
  log.add(world.step([pay(2)], { receiptsMax: 1 }).outcomes);
  log.add(world.step([], { receiptsMax: 0 }).outcomes);
  const { outcomes } = world.step();
  log.add(outcomes);
  // Number 1 expired; number 2 was sent a block later and is just in time.
  expect(outcomes.map(({ kind, refusal }) => [kind, refusal])).toEqual([
    ['reclaim', 'expired'],
    ['receipt', undefined],
  ]);
  expect(world.balances(a)).toEqual([[0, 40n]]);
  expect(world.balances(b)).toEqual([[0, 60n]]);
  expect(world.pending).toBe(0);
  expect(log.ended).toBe(3);
});

test('a refund never expires', () => {
  const [a, b] = namesIn(2, [0, 3]) as [string, string];
  const params = { receiptLifetimeBlocks: 2 };
  const world = new World({ shardBits: 2, balances: { [a]: [[0, 100n]] }, params });
  const amounts: Amounts = [[0, 30n]];
  world.step([world.sign(a, 0, { kind: 'offer', parameters: { to: ownerOf(b), amounts } })]);
  const { sent } = world.step();
  expect(sent.map(({ receipt }) => receipt.expiresAtHeight)).toEqual([null]);
  for (let block = 0; block < 5; block++) world.step([], { receiptsMax: 0 });
  world.step();
  expect(world.balances(a)).toEqual([[0, 100n]]);
});

test('receipts that are taken back while they are executed elsewhere, at random: value is conserved, each ends once', () => {
  const [a, b, c] = namesIn(2, [0, 3, 2]) as [string, string, string];
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(4), fc.nat(3), fc.constantFrom('transfer', 'offer')), { maxLength: 12 }),
      (blocks) => {
        const params = { receiptLifetimeBlocks: 2 };
        const world = new World({ shardBits: 2, balances: { [a]: [[0, 1000n]], [c]: [[0, 1000n]] }, params });
        const log = new LaneLog();
        let sent = 0;
        const step = (count: number, receiptsMax: number, kind: string) => {
          const candidates = [a, c].flatMap((name) =>
            Array.from({ length: count }, (_, index) =>
              world.sign(name, world.nonce(name) + index, {
                kind,
                parameters: { to: ownerOf(b), amounts: [[0, 1n]] },
              }),
            ),
          );
          const applied = world.step(candidates, { receiptsMax });
          sent += applied.sent.length;
          log.add(applied.outcomes);
        };
        for (const [count, receiptsMax, kind] of blocks) step(count, receiptsMax, kind);
        for (let block = 0; world.pending > 0; block++) {
          expect(block).toBeLessThan(10);
          step(0, 1000, 'transfer');
        }
        expect(log.ended).toBe(sent);
        expect(world.audit()).toBe(true);
      },
    ),
    { numRuns: 15 },
  );
});

test('a message that takes more than tokens along is undone when it is refused, and when it is taken back', () => {
  const [a, b] = namesIn(2, [0, 3]) as [string, string];
  const params = { receiptLifetimeBlocks: 2 };
  for (const [shardBits, waits] of [
    [0, 0],
    [2, 0],
    [2, 3],
  ] as const) {
    const world = new World({ shardBits, balances: { [a]: [[0, 100n]] }, params });
    const parameters = { to: ownerOf(b), amounts: [[0, 60n]] };
    world.step([world.sign(a, 0, { kind: 'lend', parameters })]);
    if (shardBits > 0) expect(lentBy(world.state, ownerOf(a))).toBe(1);
    for (let block = 0; block < waits; block++) world.step([], { receiptsMax: 0 });
    world.drain();
    expect(lentBy(world.state, ownerOf(a))).toBe(0);
    expect(world.balances(a)).toEqual([[0, 100n]]);
    expect(world.audit()).toBe(true);
  }
});

test('the root under which receipts are proved is the one that the next header states for their source', () => {
  const [a, b, c] = namesIn(2, [0, 3, 1]) as [string, string, string];
  const world = new World({ shardBits: 2, balances: { [a]: [[0, 100n]] } });
  const pay = (to: string, nonce: number) =>
    world.sign(a, nonce, { kind: 'transfer', parameters: { to: ownerOf(to), amounts: [[0, 1n]] } });
  world.reshapeTo = 3;
  world.step([pay(b, 0), pay(c, 1)]);
  const { parent } = world.context();
  const block = world.build();
  const parcels = block.body.parcels;
  expect(parcels.map(({ batch }) => [batch.lane.source, batch.lane.destination])).toEqual([
    [0, 1],
    [0, 3],
  ]);
  // The shards have doubled since; the header is of the state after the parent, with the shards there were then.
  expect(block.header.shardBits).toBe(2);
  expect(toHex(block.header.shardsRoot)).toBe(toHex(shardsRootOf(parent.shards, fastSha256)));
  for (const parcel of parcels) {
    expect(isProved(parcel, parent.shards[0]!.outboxRoot, fastSha256)).toBe(true);
    expect(isProved(parcel, parent.shards[1]!.outboxRoot, fastSha256)).toBe(false);
  }
  world.accept(block);
  expect(world.build().header.shardBits).toBe(3);
  expect(world.balances(b)).toEqual([[0, 1n]]);
});

test.each([
  [1, 2],
  [2, 1],
])('what expired on lanes between 2^%i shards is taken back when there are 2^%i', (from, to) => {
  const [a, b] = namesIn(1, [0, 1]) as [string, string];
  for (const waits of [0, 3]) {
    const params = { receiptLifetimeBlocks: 2 };
    const world = new World({ shardBits: from, balances: { [a]: [[0, 100n]] }, params });
    const parameters = { to: ownerOf(b), amounts: [[0, 60n]] };
    world.step([world.sign(a, 0, { kind: 'transfer', parameters })]);
    // At the border itself, or some blocks after it, the cursor is proved under the shards of the parent.
    for (let block = 0; block < 2; block++) world.step([], { receiptsMax: 0 });
    world.reshapeTo = to;
    const border = world.step([], { receiptsMax: waits === 0 ? 1 : 0 });
    expect(border.shardBits).toBe(to);
    for (let block = 0; block < waits; block++) world.step([], { receiptsMax: 0 });
    world.drain();
    expect(world.balances(a)).toEqual([[0, 100n]]);
    expect(world.lanes.previous).toBeNull();
  }
});
