// What compaction picks, what it leaves alone, and what it leaves behind when the disk fails it or the power goes.

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { LOG_HOUSEKEEPING_MS } from '../../../src/base/limits.ts';
import type { Clock } from '../../../src/base/ports.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { type Files, systemFiles } from '../../../src/runtime/files.ts';
import { openPieceLog } from '../../../src/runtime/piece-log/log.ts';
import { codeOf, filled, FOLDER, Harness, keyOf, NETWORK, NODE } from '../log-harness.ts';
import { systemError } from '../simulated-disk.ts';

const PATIENCE = { timeout: 8000 };

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-upkeep-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A clock on which the log keeps house only when told to. */
function housekeepingByHand(): { readonly clock: Clock; readonly keepHouse: () => void } {
  let run = (): void => undefined;
  const timer = (delayMs: number, next: () => void): (() => void) => {
    if (delayMs !== LOG_HOUSEKEEPING_MS) return systemClock.timer(delayMs, next);
    run = next;
    return () => undefined;
  };
  return { clock: { ...systemClock, timer }, keepHouse: () => run() };
}

/** Bytes of all log files in the folder. */
function bytesOnDisk({ disk }: Harness): number {
  const logs = disk.paths().filter((path) => path.endsWith('.log'));
  return logs.reduce((sum, path) => sum + disk.bytesOf(path).length, 0);
}

/** Lets work in the background go on for a while. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test('at the quota a file without dead bytes is left alone, however short it is', async () => {
  const harness = await Harness.open({ quotaBytes: 10_000, logFileLength: 2000 });
  for (let n = 0; n < 4; n++) await harness.put(keyOf(n), filled(1700, n));
  await harness.put(keyOf(9), filled(20, 9));
  let created = 0;
  harness.disk.hook = ({ kind, path }) => {
    // A loop would leave no turn to the test: the disk ends it.
    if (kind === 'create' && path.endsWith('.log') && ++created > 20) throw systemError('EIO');
    return undefined;
  };
  expect(await codeOf(harness.put(keyOf(10), filled(5000, 10)))).toBe('FULL');
  await harness.put(keyOf(9), filled(20, 9));
  expect(await codeOf(harness.put(keyOf(10), filled(5000, 10)))).toBe('FULL');
  await harness.remove(keyOf(77));
  await turns(300);
  // One copy gives back the record that was replaced; a second would give back nothing.
  expect(created).toBeLessThanOrEqual(1);
  await harness.check();
  await harness.log.close();
});

test('a place that the disk cannot read costs its entry only: the rest of the file and other files are compacted', async () => {
  const folder = join(root, 'unreadable');
  const damaged: string[] = [];
  let badAt = -1;
  const files: Files = {
    ...systemFiles,
    open: async (path, mode) => {
      const file = await systemFiles.open(path, mode);
      if (basename(path) !== '00000001.log') return file;
      return {
        ...file,
        read: (into, position) => {
          if (position <= badAt && badAt < position + into.length) throw systemError('EIO');
          return file.read(into, position);
        },
      };
    },
  };
  const options = {
    folder,
    network: NETWORK,
    node: NODE,
    clock: systemClock,
    quotaBytes: 1e12,
    reserveBytes: 0,
    logFileLength: 510_000,
    files,
    onDamage: (key: Uint8Array) => damaged.push(toHex(key)),
  };
  const { log } = await openPieceLog(options);
  for (let n = 0; n < 11; n++)
    await log.put({ key: keyOf(n), meta: filled(9, n), payload: filled(100_000, n) });
  badAt = 50_000;
  await log.remove([1, 2, 3, 6, 7, 8].map(keyOf));
  for (const name of ['00000001.log', '00000002.log'])
    await expect.poll(() => readdir(folder), PATIENCE).not.toContain(name);
  expect(damaged).toEqual([toHex(keyOf(0))]);
  expect(await codeOf(log.read(keyOf(0), 0, 10))).toBe('DAMAGED');
  expect(await log.stat(keyOf(0))).toEqual({ key: keyOf(0), meta: filled(9, 0), payloadLength: 100_000 });
  for (const n of [4, 5, 9, 10]) expect(await log.read(keyOf(n), 0, 100_000)).toEqual(filled(100_000, n));
  await log.close();
  const again = await openPieceLog(options);
  expect(await codeOf(again.log.read(keyOf(0), 0, 10))).toBe('DAMAGED');
  expect(await again.log.read(keyOf(4), 0, 100_000)).toEqual(filled(100_000, 4));
  await again.log.close();
});

test('a file that the system does not open is tried again later, and others are compacted meanwhile', async () => {
  const { clock, keepHouse } = housekeepingByHand();
  const harness = await Harness.open({ clock, logFileLength: 2000 });
  for (let n = 0; n < 9; n++) await harness.put(keyOf(n), filled(350, n));
  let isRefused = true;
  harness.disk.hook = ({ kind, path }) => {
    if (kind === 'open' && isRefused && path.endsWith('00000001.log')) throw systemError('EMFILE');
    return undefined;
  };
  for (const n of [0, 1, 2, 3, 4, 5, 6]) await harness.remove(keyOf(n));
  await expect.poll(() => harness.disk.list(FOLDER), PATIENCE).not.toContain('00000002.log');
  expect(await harness.disk.list(FOLDER)).toContain('00000001.log');
  isRefused = false;
  keepHouse();
  await expect.poll(() => harness.disk.list(FOLDER), PATIENCE).not.toContain('00000001.log');
  await harness.check();
  await harness.log.close();
});

test('a file that compaction deleted does not come back when the power goes', async () => {
  const harness = await Harness.open({ logFileLength: 2000 });
  for (let n = 0; n < 7; n++) await harness.put(keyOf(n), filled(350, n));
  for (const n of [0, 1, 2]) await harness.remove(keyOf(n));
  await expect.poll(() => harness.disk.list(FOLDER), PATIENCE).not.toContain('00000001.log');
  await expect.poll(() => harness.log.usage().logBytes - bytesOnDisk(harness), PATIENCE).toBe(0);
  // Of what no sync made durable, this power cut keeps nothing.
  await harness.crash(() => 0.99, true, false);
  expect(await harness.disk.list(FOLDER)).not.toContain('00000001.log');
  await harness.check();
  await harness.log.close();
});

test('a file that cannot be deleted still counts, and the removals of what it holds stay in force', async () => {
  const harness = await Harness.open({ logFileLength: 2000 });
  for (let n = 0; n < 6; n++) await harness.put(keyOf(n), filled(350, n));
  let refusals = 0;
  harness.disk.hook = ({ kind, path }) => {
    if (kind !== 'name' || !path.endsWith('00000001.log')) return undefined;
    refusals++;
    throw systemError('EPERM');
  };
  for (let n = 0; n < 4; n++) await harness.remove(keyOf(n));
  await expect.poll(() => refusals, PATIENCE).toBe(1);
  // The second file, which has the removals, becomes worth compacting.
  for (let n = 4; n < 12; n++) await harness.put(keyOf(n), filled(350, n + 50));
  await expect.poll(() => harness.disk.list(FOLDER), PATIENCE).not.toContain('00000002.log');
  await expect.poll(() => harness.log.usage().logBytes - bytesOnDisk(harness), PATIENCE).toBe(0);
  await harness.crash(() => 0.99, true, false);
  expect(await harness.disk.list(FOLDER)).toContain('00000001.log');
  await harness.check();
  await harness.log.close();
});

test('a file that could not be deleted is tried again later, without another copy of what it held', async () => {
  const { clock, keepHouse } = housekeepingByHand();
  const harness = await Harness.open({ clock, logFileLength: 2000 });
  for (let n = 0; n < 5; n++) await harness.put(keyOf(n), filled(350, n));
  let refusals = 0;
  harness.disk.hook = ({ kind, path }) => {
    if (kind !== 'name' || !path.endsWith('00000001.log') || refusals > 0) return undefined;
    refusals++;
    throw systemError('EPERM');
  };
  for (const n of [0, 1, 2]) await harness.remove(keyOf(n));
  await expect.poll(() => refusals, PATIENCE).toBe(1);
  await turns(20);
  const { logBytes } = harness.log.usage();
  expect(logBytes).toBe(bytesOnDisk(harness));
  const { length } = harness.disk.bytesOf(`${FOLDER}/00000001.log`);
  keepHouse();
  await expect.poll(() => harness.log.usage().logBytes, PATIENCE).toBe(logBytes - length);
  expect(await harness.disk.list(FOLDER)).not.toContain('00000001.log');
  await harness.check();
  await harness.log.close();
});
