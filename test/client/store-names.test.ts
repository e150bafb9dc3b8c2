// Names through the library: a store over real nodes, as a program uses it. One network for the file.

import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { StoreError } from '../../src/base/errors.ts';
import type { NoticeEvent, Phase, PutOptions, Store } from '../../src/client/types.ts';
import { NameConflict } from '../../src/client/names/condition.ts';
import { createStore } from '../../src/client/store.ts';
import { patterned } from '../helpers/cluster.ts';
import { clientPage, examplesOf, isOfNames, runExample } from '../helpers/doc-examples.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';
import { type LocalNetwork, startLocalNetwork } from '../helpers/local-network.ts';

let network: LocalNetwork;
let store: Store;
/** The same key from another home, as another program. */
let other: Store;

beforeAll(async () => {
  network = await startLocalNetwork(4);
  store = await createStore({ home: network.home });
  await store.buckets.create('photos');
  const home = await network.newHome('other');
  await copyFile(join(network.home, 'owner.key'), join(home, 'owner.key'));
  other = await createStore({ home });
});
afterAll(async () => {
  await Promise.all([store?.close(), other?.close()]);
  await network?.stop();
});

const small = patterned(10_240);
const bytesOf = async (uri: string, from: Store = store): Promise<Uint8Array> =>
  (await from.get(uri)).bytes();
const put = async (key: string, bytes = small, options: PutOptions = {}) => {
  const result = await store.put(bytes, { name: `store://photos/${key}`, ...options });
  return { ...result, name: result.name! };
};

test('what a finished put has named is there for every program, whatever its length', async () => {
  for (const length of [0, 5, 10_240, 1_500_000]) {
    const phases = new Set<Phase>();
    const { name, sizeBytes } = await put(`length ${length}`, patterned(length), {
      segmentBytes: 1024 * 1024,
      onProgress: ({ phase }) => phases.add(phase),
    });
    expect(phases.has('chain')).toBe(true);
    expect(sizeBytes).toBe(length);
    expect(await bytesOf(name.uri, other)).toEqual(patterned(length));
    expect(await other.statName(name.uri)).toMatchObject({
      etag: name.etag,
      sizeBytes: length,
      isEncrypted: true,
    });
  }
});

test('a name that is overwritten stands for the new bytes, and the old object is gone', async () => {
  const first = await put('over');
  const second = await put('over', patterned(20_000, 2), { condition: { ifMatch: first.name.etag } });
  expect(await second.name.released).toBe('deleted');
  expect(await bytesOf('store://photos/over', other)).toEqual(patterned(20_000, 2));
  await expectCodeAsync('NOT_FOUND', store.get(first.uri));
});

test('a condition that fails before the upload costs nothing, and says what is there', async () => {
  const { name } = await put('taken');
  const before = await store.network({ probe: true });
  const error = await expectCodeAsync(
    'CONDITION_FAILED',
    put('taken', small, { condition: { ifNoneMatch: '*' } }),
  );
  expect(error).toBeInstanceOf(NameConflict);
  expect(error.message).toContain(name.etag);
  const after = await store.network({ probe: true });
  const entries = ({ members }: typeof before): number =>
    members.reduce((sum, { status }) => sum + (status?.entries ?? 0), 0);
  expect(entries(after)).toBe(entries(before));
});

test('a condition that fails after the upload takes the uploaded object back', async () => {
  const options = { condition: { ifNoneMatch: '*' }, name: 'store://photos/race' } as const;
  const results = await Promise.allSettled([
    store.put(small, options),
    other.put(patterned(9_000, 3), options),
  ]);
  const [won] = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const lost = results.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
  expect((lost.reason as StoreError).code).toBe('CONDITION_FAILED');
  expect((await store.statName(options.name)).etag).toBe(won!.name!.etag);
  expect((await bytesOf(options.name)).length).toBe(won!.sizeBytes);
});

test('many puts at once are named in a few blocks, and all of them are listed', async () => {
  const keys = Array.from({ length: 12 }, (_, index) => `many/${index % 3}/${index}`);
  const named = await Promise.all(keys.map((key) => put(key)));
  const heights = new Set(named.map(({ name }) => name.height));
  expect(heights.size).toBeLessThan(keys.length);
  const all = await other.list('store://photos/many/');
  expect(all.names.map(({ key }) => key).sort()).toEqual(keys.toSorted());
  const folders = await other.list('store://photos/many/', { delimiter: '/' });
  expect(folders.names).toEqual([]);
  expect([...folders.prefixes].sort()).toEqual([0, 1, 2].map((folder) => `store://photos/many/${folder}/`));
});

test('a bucket says how objects are kept, and a call may say otherwise', async () => {
  await store.buckets.create('clear', { code: { k: 1, n: 3 }, isEncrypted: false, isPublic: true });
  const named = await store.put(small, { name: 'store://clear/a' });
  expect(named.code).toEqual({ k: 1, n: 3 });
  expect(await store.stat('store://clear/a')).toMatchObject({ isPublic: true, name: { isEncrypted: false } });
  expect(await bytesOf(named.uri)).toEqual(small);
  const sealed = await store.put(small, { name: 'store://clear/b', code: { k: 2, n: 3 }, isPublic: false });
  expect(sealed.code).toEqual({ k: 2, n: 3 });
  expect(await bytesOf('store://clear/b', other)).toEqual(small);
  expect(await store.buckets.stat('clear')).toMatchObject({ names: 2, bytes: 20_480n });
});

test('an upload that was interrupted goes on under its name, and not under another', async () => {
  const bytes = patterned(3_000_000, 4);
  const options = { segmentBytes: 1024 * 1024, resumeKey: 'film', lengthBytes: bytes.length };
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, 2_900_000);
    // Time for the first segments to be acknowledged.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    throw new Error('the disk went away');
  }
  await expectCodeAsync('INVALID_ARGUMENT', store.put(broken(), { name: 'store://photos/film', ...options }));
  const elsewhere = await put('another', bytes, options);
  expect(elsewhere.resumedSegments).toBe(0);
  const notices: NoticeEvent[] = [];
  const resumed = await put('film', bytes, { ...options, onNotice: (notice) => notices.push(notice) });
  expect(resumed.resumedSegments).toBeGreaterThan(0);
  expect(notices.map(({ kind }) => kind)).toContain('resumed');
  expect(await bytesOf('store://photos/film', other)).toEqual(bytes);
});

test('what makes no sense is refused before anything is sent', async () => {
  await expectCodeAsync('INVALID_ARGUMENT', store.put(small, { condition: { ifNoneMatch: '*' } }));
  await expectCodeAsync('INVALID_URI', store.put(small, { name: 'store://photos' }));
  await expectCodeAsync('INVALID_URI', store.put(small, { name: 'photos/a' }));
  await expectCodeAsync('NOT_FOUND', store.put(small, { name: 'store://nowhere/a' }));
  const both = { ifMatch: '*', ifNoneMatch: '*' } as const;
  await expectCodeAsync('INVALID_ARGUMENT', put('x', small, { condition: both }));
  await expectCodeAsync('INVALID_ARGUMENT', put('x', small, { condition: { ifMatch: 'etag' } }));
  await expectCodeAsync('CONDITION_FAILED', put('x', small, { condition: { ifMatch: '*' } }));
  await expectCodeAsync('INVALID_ARGUMENT', store.move('store://photos/x', 'store://photos/x'));
  await expectCodeAsync('NOT_FOUND', store.move('store://photos/x', 'store://photos/y'));
  await expectCodeAsync('NOT_FOUND', store.remove('store://photos/x'));
});

test('the example of the documentation runs as it stands', async () => {
  const [example, ...others] = examplesOf(clientPage).filter(isOfNames);
  expect(others).toEqual([]);
  const library = { createStore: () => createStore({ home: network.home }), StoreError, NameConflict };
  const lines = await runExample(example!, library);
  expect(lines).toEqual([
    ['hello'],
    ['somebody was faster'],
    [['store://notes/2024/a'], ['store://notes/2024/sub/']],
    ['deleted'],
  ]);
});

test('when most validators are silent, names are still read, and the reader hears that they may be old', async () => {
  const { name } = await put('kept');
  const silent = network.nodes.slice(0, 2).map(({ pid }) => pid);
  const notices: NoticeEvent[] = [];
  const onNotice = (notice: NoticeEvent): number => notices.push(notice);
  for (const pid of silent) process.kill(pid, 'SIGSTOP');
  try {
    expect((await store.statName(name.uri, { onNotice })).etag).toBe(name.etag);
    expect(notices.map(({ kind }) => kind)).toContain('chain-behind');
    expect(await (await store.get(name.uri)).bytes()).toEqual(small);
  } finally {
    for (const pid of silent) process.kill(pid, 'SIGCONT');
  }
  await expect.poll(async () => bytesOf(name.uri, other), { timeout: 30_000 }).toEqual(small);
});
