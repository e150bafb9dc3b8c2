// How objects are, as the chain proves it: what silence, loss and departure make of them, and what is told of the holders.

import { afterEach, expect, test } from 'vitest';
import { fromHex, toHex } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import type { ObjectHealth } from '../../../src/client/care/types.ts';
import { nodeWithKey } from '../../../src/shards/node.ts';
import { putStanding, type Standing, standingOf } from '../../../src/shards/standing.ts';
import { type Cluster, createCluster, patterned, type TestClient } from '../../helpers/cluster.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';

let cluster: Cluster;
let client: TestClient;
afterEach(() => cluster.close());

const start = async (): Promise<void> => {
  cluster = await createCluster({ nodes: 8 });
  client = await cluster.client();
};

const put = async (length: number, code = { k: 3, n: 7 }): Promise<string> => {
  const result = await client.put(patterned(length), { code, segmentBytes: 1024 * 1024 });
  expect(await result.registered).toBe(true);
  return result.uri;
};

/** Writes what audits would have found of a node. */
const judge = (node: string, change: Partial<Standing>): void =>
  cluster.chain.write((state) => {
    const { registration } = nodeWithKey(state, fromHex(node) as NodeId)!;
    putStanding(state, registration, { ...standingOf(state, registration), ...change });
  });

const holdersOf = ({ holders }: ObjectHealth): readonly string[] =>
  holders.filter(({ pieces }) => pieces > 0).map(({ node }) => node);

test('an object of which everybody shows everything is whole, segment by segment', async () => {
  await start();
  const uri = await put(2_500_000);
  const health = await client.care.health(uri);
  expect(health).toMatchObject({
    state: 'whole',
    margin: 4,
    segmentCount: 3,
    registered: 3,
    sizeBytes: 2_500_000,
  });
  expect(
    health.segments.map(({ index, state, alive, answering }) => [index, state, alive, answering]),
  ).toEqual([0, 1, 2].map((index) => [index, 'whole', 7, 7]));
  expect(health.holders.reduce((sum, { pieces }) => sum + pieces, 0)).toBe(21);
  expect(health.risks).toEqual([]);
  expect(health.model.lossBeforeRepair).toBe(0);
  expect(health.model.yearlyLoss).toBeGreaterThan(2.9 * health.model.yearlyLossOfSegment);
});

test('silence lowers the margin and loses nothing; what the chain calls lost is missing, and to be made again', async () => {
  await start();
  const uri = await put(10_240);
  const [silent, lost, third] = holdersOf(await client.care.health(uri));
  judge(silent!, { silentRounds: 3, round: 9, provenHeight: 5 });
  const quiet = await client.care.health(uri);
  expect(quiet).toMatchObject({ state: 'reduced', margin: 3 });
  expect(quiet.segments[0]).toMatchObject({ alive: 7, answering: 6, missing: [] });
  expect(quiet.holders.find(({ node }) => node === silent)).toMatchObject({
    standing: 'suspended',
    silentRounds: 3,
    provenHeight: 5,
  });
  judge(lost!, { silentRounds: 24 });
  const worse = await client.care.health(uri);
  expect(worse).toMatchObject({ state: 'repair', margin: 2 });
  expect(worse.segments[0]!.missing).toHaveLength(1);
  judge(third!, { silentRounds: 24 });
  expect(await client.care.health(uri)).toMatchObject({ state: 'urgent', margin: 1 });
});

test('a segment with fewer pieces than it takes is lost, whatever the others are', async () => {
  await start();
  const uri = await put(10_240);
  for (const node of holdersOf(await client.care.health(uri)).slice(0, 5)) judge(node, { silentRounds: 24 });
  const health = await client.care.health(uri);
  expect(health).toMatchObject({ state: 'lost', counts: { lost: 1 } });
  expect(health.margin).toBe(-1);
  expect(health.model.lossBeforeRepair).toBe(1);
});

test('a holder that is no member any more holds nothing', async () => {
  await start();
  const uri = await put(10_240);
  const [gone] = holdersOf(await client.care.health(uri));
  cluster.chain.nextEpoch(cluster.epoch.members.filter(({ node }) => toHex(node) !== gone));
  const health = await client.care.health(uri);
  expect(health.segments[0]).toMatchObject({ alive: 6, state: 'repair' });
  expect(health.holders.find(({ node }) => node === gone)).toMatchObject({
    standing: 'gone',
    operator: null,
  });
});

test('what lies in its manifest is as safe as its copies', async () => {
  await start();
  const uri = await put(100);
  const health = await client.care.health(uri);
  expect(health).toMatchObject({ segmentCount: 0, segments: [], state: 'whole' });
  expect(health.margin).toBe(health.manifest.pieces - 1);
  judge(health.holders[0]!.node, { silentRounds: 24 });
  expect((await client.care.health(uri)).state).not.toBe('whole');
});

test('the model follows what is assumed', async () => {
  await start();
  const uri = await put(10_240);
  const loss = { share: 0.01, periodYears: 1 };
  const calm = (await client.care.health(uri, { loss, repairHours: 4 })).model;
  const wild = (await client.care.health(uri, { repairHours: 400 })).model;
  expect(calm).toMatchObject({ repairHours: 4, repairAt: 6 });
  expect(calm.yearlyLoss).toBeLessThan(wild.yearlyLoss);
});

test('an object is found by its id too; one that the chain does not know is NOT_FOUND', async () => {
  await start();
  const { object } = await client.care.health(await put(10_240));
  expect((await client.care.health(object)).object).toBe(object);
  expect(await client.care.owned()).toEqual([{ object, uri: undefined }]);
  await expectCodeAsync('NOT_FOUND', client.care.health('ab'.repeat(32)));
  await expectCodeAsync('INVALID_URI', client.care.health('photo.jpg'));
});
