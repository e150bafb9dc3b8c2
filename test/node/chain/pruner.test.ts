import { expect, test } from 'vitest';
import { PRUNE_BLOCKS_PER_RUN, PRUNE_EVERY_HEIGHTS, STATES_KEPT_MAX } from '../../../src/base/limits.ts';
import type { Committed } from '../../../src/node/chain/chain.ts';
import { type Keeping, Pruner, type PrunerPorts } from '../../../src/node/chain/pruner.ts';
import type { Oldest } from '../../../src/node/chain/types.ts';
import { StoreError } from '../../../src/base/errors.ts';
import { epochStateKey, epochStateRecord } from '../../../src/shards/epoch-state.ts';
import type { EpochState } from '../../../src/shards/epoch-state.ts';
import type { Epoch } from '../../../src/base/ids.ts';
import { LoadedState, Overlay } from '../../../src/shards/view.ts';
import { digestFrom } from '../../helpers/records.ts';

const EPOCH = 50;

/** The state says that epochs have begun every 50 blocks. */
function stateAt(height: number): Uint8Array {
  const epoch = Math.floor(height / EPOCH);
  const state: EpochState = {
    epoch: epoch as Epoch,
    lengthBlocks: EPOCH,
    seed: digestFrom('seed'),
    shardBits: 0,
    mode: 'shared',
    membersDigest: digestFrom('members'),
    previousDigest: digestFrom('previous'),
    memberCount: 1,
    starts: Array.from({ length: epoch + 1 }, (_, index) => ({ height: EPOCH * index + 1, timeMs: index })),
  };
  const loaded = new LoadedState();
  loaded.add(epochStateKey(), null);
  const overlay = new Overlay(loaded);
  overlay.put(epochStateKey(), epochStateRecord, state);
  return overlay.changes()[0]!.after!;
}

/** A chain of `heights` blocks, `everyMs` apart, with a pruner beside it. */
async function pruned(
  heights: number,
  everyMs: number,
  keeping?: Keeping,
  prune?: (signal: AbortSignal | undefined) => Promise<void>,
) {
  const calls: Oldest[] = [];
  const failures: StoreError[] = [];
  let height = 0;
  let oldestBlock = 1;
  let tell: (committed: Committed) => void = () => undefined;
  const chain = {
    get head() {
      return { height };
    },
    load: async () => [stateAt(height)],
    onCommit: (listener: typeof tell) => {
      tell = listener;
      return () => {
        tell = () => undefined;
      };
    },
  } as unknown as PrunerPorts['chain'];
  const store: PrunerPorts['store'] = {
    get oldestBlock() {
      return oldestBlock;
    },
    prune: async (oldest, signal) => {
      calls.push(oldest);
      oldestBlock = Math.max(oldestBlock, oldest.block);
      await prune?.(signal);
    },
  };
  const pruner = new Pruner({ chain, store, failed: (error) => failures.push(error) }, keeping);
  while (height < heights) {
    height++;
    tell({ head: { height, timeMs: 1_000_000 + height * everyMs } } as Committed);
    // So much a node does between two blocks.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await pruner.stop();
  return { calls, failures, stop: () => pruner.stop() };
}

test('keeps as many blocks and states as it is told, and the states of the last two borders', async () => {
  const { calls } = await pruned(192, 1000, { blocks: 120, states: 20 });
  expect(calls.at(-1)).toEqual({ block: 73, state: 172, states: [150, 100] });
  expect(calls.filter(({ state }) => state === 172).length).toBe(1);
});

test('keeps the blocks after the older border, however few it is told to keep', async () => {
  const { calls } = await pruned(192, 1000, { blocks: 10, states: 20 });
  expect(calls.at(-1)).toEqual({ block: 100, state: 172, states: [150, 100] });
});

test('keeps every block where it is told so', async () => {
  const { calls } = await pruned(400, 1000, { blocks: 'all' });
  for (const { block } of calls) expect(block).toBeLessThanOrEqual(1);
});

test('keeps the states of the last seconds: 32 of a slow chain, more of a fast one, but not without end', async () => {
  const kept = async (everyMs: number): Promise<number> =>
    PRUNE_EVERY_HEIGHTS * 50 - (await pruned(PRUNE_EVERY_HEIGHTS * 50, everyMs)).calls.at(-1)!.state;
  expect(await kept(1000)).toBe(32);
  expect(await kept(100)).toBe(101);
  expect(await kept(1)).toBe(STATES_KEPT_MAX);
});

test('gives up many blocks in parts', async () => {
  const { calls } = await pruned(2000, 1000, { blocks: 10 });
  let oldest = 1;
  for (const { block } of calls) {
    expect(block - oldest).toBeLessThanOrEqual(PRUNE_BLOCKS_PER_RUN);
    oldest = Math.max(oldest, block);
  }
});

test('says when the disk fails', async () => {
  const { failures } = await pruned(40, 1000, {}, () => Promise.reject(new StoreError('DISK', 'full')));
  expect(failures[0]?.code).toBe('DISK');
});

test('a stop ends what the store is giving up, and begins nothing after it', async () => {
  const untilTold = (signal: AbortSignal | undefined): Promise<void> =>
    new Promise((resolve) => signal?.addEventListener('abort', () => resolve()));
  const { calls, failures } = await pruned(2000, 1000, { blocks: 10 }, untilTold);
  expect(calls.length).toBe(1);
  expect(failures).toEqual([]);
});
