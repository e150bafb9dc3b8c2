// Chain services together: what is handed in to one is final at all, whoever crashes, joins or only follows.

import { afterEach, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import type { OwnerId } from '../../../src/base/ids.ts';
import { accountOf } from '../../../src/shards/account.ts';
import { amountIn, amountOf, NATIVE } from '../../../src/shards/amounts.ts';
import { Overlay, LoadedState } from '../../../src/shards/view.ts';
import { settle } from '../../../src/node/chain/settle.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { ChainNetwork, type ChainNode } from '../../helpers/chain-network.ts';
import { signerFrom } from '../../helpers/records.ts';

const running: ChainNetwork[] = [];
afterEach(async () => {
  for (const network of running.splice(0)) await network.stop();
});

async function start(options: Parameters<typeof ChainNetwork.start>[0]): Promise<ChainNetwork> {
  const network = await ChainNetwork.start(options);
  running.push(network);
  return network;
}

const DEADLINE_MS = 60_000;

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await systemClock.sleep(20);
  }
}

const ALICE = signerFrom('alice').publicKey as OwnerId;
const BOB = signerFrom('bob').publicKey as OwnerId;

const pay = (amount: bigint) => ({
  kind: 'transfer',
  parameters: { to: BOB, amounts: amountOf(NATIVE, amount) },
});

async function balanceAt(node: ChainNode, owner: OwnerId): Promise<bigint> {
  const { account } = await settle(node.service.chain, new LoadedState(), (loaded) => ({
    account: accountOf(new Overlay(loaded), owner),
  }));
  return amountIn(account.balances, NATIVE);
}

/** Roots after every height that all of them have. */
async function expectSameChain(nodes: readonly ChainNode[]): Promise<void> {
  const height = Math.min(...nodes.map((node) => node.service.chain.head.height));
  for (let at = 1; at <= height; at++) {
    const ids = await Promise.all(
      nodes.map(async (node) => (await node.service.chain.decision(at))?.certificate.blockId),
    );
    expect(new Set(ids).size, `blocks of height ${at}`).toBe(1);
  }
  const same = nodes.filter((node) => node.service.chain.head.height === height);
  const roots = same.map(({ service }) => service.chain.head.shards.map(({ stateRoot }) => toHex(stateRoot)));
  for (const each of roots) expect(each).toEqual(roots[0]);
}

test('what is handed in to one node is final at all of them', async () => {
  const network = await start({
    members: 4,
    balances: [[ALICE, amountOf(NATIVE, 100n)]],
    heartbeatMs: 5_000,
  });
  const { nodes } = network;
  await nodes[1]!.service.submit(network.signed('alice', 0, pay(30n)));
  await nodes[2]!.service.submit(network.signed('alice', 1, pay(20n)));
  await until('bob has 50 everywhere', async () => {
    const balances = await Promise.all(nodes.map((node) => balanceAt(node, BOB)));
    return balances.every((balance) => balance === 50n);
  });
  await expectSameChain(nodes);
});

test('one validator alone is a chain', async () => {
  const network = await start({ members: 1, balances: [[ALICE, amountOf(NATIVE, 100n)]] });
  await network.nodes[0]!.service.submit(network.signed('alice', 0, pay(1n)));
  await until('it is final', async () => (await balanceAt(network.nodes[0]!, BOB)) === 1n);
  expect(network.nodes[0]!.service.status().role).toBe('validating');
});

test('who is no validator follows, and takes transactions', async () => {
  const network = await start({ members: 3, followers: 1, balances: [[ALICE, amountOf(NATIVE, 100n)]] });
  const follower = network.nodes[3]!;
  await until('the follower follows', () => follower.service.status().role === 'following');
  await follower.service.submit(network.signed('alice', 0, pay(7n)));
  await until('it is final at the follower', async () => (await balanceAt(follower, BOB)) === 7n);
  await expectSameChain(network.nodes);
});

test('epochs pass, and a node that was away for two of them catches up', async () => {
  const network = await start({ members: 4, heartbeatMs: 20 });
  const [first, , , away] = network.nodes as [ChainNode, ChainNode, ChainNode, ChainNode];
  await until('a few heights', () => first.service.chain.head.height >= 5);
  await away.service.stop();
  await until('two epochs', () => first.service.chain.next.context.epoch >= 2);
  await network.restart(away);
  // It missed its turns, so sooner or later it is jailed; then it follows.
  await until('it is level', () => {
    const { role, height } = away.service.status();
    return role !== 'syncing' && height >= first.service.chain.head.height - 5;
  });
  await expectSameChain(network.nodes);
});

test('without a quorum nothing is decided, and with it the chain goes on', async () => {
  const network = await start({ members: 4, heartbeatMs: 20 });
  const { nodes } = network;
  await until('a few heights', () => nodes.every(({ service }) => service.chain.head.height >= 3));
  await Promise.all([nodes[2]!.service.stop(), nodes[3]!.service.stop()]);
  await systemClock.sleep(300);
  const { height } = nodes[0]!.service.chain.head;
  await systemClock.sleep(1_000);
  expect(nodes[0]!.service.chain.head.height).toBe(height);
  await network.restart(nodes[2]!);
  await until('it goes on', () => nodes[0]!.service.chain.head.height >= height + 3);
});
