import { expect, test } from 'vitest';
import { BUCKETS_PER_OWNER_MAX } from '../../../src/base/limits.ts';
import { DEFAULT_POLICY } from '../../../src/shards/bucket.ts';
import { expectCode } from '../../helpers/expect-code.ts';
import { bucketIdFor, Buckets } from '../buckets.ts';
import { ownerOf } from '../world.ts';

test('a bucket is there for its owner, empty, and stands in the list', () => {
  const homes = new Buckets();
  expect(homes.create('ann', 'photos')).toBeUndefined();
  expect(homes.create('ann', 'backups')).toBeUndefined();
  expect(homes.bucket('ann', 'photos')).toMatchObject({
    owner: ownerOf('ann'),
    name: 'photos',
    policy: DEFAULT_POLICY,
    names: 0,
    bytes: 0n,
  });
  expect(homes.names('ann', 'photos')).toEqual({});
  expect(homes.list('ann')).toEqual(['backups', 'photos']);
});

test('a name is unique for its owner, and two owners do not share names', () => {
  const homes = new Buckets();
  homes.create('ann', 'photos');
  expect(homes.create('ann', 'photos')).toBe('already-exists');
  expect(homes.create('bob', 'photos')).toBeUndefined();
  expect(homes.bucket('bob', 'photos')?.owner).toEqual(ownerOf('bob'));
  expect(homes.list('ann')).toEqual(['photos']);
});

test('nobody creates a bucket under the id of another', () => {
  const homes = new Buckets();
  const parameters = { bucket: bucketIdFor('ann', 'photos'), name: 'photos', policy: DEFAULT_POLICY };
  expect(homes.do('bob', 'create-bucket', parameters)).toBe('invalid-argument');
});

test('an owner has so many buckets and no more', () => {
  const homes = new Buckets();
  for (let at = 0; at < BUCKETS_PER_OWNER_MAX; at++) expect(homes.create('ann', `b${at}`)).toBeUndefined();
  expect(homes.create('ann', 'one-more')).toBe('limit-exceeded');
  expect(homes.list('ann')).toHaveLength(BUCKETS_PER_OWNER_MAX);
});

test('a creation that does not arrive in time takes the name off the list, and it can be created again', () => {
  const homes = new Buckets();
  expect(homes.act('ann', 'create-bucket', homes.creation('ann', 'photos'))).toBeUndefined();
  expect(homes.list('ann')).toEqual(['photos']);
  expect(homes.act('ann', 'create-bucket', homes.creation('ann', 'photos'))).toBe('already-exists');
  homes.expire();
  expect(homes.settle()).toEqual([{ kind: 'forget-bucket', refusal: undefined }]);
  expect(homes.list('ann')).toEqual([]);
  expect(homes.create('ann', 'photos')).toBeUndefined();
});

test.each([
  ['a name that is no label', { name: 'Not A Label' }],
  ['a public bucket that is encrypted', { policy: { ...DEFAULT_POLICY, isPublic: true } }],
  ['a code of more data pieces than pieces', { policy: { ...DEFAULT_POLICY, code: { k: 3, n: 2 } } }],
  ['a code without data pieces', { policy: { ...DEFAULT_POLICY, code: { k: 0, n: 2 } } }],
])('%s has no form', (_what, change) => {
  const homes = new Buckets();
  const good = { bucket: bucketIdFor('ann', 'photos'), name: 'photos', policy: DEFAULT_POLICY };
  expectCode('INVALID_ENCODING', () => homes.act('ann', 'create-bucket', { ...good, ...change }));
});
