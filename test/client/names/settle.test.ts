import { expect, test, vi } from 'vitest';
import { createBucket, deleteBucket, listBuckets } from '../../../src/client/names/bucket-operations.ts';
import { statName } from '../../../src/client/names/directory-reader.ts';
import { moveName } from '../../../src/client/names/move-name.ts';
import { dropName, putName } from '../../../src/client/names/name-operations.ts';
import { readSettled } from '../../../src/client/names/settle.ts';
import { accountHome } from '../../../src/shards/account.ts';
import { bucketHome, bucketIdOf } from '../../../src/shards/bucket.ts';
import { pendingLanes } from '../../../src/shards/outbox.ts';
import { referenceTo } from '../../shards/storage-samples.ts';
import { NETWORK } from '../../shards/world.ts';
import { MemoryChain } from './memory-chain.ts';

vi.mock('../../shards/kinds.ts', async (original) =>
  (await import('./ledger-kinds.ts')).ledgerKinds(original),
);

test('whatever was done can be read when it is said to be, while shards split and merge', async () => {
  const chain = new MemoryChain(1);
  const ann = chain.context();
  let number = 0;
  const sizes = new Set<number>();
  const reshape = (): void => {
    sizes.add(chain.world.shardBits);
    const bits = chain.world.shardBits + (number++ % 6 < 3 ? 1 : -1);
    chain.world.reshapeTo = bits >= 0 && bits <= 4 ? bits : undefined;
  };
  const submit = chain.submit.bind(chain);
  chain.submit = (signed) => {
    reshape();
    return submit(signed);
  };
  for (let round = 0; round < 12; round++) {
    const [bucket, other] = [`photos-${round}`, `archive-${round}`];
    await createBucket(ann, bucket);
    await createBucket(ann, other);
    const put = await putName(ann, { bucket, key: 'a' }, referenceTo('a'));
    expect(put.isOvertaken).toBe(false);
    await moveName(ann, { bucket, key: 'a' }, { bucket: other, key: 'b' });
    expect((await statName(ann, { bucket: other, key: 'b' })).value.object).toEqual(referenceTo('a'));
    await deleteBucket(ann, bucket);
    expect((await listBuckets(ann)).value).not.toContain(bucket);
    const { removed } = await dropName(ann, { bucket: other, key: 'b' });
    expect(removed).toEqual(referenceTo('a'));
  }
  expect(sizes.size).toBeGreaterThan(2);
});

test('what waits is waited for and no more: not what others send behind it', async () => {
  const chain = new MemoryChain(3);
  const ann = chain.context();
  const id = bucketIdOf(NETWORK, ann.owner, 'photos');
  const way = [accountHome(ann.owner), bucketHome(id)] as const;
  await createBucket(ann, 'photos');
  const before = chain.world.height;
  const { height } = await readSettled(chain, way, () => undefined, { sentAt: before });
  expect(height).toBe(before);
  const puts = Array.from({ length: 30 }, (_, at) =>
    putName(ann, { bucket: 'photos', key: `${at}` }, referenceTo('x')),
  );
  await Promise.all(puts);
  const { value } = await readSettled(chain, way, (state) => pendingLanes(state), { sentAt: height });
  expect(value).toEqual([]);
});

test('an aborted wait ends', async () => {
  const chain = new MemoryChain(3);
  const ann = chain.context();
  const home = accountHome(ann.owner);
  const signal = AbortSignal.abort();
  await expect(readSettled(chain, [home, home], () => 1, { sentAt: 5, signal })).rejects.toMatchObject({
    code: 'ABORTED',
  });
});
