import { expect, test } from 'vitest';
import { StoreError } from '../../src/base/errors.ts';
import { MemoryKeyValue } from '../../src/runtime/memory-key-value.ts';
import { keyValueSuite } from '../suites/key-value.ts';
import { codeOf } from './log-harness.ts';

keyValueSuite('key-value in memory', async () => new MemoryKeyValue());

const put = (n: number) => ({ kind: 'put', key: new Uint8Array([n]), value: new Uint8Array([n]) }) as const;

test('power loss keeps what was durable or flushed, and of the rest what the test says', async () => {
  const store = new MemoryKeyValue();
  await store.batch([put(1)]);
  await store.flush();
  await store.batch([put(2)]);
  await store.batch([put(3)], { isDurable: true });
  await store.batch([put(4)]);
  const held = async (one: MemoryKeyValue): Promise<number[]> => {
    const found: number[] = [];
    for (const n of [1, 2, 3, 4]) if ((await one.get(new Uint8Array([n]))) !== undefined) found.push(n);
    return found;
  };
  expect(await held(store.powerLoss(() => false))).toEqual([1, 3]);
  expect(await held(store.powerLoss(() => true))).toEqual([1, 2, 3, 4]);
});

test('after a failure every write throws it and reads go on', async () => {
  const store = new MemoryKeyValue();
  await store.batch([put(1)]);
  store.failWrites(new StoreError('DISK', 'simulated'));
  expect(await codeOf(store.batch([put(2)]))).toBe('DISK');
  expect(await codeOf(store.flush())).toBe('DISK');
  expect(await store.get(new Uint8Array([1]))).toEqual(new Uint8Array([1]));
});
