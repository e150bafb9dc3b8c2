// The client and a node's own query services, over a network that enforces their bounds: both sides read the messages alike.

import { afterEach, expect, test } from 'vitest';
import type { NodeId } from '../../../src/base/ids.ts';
import { createChainClient, type OpenChainClient } from '../../../src/client/chain/client.ts';
import { memoryTrust } from '../../../src/client/chain/memory-trust.ts';
import { queryServices } from '../../../src/node/chain/query-services.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { nativeSha256, nativeVerify } from '../../../src/runtime/crypto.ts';
import { createMemoryHub } from '../../../src/runtime/memory-network.ts';
import { accountKey, accountOf } from '../../../src/shards/account.ts';
import { amountIn } from '../../../src/shards/amounts.ts';
import { LEDGER_RULES } from '../../../src/shards/ledger.ts';
import { readAll } from '../../../src/shards/read-all.ts';
import type { Overlay } from '../../../src/shards/view.ts';
import { digestFrom, signerFrom } from '../../helpers/records.ts';
import { ownerOf, SoloChain } from '../../node/chain/query-kit.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function setup(shardBits = 0): Promise<{ solo: SoloChain; client: OpenChainClient; lies: string[] }> {
  const solo = await SoloChain.found({
    shardBits,
    balances: [[ownerOf('alice'), [[0, 1_000n]]]],
    // As a validator does: a block of what came in, and one that proves it.
    ports: { submit: (bytes) => solo.intake.submit(bytes).finally(() => setTimeout(mine, 1)) },
  });
  let mining: Promise<unknown> = Promise.resolve();
  const mine = (): void => {
    mining = mining.then(() => solo.steps(2));
  };
  open.push(solo, { close: () => mining });
  const hub = createMemoryHub();
  const node = hub.join(digestFrom<NodeId>('node'));
  for (const service of queryServices(solo.queries)) node.serve(service);
  const self = hub.join(digestFrom<NodeId>('client'));
  self.setAddresses(node.self, { control: ['/memory/node'], bulk: [] });
  const lies: string[] = [];
  const client = createChainClient(
    { network: self, clock: systemClockAt, verify: nativeVerify, sha256: nativeSha256, trust: memoryTrust() },
    {
      network: solo.network,
      operations: LEDGER_RULES.operations,
      candidates: () => [node.self],
      onLie: (_node, reason) => lies.push(reason),
    },
  );
  return { solo, client, lies };
}

const systemClockAt = { ...systemClock, now: () => 1_750_000_000_000 };

const balanceOf = (name: string) => (state: Overlay) => amountIn(accountOf(state, ownerOf(name)).balances, 0);

test('a client reads what a node has, across epochs and after many blocks', async () => {
  const { solo, client, lies } = await setup(1);
  await solo.steps(3);
  expect(await client.read(balanceOf('alice'))).toMatchObject({ value: 1_000n, height: 2 });
  await solo.steps(30);
  const owners = Array.from({ length: 100 }, (_, index) => ownerOf(`owner ${index}`));
  const { value, height } = await client.read((state) => {
    readAll(state, owners.map(accountKey));
    return owners.every((owner) => accountOf(state, owner).nonce === 0) ? balanceOf('alice')(state) : -1n;
  });
  expect([value, height]).toEqual([1_000n, 32]);
  expect(lies).toEqual([]);
});

test('a client’s transactions are included by a node, and what they did is proven', async () => {
  const { solo, client, lies } = await setup();
  await solo.steps(2);
  const pay = (amount: bigint) => ({
    kind: 'transfer',
    parameters: { to: ownerOf('bob'), amounts: [[0, amount]] },
  });
  const results = await client.perform(signerFrom('alice'), [pay(10n), pay(5_000n), pay(1n)]);
  expect(results.map(({ refusal }) => refusal)).toEqual([undefined, 'insufficient-balance', undefined]);
  const { value } = await client.read((state) => [balanceOf('alice')(state), balanceOf('bob')(state)]);
  expect(value).toEqual([989n, 11n]);
  expect(lies).toEqual([]);
});

test('a state that a node does not have yet is waited for', async () => {
  const { solo, client } = await setup();
  await solo.steps(2);
  const reading = client.read(balanceOf('alice'), { atLeast: 2 });
  setTimeout(() => void solo.step(), 10);
  expect((await reading).height).toBe(2);
});
