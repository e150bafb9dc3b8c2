// A node looks after its reveal chain by itself, on a network of real chain services.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import type { Contributor } from '../../src/consensus/beacon.ts';
import { type Beacon, openBeacon } from '../../src/node/beacon-file.ts';
import { settle } from '../../src/node/chain/settle.ts';
import { type Tending, tendOperator } from '../../src/node/operator-tending.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import { DEFAULT_PARAMETERS, MILLION } from '../../src/shards/parameters.ts';
import { contributorOf } from '../../src/shards/turns.ts';
import { LoadedState, Overlay } from '../../src/shards/view.ts';
import { ChainNetwork, type ChainNode } from '../helpers/chain-network.ts';
import { signerFrom } from '../helpers/records.ts';

let folder = '';
let network: ChainNetwork;
let node: ChainNode;
let beacon: Beacon;
let lines: string[] = [];
let tending: Tending | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-tending-'));
  // Nobody is jailed: the services here propose without reveals.
  const slashing = { ...DEFAULT_PARAMETERS.slashing, missedPerMillion: MILLION };
  network = await ChainNetwork.start({
    members: 1,
    heartbeatMs: 20,
    parameters: { epochBlocks: 20, slashing },
  });
  node = network.nodes[0]!;
  lines = [];
  await reopen(20);
});
afterEach(async () => {
  await tending?.stop();
  await network.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The node's reveal chains; those that are made from now on have this length. */
async function reopen(length: number): Promise<void> {
  const owner = { network: network.id, node: node.identity.nodeId };
  beacon = await openBeacon({ path: join(folder, 'beacon.key'), owner, random: systemRandom, length });
}

function tend(operator = 'operator 0'): void {
  const line = (facts: object, message: string): void =>
    void lines.push(`${message} ${JSON.stringify(facts)}`);
  tending = tendOperator({
    service: node.service,
    network: network.id,
    node: node.identity.nodeId,
    operator: signerFrom(operator),
    beacon,
    sha256: nativeSha256,
    logger: { debug: line, info: line, warn: line, error: line },
  });
}

async function contributor(): Promise<Contributor | undefined> {
  const { found } = await settle(node.service.chain, new LoadedState(), (loaded) => ({
    found: contributorOf(new Overlay(loaded), node.identity.nodeId),
  }));
  return found;
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`did not come: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a running node', () => {
  test('commits to the chain it was made with, and to a fresh one before that ends', async () => {
    const first = beacon.commitment();
    tend();
    await until('the first chain', async () => (await contributor()) !== undefined);
    expect(toHex((await contributor())!.pending!.tip)).toBe(toHex(first.tip));
    // Twenty reveals are less than two epochs of blocks.
    await until('a fresh chain', async () => {
      const { pending } = (await contributor())!;
      return pending !== undefined && toHex(pending.tip) !== toHex(first.tip);
    });
    expect(toHex((await contributor())!.pending!.tip)).toBe(toHex(beacon.commitment().tip));
  });

  test('leaves a chain alone that lasts', async () => {
    await rm(join(folder, 'beacon.key'));
    await reopen(1000);
    tend();
    await until('the chain', async () => (await contributor()) !== undefined);
    const { tip } = beacon.commitment();
    const epoch = node.service.status().epoch;
    await until('two epochs', async () => node.service.status().epoch >= epoch + 2);
    expect(toHex(beacon.commitment().tip)).toBe(toHex(tip));
    expect(lines.length).toBe(1);
  });

  test('of another operator keeps its hands off', async () => {
    tend('operator 1');
    const { epoch } = node.service.status();
    await until('an epoch', async () => node.service.status().epoch > epoch);
    expect(await contributor()).toBeUndefined();
    expect(lines).toEqual([]);
  });
});
