import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toUtf8 } from '../../../src/base/bytes.ts';
import { DIRECTORY_HEIGHT_MAX, NAME_LENGTH_MAX, OBJECT_LENGTH_MAX } from '../../../src/base/limits.ts';
import { bucketOf, putBucket } from '../../../src/shards/bucket.ts';
import { pageKey, pageRecord } from '../../../src/shards/directory/page.ts';
import { bucketHome } from '../../../src/shards/bucket.ts';
import { type Condition, etagOf } from '../../../src/shards/name-entry.ts';
import { expectCode } from '../../helpers/expect-code.ts';
import { ABSENT, ANY, bucketIdFor, Buckets, PRESENT } from '../buckets.ts';
import { referenceTo } from '../storage-samples.ts';

const bucket = bucketIdFor('ann', 'photos');

function withBucket(): Buckets {
  const homes = new Buckets();
  homes.create('ann', 'photos');
  return homes;
}

test('a name stands for what was put last, and its etag is that of the transaction', () => {
  const homes = withBucket();
  homes.put('ann', 'photos', 'a', 'cat');
  const id = homes.nextId;
  expect(homes.put('ann', 'photos', 'a', 'dog')).toBeUndefined();
  expect(homes.names('ann', 'photos')).toEqual({
    a: { object: referenceTo('dog'), height: homes.height, etag: etagOf(id), movingAs: null },
  });
});

test('a compare-and-swap changes what it was told of and nothing else', () => {
  const homes = withBucket();
  const put = (condition: Condition): string | undefined => homes.put('ann', 'photos', 'a', 'cat', condition);
  expect(put(PRESENT)).toBe('condition-failed');
  expect(put({ kind: 'match', etag: new Uint8Array(16) })).toBe('condition-failed');
  expect(put(ABSENT)).toBeUndefined();
  expect(put(ABSENT)).toBe('condition-failed');
  const { etag } = homes.entry('ann', 'photos', 'a')!;
  expect(put({ kind: 'match', etag })).toBeUndefined();
  expect(put({ kind: 'match', etag })).toBe('condition-failed');
  expect(put(PRESENT)).toBeUndefined();
  expect(put(ANY)).toBeUndefined();
});

test('of two who swap the same value one succeeds', () => {
  const homes = withBucket();
  homes.put('ann', 'photos', 'a', 'cat');
  const condition: Condition = { kind: 'match', etag: homes.entry('ann', 'photos', 'a')!.etag };
  for (const what of ['dog', 'owl']) {
    homes.act('ann', 'put-name', { bucket, name: toUtf8('a'), object: referenceTo(what), condition });
  }
  expect(homes.settle().map(({ refusal }) => refusal)).toEqual([undefined, 'condition-failed']);
  expect(homes.entry('ann', 'photos', 'a')?.object).toEqual(referenceTo('dog'));
});

test('in a bucket of one page nothing is read but what was said before', () => {
  const homes = withBucket();
  homes.create('ann', 'archive');
  homes.put('ann', 'photos', 'a', 'cat');
  homes.do('ann', 'rename', homes.renaming('ann', ['photos', 'a'], ['photos', 'b']));
  homes.do('ann', 'rename', homes.renaming('ann', ['photos', 'b'], ['archive', 'b']));
  homes.delete('ann', 'archive', 'b');
  homes.do('ann', 'delete-bucket', { bucket });
  expect(homes.list('ann')).toEqual(['archive']);
  expect(homes.rounds).toBe(0);
});

test('names are put by the owner of a bucket that there is', () => {
  const homes = withBucket();
  expect(homes.put('ann', 'music', 'a', 'cat')).toBe('no-such-bucket');
  const parameters = { bucket, name: toUtf8('a'), object: referenceTo('cat'), condition: ANY };
  expect(homes.do('bob', 'put-name', parameters)).toBe('not-the-owner');
});

test('counters follow what the names stand for, and stop before they overflow', () => {
  const homes = withBucket();
  const put = (name: string, lengthBytes: number): string | undefined =>
    homes.do('ann', 'put-name', {
      bucket,
      name: toUtf8(name),
      object: referenceTo(name, lengthBytes),
      condition: ANY,
    });
  put('a', 5);
  put('b', OBJECT_LENGTH_MAX);
  put('a', 7);
  expect(homes.names('ann', 'photos')).toMatchObject({ a: { object: { lengthBytes: 7 } } });
  expect(homes.bucket('ann', 'photos')?.bytes).toBe(BigInt(OBJECT_LENGTH_MAX) + 7n);
  homes.memory.run((state) => {
    putBucket(state, bucket, { ...bucketOf(state, bucket)!, bytes: 2n ** 64n - 8n });
  });
  expect(put('c', 8)).toBe('limit-exceeded');
  expect(put('c', 7)).toBeUndefined();
});

test('a directory that is as high as it may be takes no more', () => {
  const homes = withBucket();
  const empty = new Uint8Array(0);
  const long = (first: number, last = 0): Uint8Array =>
    new Uint8Array(NAME_LENGTH_MAX).fill(first).with(-1, last);
  homes.memory.run((state) => {
    for (let level = 0; level < DIRECTORY_HEIGHT_MAX; level++) {
      const next = level === DIRECTORY_HEIGHT_MAX - 1 ? null : long(8 + 3 * level);
      const keys =
        level === 0 ? [1, 2, 3].map((last) => long(7, last)) : [5, 6, 7].map((at) => long(at + 3 * level));
      const above = { level, from: empty, next, keys: [empty, ...keys], values: [] };
      const leaf = { level, from: empty, next, keys, values: keys.map(() => new Uint8Array(320)) };
      state.put(pageKey(bucketHome(bucket), level, empty), pageRecord, level === 0 ? leaf : above);
    }
    putBucket(state, bucket, { ...bucketOf(state, bucket)!, directoryHeight: DIRECTORY_HEIGHT_MAX });
  });
  const parameters = { bucket, name: long(7, 4), object: referenceTo('cat'), condition: ABSENT };
  expect(homes.do('ann', 'put-name', parameters)).toBe('limit-exceeded');
  expect(homes.bucket('ann', 'photos')?.names).toBe(0);
});

test.each([
  ['an empty name', { name: new Uint8Array(0) }],
  ['a name that is too long', { name: new Uint8Array(NAME_LENGTH_MAX + 1) }],
  ['an etag that is too short', { condition: { kind: 'match', etag: new Uint8Array(15) } }],
  ['an object longer than any', { object: referenceTo('cat', OBJECT_LENGTH_MAX + 1) }],
])('%s has no form', (_what, change) => {
  const good = { bucket, name: toUtf8('a'), object: referenceTo('cat'), condition: ANY };
  expectCode('INVALID_ENCODING', () => withBucket().act('ann', 'put-name', { ...good, ...change }));
});

test('puts, swaps and deletes of several names end as in a map', () => {
  const step = fc.record({
    kind: fc.constantFrom('put', 'put', 'delete'),
    name: fc.constantFrom('a', 'b', 'folder/c', 'folder/d', 'e'.repeat(700)),
    condition: fc.constantFrom('any', 'absent', 'present', 'right', 'wrong'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const homes = withBucket();
      const model = new Map<string, { what: string; etag: Uint8Array }>();
      for (const [index, { kind, name, condition: wish }] of steps.entries()) {
        const before = model.get(name);
        const etag = wish === 'right' && before !== undefined ? before.etag : new Uint8Array(16);
        const condition: Condition =
          wish === 'right' || wish === 'wrong' ? { kind: 'match', etag } : { kind: wish as 'any' };
        const isMet =
          wish === 'any' ||
          (wish === 'absent' && before === undefined) ||
          ((wish === 'present' || wish === 'right') && before !== undefined);
        const id = homes.nextId;
        if (kind === 'put') {
          const refusal = homes.put('ann', 'photos', name, `${index}`, condition);
          expect(refusal).toBe(isMet ? undefined : 'condition-failed');
          if (isMet) model.set(name, { what: `${index}`, etag: etagOf(id) });
        } else {
          const refusal = homes.delete('ann', 'photos', name, condition);
          const expected = before === undefined ? 'no-such-name' : isMet ? undefined : 'condition-failed';
          expect(refusal).toBe(expected);
          if (expected === undefined) model.delete(name);
        }
      }
      const names = homes.names('ann', 'photos');
      expect(Object.keys(names).sort()).toEqual([...model.keys()].sort());
      for (const [name, { what, etag }] of model) {
        expect(names[name]).toMatchObject({ object: referenceTo(what), etag });
      }
    }),
    { numRuns: 60 },
  );
});
