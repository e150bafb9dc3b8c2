import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BLOCK_LENGTH_MAX, TRANSACTIONS_PER_BLOCK_MAX } from '../../src/base/limits.ts';
import { toHex } from '../../src/base/bytes.ts';
import { LoadedState } from '../../src/shards/view.ts';
import { buildBlock } from '../../src/shards/build.ts';
import type { SignedTransaction } from '../../src/shards/transaction.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { namesIn, ownerOf, World } from './world.ts';

const NAMES = ['a', 'b', 'c', 'd'];
const balances = Object.fromEntries(NAMES.map((name) => [name, [[0, 500n]] as const]));

const pay = (world: World, from: string, nonce: number, fee: bigint, more = {}): SignedTransaction =>
  world.sign(
    from,
    nonce,
    { kind: 'transfer', parameters: { to: ownerOf('b'), amounts: [[0, 1n]] } },
    { fee, ...more },
  );

const feesOf = (transactions: readonly SignedTransaction[]): bigint[] =>
  transactions.map(({ transaction }) => transaction.fee);

test('whatever the pool holds, the block is valid, and nonces of a sender follow each other', () => {
  const candidate = fc.record({
    name: fc.constantFrom(...NAMES, 'nobody'),
    nonce: fc.nat(4),
    fee: fc.bigInt(0n, 300n),
    expiresAtHeight: fc.constantFrom(0, 1, 50),
    isForeign: fc.constantFrom(false, false, false, true),
    isForged: fc.constantFrom(false, false, false, true),
    kind: fc.constantFrom('transfer', 'offer'),
  });
  fc.assert(
    fc.property(
      fc.nat(2),
      fc.array(fc.array(candidate, { maxLength: 12 }), { maxLength: 3 }),
      (bits, pools) => {
        const world = new World({ shardBits: bits, balances, params: { feePerTransaction: 1n } });
        for (const pool of pools) {
          const candidates = pool.map(({ name, nonce, fee, expiresAtHeight, isForeign, isForged, kind }) => {
            const parameters = { to: ownerOf('c'), amounts: [[0, 7n]] };
            const signed = world.sign(name, nonce, { kind, parameters }, { fee, expiresAtHeight });
            const network = isForeign ? (ownerOf('elsewhere') as never) : signed.transaction.network;
            const sender = isForged ? ownerOf('d') : signed.transaction.sender;
            return { ...signed, transaction: { ...signed.transaction, network, sender } };
          });
          const before = new Map(NAMES.map((name) => [toHex(ownerOf(name)), world.nonce(name)]));
          world.step(candidates);
          const { transactions } = world.blocks.at(-1)!.body;
          for (const { transaction } of transactions) {
            const sender = toHex(transaction.sender);
            expect(transaction.nonce).toBe(before.get(sender));
            before.set(sender, transaction.nonce + 1);
          }
        }
      },
    ),
    { numRuns: 25 },
  );
});

test('what pays more for each byte comes first, but nobody before what it must follow', () => {
  const world = new World({ balances });
  const pool = [
    pay(world, 'a', 0, 5n),
    pay(world, 'a', 1, 100n),
    pay(world, 'b', 0, 20n),
    pay(world, 'c', 0, 1n),
  ];
  const block = world.build(pool.toReversed());
  expect(feesOf(block.body.transactions)).toEqual([20n, 5n, 100n, 1n]);
});

test('one that cannot be in a block holds back those behind it, and nobody else', () => {
  const world = new World({ balances });
  const pool = [
    pay(world, 'a', 0, 9n),
    pay(world, 'a', 2, 8n),
    pay(world, 'b', 0, 900n),
    pay(world, 'b', 1, 1n),
  ];
  const past = pay(world, 'c', 0, 7n);
  world.step([past]);
  const block = world.build([...pool, past, pay(world, 'c', 1, 6n)]);
  expect(feesOf(block.body.transactions)).toEqual([9n, 6n]);
});

test('a block ends at its length, and at its number of transactions', () => {
  const world = new World({ balances });
  const long = Array.from({ length: 30 }, (_, nonce) =>
    world.sign('a', nonce, { kind: 'blob', parameters: { to: ownerOf('a'), bytes: new Uint8Array(60_000) } }),
  );
  const block = world.build(long);
  expect(block.body.transactions.length).toBe(17);
  expect(block.bytes.length).toBeLessThanOrEqual(BLOCK_LENGTH_MAX);
  world.accept(block);
  const note = (nonce: number) =>
    world.sign('b', nonce, {
      kind: 'relay',
      parameters: { to: ownerOf('b'), back: ownerOf('b'), hops: 0, copies: 0 },
    });
  const many = Array.from({ length: TRANSACTIONS_PER_BLOCK_MAX + 3 }, (_, nonce) => note(nonce));
  expect(world.build(many).body.transactions).toHaveLength(TRANSACTIONS_PER_BLOCK_MAX);
});

test('ingredients that break a rule make no block', () => {
  const rule = { name: 'reveal', touches: () => [], apply: () => 'not the next' };
  const world = new World({ rules: { opening: [rule] } });
  expectCode('INVALID_ARGUMENT', () => world.build());
});

test('asks at once for what transactions and rules read, and before it tries any', () => {
  const [a, b] = namesIn(1, [0, 1]) as [string, string];
  const world = new World({ shardBits: 1, balances: { [a]: [[0, 5n]] } });
  const parameters = { to: ownerOf(b), amounts: [[0, 1n]] };
  const candidates = [world.sign(a, 0, { kind: 'transfer', parameters })];
  const loaded = new LoadedState();
  const asked = buildBlock(loaded, world.ingredients(candidates), world.context());
  if (asked.kind !== 'missing') throw new Error('nothing was loaded');
  expect(asked.keys.map(({ kind }) => kind).sort()).toEqual([
    'account',
    'account',
    'fees',
    'lane-index',
    'lanes',
    'outbox',
  ]);
  world.load(asked.keys, loaded);
  expect(buildBlock(loaded, world.ingredients(candidates), world.context()).kind).toBe('built');
});
