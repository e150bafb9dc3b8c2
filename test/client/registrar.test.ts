// Objects without a name come onto the chain: at once where it goes on, later where it does not, and they go from it when they are removed.

import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { equal } from '../../src/base/bytes.ts';
import { REGISTER_WITHIN_MS } from '../../src/base/limits.ts';
import { ownedObjects } from '../../src/client/owned-objects.ts';
import { keepRegistration, pendingRegistrations } from '../../src/client/registrations.ts';
import type { NoticeEvent, PutResult, Store } from '../../src/client/types.ts';
import { parseUri } from '../../src/client/uri.ts';
import { SERVICES } from '../../src/replication/messages.ts';
import { objectOf, type ObjectRecord, segmentsOf } from '../../src/shards/object-record.ts';
import { type Cluster, createCluster, patterned, type TestClient } from '../helpers/cluster.ts';

let cluster: Cluster;
let client: TestClient;
const start = async (): Promise<void> => {
  cluster = await createCluster({ nodes: 5 });
  client = await cluster.client({ timing: { registerMs: 4_000 } });
};
afterEach(() => cluster.close());

const objects = () => ownedObjects(client.home, cluster.network);
const waiting = async (): Promise<number> =>
  (await readdir(join(client.home, 'registrations')).catch(() => [])).length;
/** What the chain has of the last object that was put. */
const recordOf = async (put: PutResult, store: Store = client): Promise<ObjectRecord | undefined> => {
  const chain = await store.chain();
  for (const object of await objects()) {
    const { value } = await chain.read((state) => objectOf(state, object));
    if (value !== undefined && equal(value.manifest.digest, parseUri(put.uri, cluster.network).digest))
      return value;
  }
  return undefined;
};

test('a put without a name is on the chain when it says that it is done, whatever its length', async () => {
  await start();
  for (const length of [0, 5, 10_240, 2_500_000]) {
    const put = await client.put(patterned(length), { code: { k: 2, n: 4 }, segmentBytes: 1024 * 1024 });
    expect(await put.registered).toBe(true);
    const record = await recordOf(put);
    expect(record?.shape.lengthBytes).toBe(length);
    expect(record?.registered).toBe(put.segments);
  }
  expect(await waiting()).toBe(0);
});

test('what is registered says who holds each piece', async () => {
  await start();
  const put = await client.put(patterned(100_000), { code: { k: 2, n: 4 } });
  await put.registered;
  const [object] = await objects();
  const { value } = await (await client.chain()).read((state) => segmentsOf(state, object!, 0));
  expect(value[0]!.holders).toHaveLength(4);
});

test('while the chain stands still a put succeeds and says so, and the next program of the home goes on', async () => {
  await start();
  cluster.chain.isHalted = true;
  const notices: NoticeEvent[] = [];
  const put = await client.put(patterned(10_240), { onNotice: (notice) => notices.push(notice) });
  expect(await put.registered).toBe(false);
  expect(notices.map(({ kind }) => kind)).toEqual(['not-registered']);
  expect(await (await client.get(put.uri)).bytes()).toEqual(patterned(10_240));
  expect([await waiting(), (await objects()).length]).toEqual([1, 0]);
  // Who has waited does not wait as long again at once.
  expect(await client.finishRegistrations()).toEqual({ registered: 0, waiting: 1 });
  cluster.chain.isHalted = false;
  const next = await cluster.client({ home: client.home });
  expect(await next.finishRegistrations()).toEqual({ registered: 1, waiting: 0 });
  expect((await recordOf(put, next))?.shape.lengthBytes).toBe(10_240);
  expect(await next.finishRegistrations()).toEqual({ registered: 0, waiting: 0 });
  expect(await waiting()).toBe(0);
});

test('a program that ends at once leaves a note, with which a large object is registered from its manifest', async () => {
  await start();
  cluster.chain.isHalted = true;
  const put = await client.put(patterned(2_500_000), { segmentBytes: 1024 * 1024 });
  await client.close();
  expect(await put.registered).toBe(false);
  cluster.chain.isHalted = false;
  const next = await cluster.client({ home: client.home });
  expect(await next.finishRegistrations()).toEqual({ registered: 1, waiting: 0 });
  expect((await recordOf(put, next))?.registered).toBe(3);
});

test('a note that a crash tore, and one of an object that is gone, are no obstacle', async () => {
  await start();
  cluster.chain.isHalted = true;
  await (await client.put(patterned(10_240))).registered;
  await writeFile(join(client.home, 'registrations', 'ab'.repeat(32)), new Uint8Array([1, 2, 3]));
  for (const { entries } of cluster.nodes) entries.clear();
  cluster.chain.isHalted = false;
  const next = await cluster.client({ home: client.home });
  const messages: string[] = [];
  const onNotice = ({ message }: NoticeEvent): number => messages.push(message);
  expect(await next.finishRegistrations({ onNotice })).toEqual({ registered: 0, waiting: 0 });
  expect(messages).toEqual([expect.stringMatching(/^object bafy\w+ went before the chain had it/)]);
  expect(await waiting()).toBe(0);
});

test('what was put so long ago that nodes take it away is not registered any more, and its owner is told', async () => {
  await start();
  cluster.chain.isHalted = true;
  await (await client.put(patterned(10_240))).registered;
  cluster.chain.isHalted = false;
  const [pending] = await pendingRegistrations(client.home);
  const createdAtMs = pending!.createdAtMs - REGISTER_WITHIN_MS - 1;
  await keepRegistration(client.home, { ...pending!, createdAtMs });
  const next = await cluster.client({ home: client.home });
  const notices: NoticeEvent[] = [];
  const onNotice = (notice: NoticeEvent): void => void notices.push(notice);
  expect(await next.finishRegistrations({ onNotice })).toEqual({ registered: 0, waiting: 0 });
  expect(notices.map(({ kind, message }) => `${kind}: ${message}`).join()).toContain('put them again');
  expect([await waiting(), (await objects()).length]).toEqual([0, 0]);
});

test('an object that is removed goes from the chain before its pieces go', async () => {
  await start();
  const put = await client.put(patterned(100_000), { code: { k: 2, n: 4 } });
  await put.registered;
  await put.complete;
  const [object] = await objects();
  const chain = await client.chain();
  let wasKnown: boolean | undefined;
  for (const { memory } of cluster.nodes) {
    memory.faults.lie = (service, reply) => {
      if (service === SERVICES.removeObject)
        wasKnown ??= cluster.chain.write((state) => objectOf(state, object!) !== undefined);
      return reply;
    };
  }
  expect((await client.remove(put.uri)).unreachable).toEqual([]);
  expect(wasKnown).toBe(false);
  expect((await chain.read((state) => objectOf(state, object!))).value).toBeUndefined();
  expect(await objects()).toEqual([]);
});

test('an object that waits for the chain can be removed, and nothing is left to do for it', async () => {
  await start();
  cluster.chain.isHalted = true;
  const put = await client.put(patterned(10_240));
  await put.registered;
  await client.remove(put.uri);
  expect(await waiting()).toBe(0);
});
