import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { short, toUtf8 } from '../../../src/base/bytes.ts';
import type { NetworkId } from '../../../src/base/ids.ts';
import { GOSSIP_MESSAGE_LENGTH_MAX } from '../../../src/base/limits.ts';
import type { GossipVerdict } from '../../../src/base/ports.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createGossip, gossipService, type ControlGossip } from '../../../src/runtime/control/gossip.ts';
import { createHost, type Host } from '../../../src/runtime/control/host.ts';
import { topicName } from '../../../src/runtime/control/protocols.ts';
import { ephemeralIdentity } from '../../../src/runtime/identity.ts';
import { codeOf, patterned } from '../../suites/network.ts';
import { networkId, until } from './fixture.ts';

interface Talker {
  readonly host: Host;
  readonly gossip: ControlGossip;
  readonly name: string;
  /** `topic: first byte of the message from author`, as they were heard. */
  readonly heard: string[];
  /** What this node thinks of messages. */
  verdict: (message: Uint8Array) => Promise<GossipVerdict>;
}

/** A line: 0 - 1 - 2 - 3, so that 1 and 2 decide what 3 hears of 0. */
let talkers: Talker[];

beforeAll(async () => {
  talkers = await Promise.all([0, 1, 2, 3].map(() => startTalker()));
  for (const index of [1, 2, 3]) {
    const address = String(talkers[index - 1]!.host.libp2p.getMultiaddrs()[0]);
    await talkers[index]!.host.connectionAt(address, AbortSignal.timeout(5000));
  }
  await until(
    () => [1, 2, 2, 1].every((degree, index) => talkers[index]!.gossip.listeners('epoch') === degree),
    'subscribed',
  );
  // The mesh forms at the next heartbeat; until then publications reach direct neighbours only.
  await until(() => talkers.every((talker) => meshSize(talker) > 0), 'meshed');
});
afterAll(() => Promise.all(talkers.map((talker) => talker.host.stop())));

describe('gossip', () => {
  test('reaches everybody once, with its author, and not its author', async () => {
    reset();
    await talkers[0]!.gossip.publish('epoch', new Uint8Array([7]));
    await until(() => talkers[3]!.heard.length > 0, 'the last one hears');
    await systemClock.sleep(200);
    const from = talkers[0]!.name;
    expect(talkers.map(({ heard }) => heard)).toEqual([
      [],
      [`epoch: 7 from ${from}`],
      [`epoch: 7 from ${from}`],
      [`epoch: 7 from ${from}`],
    ]);
  });

  test('of equal content by different authors, and twice by one, are different messages', async () => {
    reset();
    await talkers[0]!.gossip.publish('nodes', new Uint8Array([1]));
    await talkers[0]!.gossip.publish('nodes', new Uint8Array([1]));
    await talkers[2]!.gossip.publish('nodes', new Uint8Array([1]));
    await until(() => talkers[3]!.heard.length >= 3, 'all arrive');
    expect(talkers[3]!.heard.toSorted()).toEqual(
      [0, 0, 2].map((index) => `nodes: 1 from ${talkers[index]!.name}`).toSorted(),
    );
  });

  const verdicts: Record<string, (message: Uint8Array) => Promise<GossipVerdict>> = {
    rejects: async (message) => (message[0] === 66 ? 'reject' : 'accept'),
    ignores: async (message) => (message[0] === 66 ? 'ignore' : 'accept'),
    'fails on': async (message) => {
      if (message[0] === 66) throw new Error('defect');
      return 'accept';
    },
  };
  test.each(Object.keys(verdicts))('that a node %s goes no further', async (name) => {
    reset();
    talkers[1]!.verdict = verdicts[name]!;
    await talkers[0]!.gossip.publish('epoch', new Uint8Array([66]));
    await talkers[0]!.gossip.publish('epoch', new Uint8Array([67]));
    await until(() => talkers[3]!.heard.length > 0, 'the good one arrives');
    await systemClock.sleep(100);
    expect(talkers[1]!.heard.length).toBe(2);
    expect(talkers[3]!.heard).toEqual([`epoch: 67 from ${talkers[0]!.name}`]);
  });

  test('from a peer whose messages are rejected again and again is not heard any more', async () => {
    const [bad, good] = [await startTalker(), await startTalker()];
    const judge = await startTalker();
    for (const talker of [bad, good]) {
      await talker.host.connectionAt(String(judge.host.libp2p.getMultiaddrs()[0]), AbortSignal.timeout(5000));
    }
    await until(() => [judge, bad, good].every((talker) => meshSize(talker) > 0), 'meshed');
    judge.verdict = async (message) => (message[0] === 66 ? 'reject' : 'accept');
    for (let count = 0; count < 6; count++) await bad.gossip.publish('epoch', new Uint8Array([66, count]));
    await until(() => judge.heard.length >= 4, 'rejected');
    // Gossipsub looks at a peer's score once a second.
    await systemClock.sleep(1500);
    judge.heard.length = 0;
    await bad.gossip.publish('epoch', new Uint8Array([1]));
    await good.gossip.publish('epoch', new Uint8Array([2]));
    await until(() => judge.heard.length > 0, 'the good one is heard');
    await systemClock.sleep(100);
    expect(judge.heard).toEqual([`epoch: 2 from ${good.name}`]);
    await Promise.all([bad, good, judge].map((talker) => talker.host.stop()));
  });

  test('of full length arrives, longer is not sent', async () => {
    reset();
    await talkers[0]!.gossip.publish('epoch', patterned(GOSSIP_MESSAGE_LENGTH_MAX));
    await until(() => talkers[3]!.heard.length === 1, 'the long one arrives');
    const tooLong = talkers[0]!.gossip.publish('epoch', patterned(GOSSIP_MESSAGE_LENGTH_MAX + 1));
    expect(await codeOf(tooLong)).toBe('INVALID_ARGUMENT');
  });

  test('that is too long, though its author sent it, goes no further than its neighbour', async () => {
    reset();
    const { gossip } = talkers[0]!.host.libp2p.services as {
      gossip: { publish(topic: string, data: Uint8Array): Promise<unknown> };
    };
    await gossip.publish(topicName(networkId, 'epoch'), patterned(GOSSIP_MESSAGE_LENGTH_MAX + 1));
    await talkers[0]!.gossip.publish('epoch', new Uint8Array([1]));
    await until(() => talkers[3]!.heard.length === 1, 'the short one arrives');
    expect(talkers[1]!.heard).toEqual([`epoch: 1 from ${talkers[0]!.name}`]);
  });

  test('has the topics of its network and no others', async () => {
    const { gossip } = talkers[0]!;
    expect(await codeOf(gossip.publish('gossip', toUtf8('x')))).toBe('INVALID_ARGUMENT');
    expect(() => gossip.subscribe('epoch', async () => 'accept')).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
    const other = new Uint8Array(32).fill(1) as NetworkId;
    expect(topicName(networkId, 'epoch')).toBe('/holdfast/4242424242424242/topic/epoch');
    expect(topicName(other, 'epoch')).not.toBe(topicName(networkId, 'epoch'));
  });
});

test('a node that does not listen for a while hears nothing of it, and then again', async () => {
  reset();
  const [speaker, deaf] = [talkers[0]!, talkers[3]!];
  const before = speaker.gossip.listeners('epoch');
  deaf.gossip.setListening('epoch', false);
  await until(() => talkers[2]!.gossip.listeners('epoch') < before + 1, 'its neighbours know');
  await speaker.gossip.publish('epoch', new Uint8Array([1]));
  await until(() => talkers[2]!.heard.length === 1, 'those who listen hear');
  expect(deaf.heard).toEqual([]);
  deaf.gossip.setListening('epoch', true);
  await until(() => {
    void speaker.gossip.publish('epoch', new Uint8Array([2]));
    return deaf.heard.length > 0;
  }, 'it hears again');
  expect(() => deaf.gossip.setListening('decision', true)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
  );
});

test('a node that is alone may publish', async () => {
  const alone = await startTalker();
  await alone.gossip.publish('epoch', toUtf8('anybody?'));
  expect(alone.heard).toEqual([]);
  await alone.host.stop();
});

async function startTalker(): Promise<Talker> {
  const identity = ephemeralIdentity();
  const host = (await createHost({
    identity,
    networkId,
    clock: systemClock,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    services: { gossip: gossipService(networkId) },
  })) as unknown as Host;
  const pubsub = (host.libp2p.services as { gossip: Parameters<typeof createGossip>[0] }).gossip;
  const gossip = createGossip(pubsub, networkId, systemClock);
  const talker: Talker = {
    host,
    gossip,
    name: short(identity.nodeId),
    heard: [],
    verdict: async () => 'accept',
  };
  for (const topic of ['epoch', 'nodes']) {
    gossip.subscribe(topic, async (from, message) => {
      talker.heard.push(`${topic}: ${message[0]} from ${short(from)}`);
      return talker.verdict(message);
    });
  }
  return talker;
}

function reset(): void {
  for (const talker of talkers) {
    talker.heard.length = 0;
    talker.verdict = async () => 'accept';
  }
}

/** Not in gossipsub's interface: the peers it forwards to. */
function meshSize(talker: Talker): number {
  const { gossip } = talker.host.libp2p.services as { gossip: { getMeshPeers(topic: string): string[] } };
  return Math.min(
    ...['epoch', 'nodes'].map((topic) => gossip.getMeshPeers(topicName(networkId, topic)).length),
  );
}
