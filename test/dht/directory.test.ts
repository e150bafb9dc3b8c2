import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { toHex, toUtf8 } from '../../src/base/bytes.ts';
import { StoreError } from '../../src/base/errors.ts';
import { DHT_PUBLICATIONS_AT_ONCE } from '../../src/base/limits.ts';
import { createDirectory, type NodeDirectory } from '../../src/dht/directory.ts';
import type { DhtRecord } from '../../src/dht/record.ts';
import { keyOf, signRecord } from '../../src/dht/record.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { codeOf } from '../suites/network.ts';
import { HOUR_MS, NOW_MS, nodeRecord, signerOf } from './fixture.ts';

const signer = signerOf(1);
const key = toUtf8('/hf-node/x');

/** Puts of a DHT that answers as the test says. */
let puts: { key: Uint8Array; record: Uint8Array }[];
let takers: number | Error;
let directory: NodeDirectory;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW_MS });
  puts = [];
  takers = 3;
});
afterEach(() => {
  directory.close();
  vi.useRealTimers();
});

describe('the directory', () => {
  test('publishes and finds through the DHT', async () => {
    open();
    await directory.publish(key, toUtf8('r'));
    expect(puts).toEqual([{ key, record: toUtf8('r') }]);
    expect(await directory.find(key)).toEqual(toUtf8('found'));
  });

  test('gives up after the time of one operation', async () => {
    open({ get: () => new Promise(() => undefined) });
    const found = codeOf(directory.find(key));
    await vi.advanceTimersByTimeAsync(1000);
    expect(await found).toBe('TIMEOUT');
  });

  test('ends with the signal of its caller', async () => {
    open({ get: () => new Promise(() => undefined) });
    const abort = new AbortController();
    const found = codeOf(directory.find(key, abort.signal));
    abort.abort();
    expect(await found).toBe('ABORTED');
    expect(await codeOf(directory.find(key, AbortSignal.abort()))).toBe('ABORTED');
  });

  test('passes typed refusals on and types what is not typed', async () => {
    open({ get: () => Promise.reject(new StoreError('PROTOCOL', 'no')) });
    expect(await codeOf(directory.find(key))).toBe('PROTOCOL');
    open({ get: () => Promise.reject(new Error('x')) });
    expect(await codeOf(directory.find(key))).toBe('UNREACHABLE');
  });

  test('is CLOSED when closed, and what runs then ends', async () => {
    open({ get: () => new Promise(() => undefined) });
    const found = codeOf(directory.find(key));
    directory.close();
    expect(await found).toBe('ABORTED');
    expect(await codeOf(directory.find(key))).toBe('CLOSED');
  });
});

describe('a maintained record', () => {
  test('is published at once and again each period, each time newer and longer valid', async () => {
    open();
    directory.maintain(make);
    await vi.advanceTimersByTimeAsync(2.5 * HOUR_MS);
    expect(puts.map(({ record }) => record)).toEqual(
      [0, 1, 2].map((hour) =>
        signRecord(make(NOW_MS + hour * HOUR_MS, NOW_MS + (hour + 4) * HOUR_MS), signer),
      ),
    );
    expect(puts[0]!.key).toEqual(keyOf(make(0, 0)));
  });

  test('that nobody took, or that could not be sent, is tried again soon', async () => {
    open();
    takers = 0;
    directory.maintain(make);
    await vi.advanceTimersByTimeAsync(1500);
    expect(puts.length).toBe(2);
    takers = new Error('no way');
    await vi.advanceTimersByTimeAsync(1000);
    takers = 2;
    await vi.advanceTimersByTimeAsync(1000);
    expect(puts.length).toBe(4);
    await vi.advanceTimersByTimeAsync(HOUR_MS / 2);
    expect(puts.length).toBe(4);
  });

  test('waits for its turn when there are many: few publications are under way at once, and all come to be', async () => {
    const release: (() => void)[] = [];
    const names: string[] = [];
    directory = createDirectory({
      kademlia: {
        put: async (_key, record) => {
          names.push(toHex(record));
          await new Promise<void>((resolve) => release.push(resolve));
          return 1;
        },
        get: async () => undefined,
      },
      clock: systemClock,
      sign: (record) => signRecord(record, signer),
    });
    const ends = Array.from({ length: 3 * DHT_PUBLICATIONS_AT_ONCE }, (_, index) =>
      directory.maintain(() => nodeRecord(signer, { sequence: index })),
    );
    ends.at(-1)!();
    for (let round = 1; round <= 3; round++) {
      await vi.advanceTimersByTimeAsync(10);
      expect(names.length).toBe(Math.min(round * DHT_PUBLICATIONS_AT_ONCE, ends.length - 1));
      for (const end of release.splice(0)) end();
    }
    expect(new Set(names).size).toBe(ends.length - 1);
  });

  test('is renewed at once by refresh', async () => {
    open();
    directory.maintain(make);
    await vi.advanceTimersByTimeAsync(10);
    directory.refresh();
    await vi.advanceTimersByTimeAsync(10);
    expect(puts.length).toBe(2);
  });

  test('with nothing to say is not published, and neither is one that was ended or whose directory closed', async () => {
    open();
    directory.maintain(() => undefined);
    const end = directory.maintain(make);
    await vi.advanceTimersByTimeAsync(10);
    end();
    directory.refresh();
    await vi.advanceTimersByTimeAsync(5 * HOUR_MS);
    expect(puts.length).toBe(1);
    directory.maintain(make);
    await vi.advanceTimersByTimeAsync(10);
    directory.close();
    await vi.advanceTimersByTimeAsync(5 * HOUR_MS);
    expect(puts.length).toBe(2);
    expect(vi.getTimerCount()).toBe(0);
  });
});

function make(sequence: number, expiresAtMs: number): DhtRecord {
  return nodeRecord(signer, { sequence, expiresAtMs });
}

function open(changes: { get?: () => Promise<Uint8Array | undefined> } = {}): void {
  directory = createDirectory({
    kademlia: {
      put: async (key, record) => {
        puts.push({ key, record });
        if (takers instanceof Error) throw takers;
        return takers;
      },
      get: changes.get ?? (async () => toUtf8('found')),
    },
    clock: systemClock,
    sign: (record) => signRecord(record, signer),
    lifetimeMs: 4 * HOUR_MS,
    republishMs: HOUR_MS,
    retryMs: 1000,
    operationMs: 1000,
  });
}
