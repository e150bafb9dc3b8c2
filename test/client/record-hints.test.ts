// A manifest whose only copy is with the member that comes last in order: how far a reader has to ask, with every kind of hint.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import type { Digest, NetworkId, NodeId } from '../../src/base/ids.ts';
import { recordOrder } from '../../src/client/records.ts';
import { parseUri } from '../../src/client/uri.ts';
import { objectKey, type ObjectRecord, signRecord } from '../../src/dht/record.ts';
import { SERVICES } from '../../src/replication/messages.ts';
import { refuses } from '../adversaries/refusing-holder.ts';
import { isSilent } from '../adversaries/silent-holder.ts';
import {
  type Cluster,
  type ClusterNode,
  createCluster,
  patterned,
  type TestClient,
} from '../helpers/cluster.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';
import { signerFrom } from '../helpers/records.ts';

const NODES = 60;
const TEXT = 'small enough to lie in the manifest itself';

let cluster: Cluster;
let client: TestClient;
let uri: string;
let digest: Digest;
/** All nodes as a reader asks them; the last one alone has the manifest. */
let order: ClusterNode[];

beforeEach(async () => {
  cluster = await createCluster({ nodes: NODES });
  client = await cluster.client();
  const result = await client.put(TEXT, { isPublic: true });
  await result.complete;
  ({ uri } = result);
  ({ digest } = parseUri(uri, cluster.network));
  order = recordOrder(cluster.epoch, digest).map(({ node }) => cluster.node(toHex(node)));
  const copy = order[0]!.entries;
  order.at(-1)!.entries.clear();
  for (const [key, entry] of copy) order.at(-1)!.entries.set(key, entry);
  for (const node of order.slice(0, -1)) node.entries.clear();
  await announced();
  cluster.published.clear();
});
afterEach(() => cluster.close());

/** Waits until the holders' own announcements are through, so that none comes when a test has set its own. */
async function announced(): Promise<void> {
  for (let waits = 0; cluster.published.size === 0; waits++) {
    if (waits > 500) throw new Error('the holders announced nothing');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
}

function served(service: string): number {
  return cluster.nodes.reduce((sum, { memory }) => sum + (memory.callsServed.get(service) ?? 0), 0);
}

/** Requests for the record that a reader needed. */
async function readCounting(): Promise<number> {
  const before = served(SERVICES.getRecord);
  const reader = await cluster.client();
  expect((await reader.stat(uri)).sizeBytes).toBe(TEXT.length);
  return served(SERVICES.getRecord) - before;
}

function publish(node: ClusterNode, changes: Partial<ObjectRecord> = {}, signer = node.signer): void {
  const record: ObjectRecord = {
    kind: 'object',
    network: cluster.network,
    node: signer.publicKey as NodeId,
    sequence: Date.now(),
    expiresAtMs: Date.now() + 3_600_000,
    object: digest,
    ...changes,
  };
  cluster.published.set(toHex(objectKey(digest)), signRecord(record, signer));
}

test('without a hint a reader asks everybody', async () => {
  expect(await readCounting()).toBe(NODES);
  expect(served(SERVICES.locateRecord)).toBeLessThanOrEqual(3);
});

test('with the right hint it asks the holder soon', async () => {
  publish(order.at(-1)!);
  // Four who should have it, those asked while the hint was under way, and the holder.
  expect(await readCounting()).toBeLessThan(NODES / 2);
});

test('with a false hint it asks everybody once, as without', async () => {
  publish(order[40]!);
  expect(await readCounting()).toBe(NODES);
});

test('hints that are forged, stale, foreign or rubbish are worth nothing, and hold nobody up', async () => {
  const holder = order.at(-1)!;
  const key = toHex(objectKey(digest));
  publish(holder, { expiresAtMs: Date.now() - 1 });
  expect(await readCounting()).toBe(NODES);
  publish(holder, { network: new Uint8Array(32).fill(9) as NetworkId });
  expect(await readCounting()).toBe(NODES);
  publish(holder, {}, signerFrom('a stranger'));
  expect(await readCounting()).toBe(NODES);
  publish(holder);
  cluster.published.get(key)![20]! ^= 1;
  expect(await readCounting()).toBe(NODES);
  cluster.published.set(key, patterned(200));
  expect(await readCounting()).toBe(NODES);
});

test('members that refuse the question for hints change nothing', async () => {
  publish(order.at(-1)!);
  for (const { memory } of cluster.nodes) refuses(memory, 'BUSY', SERVICES.locateRecord);
  expect(await readCounting()).toBe(NODES);
});

test('a hint to a node that does not answer leaves the others', async () => {
  publish(order[40]!);
  isSilent(order[40]!.memory);
  expect(await readCounting()).toBe(NODES - 1);
});

test('what nobody has is NOT_FOUND, whatever the hint says', async () => {
  publish(order[40]!);
  order.at(-1)!.entries.clear();
  const reader = await cluster.client();
  const error = await expectCodeAsync('NOT_FOUND', reader.stat(uri));
  expect(error.message).toContain(`${NODES} of ${NODES} nodes answered`);
});

test('for an object with a key nobody is asked for hints, and none is announced', async () => {
  const made = await client.put(TEXT);
  await made.complete;
  const key = parseUri(made.uri, cluster.network).digest;
  for (const { entries } of cluster.nodes) entries.delete(`72${toHex(key)}`);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const before = served(SERVICES.locateRecord);
  await expectCodeAsync('NOT_FOUND', (await cluster.client()).get(made.uri));
  expect(served(SERVICES.locateRecord)).toBe(before);
  expect(cluster.published.size).toBe(0);
});
