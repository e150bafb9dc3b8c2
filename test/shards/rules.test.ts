import { expect, test } from 'vitest';
import { accountHome, credit } from '../../src/shards/account.ts';
import { amountOf, NATIVE } from '../../src/shards/amounts.ts';
import { FEES_KEY, feesIn, takeFees } from '../../src/shards/fees.ts';
import { LANE_BATCH_RECEIPTS_MAX } from '../../src/base/limits.ts';
import type { BlockRule, RuleContext } from '../../src/shards/rules.ts';
import { homeOf, shardOfHome } from '../../src/shards/state-key.ts';
import { namesIn, ownerOf, World } from './world.ts';

const SYSTEM_SHARD = shardOfHome(homeOf('system'), 1);

/** Gives all fees to one account, wherever it is. */
const payOut = (name: string): BlockRule => ({
  name: 'pay out',
  touches: () => [FEES_KEY],
  apply: ({ state, send }) => {
    const fees = feesIn(state);
    if (fees === 0n) return undefined;
    const owner = ownerOf(name);
    expect(takeFees(state, fees)).toBe(true);
    const value = amountOf(NATIVE, fees);
    const message = { to: accountHome(owner), kind: 'credit', payload: {}, value, refundTo: owner };
    expect(send(message)).toBe(true);
    return undefined;
  },
});

const transferOf = (world: World, from: string, nonce: number, fee: bigint) =>
  world.sign(
    from,
    nonce,
    { kind: 'transfer', parameters: { to: ownerOf(from), amounts: [[0, 1n]] } },
    { fee },
  );

test('fees of a block are in the pot when it closes, and a rule may send them to any shard', () => {
  const [near, far] = namesIn(1, [SYSTEM_SHARD, 1 - SYSTEM_SHARD]) as [string, string];
  for (const name of [near, far]) {
    const balances = { payer: [[0, 100n]] as const };
    const world = new World({ shardBits: 1, balances, rules: { closing: [payOut(name)] } });
    world.step([transferOf(world, 'payer', 0, 30n), transferOf(world, 'payer', 1, 5n)]);
    expect(world.pending).toBe(name === near ? 0 : 1);
    world.drain();
    expect(world.balances(name)).toEqual([[0, 35n]]);
    expect(world.audit()).toBe(true);
  }
});

test('rules see the block in its order: opening before transactions, closing after them, the border last', () => {
  const seen: [string, number][] = [];
  const rule = (name: string): BlockRule => ({
    name,
    touches: () => [],
    apply: ({ transactions }) => {
      seen.push([name, transactions]);
      return undefined;
    },
  });
  const world = new World({
    balances: { payer: [[0, 9n]] },
    rules: { opening: [rule('a'), rule('b')], closing: [rule('c')], border: [rule('d')] },
  });
  const block = world.build([transferOf(world, 'payer', 0, 1n)]);
  seen.length = 0;
  world.accept(block);
  expect(seen.slice(-3)).toEqual([
    ['a', 0],
    ['b', 0],
    ['c', 1],
  ]);
  world.reshapeTo = 0;
  const border = world.build();
  seen.length = 0;
  world.apply(border);
  expect(seen.map(([name]) => name).slice(-4)).toEqual(['a', 'b', 'c', 'd']);
});

test('a rule is told when a lane has no room, and nothing has happened then', () => {
  const [far] = namesIn(1, [1 - SYSTEM_SHARD]) as [string];
  const owner = ownerOf(far);
  const sent: boolean[] = [];
  const flood: BlockRule = {
    name: 'flood',
    touches: () => [],
    apply: ({ send }: RuleContext) => {
      sent.length = 0;
      for (let count = 0; count <= LANE_BATCH_RECEIPTS_MAX; count++) {
        const payload = { to: owner, back: owner, hops: 0, copies: 0 };
        sent.push(send({ to: accountHome(owner), kind: 'relay', payload, value: [], refundTo: owner }));
      }
      return undefined;
    },
  };
  const world = new World({ shardBits: 1, rules: { closing: [flood] } });
  const executed = world.apply(world.build());
  if (executed.kind === 'invalid') throw new Error(executed.problem);
  expect(sent.at(-1)).toBe(false);
  expect(executed.sent).toHaveLength(sent.filter((wasSent) => wasSent).length);
  expect(executed.sent.every(({ receipt }) => receipt.origin.every((byte) => byte === 0))).toBe(true);
});

test('tokens that a rule makes out of nothing are noticed', () => {
  const forge: BlockRule = {
    name: 'forge',
    touches: () => [],
    apply: ({ state }) => {
      credit(state, ownerOf('a'), [[0, 1n]]);
      return undefined;
    },
  };
  const world = new World({ rules: { closing: [forge] } });
  expect(() => world.step()).toThrow('value is conserved');
});
