// Nodes that cannot catch up block by block: they take the state of a checkpoint, believing nobody, and go on from there.

import { afterEach, describe, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import type { OwnerId } from '../../../src/base/ids.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { ephemeralIdentity } from '../../../src/runtime/identity.ts';
import { amountOf, NATIVE } from '../../../src/shards/amounts.ts';
import { CHAIN_SERVICES } from '../../../src/shards/chain-messages.ts';
import { ChainNetwork, type ChainNetworkOptions, type ChainNode } from '../../helpers/chain-network.ts';
import { signerFrom } from '../../helpers/records.ts';

const running: ChainNetwork[] = [];
afterEach(async () => {
  for (const network of running.splice(0)) await network.stop();
});

const KEEPING = { blocks: 5, states: 4 };
const DEADLINE_MS = 30_000;

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await systemClock.sleep(20);
  }
}

const people = Array.from({ length: 300 }, (_, index) => signerFrom(`person ${index}`).publicKey as OwnerId);

/** Members that have pruned the first blocks. */
async function grown(options: Partial<ChainNetworkOptions> = {}): Promise<ChainNetwork> {
  const network = await ChainNetwork.start({
    members: 3,
    heartbeatMs: 20,
    createdAtMs: Date.now() - 1000,
    keeping: KEEPING,
    balances: people.map((owner) => [owner, amountOf(NATIVE, 5n)]),
    ...options,
  });
  running.push(network);
  await until('the first blocks are pruned', () =>
    network.nodes.every(({ service }) => service.store.oldestBlock > 20),
  );
  return network;
}

const hasCaughtUp = (node: ChainNode, first: ChainNode): boolean =>
  node.life.service !== undefined && node.service.chain.head.height >= first.service.chain.head.height - 2;

/** The same blocks and the same states, as far back as both have them. */
async function expectSame(node: ChainNode, other: ChainNode): Promise<void> {
  const height = Math.min(node.service.chain.head.height, other.service.chain.head.height);
  const from = Math.max(node.service.store.oldestState, other.service.store.oldestState);
  for (let at = from; at <= height; at++) {
    const [a, b] = await Promise.all([node, other].map(({ service }) => service.chain.decision(at)));
    expect(a?.certificate.blockId).toBe(b?.certificate.blockId);
  }
  const states = await Promise.all([node, other].map(({ service }) => service.store.prove(height, [])));
  expect(states[0]!.shards.map(({ stateRoot }) => toHex(stateRoot))).toEqual(
    states[1]!.shards.map(({ stateRoot }) => toHex(stateRoot)),
  );
}

describe('a node that comes when the first blocks are gone', () => {
  test('takes the state of a checkpoint, follows, and serves those who come after it', async () => {
    const network = await grown();
    const [first] = network.nodes as [ChainNode];
    const late = await network.add(ephemeralIdentity(), { keeping: KEEPING });
    await until('it is level', () => hasCaughtUp(late, first));
    expect(late.service.store.oldestBlock).toBeGreaterThan(1);
    await until('it follows', () => late.life.status().role === 'following');
    await expectSame(late, first);
    const { height } = late.service.chain.head;
    await until('it goes on', () => late.service.chain.head.height > height + 3);
    for (const { network: member } of network.nodes.slice(0, 3)) {
      member.faults.refuse = (service) => (service === CHAIN_SERVICES.chunk ? 'BUSY' : undefined);
    }
    const later = await network.add(ephemeralIdentity(), { keeping: KEEPING });
    await until('the next one is level', () => hasCaughtUp(later, first));
    expect(late.network.callsServed.get(CHAIN_SERVICES.chunk)).toBeGreaterThan(0);
    await expectSame(later, first);
  });
});
