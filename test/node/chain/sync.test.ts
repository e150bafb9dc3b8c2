// Catching up from nodes that do not help.

import { afterEach, expect, test } from 'vitest';
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
