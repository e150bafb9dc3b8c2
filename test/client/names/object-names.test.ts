import { expect, test, vi } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { createBucket, listBuckets } from '../../../src/client/names/bucket-operations.ts';
import { ABSENT } from '../../../src/client/names/condition.ts';
import type { NamesContext } from '../../../src/client/names/context.ts';
import { findName, statName } from '../../../src/client/names/directory-reader.ts';
import { moveName } from '../../../src/client/names/move-name.ts';
import { putName } from '../../../src/client/names/name-operations.ts';
import {
  copyName,
  releaseObject,
  releaseUnnamed,
  removeName,
} from '../../../src/client/names/object-names.ts';
import { registerObject, type UploadedObject } from '../../../src/client/names/registration.ts';
import { objectOf } from '../../../src/shards/object-record.ts';
import type { ObjectShape } from '../../../src/shards/object-shape.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import { shapeOf } from '../../shards/objects.ts';
import { referenceTo } from '../../shards/storage-samples.ts';
import { MemoryChain } from './memory-chain.ts';
import { referenceOf, uploadOf } from './uploads.ts';

vi.mock('../../shards/kinds.ts', async (original) =>
  (await import('./ledger-kinds.ts')).ledgerKinds(original),
);

const at = (key: string, bucket = 'photos') => ({ bucket, key });

async function withObject(
  shardBits: number,
  shape: ObjectShape = shapeOf(2),
): Promise<{ chain: MemoryChain; ann: NamesContext; upload: UploadedObject }> {
  const chain = new MemoryChain(shardBits);
  const ann = chain.context();
  await Promise.all(['photos', 'archive'].map((name) => createBucket(ann, name)));
  const upload = uploadOf('cat', shape);
  await registerObject(ann, upload);
  await putName(ann, at('cat'), referenceOf(upload));
  return { chain, ann, upload };
}

const isThere = async ({ chain }: NamesContext, { object }: UploadedObject): Promise<boolean> =>
  (await chain.read((state) => objectOf(state, object) !== undefined)).value;

for (const shardBits of [0, 3]) {
  test(`an object goes with the only name it ever had, with ${2 ** shardBits} shards`, async () => {
    // More records than one transaction takes away.
    const { ann, upload } = await withObject(shardBits, shapeOf(70, { code: { k: 2, n: 6 } }));
    await moveName(ann, at('cat'), at('tom', 'archive'));
    expect(await removeName(ann, at('tom', 'archive'))).toBe('deleted');
    expect(await isThere(ann, upload)).toBe(false);
    await expectCodeAsync('NOT_FOUND', removeName(ann, at('tom', 'archive')));
  });

  test(`a copy is a second name of the same object, which stays while it has one, with ${2 ** shardBits} shards`, async () => {
    const { ann, upload } = await withObject(shardBits);
    await copyName(ann, at('cat'), at('tom', 'archive'), { to: ABSENT });
    const [cat, tom] = await Promise.all([statName(ann, at('cat')), statName(ann, at('tom', 'archive'))]);
    expect(tom.value.object).toEqual(cat.value.object);
    expect(await removeName(ann, at('cat'))).toBe('kept');
    expect(await isThere(ann, upload)).toBe(true);
    expect(await releaseUnnamed(ann)).toBe(0);
    expect(await isThere(ann, upload)).toBe(true);
    expect(await removeName(ann, at('tom', 'archive'))).toBe('kept');
    expect(await releaseUnnamed(ann)).toBe(1);
    expect(await isThere(ann, upload)).toBe(false);
    expect(await releaseUnnamed(ann)).toBe(0);
    expect((await listBuckets(ann)).value).toEqual(['archive', 'photos']);
  });
}

test('copying asks for what is there, and changes nothing when it fails', async () => {
  const { chain, ann } = await withObject(2);
  await expectCodeAsync('NOT_FOUND', copyName(ann, at('dog'), at('tom')));
  await expectCodeAsync('NOT_FOUND', copyName(ann, at('cat'), at('tom', 'music')));
  await putName(ann, at('tom'), referenceTo('tom'));
  await expectCodeAsync('CONDITION_FAILED', copyName(ann, at('cat'), at('tom'), { to: ABSENT }));
  expect((await statName(ann, at('tom'))).value.object).toEqual(referenceTo('tom'));
  // Its object was never registered.
  await expectCodeAsync('NOT_FOUND', copyName(ann, at('tom'), at('dog')));
  expect((await findName(ann, at('dog'))).value).toBeUndefined();
  chain.world.drain();
});

test('whoever copies and whoever removes agree on whether the object stays', async () => {
  for (let delays = 0; delays < 12; delays++) {
    const { chain, ann, upload } = await withObject(0);
    const other = chain.context();
    const copying = copyName(ann, at('cat'), at('tom')).then(
      () => 'copied',
      (error: { code: string }) => error.code,
    );
    for (let turns = 0; turns < delays; turns++) await new Promise((resolve) => setImmediate(resolve));
    const [copied, removed] = await Promise.all([copying, removeName(other, at('cat'))]);
    const { value: tom } = await findName(ann, at('tom'));
    expect(copied === 'copied' || copied === 'NOT_FOUND', copied).toBe(true);
    expect(tom !== undefined).toBe(copied === 'copied');
    expect(await isThere(ann, upload)).toBe(removed === 'kept');
    if (tom !== undefined) expect(removed).toBe('kept');
  }
});

test('a copy of an object that was deleted meanwhile takes itself back', async () => {
  const { chain, ann, upload } = await withObject(0);
  const other = chain.context();
  let puts = 0;
  const submit = chain.submit.bind(chain);
  chain.submit = async (signed) => {
    const { action, sender } = signed.transaction;
    // The note, in a bucket that is not there yet, and then the copy: everything unnamed goes just before.
    const isCopy = action.kind === 'put-name' && toHex(sender) === toHex(ann.owner) && ++puts === 2;
    if (isCopy) {
      await removeName(other, at('cat'));
      expect(await releaseUnnamed(other)).toBe(1);
    }
    return submit(signed);
  };
  await expectCodeAsync('NOT_FOUND', copyName(ann, at('cat'), at('tom')));
  expect((await findName(ann, at('tom'))).value).toBeUndefined();
  expect(await isThere(ann, upload)).toBe(false);
});

test('what is not the caller\u2019s to delete is left alone', async () => {
  const { chain, ann } = await withObject(0);
  expect(await releaseObject(ann, referenceTo('nothing').object, 0)).toBe('not-ours');
  const bobs = new MemoryChain(0, ['ann', 'bob']);
  const bob = bobs.context('bob');
  const upload = uploadOf('hers', shapeOf(1));
  await registerObject(bobs.context('ann'), upload);
  await createBucket(bob, 'photos');
  await putName(bob, at('hers'), referenceOf(upload));
  expect(await removeName(bob, at('hers'))).toBe('not-ours');
  expect(await isThere(bob, upload)).toBe(true);
  expect(chain.world.pending).toBe(0);
});

test('names that cannot be read keep every object from being deleted', async () => {
  const { chain, ann, upload } = await withObject(0);
  await copyName(ann, at('cat'), at('tom'));
  const stranger = chain.context('ann', 'another secret');
  await expectCodeAsync('WRONG_KEY', releaseUnnamed(stranger));
  expect(await isThere(ann, upload)).toBe(true);
});
