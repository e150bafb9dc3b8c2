import { expect, test } from 'vitest';
import type { BucketPolicy } from '../../../src/shards/bucket.ts';
import { bucketIdFor, Buckets } from '../buckets.ts';

const PUBLIC: BucketPolicy = { code: { k: 1, n: 3 }, isEncrypted: false, isPublic: true };
const bucket = bucketIdFor('ann', 'photos');

test('the owner changes the policy, and names stay', () => {
  const homes = new Buckets();
  homes.create('ann', 'photos');
  homes.put('ann', 'photos', 'a', 'cat');
  expect(homes.do('ann', 'change-bucket', { bucket, policy: PUBLIC })).toBeUndefined();
  expect(homes.bucket('ann', 'photos')?.policy).toEqual(PUBLIC);
  expect(Object.keys(homes.names('ann', 'photos'))).toEqual(['a']);
});

test('nobody else changes it, and none that is not there', () => {
  const homes = new Buckets();
  expect(homes.do('ann', 'change-bucket', { bucket, policy: PUBLIC })).toBe('no-such-bucket');
  homes.create('ann', 'photos');
  expect(homes.do('bob', 'change-bucket', { bucket, policy: PUBLIC })).toBe('not-the-owner');
});
