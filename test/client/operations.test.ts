// What the operations say: of objects that are gone, wrong keys, foreign networks, owners, and of the network itself.

import { afterEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import type { ErrorCode } from '../../src/base/errors.ts';
import { parseUri } from '../../src/client/uri.ts';
import { SERVICES } from '../../src/replication/messages.ts';
import { createMemoryHub } from '../../src/runtime/memory-network.ts';
import { servesWrongBytes } from '../adversaries/lying-holder.ts';
import { failsAtFirst, refuses } from '../adversaries/refusing-holder.ts';
import { isDead, isSilent } from '../adversaries/silent-holder.ts';
import {
  type Cluster,
  type ClusterNode,
  createCluster,
  fastClock,
  patterned,
  type TestClient,
} from '../helpers/cluster.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';

const segmentBytes = 1024 * 1024;
const code = { k: 2, n: 4 };
const bytes = patterned(1_200_000);

let cluster: Cluster;
let client: TestClient;
const start = async (nodes = 5): Promise<void> => {
  cluster = await createCluster({ nodes });
  client = await cluster.client();
};
const put = async (): Promise<string> => {
  const result = await client.put(bytes, { code, segmentBytes });
  await result.complete;
  return result.uri;
};
afterEach(() => cluster.close());

/** Copies of the record that a URI names, which is the manifest and none of its pages. */
const copiesOf = (uri: string): ClusterNode[] => {
  const key = `72${toHex(parseUri(uri, cluster.network).digest)}`;
  return cluster.nodes.filter(({ entries }) => entries.has(key));
};

describe('get of', () => {
  test('an object that nobody has is NOT_FOUND, and says how many answered', async () => {
    await start();
    const uri = await put();
    for (const { entries } of cluster.nodes) entries.clear();
    isDead(cluster.nodes[0]!.memory);
    const error = await expectCodeAsync('NOT_FOUND', client.get(uri));
    expect(error.message).toContain('4 of 5 nodes answered');
    expect(error.next).toBeDefined();
  });

  test('a network where nobody answers is UNREACHABLE', async () => {
    await start();
    const uri = await put();
    for (const { memory } of cluster.nodes) isDead(memory);
    await expectCodeAsync('UNREACHABLE', client.get(uri));
    for (const { memory } of cluster.nodes) {
      memory.faults.isDead = false;
      isSilent(memory);
    }
    await expectCodeAsync('UNREACHABLE', client.get(uri));
  });

  test('a manifest that everybody forges is INTEGRITY; one honest copy is enough', async () => {
    await start();
    const uri = await put();
    for (const { memory } of cluster.nodes) servesWrongBytes(memory);
    await expectCodeAsync('INTEGRITY', client.get(uri));
    copiesOf(uri)[0]!.memory.faults.lie = undefined;
    expect((await client.get(uri)).sizeBytes).toBe(bytes.length);
  });

  for (const failure of ['UNREACHABLE', 'TIMEOUT', 'BUSY', 'PROTOCOL', 'CLOSED'] satisfies ErrorCode[]) {
    test(`a manifest whose last copy answers ${failure} in passing is found all the same`, async () => {
      await start();
      const uri = await put();
      const [kept, ...others] = copiesOf(uri);
      for (const { entries } of others) entries.clear();
      failsAtFirst(kept!.memory, failure, 1, SERVICES.getRecord);
      expect((await client.get(uri)).sizeBytes).toBe(bytes.length);
    });
  }

  test('a manifest whose copies are with nodes that do not answer is UNREACHABLE, not NOT_FOUND', async () => {
    await start(9);
    const uri = await put();
    const holders = copiesOf(uri);
    for (const { memory } of holders) refuses(memory, 'BUSY', SERVICES.getRecord);
    const error = await expectCodeAsync('UNREACHABLE', client.get(uri));
    expect(error.message).toContain(`only ${9 - holders.length} of 9 nodes answered`);
    for (const { memory } of holders) isDead(memory);
    await expectCodeAsync('UNREACHABLE', client.get(uri));
  });

  test('a truncated manifest is not taken', async () => {
    await start();
    const uri = await put();
    for (const { memory } of cluster.nodes) {
      memory.faults.lie = (service, reply) =>
        service === SERVICES.getRecord ? { ...reply, body: reply.body.subarray(0, 40) } : reply;
    }
    await expectCodeAsync('INTEGRITY', client.get(uri));
  });

  test('a record that is no manifest is INTEGRITY', async () => {
    await start();
    await put();
    const page = cluster.nodes
      .flatMap(({ entries }) => [...entries])
      .find(([key, { payload }]) => key.startsWith('72') && payload[0] === 0x85);
    const { formatUri } = await import('../../src/client/uri.ts');
    const digest = new Uint8Array(Buffer.from(page![0].slice(2), 'hex'));
    await expectCodeAsync('INTEGRITY', client.get(formatUri(digest as never, cluster.network, undefined)));
  });

  test('a silent majority does not hold up the manifest', async () => {
    await start(9);
    const { uri, complete } = await client.put('small enough for the manifest');
    await complete;
    const holders = copiesOf(uri);
    for (const { memory } of holders.slice(1)) isSilent(memory);
    for (const { memory } of cluster.nodes.filter((node) => !holders.includes(node))) isSilent(memory);
    expect((await client.stat(uri)).sizeBytes).toBe(29);
  });

  test('an encrypted object without its key, or with another, is WRONG_KEY before a piece is fetched', async () => {
    await start();
    const uri = await put();
    const other = (await client.put(bytes, { code, segmentBytes })).uri;
    const calls = (): number =>
      cluster.nodes.reduce((sum, { memory }) => sum + (memory.callsServed.get(SERVICES.getPiece) ?? 0), 0);
    const before = calls();
    await expectCodeAsync('WRONG_KEY', client.get(uri.split('.')[0]!));
    await expectCodeAsync('WRONG_KEY', client.get(`${uri.split('.')[0]}.${other.split('.')[1]}`));
    expect(calls()).toBe(before);
    expect((await client.stat(uri.split('.')[0]!)).isPublic).toBe(false);
  });

  test('an object of another network is WRONG_NETWORK; what is no URI is INVALID_URI', async () => {
    await start();
    const uri = await put();
    await expectCodeAsync('WRONG_NETWORK', client.get(uri.replace(/#[0-9a-f]{8}/, '#00000000')));
    for (const text of ['', 'store://', 'file:///etc/passwd'])
      await expectCodeAsync('INVALID_URI', client.get(text));
    await expectCodeAsync('INVALID_URI', client.stat('x'));
    await expectCodeAsync('INVALID_URI', client.remove('x'));
  });
});

test('a client of another network is told so by the nodes', async () => {
  const clock = fastClock(20);
  const hub = createMemoryHub({ clock });
  cluster = await createCluster({ nodes: 3, hub });
  const foreign = await createCluster({ nodes: 3, hub, name: 'foreign' });
  try {
    const lost = await foreign.client({ bootstrap: cluster.nodes.map(({ memory }) => memory.address) });
    await expectCodeAsync('WRONG_NETWORK', lost.network());
  } finally {
    await foreign.close();
  }
});

describe('stat', () => {
  test('says what the manifest says, and that its certificates hold', async () => {
    await start();
    const stat = await client.stat(await put());
    expect(stat).toMatchObject({
      sizeBytes: bytes.length,
      code,
      segments: 2,
      isPublic: false,
      isTrial: false,
      isCertified: true,
      fewestPieces: undefined,
      manifestCopies: undefined,
      missingHolders: [],
    });
  });

  test('with check counts what is alive and names who is missing', async () => {
    await start();
    const uri = await put();
    expect(await client.stat(uri, { check: true })).toMatchObject({
      fewestPieces: 4,
      manifestCopies: 3,
      missingHolders: [],
    });
    const holder = cluster.nodes.find(({ entries }) =>
      [...entries.keys()].some((key) => key.startsWith('70')),
    )!;
    isDead(holder.memory);
    const stat = await client.stat(uri, { check: true });
    expect(stat.fewestPieces).toBe(3);
    expect(stat.missingHolders).toEqual([holder.hex]);
  });

  test('of an inline object has no segments', async () => {
    await start();
    const { uri } = await client.put('small', { isPublic: true });
    expect(await client.stat(uri, { check: true })).toMatchObject({
      sizeBytes: 5,
      segments: 0,
      isPublic: true,
      isCertified: true,
      fewestPieces: undefined,
    });
  });
});

describe('remove', () => {
  test('drops every piece and record of the object, of this one alone', async () => {
    await start();
    const kept = await put();
    const before = cluster.nodes.map(({ entries }) => entries.size);
    const uri = await put();
    const result = await client.remove(uri);
    expect(result.nodes).toBe(5);
    expect(result.unreachable).toEqual([]);
    expect(result.removedEntries).toBeGreaterThanOrEqual(8);
    expect(cluster.nodes.map(({ entries }) => entries.size)).toEqual(before);
    await expectCodeAsync('NOT_FOUND', client.get(uri));
    expect((await (await client.get(kept)).bytes()).length).toBe(bytes.length);
  });

  test('names the nodes that could not be asked', async () => {
    await start();
    const uri = await put();
    refuses(cluster.nodes[1]!.memory, 'INTERNAL', SERVICES.removeObject);
    const result = await client.remove(uri);
    expect(result).toMatchObject({ nodes: 4, unreachable: [cluster.nodes[1]!.hex] });
  });

  test('is UNAUTHORIZED for a home that does not own the object, with or without a key of its own', async () => {
    await start();
    const uri = await put();
    const stranger = await cluster.client();
    await expectCodeAsync('UNAUTHORIZED', stranger.remove(uri));
    await stranger.put('mine');
    await expectCodeAsync('UNAUTHORIZED', stranger.remove(uri));
    expect((await (await client.get(uri)).bytes()).length).toBe(bytes.length);
  });
});

describe('network', () => {
  test('lists the members, and with a probe what each says', async () => {
    await start();
    const plain = await client.network();
    expect(plain).toMatchObject({
      network: Buffer.from(cluster.network).toString('hex'),
      name: 'test',
      epoch: 0,
      operators: 5,
    });
    expect(plain.members.length).toBe(5);
    expect(plain.members[0]!.addresses.length).toBe(1);
    expect(plain.members[0]!.status).toBeUndefined();
    isDead(cluster.nodes[2]!.memory);
    const probed = await client.network({ probe: true });
    for (const member of probed.members) {
      const isGone = member.node === cluster.nodes[2]!.hex;
      expect(member.isReachable).toBe(!isGone);
      expect(member.error?.code).toBe(isGone ? 'UNREACHABLE' : undefined);
      expect(member.status?.logState).toBe(isGone ? undefined : 'writable');
    }
  });
});
