// Catching up from nodes that do not help.

import { afterEach, describe, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import type { Chain } from '../../../src/node/chain/chain.ts';
import { BlockSync } from '../../../src/node/chain/sync.ts';
import { encodeHeader } from '../../../src/shards/header.ts';
import { decodeLightBlock, encodeLightBlock } from '../../../src/shards/light-block.ts';
import { encodeDecisionsReply } from '../../../src/shards/sync-messages.ts';
import { digestFrom } from '../../helpers/records.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { ChainNetwork, type ChainNode } from '../../helpers/chain-network.ts';

const running: ChainNetwork[] = [];
afterEach(async () => {
  for (const network of running.splice(0)) await network.stop();
});

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await systemClock.sleep(20);
  }
}

test.each(['INTERNAL', 'DISK', 'CLOSED'] as const)(
  'who answers with %s does not end the chain of who asked, and is asked again',
  async (code) => {
    const network = await ChainNetwork.start({ members: 1, followers: 1, heartbeatMs: 50 });
    running.push(network);
    const [member, follower] = network.nodes as [ChainNode, ChainNode];
    await until('both are level', () => follower.service.chain.head.height >= 2);
    await follower.service.stop();
    const { height } = member.service.chain.head;
    await until('the chain goes on', () => member.service.chain.head.height >= height + 3);
    let refusals = 0;
    member.network.faults.refuse = (service) => {
      if (service !== 'chain-decisions') return undefined;
      refusals++;
      return code;
    };
    await network.restart(follower);
    let hasEnded = false;
    void follower.service.ended.then(() => {
      hasEnded = true;
    });
    await until('it was refused', () => refusals > 0);
    member.network.faults.refuse = undefined;
    await until('it is level', () => hasEnded || follower.service.chain.head.height > height + 3);
    expect(hasEnded).toBe(false);
  },
);

test('who claims the end of time and gives what is long over does not keep anybody from catching up', async () => {
  const network = await ChainNetwork.start({ members: 2, followers: 1, heartbeatMs: 50 });
  running.push(network);
  const [honest, liar, follower] = network.nodes as [ChainNode, ChainNode, ChainNode];
  await until('all are level', () => follower.service.chain.head.height >= 2);
  await follower.service.stop();
  const { height } = honest.service.chain.head;
  await until('the chain goes on', () => honest.service.chain.head.height >= height + 5);
  const old = encodeDecisionsReply([(await liar.service.chain.decision(1))!]);
  liar.network.faults.lie = (service, reply) => {
    if (service === 'chain-decisions') return { ...reply, body: old };
    if (service !== 'chain-head') return reply;
    const light = decodeLightBlock(reply.body);
    const headerBytes = encodeHeader({ ...light.header, height: 2 ** 40 });
    return { ...reply, body: encodeLightBlock({ ...light, headerBytes }) };
  };
  await network.restart(follower);
  await until('it is level', () => follower.service.chain.head.height > height + 5);
  await until('it follows', () => follower.service.status().role === 'following');
});

describe('whether it is behind', () => {
  async function behind(claimed: number, times: number): Promise<boolean[]> {
    const network = await ChainNetwork.start({ members: 1, heartbeatMs: 20 });
    running.push(network);
    const { chain } = network.nodes[0]!.service;
    await until('there is a decision', () => chain.head.height >= 1);
    const body = encodeDecisionsReply([(await chain.decision(1))!]);
    const sync = new BlockSync({
      chain: { head: { height: 0 }, next: { height: 1 }, checkDecision: () => undefined } as unknown as Chain,
      network: { call: async () => ({ header: new Uint8Array(0), body }) },
      clock: systemClock,
      peers: () => [],
      failed: () => undefined,
      noted: (node, error) => {
        throw new Error(`${toHex(node)}: ${error.message}`);
      },
      caughtUp: () => undefined,
      isTooFar: async () => false,
    });
    const asked: boolean[] = [];
    for (let time = 0; time < times; time++) {
      sync.heard(digestFrom<NodeId>('ahead'), claimed);
      asked.push(await sync.isBehind(new AbortController().signal));
    }
    return asked;
  }

  test('is said at once by two decisions, and by one when nobody has brought it meanwhile', async () => {
    expect(await behind(2, 1)).toEqual([true]);
    expect(await behind(1, 2)).toEqual([false, true]);
  });
});
