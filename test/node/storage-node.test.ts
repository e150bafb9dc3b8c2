import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toHex, toUtf8 } from '../../src/base/bytes.ts';
import { encode } from '../../src/base/codec.ts';
import { encodeEpoch, epochDigest, signEpoch, type SignedEpoch } from '../../src/base/epoch.ts';
import type { Epoch, NodeId } from '../../src/base/ids.ts';
import { admit } from '../../src/node/candidate.ts';
import { decodeGreeting, encodeGreeting, GREET_SERVICE } from '../../src/node/greeting.ts';
import { decodeMembersReply, SERVICES } from '../../src/replication/messages.ts';
import { signRecord } from '../../src/dht/record.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';
import { digestFrom, signerFrom } from '../helpers/records.ts';
import {
  addressOf,
  candidateNamed,
  genesisSigner,
  neighboursOf,
  openTestNetwork,
  type TestNetwork,
  until,
} from '../helpers/storage-nodes.ts';

let net: TestNetwork;
beforeEach(async () => {
  net = await openTestNetwork(['alice', 'bob', 'carol', 'dave']);
});
afterEach(() => net.close());

const idOf = (name: string): string => toHex(signerFrom(name).publicKey);

async function everybodyMeets(count: number): Promise<void> {
  await until('all neighbours', () => net.nodes.every((node) => neighboursOf(node).length === count));
}

/** The next record, with one more member or the same ones. */
function nextEpoch(current: SignedEpoch, ...names: string[]): SignedEpoch {
  const members = names.map((name) => admit(candidateNamed(name), systemRandom));
  const record = {
    ...current.record,
    epoch: (current.record.epoch + 1) as Epoch,
    previous: epochDigest(current.record),
    members: [...current.record.members, ...members],
  };
  return signEpoch(current.genesis, record, genesisSigner);
}

describe('members', () => {
  test('who know only the founder find each other, and tell clients where everybody is', async () => {
    await everybodyMeets(3);
    const client = net.hub.join(signerFrom('client').publicKey as NodeId, {
      network: net.epoch.record.network,
    });
    const peer = await client.connect(addressOf('dave'));
    const reply = await client.call(
      peer,
      SERVICES.members,
      { header: encode([]) },
      { maxBodyLength: 2 ** 22 },
    );
    expect(decodeMembersReply(reply.body).nodeRecords.length).toBe(4);
  });

  test('notice who is gone and who is back', async () => {
    await everybodyMeets(3);
    const [alice, bob] = net.nodes;
    bob!.memory.faults.isDead = true;
    await until('the loss', () => !neighboursOf(alice!).includes(idOf('bob')));
    expect(alice!.lines.some((line) => line.startsWith('warn neighbour is down'))).toBe(true);
    bob!.memory.faults.isDead = false;
    await everybodyMeets(3);
  });

  test('find the others again after a restart without the founder', async () => {
    await everybodyMeets(3);
    const dave = net.nodes[3]!;
    await dave.stop();
    await net.nodes[0]!.stop();
    const back = await net.start('dave', { keyValue: dave.keyValue, bootstrap: [] });
    await until('old acquaintances', () => neighboursOf(back).length === 2);
  });

  test('of another network are not taken for neighbours', async () => {
    const stranger = net.hub.join(signerFrom('stranger').publicKey as NodeId, {
      network: digestFrom('elsewhere'),
    });
    await expectCodeAsync('WRONG_NETWORK', stranger.connect(addressOf('alice')));
  });
});

describe('a new epoch record', () => {
  test('at one member is in force at all within moments, and survives their restart', async () => {
    await everybodyMeets(3);
    const next = nextEpoch(net.epoch, 'erin');
    await net.nodes[2]!.membership.offer(encodeEpoch(next));
    await until('the record everywhere', () =>
      net.nodes.every(({ membership }) => membership.current().record.epoch === 1),
    );
    const bob = net.nodes[1]!;
    await bob.stop();
    const back = await net.start('bob', { keyValue: bob.keyValue });
    expect(back.membership.current()).toEqual(next);
  });

  test('reaches a member that slept through it', async () => {
    await everybodyMeets(3);
    const dave = net.nodes[3]!;
    dave.memory.faults.isDead = true;
    await net.nodes[0]!.membership.offer(encodeEpoch(nextEpoch(net.epoch, 'erin')));
    await until('the record at the others', () =>
      net.nodes.slice(0, 3).every(({ membership }) => membership.current().record.epoch === 1),
    );
    expect(dave.membership.current().record.epoch).toBe(0);
    dave.memory.faults.isDead = false;
    await until('the record at the sleeper', () => dave.membership.current().record.epoch === 1);
  });

  test('comes back to a founder that lost everything, from members that it does not know', async () => {
    const small = await openTestNetwork(['alice']);
    try {
      const next = nextEpoch(small.epoch, 'bob');
      await small.nodes[0]!.membership.offer(encodeEpoch(next));
      await small.start('bob', { epoch: next });
      await until('acquaintance', () => neighboursOf(small.nodes[0]!).length === 1);
      await small.nodes[0]!.stop();
      const restored = await small.start('alice', { isFounder: true, epoch: small.epoch });
      await until('the record', () => restored.membership.current().record.epoch === 1);
      await until('acquaintance again', () => neighboursOf(restored).includes(idOf('bob')));
    } finally {
      await small.close();
    }
  });

  test('takes up who is new and forgets who left', async () => {
    await everybodyMeets(3);
    const withErin = nextEpoch(net.epoch, 'erin');
    await net.nodes[0]!.membership.offer(encodeEpoch(withErin));
    await net.start('erin', { epoch: withErin });
    await everybodyMeets(4);
    const members = withErin.record.members.filter(({ operator }) => operator !== 'bob');
    const record = { ...withErin.record, epoch: 2 as Epoch, previous: epochDigest(withErin.record), members };
    await net.nodes[0]!.membership.offer(encodeEpoch(signEpoch(net.epoch.genesis, record, genesisSigner)));
    await until('bob forgotten', () => !neighboursOf(net.nodes[0]!).includes(idOf('bob')));
    const bob = net.nodes[1]!;
    await until('bob told', () => !bob.node.status().isMember);
    expect(bob.lines.some((line) => line.includes('not a member of the network'))).toBe(true);
  });
});

describe('a node that the record does not name', () => {
  test('says so, serves what it has, and announces nothing', async () => {
    const erin = await net.start('erin');
    expect(erin.node.status().isMember).toBe(false);
    expect(erin.lines.some((line) => line.startsWith('warn this node is not a member'))).toBe(true);
    const client = net.hub.join(signerFrom('client').publicKey as NodeId, {
      network: net.epoch.record.network,
    });
    const peer = await client.connect(addressOf('erin'));
    const reply = await client.call(
      peer,
      SERVICES.members,
      { header: encode([]) },
      { maxBodyLength: 2 ** 22 },
    );
    expect(decodeMembersReply(reply.body).epoch.length).toBeGreaterThan(0);
    const greeting = encodeGreeting({ nodeRecord: new Uint8Array(0), epoch: 0 });
    const answer = await client.call(peer, GREET_SERVICE, { header: greeting });
    expect(decodeGreeting(answer.header).nodeRecord.length).toBe(0);
  });
});

describe('lies', () => {
  test('about epochs and addresses change nothing and stop nothing', async () => {
    await everybodyMeets(3);
    const alice = net.nodes[0]!;
    const mallory = net.hub.join(signerFrom('mallory').publicKey as NodeId, {
      network: net.epoch.record.network,
    });
    await mallory.connect(addressOf('alice'));
    const forged = signRecord(
      {
        kind: 'node',
        network: net.epoch.record.network,
        node: mallory.self,
        sequence: Date.now(),
        expiresAtMs: Date.now() + 10_000,
        addresses: { control: [], bulk: [addressOf('mallory')] },
      },
      signerFrom('mallory'),
    );
    for (const nodeRecord of [forged, toUtf8('rubbish'), new Uint8Array(0)]) {
      await mallory.call(alice.id, GREET_SERVICE, { header: encodeGreeting({ nodeRecord, epoch: 999 }) });
      await mallory.publish('nodes', nodeRecord);
      await mallory.publish('epoch', encode([999, digestFrom('no such record')]));
      await mallory.publish('epoch', nodeRecord);
    }
    await expectCodeAsync(
      'INVALID_ENCODING',
      mallory.call(alice.id, GREET_SERVICE, { header: toUtf8('rubbish') }),
    );
    await everybodyMeets(3);
    expect(alice.membership.current()).toEqual(net.epoch);
    const reply = await mallory.call(
      alice.id,
      SERVICES.members,
      { header: encode([]) },
      { maxBodyLength: 2 ** 22 },
    );
    expect(decodeMembersReply(reply.body).nodeRecords).not.toContainEqual(forged);
  });
});

test('an announcement of a stranger makes nobody call it', async () => {
  const alice = net.nodes[0]!;
  const mallory = net.hub.join(signerFrom('mallory').publicKey as NodeId, {
    network: net.epoch.record.network,
  });
  mallory.serve({
    name: SERVICES.members,
    maxHeaderLength: 100,
    maxBodyLength: 0,
    timeoutMs: 1000,
    maxConcurrentPerPeer: 8,
    maxPerSecondPerPeer: 100,
    handle: async () => ({ header: encode([]) }),
  });
  for (const { memory } of net.nodes) memory.setAddresses(mallory.self, { control: [], bulk: ['x'] });
  await mallory.publish('epoch', encode([999, digestFrom('no such record')]));
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(mallory.callsServed.size).toBe(0);
  expect(alice.membership.current()).toEqual(net.epoch);
});

test('a stopped node makes no more calls', async () => {
  await everybodyMeets(3);
  const [alice, bob] = net.nodes;
  await bob!.stop();
  const before = alice!.memory.callsServed.get(GREET_SERVICE) ?? 0;
  for (const node of net.nodes.slice(1)) await node.node.stop();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const after = alice!.memory.callsServed.get(GREET_SERVICE) ?? 0;
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(after).toBeGreaterThanOrEqual(before);
  expect(alice!.memory.callsServed.get(GREET_SERVICE) ?? 0).toBe(after);
});
