import { expect, test, vi } from 'vitest';
import {
  changeBucket,
  createBucket,
  deleteBucket,
  listBuckets,
  statBucket,
} from '../../../src/client/names/bucket-operations.ts';
import { putName, dropName } from '../../../src/client/names/name-operations.ts';
import { DEFAULT_POLICY } from '../../../src/shards/bucket.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import { referenceTo } from '../../shards/storage-samples.ts';
import { MemoryChain } from './memory-chain.ts';

vi.mock('../../shards/kinds.ts', async (original) =>
  (await import('./ledger-kinds.ts')).ledgerKinds(original),
);

const SHARD_BITS = [0, 3];

test('a bucket is made, listed, looked at, changed and deleted, in whatever shards', async () => {
  for (const shardBits of SHARD_BITS) {
    const chain = new MemoryChain(shardBits);
    const ann = chain.context();
    for (const name of ['photos', 'archive', 'music']) {
      const made = await createBucket(ann, name);
      expect(made).toMatchObject({ name, policy: DEFAULT_POLICY, names: 0, bytes: 0n });
    }
    expect((await listBuckets(ann)).value).toEqual(['archive', 'music', 'photos']);
    const changed = await changeBucket(ann, 'music', {
      code: { k: 1, n: 3 },
      isEncrypted: false,
      isPublic: true,
    });
    expect((await statBucket(ann, 'music')).value).toEqual(changed);
    expect(changed.policy).toEqual({ code: { k: 1, n: 3 }, isEncrypted: false, isPublic: true });
    await deleteBucket(ann, 'photos');
    expect((await listBuckets(ann)).value).toEqual(['archive', 'music']);
    await createBucket(ann, 'photos');
    chain.world.drain();
  }
});

test('a bucket that is there, is not there, or holds names is told so', async () => {
  for (const shardBits of SHARD_BITS) {
    const chain = new MemoryChain(shardBits);
    const ann = chain.context();
    await createBucket(ann, 'photos');
    await expectCodeAsync('ALREADY_EXISTS', createBucket(ann, 'photos'));
    await expectCodeAsync('NOT_FOUND', deleteBucket(ann, 'music'));
    await expectCodeAsync('NOT_FOUND', changeBucket(ann, 'music', {}));
    await expectCodeAsync('NOT_FOUND', statBucket(ann, 'music'));
    await putName(ann, { bucket: 'photos', key: 'a' }, referenceTo('a'));
    await expectCodeAsync('CONDITION_FAILED', deleteBucket(ann, 'photos'));
    await expectCodeAsync('CONDITION_FAILED', changeBucket(ann, 'photos', { isEncrypted: false }));
    await changeBucket(ann, 'photos', { code: { k: 2, n: 4 } });
    await dropName(ann, { bucket: 'photos', key: 'a' });
    await deleteBucket(ann, 'photos');
  }
});

test('what may not be is refused before anything is handed in', async () => {
  const chain = new MemoryChain();
  const ann = chain.context();
  await expectCodeAsync('INVALID_ARGUMENT', createBucket(ann, 'a', { isPublic: true }));
  await expectCodeAsync('INVALID_ARGUMENT', createBucket(ann, 'a', { code: { k: 3, n: 2 } }));
  await expectCodeAsync('INVALID_ARGUMENT', createBucket(ann, 'holdfast.own'));
  expect(chain.world.height).toBe(0);
});

test('two owners have buckets of one name, each their own', async () => {
  const chain = new MemoryChain(2, ['ann', 'bob']);
  const [ann, bob] = [chain.context('ann'), chain.context('bob')];
  await Promise.all([createBucket(ann, 'photos'), createBucket(bob, 'photos', { isEncrypted: false })]);
  expect((await statBucket(ann, 'photos')).value.policy.isEncrypted).toBe(true);
  expect((await statBucket(bob, 'photos')).value.policy.isEncrypted).toBe(false);
});
