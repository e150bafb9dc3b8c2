// Writes that go on while a sync is under way: what the sync does not cover is neither confirmed nor called damaged.

import { expect, test } from 'vitest';
import { StoreError } from '../../../src/base/errors.ts';
import type { Files, OpenFile } from '../../../src/runtime/files.ts';
import { codeOf, filled, Harness, keyOf } from '../log-harness.ts';
import { seededChance } from '../simulated-disk.ts';

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A harness whose syncs cover what was written before them, and return some turns later. */
async function withSlowSyncs(
  onWrite: (isSyncing: boolean) => void = () => undefined,
  slow: { turns: number } = { turns: 4 },
): Promise<Harness> {
  let syncing = 0;
  const slowed = (file: OpenFile): OpenFile => ({
    ...file,
    write: (parts, position) => {
      onWrite(syncing > 0);
      return file.write(parts, position);
    },
    sync: async () => {
      syncing++;
      await file.sync();
      await turns(slow.turns);
      syncing--;
    },
  });
  // Through a proxy, because the harness has another disk after each crash.
  const files = new Proxy({} as Files, {
    get: (_target, name: keyof Files) => {
      if (name === 'open')
        return async (...args: Parameters<Files['open']>) => slowed(await harness.disk.open(...args));
      return (harness.disk[name] as (...args: unknown[]) => unknown).bind(harness.disk);
    },
  });
  const harness: Harness = new Harness({ files, logFileLength: 20_000 });
  await harness.open();
  return harness;
}

/** Puts, replacements and removals that come in while earlier ones are being synced. */
async function story(harness: Harness, seed: number): Promise<void> {
  const chance = seededChance(seed);
  const calls: Promise<unknown>[] = [];
  for (let step = 0; step < 24; step++) {
    const key = keyOf(Math.floor(chance() * 10));
    const call =
      chance() < 0.8 ? harness.put(key, filled(Math.floor(chance() * 900), step)) : harness.remove(key);
    calls.push(codeOf(call));
    await turns(Math.floor(chance() * 3));
  }
  for (const code of await Promise.all(calls)) expect(['none', 'DISK', 'CLOSED']).toContain(code);
}

test('the next batch is written while the last one is being synced', async () => {
  let writesMeanwhile = 0;
  const harness = await withSlowSyncs((isSyncing) => {
    if (isSyncing) writesMeanwhile++;
  });
  await story(harness, 1);
  expect(writesMeanwhile).toBeGreaterThan(5);
  await harness.check();
  await harness.restart();
  await harness.check();
  await harness.log.close();
});

test('what waits is written in halves where it is long, and in one batch where it is short', async () => {
  const harness = await Harness.open({ logFileLength: 4_000_000 });
  await harness.put(keyOf(0), filled(10, 0));
  let writes = 0;
  harness.disk.hook = ({ kind, path }) => {
    if (kind === 'write' && path.endsWith('.log')) writes++;
    return undefined;
  };
  const putAll = async (length: number): Promise<number> => {
    writes = 0;
    await Promise.all(Array.from({ length: 16 }, (_, n) => harness.put(keyOf(n), filled(length, n))));
    return writes;
  };
  expect(await putAll(1000)).toBe(1);
  // Halves of what is still to be synced: 8 of 16, then 8; the bytes of a head may move one to a third.
  const count = await putAll(65_536);
  expect(count).toBeGreaterThanOrEqual(2);
  expect(count).toBeLessThanOrEqual(3);
  await harness.log.close();
});

test('a crash during a sync beside writes loses nothing confirmed and calls nothing damaged', async () => {
  const slow = { turns: 4 };
  const whole = await withSlowSyncs(undefined, slow);
  await story(whole, 2);
  const { operations } = whole.disk;
  await whole.log.close();
  for (let cutAt = 12; cutAt < operations; cutAt++) {
    const chance = seededChance(cutAt);
    slow.turns = 1 + Math.floor(chance() * 6);
    const harness = await withSlowSyncs(undefined, slow);
    harness.disk.hook = () => (harness.disk.operations >= cutAt ? harness.disk.cut() : undefined);
    await story(harness, 2);
    const report = await harness.crash(chance, true, chance() < 0.7);
    expect(report.damagedCount).toBe(0);
    await harness.check();
    await harness.put(keyOf(50), filled(200, 50));
    await harness.crash(chance, true, true);
    await harness.check();
    await harness.log.close();
  }
});

test('a removal and a put that were written but not yet synced decide what the next ones find', async () => {
  const harness = await withSlowSyncs();
  const results: number[] = [];
  const calls: Promise<unknown>[] = [];
  const remove = (): void => {
    calls.push(harness.log.remove([keyOf(1)]).then((count) => results.push(count)));
  };
  calls.push(harness.log.put({ key: keyOf(1), meta: new Uint8Array(), payload: filled(10, 1) }));
  for (let step = 0; step < 3; step++) {
    await turns(1);
    remove();
  }
  await Promise.all(calls);
  expect(results).toEqual([1, 0, 0]);
  expect(await harness.log.stat(keyOf(1))).toBe(undefined);
  expect(harness.log.usage().entries).toBe(0);
  await harness.log.close();
});

test('a row that the index cannot store ends writing, and what was confirmed is there after the next start', async () => {
  const harness = await Harness.open();
  await harness.put(keyOf(1), filled(100, 1));
  harness.index.failWrites(new StoreError('DISK', 'no index'));
  await harness.put(keyOf(2), filled(100, 2));
  expect(await harness.log.read(keyOf(2), 0, 100)).toEqual(filled(100, 2));
  await turns(5);
  expect(harness.failures.length).toBe(1);
  expect(await codeOf(harness.log.remove([keyOf(1)]))).toBe('DISK');
  expect(await harness.log.read(keyOf(2), 0, 100)).toEqual(filled(100, 2));
  expect((await harness.restart()).start).toBe('recovered');
  await harness.check();
  await harness.log.close();
});
