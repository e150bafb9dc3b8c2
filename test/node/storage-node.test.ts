import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compare, toHex, toUtf8 } from '../../src/base/bytes.ts';
import { encode } from '../../src/base/codec.ts';
import { epochDigest, type EpochRecord } from '../../src/base/epoch.ts';
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

/** The next record, with more members or the same ones. */
function nextEpoch(current: EpochRecord, ...names: string[]): EpochRecord {
  const members = names.map((name) => admit(candidateNamed(name), systemRandom));
  const epoch = (current.epoch + 1) as Epoch;
  const sorted = [...current.members, ...members].sort((a, b) => compare(a.node, b.node));
  return { ...current, epoch, previous: epochDigest(current), members: sorted };
}

describe('members', () => {
  test('who know only the founder find each other, and tell clients where everybody is', async () => {
    await everybodyMeets(3);
    const client = net.hub.join(signerFrom('client').publicKey as NodeId, {
      network: net.epoch.network,
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
  test('that the chain says takes up who is new and forgets who left', async () => {
    await everybodyMeets(3);
    const withErin = nextEpoch(net.epoch, 'erin');
    await net.start('erin', { epoch: withErin });
    await net.adopt(withErin);
    await everybodyMeets(4);
    const bobs = idOf('bob');
    const members = withErin.members.filter(({ node }) => toHex(node) !== bobs);
    await net.adopt({ ...nextEpoch(withErin), members });
    await until('bob forgotten', () => !neighboursOf(net.nodes[0]!).includes(bobs));
    const bob = net.nodes[1]!;
    expect(bob.node.status()).toMatchObject({ isMember: false, epoch: 2 });
    expect(bob.lines.some((line) => line.includes('not a member of the network'))).toBe(true);
  });

  test('survives a restart', async () => {
    const next = nextEpoch(net.epoch, 'erin');
    const bob = net.nodes[1]!;
    await bob.membership.adopt(next);
    await bob.stop();
    const back = await net.start('bob', { keyValue: bob.keyValue });
    expect(back.membership.current()).toEqual(next);
  });

  test('is not taken from other nodes, whose word is a reason to look at the chain', async () => {
    await everybodyMeets(3);
    await net.nodes[2]!.membership.adopt(nextEpoch(net.epoch, 'erin'));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(net.nodes.map(({ membership }) => membership.current().epoch)).toEqual([0, 0, 1, 0]);
  });

  test('is looked for at members that a node does not know, when it lost everything', async () => {
    const small = await openTestNetwork(['alice']);
    try {
      const next = nextEpoch(small.epoch, 'bob');
      await small.adopt(next);
      await small.start('bob', { epoch: next });
      await until('acquaintance', () => neighboursOf(small.nodes[0]!).length === 1);
      await small.nodes[0]!.stop();
      const restored = await small.start('alice', { epoch: small.epoch });
      expect(neighboursOf(restored)).toEqual([]);
      await until('a source of the chain', () => restored.node.sources().map(toHex).includes(idOf('bob')));
      await restored.membership.adopt(next);
      await until('acquaintance again', () => neighboursOf(restored).includes(idOf('bob')));
    } finally {
      await small.close();
    }
  });

  test('leaves a node that asks at a configured address a source, whoever that is', async () => {
    const withErin = nextEpoch(net.epoch, 'erin');
    await net.start('erin', { epoch: withErin });
    for (const node of net.nodes.slice(0, 4)) node.memory.faults.isDead = true;
    const frank = await net.start('frank', { bootstrap: [addressOf('erin')] });
    await until('a source', () => frank.node.sources().map(toHex).includes(idOf('erin')));
    expect(frank.node.status().neighbours).toEqual([]);
  });
});

describe('a node that the record does not name', () => {
  test('says so, serves what it has, and announces nothing', async () => {
    const erin = await net.start('erin');
    expect(erin.node.status().isMember).toBe(false);
    expect(erin.lines.some((line) => line.startsWith('warn this node is not a member'))).toBe(true);
    const client = net.hub.join(signerFrom('client').publicKey as NodeId, {
      network: net.epoch.network,
    });
    const peer = await client.connect(addressOf('erin'));
    const reply = await client.call(
      peer,
      SERVICES.members,
      { header: encode([]) },
      { maxBodyLength: 2 ** 22 },
    );
    expect(reply.body.length).toBeGreaterThan(0);
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
      network: net.epoch.network,
    });
    await mallory.connect(addressOf('alice'));
    const forged = signRecord(
      {
        kind: 'node',
        network: net.epoch.network,
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
