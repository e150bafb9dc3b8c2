// What every KeyValue does, in memory or on disk.

import { afterEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { LocalKeyValue } from '../../src/runtime/key-value.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const END = new Uint8Array(200).fill(255);

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'none';
  } catch (error) {
    if (error instanceof StoreError) return error.code;
    throw error;
  }
}

async function collect(range: AsyncIterable<readonly [Uint8Array, Uint8Array]>): Promise<string[]> {
  const found: string[] = [];
  for await (const [key, value] of range) found.push(`${toHex(key)}=${toHex(value)}`);
  return found;
}

export function keyValueSuite(name: string, open: () => Promise<LocalKeyValue>): void {
  describe(name, () => {
    const opened: LocalKeyValue[] = [];
    const start = async (): Promise<LocalKeyValue> => {
      const one = await open();
      opened.push(one);
      return one;
    };
    const put = (key: Uint8Array, value: Uint8Array) => ({ kind: 'put', key, value }) as const;
    afterEach(async () => {
      for (const one of opened.splice(0)) await one.close();
    });

    test('holds what was put, until it is deleted', async () => {
      const store = await start();
      expect(await store.get(bytes(1))).toBe(undefined);
      await store.batch([put(bytes(1), bytes(2, 3)), put(bytes(2), bytes())], { isDurable: true });
      expect(await store.get(bytes(1))).toEqual(bytes(2, 3));
      expect(await store.get(bytes(2))).toEqual(bytes());
      await store.batch([
        { kind: 'delete', key: bytes(1) },
        { kind: 'delete', key: bytes(9) },
      ]);
      expect(await store.get(bytes(1))).toBe(undefined);
    });

    test('many are had in one go, in the order asked', async () => {
      const store = await start();
      await store.batch([put(bytes(1), bytes(1)), put(bytes(2), bytes(2))]);
      const found = await store.getMany([bytes(2), bytes(9), bytes(1), bytes(2)]);
      expect(found).toEqual([bytes(2), undefined, bytes(1), bytes(2)]);
      expect(await store.getMany([])).toEqual([]);
    });

    test('in a batch the last word on a key holds', async () => {
      const store = await start();
      await store.batch([
        put(bytes(1), bytes(1)),
        { kind: 'delete', key: bytes(1) },
        put(bytes(1), bytes(2)),
      ]);
      expect(await store.get(bytes(1))).toEqual(bytes(2));
    });

    test('ranges are in byte order, from inclusive, to exclusive, up to a limit', async () => {
      const store = await start();
      const keys = [bytes(2), bytes(1, 255), bytes(1), bytes(0), bytes(255), bytes(1, 0), bytes(128)];
      await store.batch(keys.map((key) => put(key, key)));
      expect(await collect(store.range(bytes(), END))).toEqual(
        ['00', '01', '0100', '01ff', '02', '80', 'ff'].map((hex) => `${hex}=${hex}`),
      );
      expect(await collect(store.range(bytes(1), bytes(2)))).toEqual(['01=01', '0100=0100', '01ff=01ff']);
      expect(await collect(store.range(bytes(1), END, 2))).toEqual(['01=01', '0100=0100']);
      expect(await collect(store.range(bytes(1), END, 0))).toEqual([]);
      expect(await collect(store.range(bytes(3), bytes(2)))).toEqual([]);
    });

    test('a range shows the state at its start and may be left early', async () => {
      const store = await start();
      await store.batch([put(bytes(1), bytes(1)), put(bytes(2), bytes(2))]);
      const seen: string[] = [];
      for await (const [key] of store.range(bytes(), END)) {
        seen.push(toHex(key));
        await store.batch([{ kind: 'delete', key: bytes(2) }, put(bytes(3), bytes(3))]);
      }
      expect(seen).toEqual(['01', '02']);
      for await (const [key] of store.range(bytes(), END)) {
        expect(toHex(key)).toBe('01');
        break;
      }
    });

    test('a snapshot shows what there was in its range, until it is closed', async () => {
      const store = await start();
      await store.batch([1, 2, 3, 4].map((at) => put(bytes(at), bytes(at))));
      const snapshot = store.snapshot(bytes(2), bytes(4));
      await store.batch([
        { kind: 'delete', key: bytes(2) },
        put(bytes(3), bytes(9)),
        put(bytes(3, 1), bytes()),
      ]);
      const later = store.snapshot(bytes(2), bytes(4));
      expect(await collect(snapshot.range(bytes(2), bytes(4)))).toEqual(['02=02', '03=03']);
      expect(await collect(snapshot.range(bytes(2), bytes(4), 1))).toEqual(['02=02']);
      expect(await collect(snapshot.range(bytes(3), bytes(4)))).toEqual(['03=03']);
      expect(await snapshot.get(bytes(2))).toEqual(bytes(2));
      expect(await snapshot.get(bytes(3, 1))).toBe(undefined);
      await snapshot.close();
      await snapshot.close();
      expect(await codeOf(snapshot.get(bytes(2)))).toBe('CLOSED');
      expect(await collect(later.range(bytes(2), bytes(4)))).toEqual(['03=09', '0301=']);
      await later.close();
    });

    test('keys and values are copies, both ways', async () => {
      const store = await start();
      const [key, value] = [bytes(1), bytes(7, 8)];
      const writing = store.batch([put(key, value)]);
      key[0] = 9;
      value[0] = 9;
      await writing;
      const got = (await store.get(bytes(1)))!;
      expect(got).toEqual(bytes(7, 8));
      got[0] = 0;
      expect(await store.get(bytes(1))).toEqual(bytes(7, 8));
    });

    test('any bytes may be a key, and a value may be long', async () => {
      const store = await start();
      const long = new Uint8Array(1_000_000).map((_, at) => (at * 7) & 255);
      const keys = [bytes(0), bytes(0, 0), bytes(255, 0), new Uint8Array(200).fill(254), long.slice(0, 1000)];
      await store.batch(keys.map((key) => put(key, long)));
      for (const key of keys) expect(Buffer.compare((await store.get(key))!, long)).toBe(0);
    });

    test('after close everything is CLOSED, and close may be called again', async () => {
      const store = await start();
      await store.close();
      await store.close();
      expect(await codeOf(store.get(bytes(1)))).toBe('CLOSED');
      expect(await codeOf(store.batch([put(bytes(1), bytes())]))).toBe('CLOSED');
      expect(await codeOf(collect(store.range(bytes(), END)))).toBe('CLOSED');
    });
  });
}
