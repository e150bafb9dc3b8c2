// A proposer that puts together a block from whatever it ever saw: parts left out, repeated, in another order, or of blocks long ago. What
// comes out is invalid, or as good as any other block.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BlockBody } from '../../src/shards/block.ts';
import { LaneLog, namesIn, ownerOf, withBody, World } from './world.ts';

/** From a list and everything like it seen before, another list. */
function tampered<T>(own: readonly T[], seen: readonly T[], choices: readonly number[]): readonly T[] {
  const result = [...own];
  for (const choice of choices) {
    const at = choice % (result.length + 1);
    switch (choice % 4) {
      case 0:
        result.splice(at, 1);
        break;
      case 1:
        if (result.length > 0) result.splice(at, 0, result[choice % result.length]!);
        break;
      case 2:
        result.push(...result.splice(0, at));
        break;
      default:
        if (seen.length > 0) result.splice(at, 0, seen[choice % seen.length]!);
    }
  }
  return result;
}

const choices = fc.array(fc.nat(1000), { maxLength: 2 });
const move = fc.record({
  transfers: fc.nat(3),
  receiptsMax: fc.nat(6),
  reshape: fc.constantFrom(0, 0, 0, 1, -1),
  transactions: choices,
  parcels: choices,
  reclaims: choices,
});

test('a block of old, missing, repeated and reordered parts is invalid, or conserves value and ends each receipt once', () => {
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(fc.array(move, { minLength: 5, maxLength: 15 }), (moves) => {
      const names = namesIn(2, [0, 1, 2, 3]);
      const balances = Object.fromEntries(names.map((name) => [name, [[0, 100n]] as const]));
      const world = new World({ shardBits: 2, balances, params: { receiptLifetimeBlocks: 2 } });
      const log = new LaneLog();
      const seen: { [Part in 'transactions' | 'parcels' | 'reclaims']: BlockBody[Part][number][] } = {
        transactions: [],
        parcels: [],
        reclaims: [],
      };
      let sent = 0;
      for (const { transfers, receiptsMax, reshape, ...how } of moves) {
        const bits = world.shardBits + reshape;
        world.reshapeTo = reshape !== 0 && bits >= 0 && bits <= 3 ? bits : undefined;
        const candidates = names.flatMap((name, index) =>
          Array.from({ length: transfers }, (_, nonce) => {
            const to = ownerOf(names[(index + nonce + 1) % names.length]!);
            const kind = nonce === 1 ? 'offer' : 'transfer';
            return world.sign(name, world.nonce(name) + nonce, {
              kind,
              parameters: { to, amounts: [[0, 3n]] },
            });
          }),
        );
        const honest = world.build(candidates, { ...world.ingredients(candidates), receiptsMax });
        const forged = withBody(honest, {
          transactions: tampered(honest.body.transactions, seen.transactions, how.transactions),
          parcels: tampered(honest.body.parcels, seen.parcels, how.parcels),
          reclaims: tampered(honest.body.reclaims, seen.reclaims, how.reclaims),
        });
        seen.transactions.push(...honest.body.transactions);
        seen.parcels.push(...honest.body.parcels);
        seen.reclaims.push(...honest.body.reclaims);
        const isValid = world.apply(forged).kind === 'applied';
        if (isValid) accepted++;
        else refused++;
        const applied = world.accept(isValid ? forged : honest);
        world.reshapeTo = undefined;
        log.add(applied.outcomes);
        sent += applied.sent.length;
      }
      expect(world.audit()).toBe(true);
      for (let block = 0; world.pending > 0; block++) {
        expect(block).toBeLessThan(10);
        const applied = world.step();
        log.add(applied.outcomes);
        sent += applied.sent.length;
      }
      world.expectNothingLeft();
      expect(log.ended).toBe(sent);
    }),
    { numRuns: 8 },
  );
  expect(accepted).toBeGreaterThan(8);
  expect(refused).toBeGreaterThan(8);
});
