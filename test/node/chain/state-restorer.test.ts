import { describe, expect, test } from 'vitest';
import { compare } from '../../../src/base/bytes.ts';
import { CHUNK_RECORDS_LENGTH_MAX, STATE_RECORD_LENGTH_MAX } from '../../../src/base/limits.ts';
import { generationRange } from '../../../src/node/chain/store-keys.ts';
import type { ChainStore, RestoreTarget, StatePart, StateRestore } from '../../../src/node/chain/types.ts';
import type { LocalKeyValue } from '../../../src/runtime/key-value.ts';
import { MemoryKeyValue } from '../../../src/runtime/memory-key-value.ts';
import { halves, type Prefix, shardPrefix } from '../../../src/shards/tree/path.ts';
import { digestFrom } from '../../helpers/records.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import {
  CutKeyValue,
  expectHead,
  expectState,
  keyOf,
  NETWORK,
  open,
  randomFrom,
  TwinChain,
} from './store-kit.ts';

const OPTIONS = { keys: 60, changes: 40, shardBits: 1 };
const ALL = Array.from({ length: 62 }, (_, index) => keyOf(index));

interface Source {
  readonly store: ChainStore;
  readonly twin: TwinChain;
}

async function source(
  bits: readonly number[],
  keyValue: LocalKeyValue = new MemoryKeyValue(),
): Promise<Source> {
  const store = await open(keyValue);
  const twin = new TwinChain(randomFrom(bits.length));
  await twin.found(store, { ...OPTIONS, shardBits: bits[0]! });
  for (const shardBits of bits.slice(1)) await twin.step(store, { ...OPTIONS, shardBits });
  return { store, twin };
}

const targetAt = ({ twin }: Source, height: number): RestoreTarget => ({
  network: NETWORK,
  head: twin.steps[height]!.head,
  decided: twin.steps[height]!.decided!,
});

/** A chunk for every part of the state below some prefixes: the smaller the deeper. */
async function partsOf({ store, twin }: Source, height: number, depth: number): Promise<StatePart[]> {
  let prefixes = twin.steps[height]!.head.shards.map(({ shard, shardBits }) => shardPrefix(shard, shardBits));
  for (let level = 0; level < depth; level++) prefixes = prefixes.flatMap((prefix) => halves(prefix));
  return Promise.all(prefixes.map((prefix) => store.chunk(height, prefix)));
}

const shuffled = <T>(list: readonly T[], seed: number): T[] => {
  const random = randomFrom(seed);
  return list
    .map((value) => ({ value, place: random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ value }) => value);
};

async function fetchAll(from: ChainStore, restore: StateRestore): Promise<number> {
  let count = 0;
  while (restore.pending.length > 0) {
    const prefix = restore.pending[count % restore.pending.length]!;
    await restore.put(await from.chunk(restore.head.height, prefix));
    count++;
  }
  return count;
}

const contentOf = async (keyValue: LocalKeyValue): Promise<string[]> => {
  const found: string[] = [];
  for await (const [key] of keyValue.range(new Uint8Array(0), new Uint8Array([255]))) found.push(String(key));
  return found;
};

describe('a state that is fetched', () => {
  test.each([
    { name: 'of two shards', bits: [1, 1, 1, 1] },
    { name: 'that was just split', bits: [1, 1, 1, 2] },
    { name: 'that was just merged', bits: [2, 2, 2, 1] },
  ])('$name is the one it was fetched from, and goes on as that does', async ({ bits }) => {
    const from = await source(bits);
    const keyValue = new MemoryKeyValue();
    const store = await open(keyValue);
    const restore = await store.restore(targetAt(from, 3));
    await fetchAll(from.store, restore);
    expect(store.head).toBeUndefined();
    expect(await restore.finish()).toEqual(from.twin.last.head);
    expect(store.restoring).toBeUndefined();
    await expectHead(store, from.twin.last, ALL);
    await expectState(store, from.twin.last, ALL);
    expect([store.oldestBlock, store.oldestState]).toEqual([3, 3]);
    const { block, certificate } = from.twin.last.decided!;
    expect(await store.decision(3)).toEqual({ block: block.bytes, certificate });
    const reopened = await open(keyValue);
    await expectState(reopened, from.twin.last, ALL);
    const after = { ...OPTIONS, shardBits: bits.at(-1)! };
    await from.twin.step(reopened, after);
    await expectState(reopened, from.twin.last, ALL);
    const { decided, executed } = from.twin.last;
    expect((await from.store.commit(decided!, executed)).shards).toEqual(from.twin.last.head.shards);
  });

  test('comes in any order, of any sizes, once or again, and from a height that is not the newest', async () => {
    const from = await source([1, 1, 0, 0, 1, 1]);
    const deep = await partsOf(from, 3, 3);
    const shallow = await partsOf(from, 3, 1);
    for (const seed of [1, 2, 3, 4]) {
      const store = await open(new MemoryKeyValue());
      const restore = await store.restore(targetAt(from, 3));
      for (const part of shuffled([...deep, ...deep.slice(0, 5), ...shallow.slice(1)], seed))
        await restore.put(part);
      await restore.put(shallow[0]!);
      expect(restore.pending).toEqual([]);
      await restore.finish();
      await expectState(store, from.twin.steps[3]!, ALL);
      await expectCodeAsync('CLOSED', restore.put(deep[0]!));
    }
  });

  test('takes the place of the one that is here, which can be read until then', async () => {
    const from = await source([1, 1, 1, 1, 1, 1]);
    const keyValue = new MemoryKeyValue();
    const { store, twin } = await source([1, 1, 1], keyValue);
    const restore = await store.restore(targetAt(from, 5));
    await fetchAll(from.store, restore);
    await expectState(store, twin.last, ALL);
    await twin.step(store, OPTIONS);
    await store.prune({ block: 1, state: 3 });
    await restore.finish();
    await expectState(store, from.twin.last, ALL);
    await expectCodeAsync('NOT_FOUND', store.prove(3, [ALL[0]!.path]));
    expect(await store.decision(2)).toBeDefined();
    await store.prune({ block: 0, state: 0 });
    await expectState(await open(keyValue), from.twin.last, ALL);
    const { from: first, to } = generationRange(0, 1);
    for await (const [key] of keyValue.range(first, to)) expect(key).toBeUndefined();
    expect(await store.decision(2)).toBeUndefined();
  });

  test('takes nothing that the shard headers do not prove', async () => {
    const from = await source([1, 1, 1]);
    const keyValue = new MemoryKeyValue();
    const store = await open(keyValue);
    const restore = await store.restore(targetAt(from, 2));
    const before = await contentOf(keyValue);
    const [part] = await partsOf(from, 2, 0);
    const { chunk, records } = part!;
    const other = (await partsOf(from, 1, 0))[0]!;
    const bent: StatePart[] = [
      other,
      { chunk, records: records.slice(1) },
      { chunk, records: records.with(3, new Uint8Array([1, 2, 3, 4])) },
      { chunk, records: records.with(3, new Uint8Array(STATE_RECORD_LENGTH_MAX + 1)) },
      { chunk: { ...chunk, leaves: chunk.leaves.slice(1) }, records: records.slice(1) },
      { chunk: { ...chunk, leaves: chunk.leaves.toReversed() }, records: records.toReversed() },
      { chunk: { ...chunk, siblings: [digestFrom('sibling')] }, records },
      { chunk: { ...chunk, prefix: '1' as Prefix }, records },
      { chunk: { ...chunk, prefix: '' as Prefix }, records },
    ];
    for (const wrong of bent) await expectCodeAsync('INTEGRITY', restore.put(wrong));
    expect(await contentOf(keyValue)).toEqual(before);
    await expectCodeAsync('INVALID_ARGUMENT', restore.finish());
  });

  test('is refused below the head, of another network, and when it does not fit together', async () => {
    const from = await source([1, 1, 1, 1]);
    const { store } = await source([1, 1, 1]);
    const target = targetAt(from, 3);
    await expectCodeAsync('INVALID_ARGUMENT', store.restore(targetAt(from, 2)));
    await expectCodeAsync('INVALID_ARGUMENT', store.restore({ ...target, network: digestFrom('other') }));
    const { head } = target;
    const bent = [
      { ...head, height: 4 },
      { ...head, id: digestFrom('id') },
      { ...head, shards: head.shards.slice(1) },
      { ...head, shards: head.shards.toReversed() },
      { ...head, shardBits: 3 },
    ];
    for (const wrong of bent)
      await expectCodeAsync('INVALID_ARGUMENT', store.restore({ ...target, head: wrong }));
    expect(store.restoring).toBeUndefined();
  });

  test('gives way to a newer one, of which nothing is left behind', async () => {
    const from = await source([1, 1, 1, 1]);
    const keyValue = new MemoryKeyValue();
    const store = await open(keyValue);
    const first = await store.restore(targetAt(from, 2));
    for (const part of (await partsOf(from, 2, 2)).slice(1)) await first.put(part);
    const second = await store.restore(targetAt(from, 3));
    expect(await store.restore(targetAt(from, 3))).toBe(second);
    await expectCodeAsync('CLOSED', first.finish());
    await fetchAll(from.store, second);
    await second.finish();
    await expectState(store, from.twin.last, ALL);
    const third = await open(keyValue);
    expect(third.restoring).toBeUndefined();
  });

  test('that is given up leaves the store as it was', async () => {
    const from = await source([1, 1, 1, 1]);
    const keyValue = new MemoryKeyValue();
    const { store } = await source([1, 1], keyValue);
    const before = await contentOf(keyValue);
    const restore = await store.restore(targetAt(from, 3));
    for (const part of await partsOf(from, 3, 2)) await restore.put(part);
    await restore.abandon();
    expect(store.restoring).toBeUndefined();
    await store.prune({ block: 0, state: 0 });
    expect(await contentOf(keyValue)).toEqual(before);
  });

  test('goes on where a crash interrupted it, at whatever batch', async () => {
    const from = await source([1, 1, 1, 2]);
    const parts = shuffled(await partsOf(from, 3, 2), 8);
    let wasCut = true;
    for (let failsAt = 0; wasCut; failsAt++) {
      const isWritten = failsAt % 2 === 1;
      const keyValue = new MemoryKeyValue();
      const { twin } = await source([0, 1], keyValue);
      const run = async (store: ChainStore): Promise<void> => {
        const restore = await store.restore(targetAt(from, 3));
        for (const part of parts) await restore.put(part);
        await restore.finish();
      };
      wasCut = await run(await open(new CutKeyValue(keyValue, failsAt, isWritten))).then(
        () => false,
        () => true,
      );
      const store = await open(keyValue.powerLoss(() => false));
      if (store.head!.height === 1) {
        await expectState(store, twin.last, ALL);
        await run(store);
      }
      await expectState(store, from.twin.last, ALL);
      expect(store.restoring).toBeUndefined();
    }
  });

  test('knows after a crash what is pending', async () => {
    const from = await source([1, 1, 1]);
    const keyValue = new MemoryKeyValue();
    const first = await open(keyValue);
    const restore = await first.restore(targetAt(from, 2));
    for (const part of (await partsOf(from, 2, 2)).slice(0, 3)) await restore.put(part);
    const { restoring } = await open(keyValue);
    expect(restoring?.pending).toEqual(restore.pending);
    expect(restoring?.head).toEqual(restore.head);
    await fetchAll(from.store, restoring!);
    expect(await restoring!.finish()).toEqual(from.twin.last.head);
  });
});

describe('a part of a state', () => {
  test('has no more records than fit a reply, and one at least', async () => {
    const store = await open(new MemoryKeyValue());
    const twin = new TwinChain(randomFrom(77));
    const large = { keys: 200, changes: 400, shardBits: 1, recordLength: () => STATE_RECORD_LENGTH_MAX };
    await twin.found(store, large);
    await twin.step(store, large);
    const target = { network: NETWORK, head: twin.last.head, decided: twin.last.decided! };
    const copy = await open(new MemoryKeyValue());
    const restore = await copy.restore(target);
    let largest = 0;
    while (restore.pending.length > 0) {
      const part = await store.chunk(1, restore.pending[0]!);
      const length = part.records.reduce((sum, record) => sum + record.length, 0);
      expect(length).toBeLessThanOrEqual(CHUNK_RECORDS_LENGTH_MAX);
      largest = Math.max(largest, length);
      await restore.put(part);
    }
    expect(largest).toBeGreaterThan(CHUNK_RECORDS_LENGTH_MAX / 4);
    await restore.finish();
    expect(copy.head).toEqual(store.head);
  });

  test('is of one shard, and of a state that is here', async () => {
    const { store } = await source([1, 1, 1]);
    await expectCodeAsync('INVALID_ARGUMENT', store.chunk(2, '' as Prefix));
    await expectCodeAsync('NOT_FOUND', store.chunk(3, '0' as Prefix));
    const { chunk, records } = await store.chunk(2, '0000' as Prefix);
    expect(records.length).toBe(chunk.leaves.length);
    expect(chunk.leaves.toSorted((a, b) => compare(a.path, b.path))).toEqual(chunk.leaves);
  });
});
