// The whole ledger at work in blocks over several shards: built, sent as bytes, applied with nothing loaded beforehand.

import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../src/base/ids.ts';
import { type Amounts, amountIn, amountOf, NATIVE } from '../../src/shards/amounts.ts';
import { bondsOf } from '../../src/shards/bonds.ts';
import { epochStateOf } from '../../src/shards/epoch-state.ts';
import { nodeWithKey } from '../../src/shards/node.ts';
import type { Outcome } from '../../src/shards/session.ts';
import { homeOf, shardOfHome } from '../../src/shards/state-key.ts';
import { SYSTEM } from '../../src/shards/system-key.ts';
import type { SignedTransaction } from '../../src/shards/transaction.ts';
import { turnsOf } from '../../src/shards/turns.ts';
import { LedgerWorld } from './ledger-world.ts';
import { PLAIN } from './stake-kit.ts';
import { ownerOf, signerOf } from './world.ts';

const SOME: Amounts = [[0, 10_000n]];

describe('the load of an epoch', () => {
  const RULES = {
    epochBlocks: 4,
    sharding: { bitsMin: 0, bitsMax: 2, splitLoad: 4, mergeLoad: 1 },
    evidence: { ageBlocks: 8, ageMs: 8000, reporterPerMillion: 0 },
  };

  function busyWorld() {
    const world = new LedgerWorld({
      shardBits: 0,
      parameters: RULES,
      operators: ['o0', 'o1', 'o2', 'o3'],
      balances: { alice: SOME, bob: SOME, carol: SOME, dave: SOME },
    });
    const nonces = new Map<string, number>();
    const transfers = (count: number, amount = 1n): SignedTransaction[] =>
      Array.from({ length: count }, (_, index) => {
        const name = ['alice', 'bob', 'carol', 'dave'][index % 4]!;
        const nonce = nonces.get(name) ?? 0;
        nonces.set(name, nonce + 1);
        const parameters = { to: ownerOf(`somebody ${index % 9}`), amounts: amountOf(NATIVE, amount) };
        return world.sign(name, nonce, { kind: 'transfer', parameters });
      });
    /** Blocks of the rest of the epoch, with as many transfers each. */
    const epoch = (...counts: number[]): void => {
      for (const count of counts) world.step(transfers(count));
    };
    return { world, transfers, epoch };
  }

  test('is counted by transactions as they are executed, those that are refused too', () => {
    const { world, transfers } = busyWorld();
    world.step(transfers(3));
    expect(turnsOf(world.state).transactions).toBe(3);
    world.step();
    const { outcomes } = world.step(transfers(2, 1_000_000n));
    expect(outcomes.map(({ refusal }) => refusal)).toEqual(['insufficient-balance', 'insufficient-balance']);
    expect(turnsOf(world.state).transactions).toBe(5);
  });

  test('doubles the shards at its border when it was busy, and halves them when it was quiet', () => {
    const { world, epoch } = busyWorld();
    epoch(5, 5, 5, 1);
    expect(world.shardBits, 'four for each block and no more').toBe(0);
    expect(turnsOf(world.state).transactions, 'of a new epoch').toBe(0);
    epoch(5, 5, 5);
    expect(world.shardBits).toBe(0);
    epoch(2);
    expect(world.shardBits, 'the last block of the epoch counts').toBe(1);
    epoch(9, 9, 9, 6);
    expect(world.shardBits).toBe(2);
    expect(epochStateOf(world.state)).toMatchObject({ epoch: 3, shardBits: 2 });
    epoch(4, 4, 4, 4);
    expect(world.shardBits, 'neither busy nor quiet').toBe(2);
    epoch(4, 4, 4, 3);
    expect(world.shardBits).toBe(1);
    epoch(0, 0, 0, 0);
    expect(world.shardBits).toBe(0);
    epoch(0, 0, 0, 0);
    expect(world.shardBits).toBe(0);
    world.drain();
    expect(world.audit()).toBe(true);
  });
});

describe('stake from another shard', () => {
  const BITS = 2;
  const systemShard = shardOfHome(SYSTEM, BITS);
  const far = Array.from({ length: 100 }, (_, index) => `person ${index}`).filter(
    (name) => shardOfHome(homeOf('account', ownerOf(name)), BITS) !== systemShard,
  );
  const [operator, alice] = [far[0]!, far[1]!];
  const node = signerOf('v0').publicKey as NodeId;

  function farWorld(): LedgerWorld {
    return new LedgerWorld({
      shardBits: BITS,
      parameters: { epochBlocks: 100, sharding: { bitsMin: 0, bitsMax: 2, splitLoad: 8, mergeLoad: 2 } },
      operators: [operator, 'o1', 'o2', 'o3'],
      balances: { [operator]: SOME, [alice]: SOME },
    });
  }

  const bonded = (world: LedgerWorld): bigint => amountIn(nodeWithKey(world.state, node)!.bonded, NATIVE);
  const balance = (world: LedgerWorld, name: string): bigint => amountIn(world.balances(name), NATIVE);
  const receiptsIn = (outcomes: readonly Outcome[]): readonly (string | undefined)[] =>
    outcomes.filter(({ kind }) => kind === 'receipt').map(({ refusal }) => refusal);

  test('travels with a receipt: first it leaves the account, then it stands behind the node', () => {
    const world = farWorld();
    const parameters = { node, amounts: amountOf(NATIVE, 700n) };
    world.step([world.sign(operator, 0, { kind: 'bond', parameters })]);
    expect([balance(world, operator), bonded(world), world.pending]).toEqual([9_300n, 1000n, 1]);
    const { outcomes } = world.step();
    expect(receiptsIn(outcomes)).toEqual([undefined]);
    expect([balance(world, operator), bonded(world), world.pending]).toEqual([9_300n, 1700n, 0]);
    expect(world.blocks.at(-1)!.body.parcels.length).toBe(1);
    world.expectNothingLeft();
    expect(world.audit()).toBe(true);
  });

  test('of somebody else comes back while the node takes none, and stays when it does', () => {
    const world = farWorld();
    const delegation = (nonce: number): SignedTransaction =>
      world.sign(alice, nonce, { kind: 'delegate', parameters: { node, amounts: amountOf(NATIVE, 500n) } });
    world.step([delegation(0)]);
    expect(balance(world, alice)).toBe(9_500n);
    expect(receiptsIn(world.step().outcomes)).toEqual(['not-the-operator']);
    world.drain();
    expect([balance(world, alice), bonded(world)]).toEqual([10_000n, 1000n]);

    const open = { kind: 'change-node', parameters: { node, data: { ...PLAIN, acceptsDelegation: true } } };
    world.step([world.sign(operator, 0, open)]);
    world.step([delegation(1)]);
    world.drain();
    expect([balance(world, alice), bonded(world)]).toEqual([9_500n, 1500n]);
    const owners = bondsOf(world.state, node).map(({ amounts }) => amountIn(amounts, NATIVE));
    expect(new Set(owners)).toEqual(new Set([1000n, 500n]));
    expect(world.audit()).toBe(true);
  });
});
