// What every PieceLog does, in memory or on disk.

import { afterEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { StoreError } from '../../src/base/errors.ts';
import {
  ENTRY_KEY_LENGTH_MAX,
  ENTRY_META_LENGTH_MAX,
  LOG_BLOCK_LENGTH,
  PIECE_LENGTH_MAX,
} from '../../src/base/limits.ts';
import type { LogEntryStat, PieceLog } from '../../src/base/ports.ts';

export interface LogUnderTest {
  readonly log: PieceLog;
  /** Spoils the payload of an entry behind the log's back. */
  readonly rot: (key: Uint8Array) => Promise<void>;
  /** Makes the next write fail as a broken disk does. */
  readonly breakDisk: () => void;
  readonly setFreeBytes: (bytes: number) => void;
  readonly damaged: string[];
  readonly failures: StoreError[];
}

export interface LogSetup {
  readonly quotaBytes?: number;
  readonly reserveBytes?: number;
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const NONE = new Uint8Array();

function pattern(length: number, seed: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let at = 0; at < length; at++) out[at] = (at * 31 + (at >>> 8) * 7 + (at >>> 16) + seed) & 0xff;
  return out;
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'none';
  } catch (error) {
    if (error instanceof StoreError) return error.code;
    throw error;
  }
}

async function collect(list: AsyncIterable<LogEntryStat>): Promise<LogEntryStat[]> {
  const stats: LogEntryStat[] = [];
  for await (const stat of list) stats.push(stat);
  return stats;
}

export function pieceLogSuite(name: string, open: (setup: LogSetup) => Promise<LogUnderTest>): void {
  describe(name, () => {
    const opened: LogUnderTest[] = [];
    const start = async (setup: LogSetup = {}): Promise<LogUnderTest> => {
      const one = await open(setup);
      opened.push(one);
      return one;
    };
    afterEach(async () => {
      for (const { log } of opened.splice(0)) await log.close();
    });

    test('an entry reads back as it was put, and a range of it as the slice', async () => {
      const { log } = await start();
      const payload = pattern(3 * LOG_BLOCK_LENGTH + 1000, 1);
      const meta = pattern(300, 2);
      await log.put({ key: bytes(1, 2), meta, payload });
      expect(await log.stat(bytes(1, 2))).toEqual({ key: bytes(1, 2), meta, payloadLength: payload.length });
      expect(await log.read(bytes(1, 2), 0, payload.length)).toEqual(payload);
      const edges = [0, 1, LOG_BLOCK_LENGTH - 1, LOG_BLOCK_LENGTH, LOG_BLOCK_LENGTH + 1, payload.length];
      for (const from of edges) {
        for (const to of edges) {
          if (to < from) continue;
          expect(
            Buffer.compare(await log.read(bytes(1, 2), from, to - from), payload.subarray(from, to)),
          ).toBe(0);
        }
      }
    });

    test('a range is read into memory of the caller, in whose other bytes nothing changes', async () => {
      const { log } = await start();
      const payload = pattern(2 * LOG_BLOCK_LENGTH + 1000, 1);
      await log.put({ key: bytes(1), meta: pattern(300, 2), payload });
      const edges = [0, 1, LOG_BLOCK_LENGTH, 2 * LOG_BLOCK_LENGTH, payload.length - 1, payload.length];
      for (const from of edges) {
        for (const to of edges.filter((edge) => edge >= from)) {
          const into = new Uint8Array(payload.length + 1).fill(7);
          const read = await log.read(bytes(1), from, to - from, into);
          expect([read.buffer === into.buffer, read.byteOffset, read.length]).toEqual([true, 0, to - from]);
          expect(Buffer.compare(read, payload.subarray(from, to))).toBe(0);
          expect(into.subarray(read.length).every((byte) => byte === 7)).toBe(true);
        }
      }
    });

    test('entries may be empty, and as long as the limits', async () => {
      const { log } = await start();
      await log.put({ key: bytes(0), meta: NONE, payload: NONE });
      expect(await log.stat(bytes(0))).toEqual({ key: bytes(0), meta: NONE, payloadLength: 0 });
      expect(await log.read(bytes(0), 0, 0)).toEqual(NONE);
      const key = pattern(ENTRY_KEY_LENGTH_MAX, 3);
      const meta = pattern(ENTRY_META_LENGTH_MAX, 4);
      const payload = new Uint8Array(PIECE_LENGTH_MAX).fill(5);
      await log.put({ key, meta, payload });
      expect(Buffer.compare((await log.stat(key))!.meta, meta)).toBe(0);
      expect(Buffer.compare(await log.read(key, 0, payload.length), payload)).toBe(0);
    });

    test.each([
      ['no key', NONE, 0, 0],
      ['a long key', new Uint8Array(ENTRY_KEY_LENGTH_MAX + 1), 0, 0],
      ['a long meta', bytes(1), ENTRY_META_LENGTH_MAX + 1, 0],
      ['a long payload', bytes(1), 0, PIECE_LENGTH_MAX + 1],
    ])('an entry with %s is refused', async (_name, key, metaLength, payloadLength) => {
      const { log } = await start();
      const entry = { key, meta: new Uint8Array(metaLength), payload: new Uint8Array(payloadLength) };
      expect(await codeOf(log.put(entry))).toBe('INVALID_ARGUMENT');
      expect(log.usage().entries).toBe(0);
    });

    test.each([
      [-1, 1],
      [0, 11],
      [11, 0],
      [5, 6],
      [0.5, 1],
      [0, Number.NaN],
      [2 ** 53, 1],
    ])('range (%s, %s) of ten bytes is refused', async (offset, length) => {
      const { log } = await start();
      await log.put({ key: bytes(1), meta: NONE, payload: pattern(10, 1) });
      expect(await codeOf(log.read(bytes(1), offset, length))).toBe('INVALID_ARGUMENT');
    });

    test('what is not there is NOT_FOUND to read, undefined to stat', async () => {
      const { log } = await start();
      expect(await codeOf(log.read(bytes(9), 0, 0))).toBe('NOT_FOUND');
      expect(await log.stat(bytes(9))).toBe(undefined);
    });

    test('the last of two puts of a key holds, also when they come at once', async () => {
      const { log } = await start();
      await log.put({ key: bytes(1), meta: bytes(1), payload: pattern(100, 1) });
      await Promise.all(
        [2, 3, 4].map((n) => log.put({ key: bytes(1), meta: bytes(n), payload: pattern(n * 50, n) })),
      );
      expect(await log.stat(bytes(1))).toEqual({ key: bytes(1), meta: bytes(4), payloadLength: 200 });
      expect(await log.read(bytes(1), 0, 200)).toEqual(pattern(200, 4));
      expect(log.usage()).toMatchObject({ entries: 1, liveBytes: 200 });
    });

    test('removal counts the keys that were there and ignores the others', async () => {
      const { log } = await start();
      for (const n of [1, 2, 3]) await log.put({ key: bytes(n), meta: NONE, payload: pattern(100, n) });
      expect(await log.remove([bytes(1), bytes(9), bytes(3), bytes(1)])).toBe(2);
      expect(await log.remove([])).toBe(0);
      expect((await collect(log.list(NONE))).map(({ key }) => key)).toEqual([bytes(2)]);
      expect(log.usage()).toMatchObject({ entries: 1, liveBytes: 100 });
      await log.put({ key: bytes(1), meta: NONE, payload: pattern(10, 7) });
      expect(await log.read(bytes(1), 0, 10)).toEqual(pattern(10, 7));
    });

    test('a thousand keys are removed in one call', async () => {
      const { log } = await start();
      const keys = Array.from({ length: 1000 }, (_, n) => bytes(n >> 8, n & 255));
      await Promise.all(keys.map((key) => log.put({ key, meta: NONE, payload: key })));
      expect(await log.remove(keys)).toBe(1000);
      expect(log.usage().entries).toBe(0);
    });

    test('list gives the entries under a prefix in byte order, up to a limit', async () => {
      const { log } = await start();
      const keys = [
        bytes(2),
        bytes(1, 255),
        bytes(1),
        bytes(1, 0),
        bytes(255, 255),
        bytes(255),
        bytes(1, 255, 255),
      ];
      for (const key of keys) await log.put({ key, meta: key, payload: key });
      const list = async (prefix: Uint8Array, limit?: number): Promise<string[]> =>
        (await collect(log.list(prefix, limit))).map(({ key, meta }) => {
          expect(meta).toEqual(key);
          return toHex(key);
        });
      expect(await list(NONE)).toEqual(['01', '0100', '01ff', '01ffff', '02', 'ff', 'ffff']);
      expect(await list(bytes(1))).toEqual(['01', '0100', '01ff', '01ffff']);
      expect(await list(bytes(1, 255))).toEqual(['01ff', '01ffff']);
      expect(await list(bytes(255))).toEqual(['ff', 'ffff']);
      expect(await list(bytes(3))).toEqual([]);
      expect(await list(NONE, 2)).toEqual(['01', '0100']);
      expect(await list(NONE, 0)).toEqual([]);
      const keysUnder = async (prefix: Uint8Array, limit?: number): Promise<string[]> => {
        const found: string[] = [];
        for await (const key of log.keys(prefix, limit)) found.push(toHex(key));
        return found;
      };
      expect(await keysUnder(NONE)).toEqual(['01', '0100', '01ff', '01ffff', '02', 'ff', 'ffff']);
      expect(await keysUnder(bytes(1, 255))).toEqual(['01ff', '01ffff']);
      expect(await keysUnder(NONE, 2)).toEqual(['01', '0100']);
      expect(await keysUnder(NONE, 0)).toEqual([]);
    });

    test('payloads in shared memory are taken as any other, and meta may be reused at once', async () => {
      const { log } = await start();
      const shared = new Uint8Array(new SharedArrayBuffer(100_000), 10, 90_000);
      shared.set(pattern(90_000, 6));
      const meta = bytes(1, 2, 3);
      const key = bytes(5);
      const put = log.put({ key, meta, payload: shared });
      meta.fill(0);
      key.fill(0);
      await put;
      expect(await log.read(bytes(5), 0, 90_000)).toEqual(pattern(90_000, 6));
      expect((await log.stat(bytes(5)))!.meta).toEqual(bytes(1, 2, 3));
    });

    test('at the quota new entries are refused while reading and removing go on; freed space is taken again', async () => {
      const { log } = await start({ quotaBytes: 20_000 });
      let count = 0;
      while (
        (await codeOf(log.put({ key: bytes(count), meta: NONE, payload: pattern(3000, count) }))) === 'none'
      )
        count++;
      expect(count).toBe(6);
      expect(log.usage().state).toBe('full');
      expect(await log.read(bytes(0), 0, 3000)).toEqual(pattern(3000, 0));
      expect(await log.remove([bytes(0), bytes(1), bytes(2), bytes(3)])).toBe(4);
      await expect
        .poll(() => codeOf(log.put({ key: bytes(50), meta: NONE, payload: pattern(3000, 50) })), {
          timeout: 5000,
        })
        .toBe('none');
      expect(log.usage().state).toBe('writable');
      expect(await log.read(bytes(5), 0, 3000)).toEqual(pattern(3000, 5));
    });

    test('at the reserve of the disk new entries are refused; it comes back by itself', async () => {
      const { log, setFreeBytes } = await start({ reserveBytes: 1_000_000 });
      const entry = { key: bytes(1), meta: NONE, payload: pattern(1000, 1) };
      setFreeBytes(1_000_500);
      // The log may take an answer about free space as good for a second.
      await expect.poll(() => codeOf(log.put(entry)), { timeout: 5000 }).toBe('FULL');
      expect(log.usage().state).toBe('full');
      setFreeBytes(1_010_000);
      await log.put(entry);
      expect(log.usage().state).toBe('writable');
      setFreeBytes(0);
      expect(await log.remove([bytes(1)])).toBe(1);
    });

    test('rot is found by read, told once, and never served', async () => {
      const { log, rot, damaged } = await start();
      await log.put({ key: bytes(1), meta: bytes(8), payload: pattern(1000, 1) });
      await log.put({ key: bytes(2), meta: NONE, payload: pattern(1000, 2) });
      await rot(bytes(1));
      expect(await codeOf(log.read(bytes(1), 0, 1000))).toBe('DAMAGED');
      expect(await codeOf(log.read(bytes(1), 0, 1))).toBe('DAMAGED');
      expect(damaged).toEqual(['01']);
      expect(await log.stat(bytes(1))).toEqual({ key: bytes(1), meta: bytes(8), payloadLength: 1000 });
      expect((await collect(log.list(NONE))).length).toBe(2);
      expect(await log.read(bytes(2), 0, 1000)).toEqual(pattern(1000, 2));
    });

    test('scrub finds rot; a new put of the key heals it', async () => {
      const { log, rot, damaged } = await start();
      for (const n of [1, 2, 3]) await log.put({ key: bytes(n), meta: NONE, payload: pattern(1000, n) });
      expect(await log.scrub()).toEqual({ entriesChecked: 3, bytesChecked: 3000, damaged: [] });
      await rot(bytes(2));
      expect(await log.scrub()).toEqual({ entriesChecked: 3, bytesChecked: 3000, damaged: [bytes(2)] });
      expect((await log.scrub()).damaged).toEqual([bytes(2)]);
      expect(damaged).toEqual(['02']);
      await log.put({ key: bytes(2), meta: NONE, payload: pattern(1000, 2) });
      expect(await log.read(bytes(2), 0, 1000)).toEqual(pattern(1000, 2));
      expect((await log.scrub()).damaged).toEqual([]);
    });

    test('an aborted scrub says so', async () => {
      const { log } = await start();
      await log.put({ key: bytes(1), meta: NONE, payload: NONE });
      expect(await codeOf(log.scrub(AbortSignal.abort()))).toBe('ABORTED');
    });

    test('a failed write ends writing for good, is told once, and reading goes on', async () => {
      const { log, breakDisk, failures } = await start();
      await log.put({ key: bytes(1), meta: NONE, payload: pattern(100, 1) });
      breakDisk();
      expect(await codeOf(log.put({ key: bytes(2), meta: NONE, payload: NONE }))).toBe('DISK');
      expect(await codeOf(log.put({ key: bytes(3), meta: NONE, payload: NONE }))).toBe('DISK');
      expect(await codeOf(log.remove([bytes(1)]))).toBe('DISK');
      expect(log.usage().state).toBe('failed');
      expect(failures.map(({ code }) => code)).toEqual(['DISK']);
      expect(await log.read(bytes(1), 0, 100)).toEqual(pattern(100, 1));
      expect(await log.stat(bytes(2))).toBe(undefined);
    });

    test('after close everything is CLOSED, and close may be called again', async () => {
      const { log } = await start();
      await log.put({ key: bytes(1), meta: NONE, payload: NONE });
      await log.close();
      await log.close();
      expect(log.usage().state).toBe('closed');
      for (const call of [
        () => log.put({ key: bytes(2), meta: NONE, payload: NONE }),
        () => log.read(bytes(1), 0, 0),
        () => log.stat(bytes(1)),
        () => log.remove([bytes(1)]),
        () => collect(log.list(NONE)),
        () => log.keys(NONE)[Symbol.asyncIterator]().next(),
        async () => log.scrub(),
      ]) {
        expect(await codeOf(call())).toBe('CLOSED');
      }
    });
  });
}
