// Nodes that share work do what nodes do that share nothing.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { afterAll, beforeEach, expect, test } from 'vitest';
import * as z from 'zod';
import { bytesUpTo, encode, uint } from '../../../../src/base/codec.ts';
import { digest as realDigest } from '../../../../src/base/hash.ts';
import type { Digest } from '../../../../src/base/ids.ts';
import { proposerSchedule as realSchedule } from '../../../../src/consensus/proposer.ts';
import { nativeSha256 as realSha256 } from '../../../../src/runtime/crypto.ts';
import { accountKey, accountRecord } from '../../../../src/shards/account.ts';
import { applyBlock as realApply } from '../../../../src/shards/apply.ts';
import { type Block, decodeBlock as realDecodeBlock } from '../../../../src/shards/block.ts';
import { encodeTransaction } from '../../../../src/shards/transaction.ts';
import { LoadedState } from '../../../../src/shards/view.ts';
import { ownerOf, World } from '../../../shards/world.ts';
import { applyBlock } from './apply.ts';
import { decodeBlock } from './block.ts';
import { decodeCanonical } from './codec.ts';
import { nativeSha256 } from './crypto.ts';
import { digest, portableSha256 } from './hash.ts';
import { proposerSchedule } from './proposer.ts';
import { beginSharing } from './sharing.ts';
import { decodeTransaction } from './transaction.ts';

const MAIN = fileURLToPath(new URL('../../main.ts', import.meta.url));

beforeEach(() => beginSharing(true));
afterAll(() => beginSharing(false));

// ---- Blocks --------------------------------------------------------------------------------------------------

function worldWithPayment(): { readonly world: World; readonly block: Block } {
  const world = new World({ balances: { a: [[0, 100n]] } });
  const parameters = { to: ownerOf('b'), amounts: [[0, 10n]] };
  const block = world.build([world.sign('a', 0, { kind: 'transfer', parameters })]);
  return { world, block };
}

/** With nothing loaded but what it asks for; a node with a damaged disk has another account of `a`. */
function executed(apply: typeof realApply, world: World, block: Block, balance?: bigint): unknown {
  const loaded = new LoadedState();
  for (;;) {
    const result = apply(loaded, block, world.context());
    if (result.kind !== 'missing') return result;
    world.load(result.keys, loaded);
    if (balance === undefined) continue;
    const account = { nonce: 0, balances: [[0, balance]] as const };
    loaded.add(accountKey(ownerOf('a')), encode(accountRecord.tuple(account)));
  }
}

test('a block is executed once by those who read the same', () => {
  const { world, block } = worldWithPayment();
  const first = executed(applyBlock, world, block);
  expect(first).toEqual(executed(realApply, world, block));
  expect(executed(applyBlock, world, block)).toBe(first);
});

test('who reads another record, or builds on something else, executes the block for itself', () => {
  const { world, block } = worldWithPayment();
  const first = executed(applyBlock, world, block);
  for (const balance of [5n, 101n]) {
    const other = executed(applyBlock, world, block, balance);
    expect(other).toEqual(executed(realApply, world, block, balance));
    expect(other).not.toEqual(first);
  }
  world.step();
  expect(executed(applyBlock, world, block)).toMatchObject({ kind: 'invalid', problem: 'wrong-height' });
});

test('blocks and transactions are decoded once, and refused each time', () => {
  const { world, block } = worldWithPayment();
  const { operations } = world.rules;
  const bytes = encodeTransaction(block.body.transactions[0]!, operations);
  const decoded = decodeBlock(block.bytes, world.rules);
  expect(decoded).toEqual(realDecodeBlock(block.bytes, world.rules));
  expect(decodeBlock(block.bytes.slice(), world.rules)).toBe(decoded);
  expect(decodeTransaction(bytes.slice(), operations)).toBe(decodeTransaction(bytes, operations));
  bytes[0]! ^= 1;
  for (let i = 0; i < 2; i++) {
    expect(() => decodeTransaction(bytes, operations)).toThrow('transaction');
    expect(() => decodeBlock(block.bytes.subarray(1), world.rules)).toThrow('block');
  }
});

// ---- Records, hashes, schedules ------------------------------------------------------------------------------

test('a record is decoded once, cannot be changed, and is refused each time', () => {
  const schema = z.tuple([uint(), bytesUpTo(8)]);
  const bytes = encode([7, new Uint8Array(3)]);
  const record = decodeCanonical(schema, bytes, 100, 'pair');
  expect(record).toEqual([7, new Uint8Array(3)]);
  expect(decodeCanonical(schema, bytes.slice(), 100, 'pair')).toBe(record);
  expect(() => record.fill(0 as never)).toThrow(TypeError);
  const other = z.tuple([uint(6), bytesUpTo(8)]);
  for (let i = 0; i < 2; i++) {
    expect(() => decodeCanonical(schema, bytes, 3, 'pair')).toThrow('longer');
    expect(() => decodeCanonical(other, bytes, 100, 'pair')).toThrow('field 0');
  }
});

test('digests are those of SHA-256, of parts short and long', () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 });
  const twice = (bytes: readonly Uint8Array[]): void => {
    for (let i = 0; i < 2; i++) {
      expect(nativeSha256(...bytes)).toEqual(realSha256(...bytes));
      expect(portableSha256(...bytes)).toEqual(realSha256(...bytes));
      expect(digest('block', bytes)).toEqual(realDigest('block', bytes));
    }
  };
  fc.assert(fc.property(parts, twice));
});

test('a schedule is drawn once for each set, seed and first height', () => {
  const { validators } = worldWithPayment().world.context();
  const seeds = [1, 2].map((byte) => new Uint8Array(32).fill(byte) as Digest);
  for (const seed of seeds) {
    for (const height of [1, 9]) {
      const schedule = proposerSchedule(validators, seed, height);
      expect(schedule).toEqual(realSchedule(validators, seed, height));
      expect(proposerSchedule(validators, seed.slice() as Digest, height)).toBe(schedule);
    }
  }
});

// ---- Runs ----------------------------------------------------------------------------------------------------

test('a campaign runs seeds in processes of their own, and as nodes that share nothing to the same end', () => {
  const flags = ['--chain', '--seeds', '4..4', '--twice', '100', '--jobs', '2', '--json'];
  const { status, stdout } = spawnSync(process.execPath, [MAIN, ...flags], { encoding: 'utf8' });
  expect(JSON.parse(stdout)).toMatchObject({ seeds: 1, twice: 1, violations: [] });
  expect(status).toBe(0);
});
