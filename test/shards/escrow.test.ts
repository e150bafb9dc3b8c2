// What owners pay for objects: held until the epoch that it is for, shared by those with whom audits found something, and given back when the object goes.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Epoch } from '../../src/base/ids.ts';
import { DEPOSITS_MAX } from '../../src/base/limits.ts';
import { type Deposit, unspentOf, valueOf } from '../../src/shards/deposits.ts';
import { earn, earnedIn } from '../../src/shards/escrow.ts';
import { nodeOf, putNode } from '../../src/shards/node.ts';
import { costOf } from '../../src/shards/prices.ts';
import { AuditWorld, BALANCE, STAKE } from './audit-world.ts';
import { idOf, nodeId, registration, shapeOf } from './objects.ts';

const EPOCH_MS = 1000;
const SHAPE = shapeOf(2);
const MANIFEST_LENGTH = 900;
/** A round price: KiB are what it is for. */
const PRICE = 2n ** 20n;

const pricedAt = (perGib: bigint): AuditWorld => new AuditWorld({ prices: { perGib, epochMs: EPOCH_MS } });
const perEpochAt = (perGib: bigint): bigint =>
  costOf({ perGib, epochMs: EPOCH_MS }, SHAPE, MANIFEST_LENGTH, 0, 1).perEpoch;
const PER_EPOCH = perEpochAt(PRICE);

function put(homes: AuditWorld, name: string, epochs: number | null, payment = BALANCE): string | undefined {
  const expiresAtMs = epochs === null ? null : homes.timeMs + epochs * EPOCH_MS;
  return homes.do('ann', 'register-object', { ...registration('ann', name, SHAPE), expiresAtMs, payment });
}

function renew(homes: AuditWorld, name: string, epochs: number, payment: bigint): string | undefined {
  const object = idOf('ann', name);
  const expiresAtMs = (homes.object(object)?.expiresAtMs ?? 0) + epochs * EPOCH_MS;
  return homes.do('ann', 'renew-object', { object, expiresAtMs, payment });
}

const remove = (homes: AuditWorld, name: string): string | undefined =>
  homes.do('ann', 'delete-object', { object: idOf('ann', name) });

/** A round found so much of what nodes have. */
function found(homes: AuditWorld, kib: Readonly<Record<number, number>>): void {
  homes.memory.run((state) => {
    for (const [index, heldKib] of Object.entries(kib))
      earn(state, nodeId(Number(index)), homes.epoch, { asked: 32, failed: 0, heldKib });
  });
}

describe('an object', () => {
  test('is paid for when it comes, for the whole time until it expires', () => {
    const homes = pricedAt(PRICE);
    // Eight pieces of half a mebibyte, and copies of the manifest.
    expect(PER_EPOCH).toBeGreaterThan(8n * 512n);
    expect(put(homes, 'cat', 5)).toBeUndefined();
    expect(homes.balance('ann')).toBe(BALANCE - 5n * PER_EPOCH);
    expect(homes.escrow).toEqual({ held: 5n * PER_EPOCH, left: 0n, rate: PER_EPOCH });
    expect(homes.object(idOf('ann', 'cat'))!.deposits).toEqual([{ perEpoch: PER_EPOCH, from: 0, until: 5 }]);
  });

  test('costs no more than its owner agreed to, has to expire, and must be paid', () => {
    const homes = pricedAt(PRICE);
    expect(put(homes, 'cat', 5, 5n * PER_EPOCH - 1n)).toBe('condition-failed');
    expect(put(homes, 'cat', null)).toBe('invalid-argument');
    expect(put(homes, 'cat', 5_000_000, 2n ** 63n)).toBe('insufficient-balance');
    expect(put(homes, 'cat', 2 ** 32, 2n ** 63n)).toBe('invalid-argument');
    expect(homes.balance('ann')).toBe(BALANCE);
    expect(put(homes, 'cat', 5, 5n * PER_EPOCH)).toBeUndefined();
  });

  test('that is there already is not paid for again', () => {
    const homes = pricedAt(PRICE);
    expect([put(homes, 'cat', 5), put(homes, 'cat', 5)]).toEqual([undefined, 'already-exists']);
    expect(homes.balance('ann')).toBe(BALANCE - 5n * PER_EPOCH);
  });

  test('costs nothing and may stay for good where storage is free', () => {
    const homes = pricedAt(0n);
    expect(put(homes, 'cat', null)).toBeUndefined();
    expect(put(homes, 'dog', 5)).toBeUndefined();
    expect(renew(homes, 'dog', 5, 1n)).toBe('condition-failed');
    expect(renew(homes, 'dog', 5, 0n)).toBeUndefined();
    expect([homes.balance('ann'), homes.escrow.held]).toEqual([BALANCE, 0n]);
  });

  test('is kept longer at the price of the day, and what was paid stays as it was', () => {
    const homes = pricedAt(PRICE);
    expect(put(homes, 'cat', 5)).toBeUndefined();
    expect(renew(homes, 'cat', 2, 2n * PER_EPOCH)).toBeUndefined();
    homes.setParameters({ prices: { perGib: 2n * PRICE, epochMs: EPOCH_MS } });
    expect(renew(homes, 'cat', 3, 3n * PER_EPOCH)).toBe('condition-failed');
    expect(renew(homes, 'cat', 3, 6n * PER_EPOCH)).toBeUndefined();
    expect(homes.object(idOf('ann', 'cat'))!.deposits).toEqual([
      { perEpoch: PER_EPOCH, from: 0, until: 7 },
      { perEpoch: 2n * PER_EPOCH, from: 7, until: 10 },
    ]);
    expect(homes.balance('ann')).toBe(BALANCE - 13n * PER_EPOCH);
    expect(homes.escrow).toEqual({ held: 13n * PER_EPOCH, left: 0n, rate: PER_EPOCH });
  });

  test('is not renewed for good where storage costs, nor at more prices than its record holds', () => {
    const homes = pricedAt(PRICE);
    expect(put(homes, 'cat', 1)).toBeUndefined();
    const object = idOf('ann', 'cat');
    expect(homes.do('ann', 'renew-object', { object, expiresAtMs: null, payment: 0n })).toBe(
      'invalid-argument',
    );
    for (let index = 1; index <= DEPOSITS_MAX; index++) {
      const perGib = PRICE + BigInt(index) * 1024n;
      homes.setParameters({ prices: { perGib, epochMs: EPOCH_MS } });
      const refusal = renew(homes, 'cat', 1, perEpochAt(perGib));
      expect(refusal).toBe(index < DEPOSITS_MAX ? undefined : 'limit-exceeded');
    }
  });

  test('that is deleted gives back what was paid for epochs to come, to its owner, whoever deletes it', () => {
    const homes = pricedAt(PRICE);
    put(homes, 'cat', 5);
    homes.border();
    expect(remove(homes, 'cat')).toBeUndefined();
    // Of the five, the first is over and the second runs.
    expect(homes.balance('ann')).toBe(BALANCE - 2n * PER_EPOCH);
    expect(homes.escrow).toEqual({ held: 2n * PER_EPOCH, left: PER_EPOCH, rate: PER_EPOCH });
    put(homes, 'dog', 5);
    homes.timeMs += 6 * EPOCH_MS;
    const before = homes.balance('ann');
    expect(homes.do('bob', 'delete-object', { object: idOf('ann', 'dog') })).toBeUndefined();
    expect(homes.balance('ann')).toBe(before + 4n * PER_EPOCH);
    expect(homes.balance('bob')).toBe(BALANCE);
  });

  test('whose deposit comes late pays the epochs that are over at the next border', () => {
    const homes = pricedAt(PRICE);
    const expiresAtMs = homes.timeMs + 3 * EPOCH_MS;
    homes.act('ann', 'register-object', {
      ...registration('ann', 'cat', SHAPE),
      expiresAtMs,
      payment: BALANCE,
    });
    homes.arrive();
    homes.border();
    homes.border();
    homes.settle();
    expect(homes.escrow).toEqual({ held: 3n * PER_EPOCH, left: 2n * PER_EPOCH, rate: PER_EPOCH });
    homes.border();
    expect(homes.escrow).toEqual({ held: 3n * PER_EPOCH, left: 3n * PER_EPOCH, rate: 0n });
  });

  test('that never got to its home is not paid for', () => {
    const homes = pricedAt(PRICE);
    const expiresAtMs = homes.timeMs + 3 * EPOCH_MS;
    homes.act('ann', 'register-object', {
      ...registration('ann', 'cat', SHAPE),
      expiresAtMs,
      payment: BALANCE,
    });
    homes.expire();
    homes.settle();
    expect([homes.balance('ann'), homes.escrow.held]).toEqual([BALANCE, 0n]);
  });
});

describe('at a border', () => {
  test('what was paid for the epoch goes to the stake of those who were found to hold, by how much', () => {
    const homes = pricedAt(PRICE);
    put(homes, 'cat', 3);
    found(homes, { 0: 300, 1: 100 });
    found(homes, { 0: 300, 1: 100, 2: 400 });
    homes.border();
    expect([0, 1, 2, 3].map((index) => homes.stake(index) - STAKE)).toEqual([
      PER_EPOCH / 2n,
      PER_EPOCH / 6n,
      PER_EPOCH / 3n,
      0n,
    ]);
    const given = PER_EPOCH / 2n + PER_EPOCH / 6n + PER_EPOCH / 3n;
    expect(homes.escrow.held).toBe(3n * PER_EPOCH - given);
    expect(homes.escrow.left).toBe(PER_EPOCH - given);
  });

  test('what nobody earned waits for the next one, and is shared then', () => {
    const homes = pricedAt(PRICE);
    put(homes, 'cat', 2);
    homes.border();
    expect(homes.escrow).toEqual({ held: 2n * PER_EPOCH, left: PER_EPOCH, rate: PER_EPOCH });
    found(homes, { 3: 1 });
    homes.border();
    expect(homes.stake(3)).toBe(STAKE + 2n * PER_EPOCH);
    expect(homes.escrow.held).toBe(0n);
    homes.border();
    expect(homes.escrow.held).toBe(0n);
  });

  test('nothing goes to the silent, to those who were asked for nothing, nor for earlier epochs', () => {
    const homes = pricedAt(PRICE);
    put(homes, 'cat', 9);
    homes.memory.run((state) => {
      earn(state, nodeId(0), homes.epoch, { asked: 32, failed: 32, heldKib: 500 });
      earn(state, nodeId(1), homes.epoch, { asked: 0, failed: 0, heldKib: 500 });
      earn(state, nodeId(2), homes.epoch, { asked: 32, failed: 8, heldKib: 400 });
      expect([0, 1, 2].map((index) => earnedIn(state, nodeId(index), homes.epoch))).toEqual([0, 0, 300]);
    });
    homes.border();
    expect(homes.stake(2)).toBe(STAKE + PER_EPOCH);
    homes.border();
    expect(homes.stake(2)).toBe(STAKE + PER_EPOCH);
    expect(homes.escrow.left).toBe(PER_EPOCH);
  });

  test('nothing goes to whoever may not be a validator any more', () => {
    const homes = pricedAt(PRICE);
    put(homes, 'cat', 9);
    found(homes, { 0: 300, 1: 100 });
    homes.memory.run((state) => putNode(state, { ...nodeOf(state, nodeId(0))!, isTombstoned: true }));
    homes.border();
    expect([homes.stake(0), homes.stake(1)]).toEqual([STAKE, STAKE + PER_EPOCH]);
  });

  test('records are asked for in two rounds, and in none where storage is free', () => {
    const homes = pricedAt(PRICE);
    put(homes, 'cat', 9);
    found(homes, { 0: 300, 1: 100 });
    // Pages, earnings, change and bonds, nodes: what else a border reads of them anyway is not loaded here.
    expect(homes.border()).toBeLessThanOrEqual(6);
    expect(pricedAt(0n).border()).toBe(0);
  });
});

// ---- Any life of objects -----------------------------------------------------------------------------------------

type Step =
  | { readonly kind: 'put' | 'renew'; readonly name: number; readonly epochs: number }
  | { readonly kind: 'remove'; readonly name: number }
  | { readonly kind: 'price'; readonly perKib: number }
  | { readonly kind: 'border'; readonly found: Readonly<Record<number, number>> }
  | { readonly kind: 'arrive' | 'lose' };

const name = fc.nat(2);
const epochs = fc.integer({ min: 1, max: 6 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('put' as const), name, epochs }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('renew' as const), name, epochs }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), name }) },
    fc.record({ kind: fc.constant('price' as const), perKib: fc.nat(3) }),
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('border' as const),
        found: fc.dictionary(fc.constantFrom('0', '1', '2'), fc.integer({ min: 1, max: 99 })),
      }),
    },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('arrive' as const) }) },
    fc.record({ kind: fc.constant('lose' as const) }),
  ),
  { maxLength: 40 },
);

const NAMES = ['cat', 'dog', 'owl'];

/** Starts it; its messages wait. */
function begin(
  homes: AuditWorld,
  step: Step,
  prices: { readonly perGib: bigint; readonly epochMs: number },
): void {
  switch (step.kind) {
    case 'put': {
      const expiresAtMs = homes.timeMs + step.epochs * EPOCH_MS;
      const all = registration('ann', NAMES[step.name]!, SHAPE);
      homes.act('ann', 'register-object', { ...all, expiresAtMs, payment: BALANCE });
      return;
    }
    case 'renew': {
      const object = idOf('ann', NAMES[step.name]!);
      const from = homes.object(object)?.expiresAtMs ?? homes.timeMs;
      const expiresAtMs = from + step.epochs * EPOCH_MS;
      const payment = costOf(prices, SHAPE, MANIFEST_LENGTH, from, expiresAtMs).total;
      homes.act('ann', 'renew-object', { object, expiresAtMs, payment });
      return;
    }
    case 'remove':
      homes.act('ann', 'delete-object', { object: idOf('ann', NAMES[step.name]!) });
      return;
    case 'price':
      homes.setParameters({ prices });
      return;
    case 'border':
      found(homes, step.found);
      homes.border();
      return;
    case 'arrive':
      if (homes.waiting.length > 0) homes.arrive();
      return;
    case 'lose':
      if (homes.waiting[0]?.kind === 'register-object') homes.expire();
      return;
  }
}

/** What the records of objects say was paid for epochs after the one that runs. */
function unspentIn(homes: AuditWorld): bigint {
  const deposits = NAMES.flatMap(
    (each): readonly Deposit[] => homes.object(idOf('ann', each))?.deposits ?? [],
  );
  return unspentOf(deposits, homes.epoch).reduce((sum, deposit) => sum + valueOf(deposit), 0n);
}

test('whatever happens in whatever order, no token is lost, and escrow holds exactly what is paid for and not earned', () => {
  fc.assert(
    fc.property(steps, (life) => {
      const homes = pricedAt(PRICE);
      let prices = { perGib: PRICE, epochMs: EPOCH_MS };
      for (const step of life) {
        if (step.kind === 'price') prices = { ...prices, perGib: BigInt(step.perKib) * 2n ** 20n };
        begin(homes, step, prices);
        homes.check();
        if (homes.waiting.length > 0) continue;
        const { held, left, rate } = homes.escrow;
        expect(held - left - rate).toBe(unspentIn(homes));
      }
      homes.settle();
      // Everything runs out in the end: nothing is paid out for ever, and all that is left is what nobody earned.
      for (let epoch = 0; epoch < 60; epoch++) homes.border();
      expect(homes.escrow.rate).toBe(0n);
      expect(homes.escrow.held).toBe(homes.escrow.left);
      expect(unspentIn(homes)).toBe(0n);
      const changes = [...homes.memory.records.values()].filter(({ key }) => key.kind === 'escrow-change');
      expect(changes.length, 'records of changes go with them').toBe(0);
      expect(homes.epoch).toBeLessThan(2 ** 20);
    }),
    { numRuns: 60 },
  );
});

test('an epoch is paid for once it has begun', () => {
  const deposits: readonly Deposit[] = [
    { perEpoch: 3n, from: 2 as Epoch, until: 5 as Epoch },
    { perEpoch: 4n, from: 5 as Epoch, until: 6 as Epoch },
  ];
  const left = (now: number): bigint =>
    unspentOf(deposits, now as Epoch).reduce((sum, deposit) => sum + valueOf(deposit), 0n);
  expect([0, 1, 2, 3, 4, 5, 6].map(left)).toEqual([13n, 13n, 10n, 7n, 4n, 0n, 0n]);
});
