// The same blocks give the same state, wherever and whenever they are executed. HOLDFAST_OTHER_NODE names the executable of another release of
// Node, which then replays the chain as well.

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import type { OwnerId } from '../../../src/base/ids.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { amountOf, NATIVE } from '../../../src/shards/amounts.ts';
import type { DecisionReply } from '../../../src/shards/chain-messages.ts';
import { DEFAULT_PARAMETERS } from '../../../src/shards/parameters.ts';
import { ChainNetwork, type ChainNode } from '../../helpers/chain-network.ts';
import { recordChain, replay } from '../../helpers/replay-worker.ts';
import { signerFrom } from '../../helpers/records.ts';

const run = promisify(execFile);
let network: ChainNetwork | undefined;
let folder: string | undefined;
afterEach(async () => {
  await network?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true });
});

const PAYERS = Array.from({ length: 16 }, (_, index) => `payer ${index}`);
const keyOf = (name: string): OwnerId => signerFrom(name).publicKey as OwnerId;
const EPOCH = 8;

/** Payments between shards, through two borders at which shards merge. */
async function busyChain(): Promise<ChainNode> {
  network = await ChainNetwork.start({
    members: 2,
    heartbeatMs: 20,
    shardBits: 2,
    parameters: { epochBlocks: EPOCH, evidence: { ...DEFAULT_PARAMETERS.evidence, ageBlocks: 16 } },
    balances: PAYERS.map((name) => [keyOf(name), amountOf(NATIVE, 1000n)]),
  });
  const [node] = network.nodes as [ChainNode];
  for (let nonce = 0; node.service.chain.head.height <= 3 * EPOCH; nonce++) {
    for (const [index, name] of PAYERS.entries()) {
      const to = keyOf(PAYERS[(index * 7 + nonce) % PAYERS.length]!);
      const parameters = { to, amounts: amountOf(NATIVE, BigInt(1 + nonce)) };
      await node.service.submit(network.signed(name, nonce, { kind: 'transfer', parameters }));
    }
    const { height } = node.service.chain.head;
    while (node.service.chain.head.height === height) await systemClock.sleep(5);
  }
  return node;
}

test('a chain that is replayed into an empty store has the same roots at every height', async () => {
  const { service } = await busyChain();
  const { height } = service.chain.head;
  const decisions: DecisionReply[] = [];
  const roots: string[] = [];
  for (let at = 1; at <= height; at++) {
    decisions.push((await service.chain.decision(at))!);
    const { shards } = await service.store.prove(at, []);
    roots.push(shards.map(({ stateRoot }) => toHex(stateRoot)).join(' '));
  }
  expect(new Set(roots.map((text) => text.split(' ').length)).size).toBeGreaterThan(1);
  const recorded = recordChain(network!.founding, decisions);
  expect(await replay(recorded)).toEqual(roots);

  folder = await mkdtemp(join(tmpdir(), 'replay-'));
  const file = join(folder, 'chain');
  await writeFile(file, recorded);
  const worker = join(import.meta.dirname, '../../helpers/replay-worker.ts');
  for (const node of new Set([process.execPath, process.env['HOLDFAST_OTHER_NODE'] ?? process.execPath])) {
    const { stdout } = await run(node, [worker, file], { maxBuffer: 64 * 1024 ** 2 });
    const replayed = JSON.parse(stdout) as { node: string; roots: string[] };
    expect(replayed.roots, replayed.node).toEqual(roots);
  }
});
