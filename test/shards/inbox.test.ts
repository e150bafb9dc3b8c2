import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Amounts } from '../../src/shards/amounts.ts';
import { lentBy } from './kinds.ts';
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
