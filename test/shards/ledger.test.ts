// The whole ledger at work in blocks over several shards: built, sent as bytes, applied with nothing loaded beforehand.

import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../src/base/ids.ts';
import { type Amounts, amountIn, amountOf, NATIVE } from '../../src/shards/amounts.ts';
import { bondsOf } from '../../src/shards/bonds.ts';
import { epochStateOf } from '../../src/shards/epoch-state.ts';
import { nodeWithKey } from '../../src/shards/node.ts';
import { escrowOf } from '../../src/shards/escrow.ts';
import { objectOf } from '../../src/shards/object-record.ts';
import type { ObjectShape } from '../../src/shards/object-shape.ts';
import type { RegisterObject } from '../../src/shards/operations/register-object.ts';
import { keptKib } from '../../src/shards/prices.ts';
import { recordQuorum } from '../../src/replication/code.ts';
import { confirmedRecord, signConfirmation } from '../../src/replication/confirmation.ts';
import { objectIdOf } from '../../src/replication/object.ts';
import type { Outcome } from '../../src/shards/session.ts';
import { homeOf, shardOfHome } from '../../src/shards/state-key.ts';
import { SYSTEM } from '../../src/shards/system-key.ts';
import type { Action, SignedTransaction } from '../../src/shards/transaction.ts';
import { turnsOf } from '../../src/shards/turns.ts';
import { LedgerWorld } from './ledger-world.ts';
import { PLAIN } from './stake-kit.ts';
import { NETWORK, ownerOf, signerOf } from './world.ts';
import { digestFrom } from '../helpers/records.ts';

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

describe('an object that is paid for', () => {
  const BITS = 2;
  const EPOCH_BLOCKS = 6;
  const MANIFEST_LENGTH = 3000;
  const prices = { perGib: 2n ** 20n, epochMs: 60_000 };
  const shape: ObjectShape = {
    lengthBytes: 900,
    code: { k: 2, n: 4 },
    segmentCells: 16,
    isEncrypted: true,
    isInline: true,
  };
  const shardOf = (kind: 'account' | 'object', id: Uint8Array): number => shardOfHome(homeOf(kind, id), BITS);
  const people = Array.from({ length: 100 }, (_, index) => `person ${index}`);
  const systemShard = shardOfHome(SYSTEM, BITS);
  const alice = people.find((name) => shardOf('account', ownerOf(name)) !== systemShard)!;
  const salts = people.map((name) => digestFrom(name).slice(0, 16));
  const [salt, id] = salts
    .map((each) => [each, objectIdOf(NETWORK, ownerOf(alice), each)] as const)
    .find(
      ([, each]) => ![systemShard, shardOf('account', ownerOf(alice))].includes(shardOf('object', each)),
    )!;

  function registrationUntil(expiresAtMs: number): Action {
    const record = confirmedRecord(NETWORK, id, digestFrom('manifest'), MANIFEST_LENGTH);
    const confirmations = ['v0', 'v1', 'v2', 'v3'].slice(0, recordQuorum(shape.code)).map((name) => {
      const signer = signerOf(name);
      return [signer.publicKey as NodeId, signConfirmation(record, signer)] as const;
    });
    const parameters: RegisterObject = {
      object: id,
      salt,
      shape,
      keyCheck: digestFrom('check').slice(0, 16),
      manifest: { digest: digestFrom('manifest'), lengthBytes: MANIFEST_LENGTH, confirmations },
      expiresAtMs,
      payment: 10_000n,
      segments: [],
    };
    return { kind: 'register-object', parameters };
  }

  test('moves tokens over three shards to escrow, through borders, and back when it is deleted', () => {
    const world = new LedgerWorld({
      shardBits: BITS,
      parameters: {
        epochBlocks: EPOCH_BLOCKS,
        evidence: { ageBlocks: 2 * EPOCH_BLOCKS, ageMs: 8000, reporterPerMillion: 0 },
        sharding: { bitsMin: BITS, bitsMax: BITS, splitLoad: 8, mergeLoad: 2 },
        storage: { shardMembersMin: 1, operatorShareDivisor: 1, isTrial: false },
        prices,
      },
      operators: ['o0', 'o1', 'o2', 'o3'],
      balances: { [alice]: SOME },
    });
    const perEpoch = BigInt(keptKib(shape, MANIFEST_LENGTH));
    const balance = (): bigint => amountIn(world.balances(alice), NATIVE);
    const total = 9n * perEpoch;
    const whole = registrationUntil(world.timeMs + 8 * prices.epochMs + 30_000);
    const { outcomes } = world.step([world.sign(alice, 0, whole)]);
    expect(outcomes.map(({ refusal }) => refusal)).toEqual([undefined]);
    expect([balance(), escrowOf(world.state).held]).toEqual([10_000n - total, 0n]);
    world.step();
    expect([objectOf(world.state, id)!.deposits.length, escrowOf(world.state).held]).toEqual([1, 0n]);
    world.step();
    expect(escrowOf(world.state)).toEqual({ held: total, left: 0n, rate: perEpoch });
    while (epochStateOf(world.state).epoch < 2) world.step();
    expect(escrowOf(world.state)).toEqual({ held: total, left: 2n * perEpoch, rate: perEpoch });
    world.step([world.sign(alice, 1, { kind: 'delete-object', parameters: { object: id } })]);
    world.drain();
    // Of nine epochs two are over and the third runs.
    expect(balance()).toBe(10_000n - 3n * perEpoch);
    expect(escrowOf(world.state)).toEqual({ held: 3n * perEpoch, left: 2n * perEpoch, rate: perEpoch });
    expect(world.audit()).toBe(true);
  });
});
