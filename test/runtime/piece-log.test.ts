import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import type { StoreError } from '../../src/base/errors.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { type Files, systemFiles } from '../../src/runtime/files.ts';
import { openPieceLog, type PieceLogOptions } from '../../src/runtime/piece-log/log.ts';
import { pieceLogSuite } from '../suites/piece-log.ts';
import { codeOf, filled, FOLDER, Harness, keyOf, NETWORK, NODE } from './log-harness.ts';
import { seededChance, systemError } from './simulated-disk.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-log-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

let folders = 0;
const newFolder = (): string => join(root, `log-${folders++}`);

function optionsFor(folder: string, more: Partial<PieceLogOptions> = {}): PieceLogOptions {
  return {
    folder,
    network: NETWORK,
    node: NODE,
    clock: systemClock,
    quotaBytes: 1e12,
    reserveBytes: 0,
    ...more,
  };
}

/** Turns over one bit of a file in place. */
async function flip(path: string, at: number, bit = 1): Promise<void> {
  const bytes = await readFile(path);
  bytes[at]! ^= bit;
  await writeFile(path, bytes);
}

pieceLogSuite('log on disk', async (setup) => {
  const folder = newFolder();
  const damaged: string[] = [];
  const failures: StoreError[] = [];
  let freeBytes = 1e12;
  let isBroken = false;
  const files: Files = {
    ...systemFiles,
    space: async () => ({ freeBytes, totalBytes: 1e12 }),
    open: async (path, mode) => {
      const file = await systemFiles.open(path, mode);
      return {
        ...file,
        sync: async () => {
          if (isBroken) throw systemError('EIO');
          await file.sync();
        },
      };
    },
  };
  const { log } = await openPieceLog({
    ...optionsFor(folder, setup),
    // Small files, so that removals give space back while the suite looks.
    ...(setup.quotaBytes === undefined ? {} : { logFileLength: setup.quotaBytes / 4 }),
    files,
    onDamage: (key) => damaged.push(toHex(key)),
    onFailure: (failure) => failures.push(failure),
  });
  return {
    log,
    damaged,
    failures,
    rot: async (key) => {
      const path = join(folder, '00000001.log');
      const at = (await readFile(path)).indexOf(await log.read(key, 0, 1000));
      await flip(path, at + 500);
    },
    breakDisk: () => {
      isBroken = true;
    },
    setFreeBytes: (bytes) => {
      freeBytes = bytes;
    },
  };
});

describe('a folder', () => {
  test('has files of mode 0600 in folders of mode 0700', async () => {
    const folder = newFolder();
    const { log } = await openPieceLog(optionsFor(folder));
    await log.put({ key: keyOf(1), meta: new Uint8Array(), payload: filled(10, 1) });
    const modeOf = async (name: string): Promise<number> => (await stat(join(folder, name))).mode & 0o777;
    expect(await modeOf('.')).toBe(0o700);
    expect(await modeOf('index')).toBe(0o700);
    for (const name of ['00000001.log', 'identity', 'LOCK']) expect(await modeOf(name)).toBe(0o600);
    await log.close();
    expect(await readdir(folder)).not.toContain('LOCK');
  });

  test('of another network or node is refused, naming both', async () => {
    const folder = newFolder();
    const { log } = await openPieceLog(optionsFor(folder));
    await log.close();
    const other = new Uint8Array(32).fill(0x77);
    for (const [options, theirs] of [
      [{ network: other }, NETWORK],
      [{ node: other }, NODE],
    ] as const) {
      const opening = openPieceLog(optionsFor(folder, options));
      await expect(opening).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
      await expect(opening).rejects.toThrow(toHex(other));
      await expect(opening).rejects.toThrow(toHex(theirs));
    }
    const again = await openPieceLog(optionsFor(folder));
    await again.log.close();
  });

  test('with one log file of another node is refused', async () => {
    const [mine, foreign] = [newFolder(), newFolder()];
    for (const [folder, node] of [
      [mine, NODE],
      [foreign, new Uint8Array(32).fill(9)],
    ] as const) {
      const { log } = await openPieceLog(optionsFor(folder, { node }));
      await log.put({ key: keyOf(1), meta: new Uint8Array(), payload: filled(10, 1) });
      await log.close();
    }
    await writeFile(join(mine, '00000002.log'), await readFile(join(foreign, '00000001.log')));
    expect(await codeOf(openPieceLog(optionsFor(mine)))).toBe('INVALID_CONFIG');
  });

  test('is used by one log at a time: the second is told who has it', async () => {
    const folder = newFolder();
    const { log } = await openPieceLog(optionsFor(folder));
    const opening = openPieceLog(optionsFor(folder));
    await expect(opening).rejects.toMatchObject({ code: 'LOCKED' });
    await expect(opening).rejects.toThrow(folder);
    await expect(opening).rejects.toThrow(String(process.pid));
    await log.close();
    await (await openPieceLog(optionsFor(folder))).log.close();
  });

  test('with a file where the folder should be is a DISK error', async () => {
    const folder = newFolder();
    await writeFile(folder, 'not a folder');
    expect(await codeOf(openPieceLog(optionsFor(folder)))).toBe('DISK');
  });

  test.each(['identity', '00000001.log'])('says whose it is without its %s', async (name) => {
    const folder = newFolder();
    const first = await openPieceLog(optionsFor(folder));
    await first.log.put({ key: keyOf(1), meta: new Uint8Array(), payload: filled(100, 1) });
    await first.log.close();
    await flip(join(folder, name), 50);
    const { log, report } = await openPieceLog(optionsFor(folder));
    expect(report.damaged).toMatchObject([
      { file: name === 'identity' ? 0 : 1, reason: 'the header is damaged' },
    ]);
    expect(await log.read(keyOf(1), 0, 100)).toEqual(filled(100, 1));
    await log.close();
  });

  test('without any readable identity is refused rather than taken over', async () => {
    const folder = newFolder();
    const { log } = await openPieceLog(optionsFor(folder));
    await log.put({ key: keyOf(1), meta: new Uint8Array(), payload: filled(100, 1) });
    await log.close();
    await flip(join(folder, 'identity'), 3);
    await flip(join(folder, '00000001.log'), 3);
    expect(await codeOf(openPieceLog(optionsFor(folder)))).toBe('DAMAGED');
  });
});

describe('a start', () => {
  test('after an orderly stop reads no record', async () => {
    const harness = await Harness.open();
    for (let n = 0; n < 20; n++) await harness.put(keyOf(n), filled(300, n));
    await harness.remove(keyOf(3));
    const before = harness.log.usage();
    const report = await harness.restart();
    expect(report).toEqual({
      start: 'clean',
      recordsReplayed: 0,
      tornBytes: 0,
      damaged: [],
      damagedCount: 0,
    });
    expect(harness.log.usage()).toEqual({ ...before, freeBytes: harness.log.usage().freeBytes });
    await harness.check();
    await harness.log.close();
  });

  test('after a crash reads only what follows the last checkpoint', async () => {
    const harness = await Harness.open();
    for (let n = 0; n < 20; n++) await harness.put(keyOf(n), filled(300, n));
    await harness.restart();
    for (let n = 20; n < 25; n++) await harness.put(keyOf(n), filled(300, n));
    expect(await harness.crash(seededChance(1), true)).toMatchObject({
      start: 'recovered',
      recordsReplayed: 5,
    });
    await harness.check();
    await harness.log.close();
  });

  test.each(['missing', 'damaged', 'of another log', 'empty'])(
    'rebuilds an index that is %s',
    async (how) => {
      const folder = newFolder();
      const options = optionsFor(folder, { logFileLength: 100_000 });
      const first = await openPieceLog(options);
      for (let n = 0; n < 50; n++)
        await first.log.put({ key: keyOf(n), meta: filled(9, n), payload: filled(9000, n) });
      await first.log.remove([keyOf(7), keyOf(8)]);
      const before = first.log.usage();
      await first.log.close();
      const index = join(folder, 'index');
      if (how === 'damaged') {
        for (const name of await readdir(index)) await writeFile(join(index, name), 'rubbish');
      } else {
        await rm(index, { recursive: true });
      }
      if (how === 'empty') await mkdir(index);
      if (how === 'of another log') {
        const other = newFolder();
        await (await openPieceLog(optionsFor(other))).log.close();
        await mkdir(index);
        for (const name of await readdir(join(other, 'index'))) {
          await writeFile(join(index, name), await readFile(join(other, 'index', name)));
        }
      }
      const { log, report } = await openPieceLog(options);
      expect(report).toMatchObject({ start: 'rebuilt', damagedCount: 0, tornBytes: 0 });
      expect(log.usage()).toMatchObject({
        entries: 48,
        liveBytes: before.liveBytes,
        logBytes: before.logBytes,
      });
      expect(await log.stat(keyOf(7))).toBe(undefined);
      for (const n of [0, 20, 49]) expect(await log.read(keyOf(n), 0, 9000)).toEqual(filled(9000, n));
      await log.close();
    },
  );

  test('cuts a torn tail to the last whole record, at whatever byte it was torn', async () => {
    const harness = await Harness.open({ logFileLength: 1e6 });
    await harness.put(keyOf(1), filled(200, 1));
    const { logBytes } = harness.log.usage();
    for (let torn = 0; torn < 400; torn += 7) {
      harness.disk.hook = ({ kind }) => (kind === 'write' ? torn : undefined);
      expect(await codeOf(harness.put(keyOf(2), filled(200, 2), filled(20, 2)))).toBe('DISK');
      const { tornBytes } = await harness.crash(seededChance(torn), false, torn % 2 === 0);
      const isWhole = torn >= 131 + 220;
      expect(tornBytes).toBe(isWhole ? 0 : torn);
      expect(harness.log.usage()).toMatchObject({
        entries: isWhole ? 2 : 1,
        logBytes: logBytes + (isWhole ? 351 : 0),
      });
      if (isWhole) break;
    }
    await harness.check();
    await harness.log.close();
  });

  test('with a log file gone serves the rest and reports each entry that is lost', async () => {
    const harness = await Harness.open({ logFileLength: 1000 });
    for (let n = 0; n < 9; n++) await harness.put(keyOf(n), filled(400, n));
    await harness.log.close();
    await harness.disk.remove(`${FOLDER}/00000002.log`);
    harness.index = harness.index.powerLoss(() => true);
    const report = await harness.open();
    expect(report.start).toBe('recovered');
    expect(report.damaged.map(({ reason }) => reason)).toEqual(
      report.damaged.map(() => 'the log file is missing'),
    );
    expect(report.damaged.length).toBeGreaterThan(0);
    for (const { key } of report.damaged) expect(await codeOf(harness.log.read(key!, 0, 1))).toBe('DAMAGED');
    expect(await harness.log.read(keyOf(0), 0, 400)).toEqual(filled(400, 0));
    await harness.log.put({ key: keyOf(20), meta: new Uint8Array(), payload: filled(400, 20) });
    await harness.log.close();
  });
});

describe('damage', () => {
  test('anywhere in the log files never makes a wrong byte, with the index or without', async () => {
    const harness = await Harness.open({ logFileLength: 3000 });
    for (let n = 0; n < 16; n++) await harness.put(keyOf(n), filled(n * 90, n), filled(n * 3, n));
    await harness.put(keyOf(3), filled(333, 3));
    await harness.remove(keyOf(5));
    await harness.log.close();
    const chance = seededChance(99);
    const expected = new Map(Array.from({ length: 16 }, (_, n) => [n, filled(n === 3 ? 333 : n * 90, n)]));
    const logs = harness.disk.paths().filter((path) => path.endsWith('.log'));
    const { disk, index } = harness;
    let found = 0;
    for (let round = 0; round < 150; round++) {
      harness.disk = disk.restart(chance, false);
      harness.index = index.powerLoss(() => true);
      harness.damaged.length = 0;
      const bytes = harness.disk.bytesOf(logs[Math.floor(chance() * logs.length)]!);
      for (let flips = 0; flips <= round % 3; flips++) {
        bytes[Math.floor(chance() * bytes.length)]! ^= 1 << Math.floor(chance() * 8);
      }
      const isRebuilt = round % 4 === 0;
      if (isRebuilt) await harness.disk.removeTree(`${FOLDER}/index`);
      const report = await harness.open();
      const { damaged } = await harness.log.scrub();
      found += damaged.length + report.damagedCount;
      for (const [n, payload] of expected) {
        const call = harness.log
          .stat(keyOf(n))
          .then((entry) =>
            entry === undefined ? undefined : harness.log.read(keyOf(n), 0, entry.payloadLength),
          );
        const code = await codeOf(call);
        if (code === 'DAMAGED') continue;
        expect(code).toBe('none');
        const bytesFound = await call;
        // Without the index a lost head is a hole of unknown key: an older record of the key may come back.
        if (bytesFound === undefined) expect(isRebuilt || n === 5).toBe(true);
        else if (!isRebuilt || (n !== 3 && n !== 5)) expect(Buffer.compare(bytesFound, payload)).toBe(0);
      }
      await harness.log.close();
    }
    expect(found).toBeGreaterThan(140);
  });

  test('in the middle of a rebuilt log costs that record only, and is reported with its place', async () => {
    const harness = await Harness.open({ logFileLength: 1e6 });
    for (let n = 0; n < 9; n++) await harness.put(keyOf(n), filled(400, n));
    const path = `${FOLDER}/00000001.log`;
    const at = Buffer.from(harness.disk.bytesOf(path)).indexOf(filled(400, 4)) - 131;
    harness.disk.bytesOf(path)[at + 60]! ^= 4;
    const report = await harness.crash(seededChance(1), false, false);
    expect(report.damaged).toEqual([
      { file: 1, offset: at, length: 531, reason: 'no valid record stands here' },
    ]);
    expect(harness.log.usage().entries).toBe(8);
    expect(await harness.log.stat(keyOf(4))).toBe(undefined);
    expect(await harness.log.read(keyOf(5), 0, 400)).toEqual(filled(400, 5));
    await harness.log.close();
  });

  test('of a confirmed record at the end of the log is not taken for a torn tail', async () => {
    const harness = await Harness.open({ logFileLength: 1e6 });
    for (let n = 0; n < 3; n++) await harness.put(keyOf(n), filled(400, n));
    const bytes = harness.disk.bytesOf(`${FOLDER}/00000001.log`);
    bytes[bytes.length - 450]! ^= 1;
    const report = await harness.crash(seededChance(1), false);
    expect(report).toMatchObject({ tornBytes: 0, damagedCount: 1 });
    expect(await codeOf(harness.log.read(keyOf(2), 0, 1))).toBe('DAMAGED');
    await harness.log.put({ key: keyOf(9), meta: new Uint8Array(), payload: filled(50, 9) });
    await harness.restart();
    expect(await codeOf(harness.log.read(keyOf(2), 0, 1))).toBe('DAMAGED');
    expect(await harness.log.read(keyOf(9), 0, 50)).toEqual(filled(50, 9));
    await harness.log.close();
  });

  test('in one block leaves ranges in other blocks readable until it is met, then all of it is quarantined', async () => {
    const harness = await Harness.open({ logFileLength: 1e7 });
    await harness.put(keyOf(1), filled(200_000, 1));
    const path = `${FOLDER}/00000001.log`;
    harness.disk.bytesOf(path)[harness.disk.bytesOf(path).length - 10]! ^= 1;
    expect(await harness.log.read(keyOf(1), 0, 1000)).toEqual(filled(200_000, 1).slice(0, 1000));
    expect(harness.damaged).toEqual([]);
    expect(await codeOf(harness.log.read(keyOf(1), 199_000, 10))).toBe('DAMAGED');
    expect(await codeOf(harness.log.read(keyOf(1), 0, 1000))).toBe('DAMAGED');
    expect(harness.damaged).toEqual([toHex(keyOf(1))]);
    await harness.restart();
    expect(await codeOf(harness.log.read(keyOf(1), 0, 1000))).toBe('DAMAGED');
    expect(harness.damaged.length).toBe(1);
    await harness.log.close();
  });

  test('that the disk reports (EIO) quarantines; a fault that goes away at once does not', async () => {
    const harness = await Harness.open();
    await harness.put(keyOf(1), filled(100, 1));
    let faults = 1;
    harness.disk.hook = ({ kind, path }) => {
      if (kind === 'read' && path.endsWith('.log') && faults-- > 0) throw systemError('EIO');
      return undefined;
    };
    expect(await harness.log.read(keyOf(1), 0, 100)).toEqual(filled(100, 1));
    faults = 1000;
    expect(await codeOf(harness.log.read(keyOf(1), 0, 100))).toBe('DAMAGED');
    expect(harness.damaged.length).toBe(1);
    await harness.log.close();
  });

  test('of an index row ends writing, is told, and the next start makes the index anew', async () => {
    const harness = await Harness.open();
    for (const n of [1, 2, 3]) await harness.put(keyOf(n), filled(300, n));
    harness.index.spoil(new Uint8Array([0x65, ...keyOf(2)]));
    expect(await codeOf(harness.log.read(keyOf(2), 0, 1))).toBe('DAMAGED');
    expect(await harness.log.read(keyOf(3), 0, 300)).toEqual(filled(300, 3));
    expect(harness.failures.length).toBe(1);
    expect(await codeOf(harness.log.remove([keyOf(1)]))).toBe('DISK');
    expect((await harness.restart()).start).toBe('rebuilt');
    await harness.check();
    await harness.log.close();
  });

  test('of a head makes list leave the entry out, and its file is not compacted away', async () => {
    const harness = await Harness.open({ logFileLength: 2000 });
    await harness.put(keyOf(1), filled(200, 1));
    await harness.put(keyOf(2), filled(900, 2));
    const path = `${FOLDER}/00000001.log`;
    const at = Buffer.from(harness.disk.bytesOf(path)).indexOf(filled(200, 1)) - 131;
    harness.disk.bytesOf(path)[at + 20]! ^= 1;
    await harness.put(keyOf(3), filled(900, 3));
    await harness.log.remove([keyOf(2)]);
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(await harness.disk.list(FOLDER)).toContain('00000001.log');
    expect(await codeOf(harness.log.stat(keyOf(1)))).toBe('DAMAGED');
    const listed: Uint8Array[] = [];
    for await (const { key } of harness.log.list(new Uint8Array())) listed.push(key);
    expect(listed).toEqual([keyOf(3)]);
    expect(harness.damaged).toEqual([toHex(keyOf(1))]);
    // A new put frees the key, as a removal would; then the file may go.
    await harness.put(keyOf(1), filled(10, 1));
    expect(await harness.log.read(keyOf(1), 0, 10)).toEqual(filled(10, 1));
    await expect.poll(() => harness.disk.list(FOLDER)).not.toContain('00000001.log');
    await harness.log.close();
  });

  test('moves with its entry when the file is compacted, and stays quarantined', async () => {
    const harness = await Harness.open({ logFileLength: 2000 });
    await harness.put(keyOf(1), filled(200, 1));
    await harness.put(keyOf(2), filled(900, 2));
    const path = `${FOLDER}/00000001.log`;
    const at = Buffer.from(harness.disk.bytesOf(path)).indexOf(filled(200, 1));
    harness.disk.bytesOf(path)[at + 100]! ^= 1;
    expect((await harness.log.scrub()).damaged).toEqual([keyOf(1)]);
    await harness.log.put({ key: keyOf(3), meta: new Uint8Array(), payload: filled(900, 3) });
    await harness.log.remove([keyOf(2)]);
    await expect.poll(() => harness.disk.list(FOLDER)).not.toContain('00000001.log');
    expect(await codeOf(harness.log.read(keyOf(1), 0, 1))).toBe('DAMAGED');
    expect((await harness.log.scrub()).damaged).toEqual([keyOf(1)]);
    await harness.log.close();
  });
});

describe('a full or failing disk', () => {
  test('that refuses a write for lack of space leaves the log whole and writable again', async () => {
    const harness = await Harness.open({ logFileLength: 1e6 });
    await harness.put(keyOf(1), filled(100, 1));
    let isFull = true;
    harness.disk.hook = ({ kind }) => {
      if (kind === 'write' && isFull) throw systemError('ENOSPC');
      return undefined;
    };
    expect(await codeOf(harness.put(keyOf(2), filled(100, 2)))).toBe('FULL');
    expect(harness.log.usage().state).toBe('full');
    isFull = false;
    await harness.put(keyOf(3), filled(100, 3));
    expect(harness.log.usage().state).toBe('writable');
    expect(harness.failures).toEqual([]);
    await harness.crash(seededChance(3), true, false);
    await harness.check();
    await harness.log.close();
  });

  test('whose sync fails, even for lack of space, ends writing; nothing unconfirmed is served as confirmed', async () => {
    for (const code of ['EIO', 'ENOSPC']) {
      const harness = await Harness.open({ logFileLength: 1e6 });
      await harness.put(keyOf(1), filled(100, 1));
      let syncs = 0;
      harness.disk.hook = ({ kind, path }) => {
        if (kind === 'sync' && path.endsWith('.log') && syncs++ === 0) throw systemError(code);
        return undefined;
      };
      const refusals = await Promise.all([2, 3, 4].map((n) => codeOf(harness.put(keyOf(n), filled(100, n)))));
      expect(refusals).toEqual(['DISK', 'DISK', 'DISK']);
      expect(harness.failures.length).toBe(1);
      expect(syncs).toBe(1);
      expect(harness.log.usage().state).toBe('failed');
      await harness.crash(seededChance(4), true);
      await harness.check();
      await harness.put(keyOf(5), filled(100, 5));
      await harness.log.close();
    }
  });

  test('concurrent puts share a sync', async () => {
    const harness = await Harness.open({ logFileLength: 1e6 });
    await harness.put(keyOf(0), filled(10, 0));
    let syncs = 0;
    harness.disk.hook = ({ kind, path }) => {
      if (kind === 'sync' && path.endsWith('.log')) syncs++;
      return undefined;
    };
    await Promise.all(Array.from({ length: 100 }, (_, n) => harness.put(keyOf(n), filled(100, n))));
    expect(syncs).toBeLessThanOrEqual(2);
    await harness.log.close();
  });
});

describe('compaction', () => {
  test('goes on under reads and puts, and every read is right', async () => {
    const harness = await Harness.open({ logFileLength: 4000 });
    const live = new Map<number, number>();
    const chance = seededChance(5);
    const read = async (): Promise<void> => {
      const atStart = [...live];
      for (const [n, seed] of atStart) {
        const bytes = await harness.log.read(keyOf(n), 0, 300);
        if (live.get(n) === seed) expect(bytes).toEqual(filled(300, seed));
      }
    };
    for (let round = 0; round < 60; round++) {
      const reading = read();
      await Promise.all(
        [0, 1, 2, 3].map(async () => {
          const n = Math.floor(chance() * 20);
          const seed = Math.floor(chance() * 60_000);
          live.delete(n);
          await harness.put(keyOf(n), filled(300, seed));
          live.set(n, seed);
        }),
      ).catch(() => undefined);
      await reading;
    }
    await expect.poll(() => harness.log.usage().logBytes).toBeLessThan(20 * 431 * 3 + 4000);
    await harness.check();
    await harness.log.close();
    expect(harness.disk.openFiles).toBe(0);
  });
});
