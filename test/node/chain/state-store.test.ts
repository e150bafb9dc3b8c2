// What pruning leaves is what the kept heights need, and nothing else.

import { describe, expect, test } from 'vitest';
import { concat, toHex } from '../../../src/base/bytes.ts';
import { decodeMeta, type KeptState } from '../../../src/node/chain/kept-state.ts';
import { StateStore } from '../../../src/node/chain/state-store.ts';
import {
  chainKey,
  generationRange,
  historyKey,
  recordKey,
  restOf,
  subjectRange,
} from '../../../src/node/chain/store-keys.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import type { LocalKeyValue } from '../../../src/runtime/key-value.ts';
import { MemoryKeyValue } from '../../../src/runtime/memory-key-value.ts';
import type { Subtree } from '../../../src/shards/tree/node.ts';
import { nodeKey } from '../../../src/shards/tree/node-key.ts';
import { lowestPath, type Prefix } from '../../../src/shards/tree/path.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import {
  CutKeyValue,
  expectHead,
  expectState,
  keyOf,
  open,
  randomFrom,
  type Step,
  TwinChain,
} from './store-kit.ts';

const BITS = [1, 2, 2, 1, 1, 0, 1, 2, 3, 2, 2];
const OPTIONS = { keys: 25, changes: 12, shardBits: 1 };
const ALL = Array.from({ length: OPTIONS.keys + 3 }, (_, index) => keyOf(index));

async function keysIn(
  keyValue: LocalKeyValue,
  from: Uint8Array,
  to: Uint8Array,
  isMeant: (value: Uint8Array) => boolean = () => true,
): Promise<string[]> {
  const keys: string[] = [];
  for await (const [key, value] of keyValue.range(from, to)) if (isMeant(value)) keys.push(toHex(key));
  return keys;
}

/** Keys of all nodes that the trees of kept heights lead to. */
async function reachableNodes(state: StateStore, kept: readonly KeptState[]): Promise<Set<string>> {
  const found = new Set<string>();
  const visit = async (at: Subtree, prefix: string): Promise<void> => {
    if (at.kind !== 'inner') return;
    const key = nodeKey(at.version, lowestPath(prefix as Prefix), prefix.length);
    if (found.has(key)) return;
    found.add(key);
    const node = await state.trees.node(key);
    expect(node, `node ${key}`).toBeDefined();
    await visit(node!.left, `${prefix}0`);
    await visit(node!.right, `${prefix}1`);
  };
  for (const { trees, nextTrees } of kept) {
    for (const { prefix, top } of [...trees, ...nextTrees]) await visit(top, prefix);
  }
  return found;
}

/**
 * Keys of records and former versions that the heights from `oldest` on need. Former tombstones are not among them: one that was pruned
 * before its record was written again is missed by nobody.
 */
function neededRecords(
  steps: readonly Step[],
  generation: number,
  oldest: number,
  pins: readonly number[],
): string[] {
  const keys: string[] = [];
  for (const { path, text } of ALL) {
    const writes = steps.flatMap(({ executed }, version) =>
      executed.changes.filter(({ key }) => key.text === text).map(({ after }) => ({ version, after })),
    );
    const latest = writes.at(-1);
    if (latest === undefined) continue;
    const { version: last, after } = latest;
    if (after === null && last <= oldest && !pins.some((pin) => pin < last)) continue;
    keys.push(toHex(recordKey(generation, path)));
    for (const [index, { version, after: record }] of writes.slice(0, -1).entries()) {
      const next = writes[index + 1]!.version;
      const isNeeded = next > oldest || pins.some((pin) => pin >= version && pin < next);
      if (record !== null && isNeeded) keys.push(toHex(historyKey(generation, path, version)));
    }
  }
  return keys.toSorted();
}

async function expectNothingElse(
  keyValue: LocalKeyValue,
  twin: TwinChain,
  oldest: number,
  pins: readonly number[] = [],
): Promise<void> {
  const { generation, height, oldestState } = decodeMeta((await keyValue.get(chainKey('meta')))!);
  expect(oldestState).toBe(oldest);
  const state = new StateStore(keyValue, generation, nativeSha256);
  const heights = [...pins, ...Array.from({ length: height - oldest + 1 }, (_, index) => oldest + index)];
  const kept = await Promise.all(heights.map((at) => state.keptAt(at)));
  const nodes = subjectRange(generation, 'node');
  const stored = (await keysIn(keyValue, nodes.from, nodes.to)).map((key) => key.slice(14));
  expect(stored).toEqual([...(await reachableNodes(state, kept as KeptState[]))].toSorted());
  const records = subjectRange(generation, 'record');
  const history = subjectRange(generation, 'history');
  const present = await keysIn(keyValue, records.from, records.to);
  const former = await keysIn(keyValue, history.from, history.to, (value) => value[0] === 1);
  expect([...present, ...former]).toEqual(neededRecords(twin.steps, generation, oldest, pins));
  const tops = subjectRange(generation, 'kept');
  expect((await keysIn(keyValue, tops.from, tops.to)).length).toBe(heights.length);
  for (const subject of ['pinned-record', 'pinned-node'] as const) {
    const { from, to } = subjectRange(generation, subject);
    for await (const [key] of keyValue.range(from, to)) expect(pins).toContain(firstHeight(key));
  }
  // Stale entries are of versions to come, and of those only.
  for (const subject of ['stale-record', 'stale-node'] as const) {
    const { from, to } = subjectRange(generation, subject);
    for await (const [key] of keyValue.range(from, to)) {
      expect(firstHeight(key)).toBeGreaterThan(oldest);
    }
  }
}

const firstHeight = (key: Uint8Array): number =>
  Number(new DataView(concat(restOf(key)).buffer).getBigUint64(0));

async function grown(keyValue: LocalKeyValue, seed: number, heights: number): Promise<TwinChain> {
  const store = await open(keyValue);
  const twin = new TwinChain(randomFrom(seed));
  await twin.found(store, OPTIONS);
  for (let height = 1; height <= heights; height++) {
    await twin.step(store, { ...OPTIONS, shardBits: BITS[height % BITS.length]! });
  }
  return twin;
}

describe('pruning', () => {
  test.each([0, 1, 7, 11, 12])('up to state %i of 12 leaves exactly what is needed', async (oldest) => {
    const keyValue = new MemoryKeyValue();
    const twin = await grown(keyValue, 7 + oldest, 12);
    const store = await open(keyValue);
    await store.prune({ block: 5, state: oldest });
    await expectNothingElse(keyValue, twin, oldest);
    for (const step of twin.steps.slice(oldest)) await expectState(store, step, ALL.slice(0, 6));
    await expectHead(store, twin.last, ALL);
    if (oldest > 0) await expectCodeAsync('NOT_FOUND', store.prove(oldest - 1, [ALL[0]!.path]));
    for (const { head, decided } of twin.steps.slice(1)) {
      const isKept = head.height >= 5;
      expect((await store.decision(head.height)) !== undefined).toBe(isKept);
      const { id } = decided!.block.body.transactions[0]!;
      expect((await store.transaction(id)) !== undefined).toBe(isKept);
    }
    expect([store.oldestBlock, store.oldestState]).toEqual([5, oldest]);
  });

  test('between blocks, again and again, leaves the same', async () => {
    const keyValue = new MemoryKeyValue();
    const store = await open(keyValue);
    const twin = new TwinChain(randomFrom(50));
    await twin.found(store, OPTIONS);
    for (let height = 1; height <= 30; height++) {
      const pruning = store.prune({ block: height - 2, state: height - 3 });
      await twin.step(store, { ...OPTIONS, shardBits: BITS[height % BITS.length]! });
      await pruning;
      await expectHead(store, twin.last, ALL);
      if (height % 5 === 0) await expectNothingElse(keyValue, twin, height - 3);
    }
    await expectState(store, twin.steps.at(-3)!, ALL);
  });

  test('keeps the head, whatever is asked for, and never goes back', async () => {
    const keyValue = new MemoryKeyValue();
    const twin = await grown(keyValue, 5, 4);
    const store = await open(keyValue);
    await store.prune({ block: 100, state: 100 });
    await store.prune({ block: 1, state: 0 });
    expect([store.oldestBlock, store.oldestState]).toEqual([4, 4]);
    await expectNothingElse(keyValue, twin, 4);
    const again = await open(keyValue);
    await expectState(again, twin.last, ALL);
    await twin.step(again, OPTIONS);
    await expectHead(again, twin.last, ALL);
  });

  test('that was cut at any batch is finished later', async () => {
    for (let failsAt = 0; ; failsAt++) {
      const keyValue = new MemoryKeyValue();
      const twin = await grown(keyValue, 9, 8);
      const cut = new CutKeyValue(keyValue, failsAt);
      const wasCut = await (await open(cut)).prune({ block: 4, state: 6 }).then(
        () => false,
        () => true,
      );
      const next = keyValue.powerLoss(() => twin.random() < 0.5);
      const store = await open(next);
      await expectHead(store, twin.last, ALL);
      await expectState(store, twin.steps.at(6)!, ALL);
      await twin.step(store, { ...OPTIONS, shardBits: 2 });
      await store.prune({ block: 4, state: 6 });
      await expectNothingElse(next, twin, 6);
      if (!wasCut) break;
    }
  });

  test('ends after the step at hand when it is told to stop, and is finished later', async () => {
    const keyValue = new MemoryKeyValue();
    const twin = await grown(keyValue, 9, 30);
    const stop = new AbortController();
    const counted = new (class extends CutKeyValue {
      override async batch(...of: Parameters<CutKeyValue['batch']>): Promise<void> {
        await super.batch(...of);
        // The first names what is the oldest from now on, the second is a step.
        if (this.batches === 2) stop.abort();
      }
    })(keyValue);
    const store = await open(counted);
    await store.prune({ block: 29, state: 28 }, stop.signal);
    expect(counted.batches).toBe(2);
    expect([store.oldestBlock, store.oldestState]).toEqual([29, 28]);
    await expectCodeAsync('NOT_FOUND', store.prove(27, [ALL[0]!.path]));
    await expectHead(store, twin.last, ALL);
    await store.prune({ block: 29, state: 28 });
    expect(counted.batches).toBeGreaterThan(3);
    await expectNothingElse(keyValue, twin, 28);
  });

  test('of nothing does nothing', async () => {
    const keyValue = new MemoryKeyValue();
    const store = await open(keyValue);
    await store.prune({ block: 3, state: 3 });
    expect(await keysIn(keyValue, generationRange(0, 9).from, generationRange(0, 9).to)).toEqual([]);
  });
});

describe('a pinned state', () => {
  const PINNED = [
    { pins: [3], oldest: 12 },
    { pins: [0, 5], oldest: 12 },
    { pins: [4, 5, 9], oldest: 11 },
    { pins: [2, 7], oldest: 8 },
  ];

  test.each(PINNED)(
    'stays: $pins below $oldest of 12, with what it needs and nothing else',
    async (wanted) => {
      const { pins, oldest } = wanted;
      const keyValue = new MemoryKeyValue();
      const twin = await grown(keyValue, 30 + oldest + pins.length, 12);
      const store = await open(keyValue);
      await store.prune({ block: 1, state: oldest, states: pins });
      await expectNothingElse(keyValue, twin, oldest, pins);
      const reopened = await open(keyValue);
      for (const height of [...pins, oldest]) await expectState(reopened, twin.steps[height]!, ALL);
      expect(twin.steps.map((_, height) => reopened.hasState(height))).toEqual(
        twin.steps.map((_, height) => height >= oldest || pins.includes(height)),
      );
      await expectCodeAsync('NOT_FOUND', reopened.prove(1, [ALL[0]!.path]));
      await reopened.prune({ block: 1, state: oldest });
      await expectNothingElse(keyValue, twin, oldest);
    },
  );

  test('stays while it is named, through blocks and in whatever order pins go', async () => {
    const random = randomFrom(61);
    for (let run = 0; run < 6; run++) {
      const keyValue = new MemoryKeyValue();
      const store = await open(keyValue);
      const twin = new TwinChain(randomFrom(70 + run));
      await twin.found(store, OPTIONS);
      let pins: number[] = [];
      for (let height = 1; height <= 24; height++) {
        const oldest = Math.max(0, height - 3);
        pins = pins.filter(() => random() < 0.85);
        if (height % 4 === 0) pins.push(oldest - 1);
        const pruning = store.prune({ block: 1, state: oldest, states: pins });
        await twin.step(store, { ...OPTIONS, shardBits: BITS[height % BITS.length]! });
        await pruning;
        if (height % 6 !== 0) continue;
        await expectNothingElse(keyValue, twin, oldest, pins);
        for (const pin of pins) await expectState(store, twin.steps[pin]!, ALL);
        await expectHead(store, twin.last, ALL);
      }
    }
  });

  test('is none that was pruned before', async () => {
    const keyValue = new MemoryKeyValue();
    const twin = await grown(keyValue, 12, 8);
    const store = await open(keyValue);
    await store.prune({ block: 1, state: 6 });
    await store.prune({ block: 1, state: 7, states: [2, 6] });
    expect([store.hasState(2), store.hasState(6)]).toEqual([false, true]);
    await expectNothingElse(keyValue, twin, 7, [6]);
  });

  test('is whole when pruning was cut at any batch', async () => {
    for (let failsAt = 0; ; failsAt++) {
      const keyValue = new MemoryKeyValue();
      const twin = await grown(keyValue, 9, 8);
      const cut = new CutKeyValue(keyValue, failsAt);
      const run = async (): Promise<void> => {
        const store = await open(cut);
        await store.prune({ block: 4, state: 5, states: [2, 4] });
        await store.prune({ block: 4, state: 6, states: [2] });
      };
      const wasCut = await run().then(
        () => false,
        () => true,
      );
      const next = keyValue.powerLoss(() => twin.random() < 0.5);
      const store = await open(next);
      await expectState(store, twin.steps[2]!, ALL);
      await store.prune({ block: 4, state: 6, states: [2] });
      await expectState(store, twin.steps[2]!, ALL);
      await expectNothingElse(next, twin, 6, [2]);
      if (!wasCut) break;
    }
  });
});
