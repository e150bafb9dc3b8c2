import { expect, test, vi } from 'vitest';
import { createBucket } from '../../../src/client/names/bucket-operations.ts';
import { findName, statName } from '../../../src/client/names/directory-reader.ts';
import { putName } from '../../../src/client/names/name-operations.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import { referenceTo } from '../../shards/storage-samples.ts';
import { MemoryChain } from './memory-chain.ts';

vi.mock('../../shards/kinds.ts', async (original) =>
  (await import('./ledger-kinds.ts')).ledgerKinds(original),
);

const BUCKET = 'photos';

test('a name is proven to be there or not to be there', async () => {
  for (const isEncrypted of [false, true]) {
    const ann = new MemoryChain(3).context();
    await createBucket(ann, BUCKET, { isEncrypted });
    for (const key of ['a', 'a/b']) await putName(ann, { bucket: BUCKET, key }, referenceTo(key));
    for (const there of ['a', 'a/b']) {
      const { value } = await statName(ann, { bucket: BUCKET, key: there });
      expect(value).toMatchObject({ object: referenceTo(there), movingAs: null });
      expect(await findName(ann, { bucket: BUCKET, key: there })).toMatchObject({ value });
    }
    expect((await findName(ann, { bucket: BUCKET, key: 'b' })).value).toBeUndefined();
    await expectCodeAsync('NOT_FOUND', statName(ann, { bucket: BUCKET, key: 'b' }));
    await expectCodeAsync('NOT_FOUND', statName(ann, { bucket: 'music', key: 'a' }));
    await expectCodeAsync('INVALID_ARGUMENT', statName(ann, { bucket: BUCKET, key: '../b' }));
    await expectCodeAsync('INVALID_ARGUMENT', statName(ann, { bucket: 'Photos', key: 'a' }));
  }
});
