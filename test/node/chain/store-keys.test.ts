// The form of what a chain keeps on disk: a small chain, entry by entry. An entry that changes makes the data of every node unreadable.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { compare, toHex } from '../../../src/base/bytes.ts';
import { historyRange, historyKey } from '../../../src/node/chain/store-keys.ts';
import { MemoryKeyValue } from '../../../src/runtime/memory-key-value.ts';
import { digestFrom } from '../../helpers/records.ts';
import { candidateBytes, candidateId, open, randomFrom, TwinChain } from './store-kit.ts';

const FILE = new URL('../../vectors/chain-store.json', import.meta.url);

async function entries(): Promise<string[]> {
  const keyValue = new MemoryKeyValue();
  const store = await open(keyValue);
  const twin = new TwinChain(randomFrom(21));
  const options = { keys: 6, changes: 6, shardBits: 0 };
  await twin.found(store, options);
  await twin.step(store, options);
  await twin.step(store, { ...options, shardBits: 1 });
  await store.keepCandidate(3, candidateId(3), candidateBytes('three'));
  const source = await open(new MemoryKeyValue());
  const other = new TwinChain(randomFrom(22));
  await other.found(source, options);
  for (let height = 1; height <= 3; height++) await other.step(source, options);
  const { head, decided } = other.last;
  const restore = await store.restore({ network: store.network!, head, decided: decided! });
  await restore.put(await source.chunk(3, restore.pending[0]!));
  const found: string[] = [];
  for await (const [key, value] of keyValue.range(new Uint8Array(0), new Uint8Array([255]))) {
    found.push(`${toHex(key)} ${toHex(value)}`);
  }
  return found;
}

test('a chain lies on disk as it was frozen', async () => {
  const frozen = (JSON.parse(readFileSync(FILE, 'utf8')) as { entries: string[] }).entries;
  expect(await entries()).toEqual(frozen);
});

test('of the versions of a record the one that counts at a height is the first of its range', () => {
  const path = digestFrom('path');
  const { from, to } = historyRange(1, path, 7);
  const keys = [9, 8, 7, 6, 3, 0].map((version) => historyKey(1, path, version));
  expect(keys.toSorted(compare)).toEqual(keys);
  expect(keys.map((key) => compare(key, from) >= 0 && compare(key, to) < 0)).toEqual([
    false,
    false,
    true,
    true,
    true,
    true,
  ]);
});
