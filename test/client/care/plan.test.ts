// What would be if a node went: what there is to move, how near to the edge that is, and whether the others really make up for it.

import { afterEach, expect, test } from 'vitest';
import { fromHex, toHex } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { nodeWithKey } from '../../../src/shards/node.ts';
import { putStanding, type Standing, standingOf } from '../../../src/shards/standing.ts';
import { servesWrongBytes } from '../../adversaries/lying-holder.ts';
import { isDead } from '../../adversaries/silent-holder.ts';
import { type Cluster, createCluster, patterned, type TestClient } from '../../helpers/cluster.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';

let cluster: Cluster;
let client: TestClient;
afterEach(() => cluster.close());

const MIB = 1024 * 1024;
const start = async (): Promise<void> => {
  cluster = await createCluster({ nodes: 6 });
  client = await cluster.client();
};
const put = async (length: number): Promise<string> => {
  const result = await client.put(patterned(length), { code: { k: 2, n: 5 }, segmentBytes: MIB });
  await result.registered;
  await result.complete;
  return result.uri;
};
const holderOf = async (uri: string): Promise<string> =>
  (await client.care.health(uri)).holders.find(({ pieces }) => pieces > 0)!.node;
const judge = (node: string, change: Partial<Standing>): void =>
  cluster.chain.write((state) => {
    const { registration } = nodeWithKey(state, fromHex(node) as NodeId)!;
    putStanding(state, registration, { ...standingOf(state, registration), ...change });
  });

test('a plan says what the chain says a node holds, at the stated rate, and who could take it', async () => {
  await start();
  const node = await holderOf(await put(10_240));
  judge(node, { heldKib: 36 * 1024 * 1024 });
  const plan = await client.care.plan(node.slice(0, 8), { bytesPerSecond: 10 * MIB });
  expect(plan).toMatchObject({ node, standing: 'healthy', bytes: 36 * 1024 ** 3, takers: 5, operators: 5 });
  expect(plan.hours).toBeCloseTo((36 * 1024) / 10 / 3600, 6);
  expect(plan).toMatchObject({ ownPieces: 1, lowestMargin: 3, lowestMarginAtOnce: 2 });
});

test('the lowest margin is that of the segment that is worst off', async () => {
  await start();
  const uri = await put(10_240);
  const [node, other] = (await client.care.health(uri)).holders.filter(({ pieces }) => pieces > 0);
  judge(other!.node, { silentRounds: 3 });
  const plan = await client.care.plan(node!.node);
  expect(plan).toMatchObject({ lowestMargin: 2, lowestMarginAtOnce: 1, takers: 4 });
  // Who is silent already takes nothing more with it.
  expect(await client.care.plan(other!.node)).toMatchObject({ lowestMargin: 2, lowestMarginAtOnce: 2 });
});

test('of a node that holds nothing of ours there is nothing to say', async () => {
  await start();
  expect(await client.care.plan(cluster.nodes[0]!.hex)).toMatchObject({ ownPieces: 0, lowestMargin: null });
  await expectCodeAsync('NOT_FOUND', client.care.plan('ab'.repeat(32)));
  await expectCodeAsync('INVALID_ARGUMENT', client.care.plan(''));
});

test('a drill makes a sample again from others, and asks nothing of the node', async () => {
  await start();
  const uri = await put(3_000_000);
  const node = await holderOf(uri);
  isDead(cluster.node(node).memory);
  const before = cluster.nodes.map(({ entries }) => entries.size);
  const report = await client.care.drill(node, { sample: 2 });
  expect(report.pieces).toHaveLength(Math.min(2, report.held));
  expect(report.rebuilt).toBe(report.pieces.length);
  expect(report.fetchedBytes).toBe(2 * report.rebuiltBytes);
  expect(report.pieces.every(({ problem }) => problem === null)).toBe(true);
  expect(cluster.nodes.map(({ entries }) => entries.size)).toEqual(before);
});

test('a drill passes over liars, and says what cannot be made when too few are left', async () => {
  await start();
  const uri = await put(10_240);
  const node = await holderOf(uri);
  const others = (await client.care.health(uri)).holders.filter(
    (each) => each.pieces > 0 && each.node !== node,
  );
  servesWrongBytes(cluster.node(others[0]!.node).memory);
  expect((await client.care.drill(node)).rebuilt).toBe(1);
  for (const { node: other } of others.slice(1)) cluster.node(other).entries.clear();
  const report = await client.care.drill(node);
  expect(report).toMatchObject({ held: 1, rebuilt: 0 });
  expect(report.pieces[0]!.problem).toBe('0 of 2 other pieces could be had');
});

test('why pieces lie where they lie: ranks, shares and choices follow from placement', async () => {
  await start();
  const uri = await put(10_240);
  const before = await client.care.explain(uri);
  expect(before.members.map(({ rank }) => rank)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(before.members.map(({ choice }) => choice)).toEqual([...Array(5).fill('chosen'), 'spare']);
  expect(before).toMatchObject({ placedElsewhere: 0, segmentCount: 1, code: { k: 2, n: 5 } });
  expect(before.pieces.map(({ node, rank }) => before.members[rank! - 1]!.node === node)).toEqual(
    Array(5).fill(true),
  );
  const first = before.members[0]!.node;
  const members = cluster.epoch.members;
  cluster.chain.nextEpoch(
    members.map((each) => (toHex(each.node) === first ? { ...each, isSuspended: true } : each)),
  );
  const silent = await client.care.explain(uri);
  expect(silent.members.at(-1)).toMatchObject({ node: first, choice: 'suspended' });
  expect(silent.placedElsewhere).toBe(1);
  cluster.chain.nextEpoch(members.filter(({ node }) => toHex(node) !== first));
  const gone = await client.care.explain(uri);
  expect(gone.pieces.find(({ node }) => node === first)).toMatchObject({
    rank: null,
    standing: 'gone',
    isChosen: false,
  });
  await expectCodeAsync('NOT_FOUND', client.care.explain(uri, { segment: 1 }));
});

test('an object that lies in its manifest has no segment to explain', async () => {
  await start();
  await expectCodeAsync('NOT_FOUND', client.care.explain(await put(100)));
});
