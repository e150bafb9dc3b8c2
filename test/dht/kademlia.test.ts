// A DHT of real nodes on loopback, and one that keeps and says anything.

import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toUtf8 } from '../../src/base/bytes.ts';
import type { Digest, Epoch, NetworkId, NodeId, ShardId } from '../../src/base/ids.ts';
import { type DhtRecord, keyOf, nodeKey, objectKey, shardKey, signRecord } from '../../src/dht/record.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createHost, type Host } from '../../src/runtime/control/host.ts';
import { dhtProtocol } from '../../src/runtime/control/protocols.ts';
import { ephemeralIdentity, type Identity } from '../../src/runtime/identity.ts';
import { createNetwork, type NodeNetwork } from '../../src/runtime/network.ts';
import { codeOf } from '../suites/network.ts';

const NODES = 7;
const networkId = new Uint8Array(32).fill(0x77) as NetworkId;
const identities = Array.from({ length: NODES }, () => ephemeralIdentity());
const stranger = ephemeralIdentity();
const members = new Set(identities.map((identity) => identity.nodeId.join()));
const liar = ephemeralIdentity();

let nodes: NodeNetwork[];
let hostile: { host: Host; dht: KadDHT };

beforeAll(async () => {
  nodes = await Promise.all(identities.map(startNode));
  hostile = await startHostile(liar);
  for (const node of nodes.slice(1)) await node.connect(nodes[0]!.addresses().control[0]!);
  await hostile.host.connectionAt(nodes[0]!.addresses().control[0]!, AbortSignal.timeout(5000));
  await until(() => nodes.every((node) => node.networkStatus().dhtTableSize >= NODES - 1));
});
afterAll(async () => {
  await Promise.all([...nodes.map((node) => node.close()), hostile.host.stop()]);
});

describe('the DHT', () => {
  test('gives any node the record that another one published', async () => {
    const record = nodeRecordOf(1);
    await nodes[1]!.directory.publish(keyOf(record), signedBy(1, record));
    for (const reader of [0, 4, 6]) {
      expect(await nodes[reader]!.directory.find(keyOf(record))).toEqual(signedBy(1, record));
    }
    expect(await nodes[2]!.directory.find(nodeKey(stranger.nodeId))).toBeUndefined();
  });

  test('finds the servers of a shard by asking for each member', async () => {
    for (const index of [2, 3]) {
      const record = shardRecordOf(index, 9);
      await nodes[index]!.directory.publish(keyOf(record), signedBy(index, record));
    }
    const found = await Promise.all(
      identities.map(({ nodeId }) => nodes[5]!.directory.find(shardKey(9 as ShardId, nodeId))),
    );
    expect(found.map((record) => record !== undefined)).toEqual([
      false,
      false,
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  test('replaces a record by a newer one, and never by an older one', async () => {
    const [older, newer] = [nodeRecordOf(4, { sequence: 1 }), nodeRecordOf(4, { sequence: 2 })];
    await nodes[4]!.directory.publish(keyOf(older), signedBy(4, older));
    await nodes[4]!.directory.publish(keyOf(newer), signedBy(4, newer));
    expect(await tryToStore(keyOf(older), signedBy(4, older))).toBe(0);
    expect(await nodes[0]!.directory.find(keyOf(older))).toEqual(signedBy(4, newer));
  });

  test('refuses to publish what nobody would keep', async () => {
    const record = nodeRecordOf(1);
    const forged = signedBy(1, record);
    forged[forged.length - 1]! ^= 1;
    expect(await codeOf(nodes[1]!.directory.publish(keyOf(record), forged))).toBe('INVALID_SIGNATURE');
    expect(await codeOf(nodes[1]!.directory.publish(toUtf8('/other/key'), forged))).toBe('PROTOCOL');
  });

  const bad: Record<string, () => { key: Uint8Array; bytes: Uint8Array }> = {
    forged: () => {
      const record = objectRecordOf(2, 0x01);
      const bytes = signRecord(record, identities[2]!.signer);
      bytes[bytes.length - 5]! ^= 0x40;
      return { key: keyOf(record), bytes };
    },
    expired: () => signedPair(2, { ...objectRecordOf(2, 0x02), expiresAtMs: Date.now() - 1 }),
    'of another network': () =>
      signedPair(2, { ...objectRecordOf(2, 0x03), network: new Uint8Array(32) as NetworkId }),
    'of a stranger': () => {
      const record: DhtRecord = { ...objectRecordOf(2, 0x04), node: stranger.nodeId };
      return { key: keyOf(record), bytes: signRecord(record, stranger.signer) };
    },
    'under another key': () => ({
      key: objectKey(new Uint8Array(32).fill(0x05) as Digest),
      bytes: signedPair(2, objectRecordOf(2, 0x06)).bytes,
    }),
    'of no kind of ours': () => ({ key: toUtf8('/pk/anything-at-all'), bytes: new Uint8Array(40) }),
  };

  test.each(Object.keys(bad))('a record that is %s is refused on store and on read', async (name) => {
    const { key, bytes } = bad[name]!();
    const before = nodes.map((node) => node.networkStatus().dhtRecordCount);
    expect(await tryToStore(key, bytes)).toBe(0);
    expect(nodes.map((node) => node.networkStatus().dhtRecordCount)).toEqual(before);
    // The hostile node keeps it and gives it to whoever asks.
    expect(await nodes[3]!.directory.find(key).catch(() => undefined)).toBeUndefined();
  });

  test('an honest record is found although a node in the table lies about its key', async () => {
    const honest = signedPair(5, objectRecordOf(5, 0x10));
    await tryToStore(honest.key, new Uint8Array(100).fill(0xff));
    await nodes[5]!.directory.publish(honest.key, honest.bytes);
    expect(await nodes[6]!.directory.find(honest.key)).toEqual(honest.bytes);
  });

  test('keeps no provider records', async () => {
    const { CID } = await import('multiformats/cid');
    const { sha256 } = await import('multiformats/hashes/sha2');
    const cid = CID.createV1(0x55, await sha256.digest(toUtf8('x')));
    const before = nodes.map((node) => node.networkStatus().dhtRecordCount);
    for await (const _event of hostile.dht.provide(cid, { signal: AbortSignal.timeout(5000) }));
    expect(nodes.map((node) => node.networkStatus().dhtRecordCount)).toEqual(before);
  });

  test('still finds records after nodes died, and forgets the dead', async () => {
    const record = shardRecordOf(6, 12);
    await nodes[6]!.directory.publish(keyOf(record), signedBy(6, record));
    await Promise.all([nodes[1]!.close(), nodes[2]!.close(), nodes[6]!.close(), hostile.host.stop()]);
    await until(() => [0, 3, 4, 5].every((index) => nodes[index]!.networkStatus().dhtTableSize <= 4));
    for (const reader of [0, 3, 4, 5]) {
      expect(await nodes[reader]!.directory.find(keyOf(record))).toEqual(signedBy(6, record));
    }
  });
});

test('a node that is alone keeps and finds its own record at once', async () => {
  const alone = await startNode(identities[0]!);
  try {
    const record = nodeRecordOf(0);
    await alone.directory.publish(keyOf(record), signedBy(0, record));
    expect(await alone.directory.find(keyOf(record))).toEqual(signedBy(0, record));
    expect(await alone.directory.find(nodeKey(stranger.nodeId))).toBeUndefined();
  } finally {
    await alone.close();
  }
});

function startNode(identity: Identity): Promise<NodeNetwork> {
  return createNetwork({
    identity,
    networkId,
    clock: systemClock,
    controlListen: ['/ip4/127.0.0.1/tcp/0'],
    isMember: (node) => members.has(node.join()),
  });
}

/** A node whose DHT takes, keeps and gives out whatever it is told. */
async function startHostile(identity: Identity): Promise<{ host: Host; dht: KadDHT }> {
  const anything = { 'hf-node': () => undefined, 'hf-shard': () => undefined, 'hf-object': () => undefined };
  const create = kadDHT({
    protocol: dhtProtocol(networkId),
    clientMode: false,
    peerInfoMapper: passthroughMapper,
    validators: { ...anything, pk: () => undefined },
    selectors: { 'hf-node': () => 0, 'hf-shard': () => 0, 'hf-object': () => 0 },
  });
  const host = await createHost({
    identity,
    networkId,
    clock: systemClock,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    services: { dht: (components) => create(components as unknown as Parameters<typeof create>[0]) },
  });
  return { host: host as unknown as Host, dht: host.libp2p.services['dht'] as KadDHT };
}

/** How many honest nodes take a record that the hostile node hands to everybody it knows. */
async function tryToStore(key: Uint8Array, bytes: Uint8Array): Promise<number> {
  let takers = 0;
  for await (const event of hostile.dht.put(key, bytes, { signal: AbortSignal.timeout(8000) })) {
    if (event.name === 'PEER_RESPONSE' && event.messageName === 'PUT_VALUE') takers += 1;
  }
  return takers;
}

function stamp(index: number) {
  return {
    network: networkId,
    node: identities[index]!.nodeId as NodeId,
    sequence: 5,
    expiresAtMs: Math.ceil(Date.now() / 3_600_000) * 3_600_000 + 3_600_000,
  };
}

function nodeRecordOf(index: number, changes: { sequence?: number } = {}): DhtRecord {
  return {
    kind: 'node',
    ...stamp(index),
    addresses: { control: ['/ip4/127.0.0.1/tcp/1'], bulk: [] },
    ...changes,
  };
}

function shardRecordOf(index: number, shard: number): DhtRecord {
  return { kind: 'shard', ...stamp(index), shard: shard as ShardId, epoch: 1 as Epoch };
}

function objectRecordOf(index: number, fill: number): DhtRecord {
  return { kind: 'object', ...stamp(index), object: new Uint8Array(32).fill(fill) as Digest };
}

function signedBy(index: number, record: DhtRecord): Uint8Array {
  return signRecord(record, identities[index]!.signer);
}

function signedPair(index: number, record: DhtRecord): { key: Uint8Array; bytes: Uint8Array } {
  return { key: keyOf(record), bytes: signedBy(index, record) };
}

async function until(condition: () => boolean): Promise<void> {
  for (let attempt = 0; !condition(); attempt++) {
    if (attempt > 300) throw new Error('the nodes did not get there in 30 s');
    await systemClock.sleep(100);
  }
}
