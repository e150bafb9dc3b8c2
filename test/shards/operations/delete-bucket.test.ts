import { expect, test } from 'vitest';
import { bucketIdFor, Buckets } from '../buckets.ts';

const bucket = bucketIdFor('ann', 'photos');

test('an empty bucket is deleted without a trace, and its name is free again', () => {
  const homes = new Buckets();
  homes.create('ann', 'photos');
  homes.put('ann', 'photos', 'a', 'cat');
  expect(homes.do('ann', 'delete-bucket', { bucket })).toBe('not-empty');
  homes.delete('ann', 'photos', 'a');
  expect(homes.do('ann', 'delete-bucket', { bucket })).toBeUndefined();
  expect(homes.memory.records.size).toBe(0);
  expect(homes.do('ann', 'delete-bucket', { bucket })).toBe('no-such-bucket');
  expect(homes.create('ann', 'photos')).toBeUndefined();
});

test('nobody else deletes it', () => {
  const homes = new Buckets();
  homes.create('ann', 'photos');
  expect(homes.do('bob', 'delete-bucket', { bucket })).toBe('not-the-owner');
  expect(homes.list('ann')).toEqual(['photos']);
});

test('a name is not free before its owner has heard that the bucket is gone', () => {
  const homes = new Buckets();
  homes.create('ann', 'photos');
  homes.act('ann', 'delete-bucket', { bucket });
  homes.arrive();
  expect(homes.act('ann', 'create-bucket', homes.creation('ann', 'photos'))).toBe('already-exists');
  homes.settle();
  expect(homes.list('ann')).toEqual([]);
  expect(homes.create('ann', 'photos')).toBeUndefined();
});
