import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { createBucket } from '../../../src/client/names/bucket-operations.ts';
import { ABSENT, NameConflict } from '../../../src/client/names/condition.ts';
import type { NamesContext } from '../../../src/client/names/context.ts';
import { findName, statName } from '../../../src/client/names/directory-reader.ts';
import { listNames } from '../../../src/client/names/name-listing.ts';
import { moveName } from '../../../src/client/names/move-name.ts';
import { dropName, putName } from '../../../src/client/names/name-operations.ts';
import { StoreError } from '../../../src/base/errors.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import { referenceTo } from '../../shards/storage-samples.ts';
import { MemoryChain } from './memory-chain.ts';

vi.mock('../../shards/kinds.ts', async (original) =>
  (await import('./ledger-kinds.ts')).ledgerKinds(original),
);

const BUCKETS = ['photos', 'archive', 'public'] as const;

async function world(
  shardBits: number,
  receiptLifetimeBlocks = 1000,
): Promise<{ chain: MemoryChain; ann: NamesContext }> {
  const chain = new MemoryChain(shardBits, ['ann'], { receiptLifetimeBlocks });
  const ann = chain.context();
  await Promise.all(BUCKETS.map((name) => createBucket(ann, name, { isEncrypted: name !== 'public' })));
  return { chain, ann };
}

/** Keys and what they stand for, of all buckets. */
async function everything(ann: NamesContext): Promise<Readonly<Record<string, unknown>>> {
  const listings = await Promise.all(BUCKETS.map((bucket) => listNames(ann, bucket)));
  return Object.fromEntries(
    listings.flatMap(({ names }, index) =>
      names.map(({ key, entry }) => [`${BUCKETS[index]}/${key}`, entry.object]),
    ),
  );
}

for (const shardBits of [0, 3]) {
  test(`a name moves within a bucket and between any two, with ${2 ** shardBits} shards`, async () => {
    const { chain, ann } = await world(shardBits);
    await putName(ann, { bucket: 'photos', key: 'a' }, referenceTo('a'));
    const way = ['photos/b/c', 'archive/b/c', 'public/d', 'public/e/f', 'photos/a'];
    let from = { bucket: 'photos', key: 'a' };
    for (const step of way) {
      const [bucket, ...rest] = step.split('/');
      const to = { bucket: bucket!, key: rest.join('/') };
      const moved = await moveName(ann, from, to);
      expect(moved).toMatchObject({ isOvertaken: false, replaced: undefined });
      expect(await everything(ann)).toEqual({ [step]: referenceTo('a') });
      expect((await statName(ann, to)).value).toMatchObject({ etag: moved.etag, movingAs: null });
      from = to;
    }
    chain.world.expectNothingLeft();
  });

  test(`what stood under the new name is told, or keeps its place, with ${2 ** shardBits} shards`, async () => {
    const { ann } = await world(shardBits);
    const [a, b, c] = [
      { bucket: 'photos', key: 'a' },
      { bucket: 'archive', key: 'b' },
      { bucket: 'photos', key: 'c' },
    ] as const;
    for (const path of [a, b, c]) await putName(ann, path, referenceTo(path.key));
    for (const to of [b, c]) {
      const error = await expectCodeAsync('CONDITION_FAILED', moveName(ann, a, to, { to: ABSENT }));
      expect((error as NameConflict).etag).toEqual((await statName(ann, to)).value.etag);
    }
    const stale = { kind: 'match', etag: new Uint8Array(16) } as const;
    await expectCodeAsync('CONDITION_FAILED', moveName(ann, a, b, { from: stale }));
    expect((await moveName(ann, a, b)).replaced).toEqual(referenceTo('b'));
    expect((await moveName(ann, b, c)).replaced).toEqual(referenceTo('c'));
    expect(await everything(ann)).toEqual({ 'photos/c': referenceTo('a') });
  });
}

test('a move that did not get there in time is told, and the old name stays as it was', async () => {
  const { chain, ann } = await world(3);
  const path = { bucket: 'photos', key: 'a' };
  const { etag } = await putName(ann, path, referenceTo('a'));
  const submit = chain.submit.bind(chain);
  chain.submit = (signed) => {
    // From here on nothing that leaves a shard arrives in time.
    Object.assign(chain.world.params, { receiptLifetimeBlocks: 0 });
    return submit(signed);
  };
  await expectCodeAsync('REFUSED', moveName(ann, path, { bucket: 'archive', key: 'a' }));
  expect((await statName(ann, path)).value).toMatchObject({ etag, movingAs: null });
  expect((await findName(ann, { bucket: 'archive', key: 'a' })).value).toBeUndefined();
});

const step = fc.record({
  from: fc.tuple(fc.constantFrom(...BUCKETS), fc.constantFrom('a', 'b')),
  to: fc.tuple(fc.constantFrom(...BUCKETS), fc.constantFrom('a', 'b')),
  waits: fc.nat(3),
});

for (const shardBits of [0, 3]) {
  test(`programs that move names at the same time lose none and double none, with ${2 ** shardBits} shards`, async () => {
    let moves = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { maxLength: 5 }), { minLength: 2, maxLength: 3 }),
        async (plan) => {
          const { chain, ann } = await world(shardBits);
          await Promise.all(BUCKETS.map((bucket) => putName(ann, { bucket, key: 'a' }, referenceTo(bucket))));
          const done: string[] = [];
          const program = async (steps: (typeof plan)[number]): Promise<void> => {
            const own = chain.context();
            for (const { from, to, waits } of steps) {
              for (let turns = waits; turns > 0; turns--)
                await new Promise((resolve) => setImmediate(resolve));
              if (from.join() === to.join()) continue;
              const [source, destination] = [from, to].map(([bucket, key]) => ({ bucket, key }));
              try {
                await moveName(own, source!, destination!, { to: ABSENT });
                done.push(`${from.join('/')} to ${to.join('/')}`);
                moves++;
              } catch (error) {
                const code = error instanceof StoreError ? error.code : String(error);
                expect(['NOT_FOUND', 'CONDITION_FAILED', 'BUSY'], String(error)).toContain(code);
              }
            }
          };
          await Promise.all(plan.map(program));
          const objects = Object.values(await everything(ann)).map((object) => JSON.stringify(object));
          const expected = BUCKETS.map((bucket) => JSON.stringify(referenceTo(bucket)));
          expect(objects.toSorted(), done.join('; ')).toEqual(expected.toSorted());
          chain.world.drain();
        },
      ),
      { numRuns: 25 },
    );
    expect(moves).toBeGreaterThan(0);
  });
}

test('of two programs that move one name, one does it and the other is told', async () => {
  for (const shardBits of [0, 3]) {
    const { chain, ann } = await world(shardBits);
    const path = { bucket: 'photos', key: 'a' };
    await putName(ann, path, referenceTo('a'));
    const other = chain.context();
    const results = await Promise.allSettled([
      moveName(ann, path, { bucket: 'archive', key: 'x' }),
      moveName(other, path, { bucket: 'public', key: 'y' }),
    ]);
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const [name] = Object.keys(await everything(ann));
    expect(name).toBe(results[0]!.status === 'fulfilled' ? 'archive/x' : 'public/y');
    await dropName(
      ann,
      results[0]!.status === 'fulfilled' ? { bucket: 'archive', key: 'x' } : { bucket: 'public', key: 'y' },
    );
    expect(await everything(ann)).toEqual({});
  }
});
