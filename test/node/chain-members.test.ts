// Membership as a node's own chain says it, on a network of real chain services.

import { afterEach, describe, expect, test } from 'vitest';
import { equal, toHex } from '../../src/base/bytes.ts';
import { epochDigest } from '../../src/base/epoch.ts';
import { StoreError } from '../../src/base/errors.ts';
import { type ChainMembers, followChain } from '../../src/node/chain-members.ts';
import { type Membership, openMembership } from '../../src/node/membership.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { MemoryKeyValue } from '../../src/runtime/memory-key-value.ts';
import { firstEpochRecord } from '../../src/shards/founding.ts';
import { ChainNetwork } from '../helpers/chain-network.ts';

let network: ChainNetwork | undefined;
let following: ChainMembers | undefined;
afterEach(async () => {
  await following?.stop();
  await network?.stop();
});

async function start(): Promise<ChainNetwork> {
  network = await ChainNetwork.start({ members: 2, heartbeatMs: 20, parameters: { epochBlocks: 6 } });
  return network;
}

function follow(membership: Membership, lines: string[] = []): void {
  const line = (_facts: object, message: string): void => void lines.push(message);
  const logger = { debug: line, info: line, warn: line, error: line };
  const { chain } = network!.nodes[0]!.service;
  following = followChain({ chain, membership, sha256: nativeSha256, logger });
}

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error('it did not come');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('the record in force', () => {
  test('is each time the one whose digest the state names, and names the one before', async () => {
    const { founding } = await start();
    const first = firstEpochRecord(founding, nativeSha256);
    expect(equal(first.previous, epochDigest(founding.signed.record))).toBe(true);
    expect(first.members.map(({ node }) => toHex(node))).toEqual(
      founding.signed.record.members.map(({ node }) => toHex(node)),
    );
    const membership = await openMembership({ keyValue: new MemoryKeyValue() }, first);
    const records = [first];
    membership.onChange((record) => records.push(record));
    follow(membership);
    await until(() => records.length > 3);
    for (const [index, record] of records.entries()) {
      const before = records[index - 1];
      if (before === undefined || record.epoch !== before.epoch + 1) continue;
      expect(equal(record.previous, epochDigest(before))).toBe(true);
    }
    expect(records.at(-1)!.members.length).toBe(2);
  });

  test('catches up at once when the chain is ahead from the start', async () => {
    const { founding, nodes } = await start();
    await until(() => nodes[0]!.service.status().epoch >= 2);
    const membership = await openMembership(
      { keyValue: new MemoryKeyValue() },
      firstEpochRecord(founding, nativeSha256),
    );
    follow(membership);
    await until(() => membership.current().epoch >= 2);
  });

  test('stays when it cannot be written, and that is said', async () => {
    const { founding } = await start();
    const keyValue = new MemoryKeyValue();
    const membership = await openMembership({ keyValue }, firstEpochRecord(founding, nativeSha256));
    keyValue.failWrites(new StoreError('DISK', 'no room'));
    const lines: string[] = [];
    follow(membership, lines);
    await until(() => lines.length > 0);
    expect(membership.current().epoch).toBe(0);
    await following!.stop();
    expect(lines[0]).toContain('the last ones stay');
  });
});
