import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { createBucket } from '../../../src/client/names/bucket-operations.ts';
import type { NamesContext } from '../../../src/client/names/context.ts';
import { listNames, type ListOptions, type NameListing } from '../../../src/client/names/name-listing.ts';
import { dropName, putName } from '../../../src/client/names/name-operations.ts';
import { encryptedNames } from '../../../src/client/names/name-codec.ts';
import { bucketIdOf, bucketOf } from '../../../src/shards/bucket.ts';
import { compare } from '../../../src/base/bytes.ts';
import { expectCode, expectCodeAsync } from '../../helpers/expect-code.ts';
import { referenceTo } from '../../shards/storage-samples.ts';
import { MemoryChain } from './memory-chain.ts';
import { byUtf8, itemsIn, itemsOf } from './name-model.ts';

vi.mock('../../shards/kinds.ts', async (original) =>
  (await import('./ledger-kinds.ts')).ledgerKinds(original),
);

const BUCKET = 'photos';

async function withKeys(
  keys: readonly string[],
  isEncrypted: boolean,
  shardBits = 0,
): Promise<{ chain: MemoryChain; ann: NamesContext }> {
  const chain = new MemoryChain(shardBits);
  const ann = chain.context();
  await createBucket(ann, BUCKET, { isEncrypted });
  await Promise.all(keys.map((key) => putName(ann, { bucket: BUCKET, key }, referenceTo(key))));
  return { chain, ann };
}

/** Page after page, each of which must say how many it was asked for, until there is no more. */
async function pages(ann: NamesContext, options: ListOptions): Promise<readonly NameListing[]> {
  const all: NameListing[] = [];
  for (let token: string | undefined; ; ) {
    const page = await listNames(ann, BUCKET, {
      ...options,
      ...(token === undefined ? {} : { continuationToken: token }),
    });
    all.push(page);
    token = page.next;
    if (token === undefined) return all;
    expect(itemsIn(page)).toHaveLength(options.maxKeys!);
  }
}

const component = fc.constantFrom('a', 'b', 'ab', 'abc', 'ß', 'z', 'a b', 'a-very-long-component', '0');
const key = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));

for (const isEncrypted of [false, true]) {
  test(`listings are those of S3 for every prefix, delimiter and page size, ${isEncrypted ? 'encrypted' : 'plain'}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(key, { maxLength: 25 }), key, async (keys, other) => {
        const { ann } = await withKeys(keys, isEncrypted);
        const id = bucketIdOf(ann.chain.network, ann.owner, BUCKET);
        const codec = encryptedNames(ann.keys, id);
        const byName = (a: string, b: string): number => compare(codec.encode(a), codec.encode(b));
        const order = isEncrypted ? byName : byUtf8;
        const beginnings = [...keys, other].flatMap((text) =>
          [0, 1, 2, 3, 5].map((length) => text.slice(0, length)),
        );
        for (const prefix of new Set(['', ...beginnings])) {
          for (const delimiter of [undefined, '/'] as const) {
            const expected = itemsOf(keys, prefix, delimiter, order);
            const query = { prefix, ...(delimiter === undefined ? {} : { delimiter }) };
            for (const maxKeys of [1, 2, 3, Math.max(1, expected.length), 1000]) {
              const shown = (await pages(ann, { ...query, maxKeys })).map(itemsIn);
              const wanted: string[][] = [];
              for (let at = 0; at === 0 || at < expected.length; at += maxKeys) {
                wanted.push(expected.slice(at, at + maxKeys));
              }
              expect(shown.map((page) => [...page].sort())).toEqual(wanted.map((page) => [...page].sort()));
            }
            const [whole] = await pages(ann, { ...query, maxKeys: 1000 });
            const isName = (item: string): boolean => keys.includes(item);
            expect(whole!.names.map((name) => name.key)).toEqual(expected.filter(isName));
            expect(whole!.commonPrefixes).toEqual(expected.filter((item) => !isName(item)));
          }
        }
      }),
      { numRuns: 12 },
    );
  });
}

test('a bucket of many pages is listed whole, in pages of any length, and folders are stepped over', async () => {
  for (const isEncrypted of [false, true]) {
    const keys = Array.from({ length: 400 }, (_, at) => `${at % 7}/${at % 3}/picture ${at}`);
    const { chain, ann } = await withKeys([], isEncrypted, 2);
    chain.stock(ann, BUCKET, keys);
    const { value: height } = await chain.read(
      (state) => bucketOf(state, bucketIdOf(ann.chain.network, ann.owner, BUCKET))!.directoryHeight,
    );
    expect(height).toBeGreaterThan(1);
    for (const maxKeys of [7, 133, 399, 400, 401]) {
      const shown = await pages(ann, { maxKeys });
      expect(shown.flatMap(itemsIn).toSorted()).toEqual([...keys].sort());
    }
    for (const maxKeys of [1, 3, 7, 8]) {
      const shown = await pages(ann, { maxKeys, delimiter: '/' });
      expect(shown.flatMap(itemsIn).toSorted()).toEqual(['0/', '1/', '2/', '3/', '4/', '5/', '6/']);
    }
    const [found] = await pages(ann, { maxKeys: 1000, prefix: '5/2/picture 1' });
    expect(itemsIn(found!).toSorted()).toEqual(keys.filter((one) => one.startsWith('5/2/picture 1')).sort());
  }
});

test('a walk that is longer than one look at the state goes on where it was', async () => {
  const { chain, ann } = await withKeys([], true);
  const keys = Array.from({ length: 8000 }, (_, at) => `a name of some length ${at}`);
  chain.stock(ann, BUCKET, [...keys, 'needle 1', 'needle 2']);
  const read = vi.spyOn(chain, 'read');
  expect(itemsIn(await listNames(ann, BUCKET, { prefix: 'needle' })).toSorted()).toEqual([
    'needle 1',
    'needle 2',
  ]);
  expect(read.mock.calls.length).toBeGreaterThan(1);
  const all = await pages(ann, { maxKeys: 1000 });
  expect(all.flatMap(itemsIn).toSorted()).toEqual([...keys, 'needle 1', 'needle 2'].sort());
});

test('what stays is listed once, however names come and go between the pages', async () => {
  for (const isEncrypted of [false, true]) {
    const keys = Array.from({ length: 120 }, (_, at) => `picture ${at}`);
    const { ann } = await withKeys(keys, isEncrypted);
    const shown: string[] = [];
    let token: string | undefined;
    for (let page = 0; page === 0 || token !== undefined; page++) {
      const listing = await listNames(ann, BUCKET, {
        maxKeys: 11,
        ...(token === undefined ? {} : { continuationToken: token }),
      });
      shown.push(...itemsIn(listing));
      token = listing.next;
      await putName(ann, { bucket: BUCKET, key: `other ${page}` }, referenceTo('other'));
      if (page > 0) await dropName(ann, { bucket: BUCKET, key: `other ${page - 1}` });
    }
    const stayed = shown.filter((one) => one.startsWith('picture'));
    expect(stayed.toSorted()).toEqual([...keys].sort());
  }
});

test('a token goes on with the listing that gave it, and with no other', async () => {
  const { ann } = await withKeys(['a/b', 'a/c', 'b'], true);
  const { next } = await listNames(ann, BUCKET, { prefix: 'a/', maxKeys: 1 });
  const wrong: readonly [string, ListOptions][] = [
    [next!, { prefix: '' }],
    [next!, { prefix: 'a/', delimiter: '/' }],
    [next!.slice(0, 5), { prefix: 'a/' }],
    ['', { prefix: 'a/' }],
    ['u!', { prefix: 'a/' }],
    ['x'.repeat(1_000_000), { prefix: 'a/' }],
  ];
  for (const [continuationToken, options] of wrong) {
    const error = await expectCodeAsync(
      'INVALID_ARGUMENT',
      listNames(ann, BUCKET, { ...options, continuationToken }),
    );
    expect(error.next).toContain('begin anew');
  }
  const rest = await listNames(ann, BUCKET, { prefix: 'a/', continuationToken: next! });
  expect(itemsIn(rest)).toHaveLength(1);
});

test('options that make no sense are refused', async () => {
  const { ann } = await withKeys([], false);
  for (const maxKeys of [0, -1, 1.5, Number.NaN]) {
    await expectCodeAsync('INVALID_ARGUMENT', listNames(ann, BUCKET, { maxKeys }));
  }
  await expectCodeAsync('INVALID_ARGUMENT', listNames(ann, BUCKET, { delimiter: '-' as '/' }));
  await expectCodeAsync('INVALID_ARGUMENT', listNames(ann, BUCKET, { prefix: '../' }));
  await expectCodeAsync('NOT_FOUND', listNames(ann, 'music'));
  expect(itemsIn(await listNames(ann, BUCKET, { maxKeys: 5000 }))).toEqual([]);
});

test('names that other keys made are counted, not left out in silence', async () => {
  const { chain, ann } = await withKeys(['a', 'b/c'], true);
  const stranger = chain.context('ann', 'another secret');
  const listing = await listNames(stranger, BUCKET, { delimiter: '/' });
  expect(listing).toMatchObject({ names: [], commonPrefixes: [], unreadable: 2 });
  expect(itemsIn(await listNames(ann, BUCKET, { delimiter: '/' })).toSorted()).toEqual(['a', 'b/']);
  expectCode('INVALID_ARGUMENT', () =>
    encryptedNames(ann.keys, bucketIdOf(chain.network, ann.owner, BUCKET)).query('//'),
  );
});
