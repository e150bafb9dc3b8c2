// Names on a chain of blocks: what the tests of single operations show of homes holds for shards, whatever splits, merges and expires.

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { toUtf8 } from '../../src/base/bytes.ts';
import { bucketIdOf, bucketListOf, bucketOf, DEFAULT_POLICY, directoryOf } from '../../src/shards/bucket.ts';
import { range } from '../../src/shards/directory/tree.ts';
import { decodeEntry, type NameEntry } from '../../src/shards/name-entry.ts';
import type { Action } from '../../src/shards/transaction.ts';
import { ABSENT, ANY, bucketIdFor } from './buckets.ts';
import { referenceTo } from './storage-samples.ts';
import { fastSha256 } from './kinds.ts';
import { NETWORK, ownerOf, World } from './world.ts';

/** The chain of the other tests, with the kinds of names beside its own. */
vi.mock('./kinds.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('./kinds.ts')>();
  const { STORAGE_DELIVERIES, STORAGE_OPERATIONS } = await import('../../src/shards/storage-rules.ts');
  const { Operations } = await import('../../src/shards/transaction.ts');
  const { Deliveries } = await import('../../src/shards/receipts.ts');
  const { transfer, creditDelivery } = await import('../../src/shards/operations/transfer.ts');
  const { refundDelivery } = await import('../../src/shards/operations/refund.ts');
  return {
    ...original,
    KINDS: {
      operations: new Operations([transfer, ...STORAGE_OPERATIONS]),
      deliveries: new Deliveries([refundDelivery, creditDelivery, ...STORAGE_DELIVERIES]),
    },
  };
});

const OWNERS = ['ann', 'bob'] as const;
const BUCKETS = ['photos', 'archive', 'music'] as const;

class Names {
  readonly world: World;
  readonly #nonces = new Map<string, number>();

  constructor(shardBits: number, receiptLifetimeBlocks = 1000) {
    const balances = Object.fromEntries(OWNERS.map((name) => [name, [[0, 1000n]] as const]));
    this.world = new World({ shardBits, balances, params: { receiptLifetimeBlocks } });
  }

  sign(owner: string, action: Action): ReturnType<World['sign']> {
    const nonce = this.#nonces.get(owner) ?? 0;
    this.#nonces.set(owner, nonce + 1);
    return this.world.sign(owner, nonce, action);
  }

  create(): void {
    const all = OWNERS.flatMap((owner) =>
      BUCKETS.map((name) => {
        const parameters = { bucket: bucketIdFor(owner, name), name, policy: DEFAULT_POLICY };
        return this.sign(owner, { kind: 'create-bucket', parameters });
      }),
    );
    this.world.step(all);
    this.world.drain();
  }

  put(owner: string, bucket: string, name: string, what: string): ReturnType<World['sign']> {
    const at = { bucket: bucketIdFor(owner, bucket), name: toUtf8(name) };
    return this.sign(owner, {
      kind: 'put-name',
      parameters: { ...at, object: referenceTo(what), condition: ANY },
    });
  }

  rename(
    owner: string,
    from: readonly [string, string],
    to: readonly [string, string],
  ): ReturnType<World['sign']> {
    const place = ([bucket, name]: readonly [string, string]) => ({
      bucket: bucketIdFor(owner, bucket),
      name: toUtf8(name),
    });
    const parameters = {
      source: { ...place(from), condition: ANY },
      destination: { ...place(to), condition: ABSENT },
    };
    return this.sign(owner, { kind: 'rename', parameters });
  }

  entries(owner: string): readonly NameEntry[] {
    const { state } = this.world;
    return BUCKETS.flatMap((name) => {
      const id = bucketIdOf(NETWORK, ownerOf(owner), name, fastSha256);
      const bucket = bucketOf(state, id)!;
      const { entries } = range(state, directoryOf(id, bucket), new Uint8Array(0), 1000);
      expect(bucket.names).toBe(entries.length);
      return entries.map(([, value]) => decodeEntry(value));
    });
  }

  /** Every object has a name, and nothing is on its way. */
  expectWhole(objects: number): void {
    for (const owner of OWNERS) {
      const entries = this.entries(owner);
      expect(entries).toHaveLength(objects);
      for (let at = 0; at < objects; at++) {
        expect(entries.map(({ object }) => object)).toContainEqual(referenceTo(`${owner} ${at}`));
      }
      expect(entries.filter(({ movingAs }) => movingAs !== null)).toEqual([]);
    }
  }
}

const OBJECTS = 4;

function withObjects(shardBits: number, receiptLifetimeBlocks = 1000): Names {
  const names = new Names(shardBits, receiptLifetimeBlocks);
  names.create();
  const puts = OWNERS.flatMap((owner) =>
    Array.from({ length: OBJECTS }, (_, at) => names.put(owner, 'photos', `${at}`, `${owner} ${at}`)),
  );
  names.world.step(puts);
  names.world.drain();
  return names;
}

const move = fc.record({
  owner: fc.constantFrom(...OWNERS),
  from: fc.tuple(fc.constantFrom(...BUCKETS), fc.nat(OBJECTS + 1)),
  to: fc.tuple(fc.constantFrom(...BUCKETS), fc.nat(OBJECTS + 1)),
});

test('renames between buckets in whatever shards lose no object and double none, while shards split and merge', () => {
  const blocks = fc.array(
    fc.record({ moves: fc.array(move, { maxLength: 8 }), reshape: fc.constantFrom(-1, 0, 0, 1) }),
    { minLength: 1, maxLength: 8 },
  );
  fc.assert(
    fc.property(fc.nat(3), blocks, (shardBits, plan) => {
      const names = withObjects(shardBits);
      const { world } = names;
      for (const { moves, reshape } of plan) {
        const candidates = moves
          .filter(({ from, to }) => from.join() !== to.join())
          .map(({ owner, from, to }) => names.rename(owner, [from[0], `${from[1]}`], [to[0], `${to[1]}`]));
        const bits = world.shardBits + reshape;
        if (reshape !== 0 && bits >= 0 && bits <= 3) world.reshapeTo = bits;
        world.step(candidates);
        world.reshapeTo = undefined;
      }
      world.drain();
      names.expectWhole(OBJECTS);
    }),
    { numRuns: 25 },
  );
});

test('what is not delivered in time is undone: names and lists of buckets are as before', () => {
  const names = withObjects(3);
  const { world } = names;
  const renames = OWNERS.flatMap((owner) =>
    BUCKETS.slice(1).map((bucket, at) => names.rename(owner, ['photos', `${at}`], [bucket, 'new'])),
  );
  const { outcomes } = world.step(renames);
  // From now on nothing that goes to another shard arrives in time; the renames have yet to leave the bucket.
  Object.assign(world.params, { receiptLifetimeBlocks: 0 });
  const parameters = { bucket: bucketIdFor('ann', 'late'), name: 'late', policy: DEFAULT_POLICY };
  const all = [
    ...outcomes,
    ...world.step([names.sign('ann', { kind: 'create-bucket', parameters })]).outcomes,
  ];
  while (world.pending > 0) all.push(...world.step().outcomes);
  names.expectWhole(OBJECTS);
  const undone = all.flatMap((outcome) => (outcome.kind === 'reclaim' ? outcome.messages : []));
  expect(undone.map(({ kind }) => kind)).toContain('end-move');
  expect(undone.map(({ kind }) => kind)).toContain('forget-bucket');
  expect(bucketOf(world.state, bucketIdFor('ann', 'late'))).toBeUndefined();
  expect(bucketListOf(world.state, ownerOf('ann'))).toEqual([...BUCKETS].sort());
});

test('a rename that the destination refuses gives the name back, once', () => {
  for (let shardBits = 0; shardBits <= 3; shardBits++) {
    const names = withObjects(shardBits);
    names.world.step([names.put('ann', 'archive', 'taken', 'other')]);
    names.world.drain();
    const before = names.entries('ann');
    names.world.step([names.rename('ann', ['photos', '0'], ['archive', 'taken'])]);
    names.world.drain();
    expect(names.entries('ann')).toEqual(before);
  }
});
