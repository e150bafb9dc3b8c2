import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSource } from '../../src/client/source.ts';
import type { Source } from '../../src/client/types.ts';
import { type Cluster, createCluster, patterned, type TestClient } from '../helpers/cluster.ts';
import { expectCode, expectCodeAsync } from '../helpers/expect-code.ts';

const segmentBytes = 1024 * 1024;

let cluster: Cluster;
let client: TestClient;
beforeAll(async () => {
  cluster = await createCluster({ nodes: 4 });
  client = await cluster.client();
});
afterAll(() => cluster.close());

describe('sources', () => {
  const bytes = patterned(700_000);
  const chunks = (): Uint8Array[] => {
    const parts: Uint8Array[] = [];
    for (let at = 0, step = 1; at < bytes.length; at += step, step = (step * 7 + 13) % 90_000)
      parts.push(bytes.subarray(at, at + step));
    return parts;
  };
  async function* slowly(): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks()) {
      await new Promise((resolve) => setImmediate(resolve));
      yield chunk;
    }
  }
  const sources: readonly [string, () => Promise<Parameters<TestClient['put']>[0]>][] = [
    ['bytes', async () => bytes],
    ['a Buffer', async () => Buffer.from(bytes)],
    ['a Blob', async () => new Blob([Buffer.from(bytes)])],
    ['an iterable', async () => chunks()],
    ['an async iterable', async () => slowly()],
    ['a web stream', async () => new Blob([Buffer.from(bytes)]).stream()],
    ['a Node stream', async () => (await import('node:stream')).Readable.from(chunks())],
    [
      'chunks of no bytes between',
      async () => chunks().flatMap((chunk) => [new Uint8Array(0), chunk, new Uint8Array(0)]),
    ],
  ];
  for (const [name, make] of sources) {
    test(`${name} of unknown length`, async () => {
      const put = await client.put(await make(), { segmentBytes });
      expect(Buffer.compare(await (await client.get(put.uri)).bytes(), bytes)).toBe(0);
    });
  }
  test('text is put as UTF-8', async () => {
    const put = await client.put('Grüße, 世界');
    expect(put.sizeBytes).toBe(15);
    expect(new TextDecoder().decode(await (await client.get(put.uri)).bytes())).toBe('Grüße, 世界');
  });
  test('an announced length that is too short, too long or exact makes no difference', async () => {
    const whole = patterned(1_200_000);
    for (const lengthBytes of [1, 1_100_000, 1_200_000, 1_200_001, 1_000_000_000]) {
      const put = await client.put([whole], { segmentBytes, lengthBytes });
      expect(put.sizeBytes).toBe(whole.length);
      expect(Buffer.compare(await (await client.get(put.uri)).bytes(), whole)).toBe(0);
    }
  });
});

describe('a source that fails', () => {
  test('ends the put with its own error, and nothing goes on', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield patterned(1_500_000);
      throw new RangeError('the tape tore');
    }
    const error = await expectCodeAsync('INVALID_ARGUMENT', client.put(failing(), { segmentBytes }));
    expect(error.message).toContain('the tape tore');
    expect(error.cause).toBeInstanceOf(RangeError);
  });

  test('a StoreError of the source is passed on', async () => {
    const { StoreError } = await import('../../src/base/errors.ts');
    const source = (async function* (): AsyncGenerator<Uint8Array> {
      yield patterned(10);
      throw new StoreError('DISK', 'cannot read the file');
    })();
    await expectCodeAsync('DISK', client.put(source));
  });

  test('a file that cannot be read is DISK, even when it fails before anybody reads', async () => {
    const { createReadStream } = await import('node:fs');
    await expectCodeAsync('DISK', client.put(createReadStream('/nowhere/to/be/found')));
    await expectCodeAsync('DISK', client.put(createReadStream('/')));
  });

  test('what is no source is INVALID_ARGUMENT', async () => {
    for (const source of [42, null, undefined, {}, [1, 2], [null]]) {
      await expectCodeAsync('INVALID_ARGUMENT', client.put(source as unknown as Source));
    }
    const stream = new Blob(['x']).stream();
    stream.getReader();
    await expectCodeAsync('INVALID_ARGUMENT', client.put(stream));
  });

  test('an abort is heard although an endless source never waits', async () => {
    function* endless(): Generator<Uint8Array> {
      for (;;) yield new Uint8Array(65_536);
    }
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 10);
    await expectCodeAsync('ABORTED', client.put(endless(), { segmentBytes, signal: abort.signal }));
  });

  test('an abort does not wait for a source that never goes on', async () => {
    let isReturned = false;
    const source: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => undefined),
        return: async () => {
          isReturned = true;
          return { done: true, value: undefined };
        },
      }),
    };
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 20);
    await expectCodeAsync('ABORTED', client.put(source, { signal: abort.signal }));
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(isReturned).toBe(true);
  });
});

describe('a reader', () => {
  const never = new AbortController().signal;
  test('gives back what was unread, first', async () => {
    const reader = readSource([new Uint8Array([1, 2]), new Uint8Array([3, 4, 5])], never);
    const three = new Uint8Array(3);
    expect(await reader.fill(three)).toBe(3);
    reader.unread(three.slice());
    expect(await reader.isAtEnd()).toBe(false);
    const all = new Uint8Array(9);
    expect(await reader.fill(all)).toBe(5);
    expect([...all.subarray(0, 5)]).toEqual([1, 2, 3, 4, 5]);
    expect(await reader.isAtEnd()).toBe(true);
  });

  test('gives back the last bytes of a source that has ended', async () => {
    const reader = readSource(new Uint8Array([1, 2]), never);
    const bytes = new Uint8Array(5);
    expect(await reader.fill(bytes)).toBe(2);
    reader.unread(bytes.slice(0, 2));
    expect(await reader.isAtEnd()).toBe(false);
    expect(await reader.skip(5)).toBe(2);
    expect(await reader.isAtEnd()).toBe(true);
  });

  test('refuses what cannot be read at once', () => {
    expectCode('INVALID_ARGUMENT', () => readSource(7 as unknown as Source, never));
  });
});
