// Nodes that share work do what nodes do that share nothing.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { afterAll, beforeEach, expect, test } from 'vitest';
import * as z from 'zod';
import { bytesUpTo, encode, uint } from '../../../../src/base/codec.ts';
import { digest as realDigest } from '../../../../src/base/hash.ts';
import type { Digest, NodeId } from '../../../../src/base/ids.ts';
import { proposerSchedule as realSchedule } from '../../../../src/consensus/proposer.ts';
import { validatorSet } from '../../../../src/consensus/validator-set.ts';
import { nativeSha256 as realSha256 } from '../../../../src/runtime/crypto.ts';
import { decodeCanonical } from './codec.ts';
import { nativeSha256 } from './crypto.ts';
import { digest, portableSha256 } from './hash.ts';
import { proposerSchedule } from './proposer.ts';
import { beginSharing } from './sharing.ts';

const SET = validatorSet(
  [3, 1, 4, 1].map((power, index) => ({
    node: new Uint8Array(32).fill(index + 1) as NodeId,
    power: BigInt(power),
  })),
);
const MAIN = fileURLToPath(new URL('../../main.ts', import.meta.url));

beforeEach(() => beginSharing(true));
afterAll(() => beginSharing(false));

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
  const seeds = [1, 2].map((byte) => new Uint8Array(32).fill(byte) as Digest);
  for (const seed of seeds) {
    for (const height of [1, 9]) {
      const schedule = proposerSchedule(SET, seed, height);
      expect(schedule).toEqual(realSchedule(SET, seed, height));
      expect(proposerSchedule(SET, seed.slice() as Digest, height)).toBe(schedule);
    }
  }
});

// ---- Runs ----------------------------------------------------------------------------------------------------

test('a campaign runs seeds in processes of their own, and as nodes that share nothing to the same end', () => {
  const flags = ['--chain', '--seeds', '32..32', '--twice', '100', '--jobs', '2', '--json'];
  const { status, stdout } = spawnSync(process.execPath, [MAIN, ...flags], { encoding: 'utf8' });
  expect(JSON.parse(stdout)).toMatchObject({ seeds: 1, twice: 1, violations: [] });
  expect(status).toBe(0);
});
