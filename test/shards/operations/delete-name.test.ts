import { expect, test } from 'vitest';
import { toUtf8 } from '../../../src/base/bytes.ts';
import { ABSENT, ANY, bucketIdFor, Buckets } from '../buckets.ts';

test('a name that is deleted is gone, and is deleted once', () => {
  const homes = new Buckets();
  homes.create('ann', 'photos');
  homes.put('ann', 'photos', 'a', 'cat');
  const { etag } = homes.entry('ann', 'photos', 'a')!;
  expect(homes.delete('ann', 'photos', 'a', { kind: 'match', etag: new Uint8Array(16) })).toBe(
    'condition-failed',
  );
  expect(homes.delete('ann', 'photos', 'a', ABSENT)).toBe('condition-failed');
  expect(homes.delete('ann', 'photos', 'a', { kind: 'match', etag })).toBeUndefined();
  expect(homes.names('ann', 'photos')).toEqual({});
  expect(homes.delete('ann', 'photos', 'a')).toBe('no-such-name');
});

test('names are deleted by the owner of a bucket that there is', () => {
  const homes = new Buckets();
  expect(homes.delete('ann', 'photos', 'a')).toBe('no-such-bucket');
  homes.create('ann', 'photos');
  homes.put('ann', 'photos', 'a', 'cat');
  const parameters = { bucket: bucketIdFor('ann', 'photos'), name: toUtf8('a'), condition: ANY };
  expect(homes.do('bob', 'delete-name', parameters)).toBe('not-the-owner');
});
