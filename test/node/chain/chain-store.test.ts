import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { toUtf8 } from '../../../src/base/bytes.ts';
import { openKeyValue, type LocalKeyValue } from '../../../src/runtime/key-value.ts';
import { MemoryKeyValue } from '../../../src/runtime/memory-key-value.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import {
  candidateBytes,
  candidateId,
  expectHead,
  expectState,
  keyOf,
  open,
  randomFrom,
  TwinChain,
} from './store-kit.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const memory = (): Promise<LocalKeyValue> => Promise.resolve(new MemoryKeyValue());

async function level(): Promise<LocalKeyValue> {
  const folder = await mkdtemp(join(tmpdir(), 'chain-store-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const keyValue = await openKeyValue(folder);
  cleanups.push(() => keyValue.close().catch(() => undefined));
  return keyValue;
}

/** How the number of shards goes, in bits after each height. */
const BITS = [1, 1, 2, 2, 3, 2, 1, 0, 0, 1, 2, 1, 1];

describe.each([
  { name: 'memory', make: memory, heights: 13, keys: 40 },
  { name: 'Level', make: level, heights: 40, keys: 300 },
])('the store of a chain in $name', ({ make, heights, keys }) => {
  test('gives at every height the records and roots of a twin, with proofs, across splits and merges', async () => {
    const store = await open(await make());
    const twin = new TwinChain(randomFrom(keys));
    const options = { keys, changes: keys / 3, shardBits: 1 };
    await twin.found(store, options);
    for (let height = 1; height < heights; height++) {
      await twin.step(store, { ...options, shardBits: BITS[height % BITS.length]! });
    }
    const asked = Array.from({ length: keys + 5 }, (_, index) => keyOf(index));
    await expectHead(store, twin.last, asked);
    for (const step of twin.steps) {
      await expectState(
        store,
        step,
        asked.filter(() => twin.random() < 0.2),
      );
    }
  });

  test('is found as it was when it is opened again', async () => {
    const keyValue = await make();
    const first = await open(keyValue);
    const twin = new TwinChain(randomFrom(3));
    const options = { keys: 20, changes: 15, shardBits: 0 };
    await twin.found(first, options);
    await twin.step(first, { ...options, shardBits: 1 });
    await twin.step(first, { ...options, shardBits: 1 });
    await first.keepCandidate(3, candidateId(3), candidateBytes('three'));
    const again = await open(keyValue);
    expect(again.head).toEqual(first.head);
    expect(again.network).toEqual(first.network);
    expect(await again.candidate(3, candidateId(3))).toEqual(candidateBytes('three'));
    const asked = Array.from({ length: 20 }, (_, index) => keyOf(index));
    for (const step of twin.steps) await expectState(again, step, asked.slice(0, 5));
    await twin.step(again, { ...options, shardBits: 0 });
    await expectHead(again, twin.last, asked);
    expect(await again.candidate(3, candidateId(3))).toBeUndefined();
  });
});

describe('the store of a chain', () => {
  test('has nothing before genesis, and one genesis', async () => {
    const store = await open(new MemoryKeyValue());
    expect(store.head).toBeUndefined();
    await expectCodeAsync('NOT_FOUND', store.load([keyOf(0)]));
    await expectCodeAsync('NOT_FOUND', store.prove(0, []));
    const twin = new TwinChain(randomFrom(1));
    const options = { keys: 5, changes: 5, shardBits: 2 };
    await twin.found(store, options);
    expect(store.head?.shards.length).toBe(4);
    await expectCodeAsync('ALREADY_EXISTS', new TwinChain(randomFrom(1)).found(store, options));
    await expectCodeAsync('NOT_FOUND', store.prove(1, [keyOf(0).path]));
  });

  test('gives decisions by height and places by transaction, with what refused it', async () => {
    const store = await open(new MemoryKeyValue());
    const twin = new TwinChain(randomFrom(2));
    const options = { keys: 5, changes: 5, shardBits: 0 };
    await twin.found(store, options);
    await twin.step(store, options);
    await twin.step(store, options);
    for (const { head, decided } of twin.steps.slice(1)) {
      const { block, certificate } = decided!;
      expect(await store.decision(head.height)).toEqual({ block: block.bytes, certificate });
      const [first, second] = block.body.transactions;
      expect(await store.transaction(first!.id)).toEqual({
        height: head.height,
        index: 0,
        refusal: undefined,
      });
      expect(await store.transaction(second!.id)).toEqual({
        height: head.height,
        index: 1,
        refusal: 'too-late',
      });
    }
    expect(await store.decision(0)).toBeUndefined();
    expect(await store.decision(3)).toBeUndefined();
    expect(await store.transaction(candidateId(1))).toBeUndefined();
  });

  test('keeps candidates until their height is decided', async () => {
    const store = await open(new MemoryKeyValue());
    const twin = new TwinChain(randomFrom(2));
    const options = { keys: 5, changes: 5, shardBits: 0 };
    await twin.found(store, options);
    for (const number of [1, 2, 3]) {
      await store.keepCandidate(Math.ceil(number / 2), candidateId(number), candidateBytes(`${number}`));
    }
    await twin.step(store, options);
    const left = await Promise.all([1, 2, 3].map((n) => store.candidate(Math.ceil(n / 2), candidateId(n))));
    expect(left).toEqual([undefined, undefined, candidateBytes('3')]);
  });

  test('leaves what others keep in the same store alone', async () => {
    const keyValue = new MemoryKeyValue();
    const others = [toUtf8('address/1'), toUtf8('public/1'), new Uint8Array([255])];
    await keyValue.batch(others.map((key) => ({ kind: 'put', key, value: key })));
    const store = await open(keyValue);
    const twin = new TwinChain(randomFrom(4));
    const options = { keys: 9, changes: 9, shardBits: 0 };
    await twin.found(store, options);
    for (let height = 1; height < 5; height++) await twin.step(store, options);
    await store.prune({ block: 5, state: 5 });
    expect(await keyValue.getMany(others)).toEqual(others);
  });

  test('reads of one state while blocks are committed and pruned', async () => {
    const store = await open(await level());
    const twin = new TwinChain(randomFrom(5));
    const options = { keys: 30, changes: 25, shardBits: 1 };
    await twin.found(store, options);
    const asked = Array.from({ length: 30 }, (_, index) => keyOf(index));
    let isDone = false;
    const seen = new Set<string>();
    const reading = (async () => {
      while (!isDone) {
        await setImmediate();
        const loaded = await store.load(asked);
        seen.add(JSON.stringify(loaded.map((record) => (record === null ? null : [...record]))));
      }
    })();
    for (let height = 1; height <= 60; height++) {
      await twin.step(store, options);
      if (height % 3 === 0) await store.prune({ block: height, state: height });
    }
    isDone = true;
    await reading;
    const states = new Set(
      twin.steps.map(({ records }) =>
        JSON.stringify(asked.map(({ text }) => (records.has(text) ? [...records.get(text)!] : null))),
      ),
    );
    expect([...seen].filter((state) => !states.has(state))).toEqual([]);
    expect(seen.size).toBeGreaterThan(1);
  });
});
