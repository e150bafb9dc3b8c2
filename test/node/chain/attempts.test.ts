// How often a block is tried until nothing that it reads is missing, and how much of what waits is tried.

import { afterEach, expect, test } from 'vitest';
import { BLOCK_LENGTH_MAX, TRANSACTION_LENGTH_MAX } from '../../../src/base/limits.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import { bucketIdOf, DEFAULT_POLICY } from '../../../src/shards/bucket.ts';
import type { StateKey } from '../../../src/shards/state-key.ts';
import { digestFrom } from '../../helpers/records.ts';
import { ownerOf, SoloChain } from './query-kit.ts';

const open: SoloChain[] = [];
afterEach(() => {
  for (const solo of open.splice(0)) solo.close();
});

test('the rounds of loading do not grow with the transactions of a sender', async () => {
  const solo = await SoloChain.found();
  open.push(solo);
  const bucket = bucketIdOf(solo.network, ownerOf('alice'), 'photos', nativeSha256);
  let nonce = 0;
  const submit = async (kind: string, parameters: unknown): Promise<void> => {
    await solo.intake.submit(solo.signed('alice', nonce++, { kind, parameters }).bytes);
  };
  const put = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index++) {
      const name = new Uint8Array(1024).fill(nonce, 32);
      name.set(digestFrom(`name ${nonce}`));
      const digest = digestFrom('object');
      const object = { manifest: digest, object: digest, lengthBytes: 1, wrappedKey: new Uint8Array(0) };
      await submit('put-name', { bucket, name, object, condition: { kind: 'any' } });
    }
  };
  await submit('create-bucket', { bucket, name: 'photos', policy: DEFAULT_POLICY });
  await solo.step();
  // So that the directory has many pages.
  await put(80);
  await solo.step();
  let loads: number;
  const { store } = solo;
  const load = store.load.bind(store);
  Object.assign(store, {
    load: async (keys: readonly StateKey[]) => {
      loads++;
      return load(keys);
    },
  });
  await put(40);
  loads = 0;
  await solo.step();
  // One for each level of the directory at most, and pages that split read a few more; one for each transaction would be forty.
  expect(loads).toBeLessThan(10);
});

test('a later round is offered half as much, and never less than the longest transaction', async () => {
  const solo = await SoloChain.found();
  open.push(solo);
  const bucket = bucketIdOf(solo.network, ownerOf('alice'), 'photos', nativeSha256);
  const digest = digestFrom('object');
  const object = { manifest: digest, object: digest, lengthBytes: 1, wrappedKey: new Uint8Array(0) };
  for (let nonce = 0; nonce < 800; nonce++) {
    const parameters = { bucket, name: new Uint8Array(1400).fill(nonce), object, condition: { kind: 'any' } };
    await solo.intake.submit(solo.signed('alice', nonce, { kind: 'put-name', parameters }).bytes);
  }
  const lengthAt = (round: number): number =>
    solo.intake.candidates(round).reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  for (const round of [0, 1, 2, 3, 4]) {
    expect(lengthAt(round)).toBeLessThanOrEqual(BLOCK_LENGTH_MAX / 2 ** round);
    expect(lengthAt(round)).toBeGreaterThan(BLOCK_LENGTH_MAX / 2 ** round - 4096);
  }
  expect(lengthAt(9)).toBe(lengthAt(4));
  expect(lengthAt(9)).toBeGreaterThan(TRANSACTION_LENGTH_MAX - 4096);
});
