import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { compare } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { HOLDINGS_PAGE } from '../../../src/base/limits.ts';
import { INDEX_RANGE, MARK_KEY } from '../../../src/node/audit/holdings-keys.ts';
import { decodeMark } from '../../../src/node/audit/holdings-mark.ts';
import type { ChainStore } from '../../../src/node/chain/types.ts';
import { type LocalKeyValue, openKeyValue } from '../../../src/runtime/key-value.ts';
import { MemoryKeyValue } from '../../../src/runtime/memory-key-value.ts';
import { putSegments } from '../../../src/shards/object-record.ts';
import type { PlacedSegment } from '../../../src/shards/segments.ts';
import { expectCode, expectCodeAsync } from '../../helpers/expect-code.ts';
import { shapeOf } from '../../shards/objects.ts';
import { NETWORK, randomFrom } from '../chain/store-kit.ts';
import {
  type Block,
  collect,
  expectEntries,
  expectHoldings,
  expectReads,
  heldIn,
  idAt,
  Ledger,
  NODES,
  openBoth,
  openStore,
  PARAMS,
  putNew,
  roundAt,
} from './holdings-kit.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const SMALL_STEP = { records: 5, places: 60 };

interface Disk {
  readonly open: () => Promise<LocalKeyValue>;
  /** The process ends. */
  readonly end: (keyValue: LocalKeyValue) => Promise<void>;
}

function memory(): Promise<Disk> {
  const keyValue = new MemoryKeyValue();
  return Promise.resolve({ open: () => Promise.resolve(keyValue), end: () => Promise.resolve() });
}

async function level(): Promise<Disk> {
  const folder = await mkdtemp(join(tmpdir(), 'holdings-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  return {
    open: async () => {
      const keyValue = await openKeyValue(folder);
      cleanups.push(() => keyValue.close().catch(() => undefined));
      return keyValue;
    },
    end: (keyValue) => keyValue.close(),
  };
}

async function markOf(keyValue: LocalKeyValue): Promise<ReturnType<typeof decodeMark>> {
  return decodeMark((await keyValue.get(MARK_KEY))!);
}

describe.each([
  { name: 'memory', make: memory },
  { name: 'Level', make: level },
])('the index of holdings in $name', ({ make }) => {
  test('is after every block what all records say, and still is when it is opened again', async () => {
    const disk = await make();
    let keyValue = await disk.open();
    let { store, holdings } = await openBoth(keyValue);
    const ledger = new Ledger(randomFrom(21));
    await ledger.found(store);
    await holdings.build(store);
    for (let height = 1; height <= 6; height++) {
      await ledger.step(store);
      expect((await markOf(keyValue)).height).toBe(height);
      await expectEntries(holdings, heldIn(ledger.memory));
      if (height % 3 > 0) continue;
      await expectHoldings(holdings, heldIn(ledger.memory));
      await disk.end(keyValue);
      keyValue = await disk.open();
      ({ store, holdings } = await openBoth(keyValue));
      await holdings.build(store);
    }
  });

  test.each([22, 42])(
    'is built from the state where blocks were committed without it, while the chain goes on (seed %i)',
    async (seed) => {
      const keyValue = await (await make()).open();
      const ledger = new Ledger(randomFrom(seed));
      const older = await openStore(keyValue);
      await ledger.found(older);
      for (let height = 1; height <= 6; height++) await ledger.step(older, 6);
      const { store, holdings } = await openBoth(keyValue);
      const logged: number[] = [];
      const logger = { info: (facts: object) => logged.push((facts as { percent: number }).percent) };
      const parts = new Set<number>();
      let steps = 0;
      const busy: Pick<ChainStore, 'still'> = {
        still: async (task) => {
          expectCode('BUSY', () => holdings.holdersCount);
          await expectCodeAsync('BUSY', collect(holdings.piecesOf(NODES[0]!)));
          if (steps++ > 0) parts.add((await markOf(keyValue)).cursor.part);
          if (steps % 2 === 0 && steps < 20) await ledger.step(store, 5);
          return store.still(task);
        },
      };
      await holdings.build(busy, { logger, step: SMALL_STEP });
      expect(steps).toBeGreaterThan(8);
      // It was left within an object too.
      expect(parts.has(1)).toBe(true);
      expect(logged.at(-1)).toBe(100);
      expect(logged).toEqual(logged.toSorted((a, b) => a - b));
      await expectHoldings(holdings, heldIn(ledger.memory));
      await ledger.step(store);
      await expectEntries(holdings, heldIn(ledger.memory));
    },
  );

  test('a snapshot shows what was held when it was made, while blocks are committed', async () => {
    const disk = await make();
    const { store, holdings } = await openBoth(await disk.open());
    const ledger = new Ledger(randomFrom(23));
    await ledger.found(store);
    await holdings.build(store);
    for (let height = 1; height <= 4; height++) await ledger.step(store);
    const snapshot = holdings.snapshot();
    const before = heldIn(ledger.memory);
    for (let height = 5; height <= 8; height++) await ledger.step(store);
    await expectReads(snapshot, before);
    await snapshot.close();
    await expectHoldings(holdings, heldIn(ledger.memory));
  });
});

describe('the index of holdings', () => {
  test('gives all of a node by pages, and goes on behind a place', async () => {
    const { store, holdings } = await openBoth(new MemoryKeyValue());
    const ledger = new Ledger(randomFrom(1), (state) => {
      const segments = Array.from({ length: 30 }, () => ({
        salt: new Uint8Array(16),
        roots: Array.from({ length: 64 }, () => new Uint8Array(32) as never),
        holders: Array.from({ length: 64 }, () => NODES[0]!),
      }));
      putNew(state, 0, shapeOf(30, { code: { k: 2, n: 64 } }), segments);
    });
    await ledger.found(store);
    await holdings.build(store);
    const all = await collect(holdings.piecesOf(NODES[0]!));
    expect(all.length).toBe(30 * 64 + 1);
    expect(all.length).toBeGreaterThan(3 * HOLDINGS_PAGE);
    for (const at of [0, HOLDINGS_PAGE - 1, all.length - 1]) {
      expect(await collect(holdings.piecesOf(NODES[0]!, all[at]!))).toEqual(all.slice(at + 1));
    }
    expect(await collect(holdings.piecesOf(new Uint8Array(32) as NodeId))).toEqual([]);
  });

  test('a draw ends when it is aborted', async () => {
    const { store, holdings } = await openBoth(new MemoryKeyValue());
    const ledger = new Ledger(randomFrom(7));
    await ledger.found(store);
    await holdings.build(store);
    await ledger.step(store);
    const held = heldIn(ledger.memory);
    const holder = NODES.find((node, index) => [...held.values()][index]!.length > 0 && node)!;
    await expect(
      holdings.drawOf(roundAt(1), holder, PARAMS, AbortSignal.abort(new Error('stop'))),
    ).rejects.toThrow('stop');
  });

  test('leaves the keys of others alone when it is built again', async () => {
    const keyValue = new MemoryKeyValue();
    const others = [[0xc1], [0xc1, 0, 1], [0xc1, 3], [0xc2]].map((bytes) => new Uint8Array(bytes));
    await keyValue.batch(others.map((key) => ({ kind: 'put', key, value: key })));
    const { store, holdings } = await openBoth(keyValue);
    const ledger = new Ledger(randomFrom(3));
    await ledger.found(store);
    await holdings.build(store);
    for (let height = 1; height <= 3; height++) await ledger.step(store);
    expect(await keyValue.getMany(others)).toEqual(others);
    expect(
      others.every((key) => compare(key, INDEX_RANGE.from) < 0 || compare(key, INDEX_RANGE.to) >= 0),
    ).toBe(true);
  });

  test('what changes in the midst of an object that is being read counts once, before and behind the cursor', async () => {
    const keyValue = new MemoryKeyValue();
    const of = (holder: NodeId): PlacedSegment => ({
      salt: new Uint8Array(16),
      roots: Array.from({ length: 64 }, () => new Uint8Array(32) as never),
      holders: Array.from({ length: 64 }, () => holder),
    });
    const shape = shapeOf(12, { code: { k: 2, n: 64 } });
    const ledger = new Ledger(randomFrom(1), (state) =>
      putNew(
        state,
        0,
        shape,
        Array.from({ length: 12 }, () => of(NODES[0]!)),
      ),
    );
    await ledger.found(await openStore(keyValue));
    const { store, holdings } = await openBoth(keyValue);
    let changed = 0;
    const between: Pick<ChainStore, 'still'> = {
      still: async (task) => {
        const mark = await keyValue.get(MARK_KEY);
        const part = mark === undefined ? 0 : decodeMark(mark).cursor.part;
        if (part === 1 || part === 2) {
          changed++;
          const { decided, executed } = ledger.block(store.head!, 0, (state) => {
            for (const each of [0, 1, 2]) {
              const segments = [0, 1, 2, 3].map((at) => of(NODES[(part + each + at) % 7]!));
              putSegments(state, idAt(0), each, segments);
            }
          });
          await store.commit(decided, executed);
        }
        return store.still(task);
      },
    };
    await holdings.build(between, { step: SMALL_STEP });
    expect(changed).toBe(2);
    await expectEntries(holdings, heldIn(ledger.memory));
  });

  test('building ends when it is aborted, and goes on at another start where it was', async () => {
    const keyValue = new MemoryKeyValue();
    const ledger = new Ledger(randomFrom(24));
    const older = await openStore(keyValue);
    await ledger.found(older);
    for (let height = 1; height <= 6; height++) await ledger.step(older, 8);
    const first = await openBoth(keyValue);
    const abort = new AbortController();
    let steps = 0;
    const stopping: Pick<ChainStore, 'still'> = {
      still: async (task) => {
        if (++steps === 6) abort.abort(new Error('stop'));
        return first.store.still(task);
      },
    };
    await expect(first.holdings.build(stopping, { signal: abort.signal, step: SMALL_STEP })).rejects.toThrow(
      'stop',
    );
    const { stage, cursor } = await markOf(keyValue);
    expect(stage).toBe('reading');
    expect(cursor.path.some((byte) => byte > 0)).toBe(true);
    const again = await openBoth(keyValue);
    await ledger.step(again.store);
    expect((await markOf(keyValue)).cursor).toEqual(cursor);
    await again.holdings.build(again.store, { step: SMALL_STEP });
    await expectHoldings(again.holdings, heldIn(ledger.memory));
  });

  test('an older index is thrown away when blocks were committed without it', async () => {
    const keyValue = new MemoryKeyValue();
    const ledger = new Ledger(randomFrom(25));
    const first = await openBoth(keyValue);
    await ledger.found(first.store);
    await first.holdings.build(first.store);
    for (let height = 1; height <= 4; height++) await ledger.step(first.store);
    const without = await openStore(keyValue);
    for (let height = 5; height <= 7; height++) await ledger.step(without);
    const again = await openBoth(keyValue);
    expect(again.holdings.isWhole).toBe(false);
    await ledger.step(again.store);
    expectCode('BUSY', () => again.holdings.snapshot());
    await again.holdings.build(again.store);
    await expectHoldings(again.holdings, heldIn(ledger.memory));
  });

  test('is not read any more when a state was fetched, until it is built from that', async () => {
    const ledger = new Ledger(randomFrom(26));
    const from = await openBoth(new MemoryKeyValue());
    const to = await openBoth(new MemoryKeyValue());
    await ledger.found(from.store);
    await to.store.found(
      ledger.founding,
      { height: 0, id: from.store.head!.id, timeMs: 1000, shardBits: 0 },
      NETWORK,
    );
    await from.holdings.build(from.store);
    await to.holdings.build(to.store);
    let last: Block | undefined;
    for (let height = 1; height <= 6; height++) {
      last = ledger.block(from.store.head!, 5);
      await from.store.commit(last.decided, last.executed);
      if (height <= 2) await to.store.commit(last.decided, last.executed);
    }
    expect(to.holdings.isWhole).toBe(true);
    const head = from.store.head!;
    const restore = await to.store.restore({ network: NETWORK, head, decided: last!.decided });
    while (restore.pending.length > 0) {
      await restore.put(await from.store.chunk(head.height, restore.pending[0]!));
    }
    await restore.finish();
    expectCode('BUSY', () => to.holdings.snapshot());
    await to.holdings.build(to.store);
    await expectHoldings(to.holdings, heldIn(ledger.memory));
    await ledger.step(to.store);
    await expectHoldings(to.holdings, heldIn(ledger.memory));
  });
});
