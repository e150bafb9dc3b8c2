import fc from 'fast-check';
import { expect, test } from 'vitest';
import { amountIn, type Amounts } from '../../src/shards/amounts.ts';
import { LaneLog, namesIn, ownerOf, World } from './world.ts';

const NAMES = Array.from({ length: 12 }, (_, index) => `account ${index}`);
const START: Amounts = [
  [0, 1000n],
  [3, 50n],
];
const balances = Object.fromEntries(NAMES.map((name) => [name, START]));

const intent = fc.record({
  from: fc.nat(NAMES.length - 1),
  to: fc.nat(NAMES.length - 1),
  asset: fc.constantFrom(0, 3),
  amount: fc.bigInt(1n, 400n),
  fee: fc.bigInt(0n, 5n),
  kind: fc.constantFrom('transfer', 'transfer', 'offer'),
});
const plan = fc.record({
  shardBits: fc.nat(3),
  blocks: fc.array(
    fc.record({
      intents: fc.array(intent, { maxLength: 8 }),
      reshape: fc.option(fc.constantFrom(-1, 1), { freq: 3 }),
      receiptsMax: fc.nat(5),
    }),
    { minLength: 1, maxLength: 10 },
  ),
});

test('transfers end as if there were one shard: each once, in order, whatever splits and merges meanwhile', () => {
  fc.assert(
    fc.property(plan, ({ shardBits, blocks }) => {
      const world = new World({ shardBits, balances });
      const model = new Map(NAMES.map((name) => [name, new Map<number, bigint>(START)]));
      const log = new LaneLog();
      let fees = 0n;
      for (const { intents, reshape, receiptsMax } of blocks) {
        const nonces = new Map<string, number>();
        const candidates = intents.map(({ from, to, asset, amount, fee, kind }) => {
          const name = NAMES[from]!;
          const nonce = nonces.get(name) ?? world.nonce(name);
          nonces.set(name, nonce + 1);
          const parameters = { to: ownerOf(NAMES[to]!), amounts: [[asset, amount]] };
          return world.sign(name, nonce, { kind, parameters }, { fee });
        });
        const bits = world.shardBits + (reshape ?? 0);
        if (reshape !== null && bits >= 0 && bits <= 3) world.reshapeTo = bits;
        const applied = world.step(candidates, { receiptsMax });
        world.reshapeTo = undefined;
        log.add(applied.outcomes);
        const included = world.blocks.at(-1)!.body.transactions;
        const outcomes = applied.outcomes.filter((outcome) => outcome.kind === 'transaction');
        expect(outcomes).toHaveLength(included.length);
        for (const [index, { transaction }] of included.entries()) {
          const name = NAMES.find((one) =>
            ownerOf(one).every((byte, at) => byte === transaction.sender[at]),
          )!;
          const own = model.get(name)!;
          own.set(0, own.get(0)! - transaction.fee);
          fees += transaction.fee;
          if (outcomes[index]!.refusal !== undefined || transaction.action.kind === 'offer') continue;
          const parameters = transaction.action.parameters as { to: Uint8Array; amounts: Amounts };
          const [asset, amount] = parameters.amounts[0]!;
          const to = NAMES.find((one) => ownerOf(one).every((byte, at) => byte === parameters.to[at]))!;
          own.set(asset, own.get(asset)! - amount);
          model.get(to)!.set(asset, model.get(to)!.get(asset)! + amount);
        }
        expect(world.audit()).toBe(true);
      }
      for (let block = 0; world.pending > 0; block++) {
        expect(block).toBeLessThan(10);
        log.add(world.step().outcomes);
      }
      expect(world.audit()).toBe(true);
      world.expectNothingLeft();
      for (const [name, expected] of model) {
        for (const [asset, amount] of expected) {
          expect(amountIn(world.balances(name), asset), `${name} asset ${asset}`).toBe(amount);
        }
      }
      expect(fees).toBe(12_000n - NAMES.reduce((sum, name) => sum + amountIn(world.balances(name), 0), 0n));
    }),
    { numRuns: 15 },
  );
});

test('notes from one account to another arrive in the order in which they were sent, across splits and merges', () => {
  const changes = fc.array(
    fc.record({
      notes: fc.nat(2),
      reshape: fc.constantFrom(-1, 0, 0, 1),
      pairs: fc.nat(3),
      receiptsMax: fc.nat(12),
    }),
    { minLength: 4, maxLength: 14 },
  );
  fc.assert(
    fc.property(fc.nat(3), changes, (shardBits, blocks) => {
      const names = NAMES.slice(0, 6);
      const world = new World({ shardBits, balances });
      const sent = new Map<string, number>();
      for (const { notes, reshape, pairs, receiptsMax } of blocks) {
        const nonces = new Map(names.map((name) => [name, world.nonce(name)]));
        const candidates = names.slice(0, 3).flatMap((from) =>
          names.slice(0, pairs + 3).flatMap((to) =>
            Array.from({ length: notes }, () => {
              const pair = `${from} ${to}`;
              const number = sent.get(pair) ?? 0;
              sent.set(pair, number + 1);
              const nonce = nonces.get(from)!;
              nonces.set(from, nonce + 1);
              const parameters = { to: ownerOf(to), from: ownerOf(from), number };
              return world.sign(from, nonce, { kind: 'note', parameters });
            }),
          ),
        );
        const bits = world.shardBits + reshape;
        if (reshape !== 0 && bits >= 0 && bits <= 3) world.reshapeTo = bits;
        const { outcomes } = world.step(candidates, { receiptsMax });
        world.reshapeTo = undefined;
        expect(outcomes.flatMap(({ messages }) => messages).filter(({ refusal }) => refusal)).toEqual([]);
        expect(outcomes.filter(({ refusal }) => refusal)).toEqual([]);
      }
      while (world.pending > 0) {
        expect(world.step().outcomes.filter(({ refusal }) => refusal)).toEqual([]);
      }
    }),
    { numRuns: 12 },
  );
});

test('a receipt is executed in the block after the one that sent it, and a refund in the block after that', () => {
  const [a, b] = namesIn(2, [0, 3]) as [string, string];
  const world = new World({ shardBits: 2, balances: { [a]: [[0, 100n]] } });
  const amounts: Amounts = [[0, 40n]];
  world.step([
    world.sign(a, 0, { kind: 'transfer', parameters: { to: ownerOf(b), amounts } }),
    world.sign(a, 1, { kind: 'offer', parameters: { to: ownerOf(b), amounts } }),
  ]);
  expect(world.balances(a)).toEqual([[0, 20n]]);
  expect(world.pending).toBe(2);
  const delivered = world.step();
  expect(delivered.outcomes.map(({ refusal }) => refusal)).toEqual([undefined, 'not-the-owner']);
  expect(world.balances(b)).toEqual([[0, 40n]]);
  expect(world.balances(a)).toEqual([[0, 20n]]);
  world.step();
  expect(world.balances(a)).toEqual([[0, 60n]]);
  expect(world.pending).toBe(0);
});

test('in one shard everything happens in one block, with the same end', () => {
  const world = new World({ balances: { a: [[0, 100n]] } });
  const amounts: Amounts = [[0, 40n]];
  const { outcomes } = world.step([
    world.sign('a', 0, { kind: 'transfer', parameters: { to: ownerOf('b'), amounts } }),
    world.sign('a', 1, { kind: 'offer', parameters: { to: ownerOf('b'), amounts } }),
  ]);
  expect(outcomes.map(({ refusal }) => refusal)).toEqual([undefined, undefined]);
  expect(outcomes[1]!.messages).toEqual([
    { kind: 'refuse', refusal: 'not-the-owner' },
    { kind: 'refund', refusal: undefined },
  ]);
  expect(world.balances('a')).toEqual([[0, 60n]]);
  expect(world.balances('b')).toEqual([[0, 40n]]);
});

test('what waited between two shards is not overtaken when they become one', () => {
  const [a, b] = namesIn(1, [0, 1]) as [string, string];
  const world = new World({ shardBits: 1 });
  const note = (number: number) =>
    world.sign(a, number, { kind: 'note', parameters: { to: ownerOf(b), from: ownerOf(a), number } });
  world.reshapeTo = 0;
  world.step([note(0)]);
  expect(world.shardBits).toBe(0);
  expect(world.lanes).toMatchObject({ previous: { pending: 1 }, current: { pending: 0 } });
  world.step([note(1)], { receiptsMax: 0 });
  expect(world.lanes).toMatchObject({ previous: { pending: 1 }, current: { pending: 1 }, selfPending: 1 });
  // The old lane is empty after this, and note 1 still waits: note 2 must not pass it.
  const third = world.step([note(2)], { receiptsMax: 1 });
  expect(third.outcomes.map(({ refusal }) => refusal)).toEqual([undefined, undefined]);
  expect(world.lanes).toMatchObject({ previous: { pending: 0 }, selfPending: 2 });
  const [fourth] = world.step([], { receiptsMax: 1 }).outcomes;
  expect(fourth).toMatchObject({ kind: 'receipt', sequence: 0, refusal: undefined });
  const last = world.step([note(3)]);
  expect(last.outcomes.map(({ kind, refusal }) => [kind, refusal])).toEqual([
    ['receipt', undefined],
    ['transaction', undefined],
  ]);
  expect(last.sent).toEqual([]);
  expect(world.lanes).toMatchObject({ previous: null, selfPending: 0, current: { pending: 0 } });
});

test('shards do not change again while receipts of two changes ago would wait', () => {
  const [a, b] = namesIn(1, [0, 1]) as [string, string];
  const world = new World({ shardBits: 1, balances: { [a]: [[0, 100n]] } });
  world.reshapeTo = 2;
  world.step([world.sign(a, 0, { kind: 'transfer', parameters: { to: ownerOf(b), amounts: [[0, 1n]] } })]);
  world.reshapeTo = 3;
  world.step([], { receiptsMax: 0 });
  expect(world.shardBits).toBe(2);
  world.step();
  expect(world.shardBits).toBe(3);
  expect(world.balances(b)).toEqual([[0, 1n]]);
});
