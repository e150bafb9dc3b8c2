import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, createCluster, patterned, type TestClient } from '../helpers/cluster.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';

const segmentBytes = 1024 * 1024;

let cluster: Cluster;
let client: TestClient;
beforeAll(async () => {
  cluster = await createCluster({ nodes: 4 });
  client = await cluster.client();
});
afterAll(() => cluster.close());

describe('results', () => {
  test('iteration, stream and bytes say the same, and again', async () => {
    const bytes = patterned(2_200_000);
    const got = await client.get((await client.put(bytes, { segmentBytes })).uri);
    const parts: Uint8Array[] = [];
    for await (const chunk of got) parts.push(chunk);
    expect(Buffer.compare(Buffer.concat(parts), bytes)).toBe(0);
    const streamed = new Uint8Array(await new Response(got.stream()).arrayBuffer());
    expect(Buffer.compare(streamed, bytes)).toBe(0);
    expect(Buffer.compare(await got.bytes(), bytes)).toBe(0);
  });

  test('chunks that are used again hold the right bytes while they last', async () => {
    const bytes = patterned(2_200_000);
    const { uri } = await client.put(bytes, { segmentBytes });
    const got = await client.get(uri, { reuseChunks: true });
    const copies: Uint8Array[] = [];
    const memories = new Set<ArrayBufferLike>();
    for await (const chunk of got) {
      copies.push(chunk.slice());
      memories.add(chunk.buffer);
    }
    expect(Buffer.compare(Buffer.concat(copies), bytes)).toBe(0);
    expect(memories.size).toBe(1);
    expect(Buffer.compare(await got.bytes(), bytes)).toBe(0);
  });

  test('readers that wait for one another share memory for one segment', async () => {
    const small = await cluster.client({ memoryBytes: 1024 * 1024 });
    const bytes = patterned(3_300_000);
    const { uri } = await small.put(bytes, { segmentBytes });
    const readers = await Promise.all(
      [1, 2, 3, 4].map(async () => (await small.get(uri))[Symbol.asyncIterator]()),
    );
    const received = readers.map((): Uint8Array[] => []);
    for (let isOver = false; !isOver; ) {
      for (const [index, reader] of readers.entries()) {
        const { done, value } = await reader.next();
        isOver = done === true;
        if (value !== undefined) received[index]!.push(value);
      }
    }
    for (const chunks of received) expect(Buffer.compare(Buffer.concat(chunks), bytes)).toBe(0);
    await small.close();
  });

  test('chunks stay what they are after the next one was taken', async () => {
    const bytes = patterned(2_200_000);
    const got = await client.get((await client.put(bytes, { segmentBytes })).uri);
    const kept: Uint8Array[] = [];
    for await (const chunk of got) kept.push(chunk);
    await (await client.get((await client.put(patterned(2_200_000, 9), { segmentBytes })).uri)).bytes();
    expect(Buffer.compare(Buffer.concat(kept), bytes)).toBe(0);
  });

  test('two objects can be read in turns although memory is for one segment', async () => {
    const small = await cluster.client({ memoryBytes: 1 });
    const a = await small.put(patterned(3_300_000, 1), { segmentBytes });
    const b = await small.put(patterned(3_300_000, 2), { segmentBytes });
    const left = (await small.get(a.uri))[Symbol.asyncIterator]();
    const right = (await small.get(b.uri))[Symbol.asyncIterator]();
    let length = 0;
    for (;;) {
      const [x, y] = [await left.next(), await right.next()];
      if (x.done === true && y.done === true) break;
      length += (x.done === true ? 0 : x.value.length) + (y.done === true ? 0 : y.value.length);
    }
    expect(length).toBe(6_600_000);
  });

  test('progress never goes back, is told at most ten times a second, and ends at the whole length', async () => {
    const events: { phase: string; doneBytes: number }[] = [];
    const bytes = patterned(3_000_000);
    const put = await client.put(bytes, { segmentBytes, onProgress: (event) => events.push(event) });
    await put.complete;
    expect(events.at(-1)).toMatchObject({
      phase: 'complete',
      doneBytes: bytes.length,
      totalBytes: bytes.length,
    });
    expect(events.map((event) => event.doneBytes)).toEqual(
      events.map((event) => event.doneBytes).sort((a, b) => a - b),
    );
    const read: { phase: string; doneBytes: number }[] = [];
    await (await client.get(put.uri, { onProgress: (event) => read.push(event) })).bytes();
    expect(read.at(-1)).toMatchObject({ phase: 'complete', doneBytes: bytes.length });
    expect(read.map((event) => event.doneBytes)).toEqual(
      read.map((event) => event.doneBytes).sort((a, b) => a - b),
    );
  });
});

describe('a consumer', () => {
  test('that stops early leaves nothing running, and memory is free again', async () => {
    const small = await cluster.client({ memoryBytes: 1 });
    const { uri } = await small.put(patterned(5_000_000), { segmentBytes });
    for (let round = 0; round < 3; round++) {
      for await (const chunk of await small.get(uri)) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
      const reader = (await small.get(uri)).stream().getReader();
      await reader.read();
      await reader.cancel();
    }
    const calls = (): number =>
      cluster.nodes.reduce((sum, node) => sum + (node.memory.callsServed.get('get-piece') ?? 0), 0);
    const before = calls();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(calls()).toBe(before);
    expect((await (await small.get(uri)).bytes()).length).toBe(5_000_000);
  });

  test('that does not begin has fetched nothing but the manifest', async () => {
    const { uri } = await client.put(patterned(2_000_000), { segmentBytes });
    const calls = (): number =>
      cluster.nodes.reduce((sum, node) => sum + (node.memory.callsServed.get('get-piece') ?? 0), 0);
    const before = calls();
    const got = await client.get(uri);
    got.stream();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(calls()).toBe(before);
  });

  test('that aborts gets ABORTED, before, while opening, and in the middle', async () => {
    const { uri } = await client.put(patterned(5_000_000), { segmentBytes });
    await expectCodeAsync('ABORTED', client.get(uri, { signal: AbortSignal.abort() }));
    const abort = new AbortController();
    const got = await client.get(uri, { signal: abort.signal });
    const read = (async () => {
      let length = 0;
      for await (const chunk of got) {
        length += chunk.length;
        if (length > 1_500_000) abort.abort();
      }
    })();
    await expectCodeAsync('ABORTED', read);
    await expectCodeAsync('ABORTED', got.bytes());
    for (const node of cluster.nodes) node.memory.faults.delayMs = 2000;
    const late = new AbortController();
    setTimeout(() => late.abort(), 10);
    await expectCodeAsync('ABORTED', client.get(uri, { signal: late.signal }));
    for (const node of cluster.nodes) node.memory.faults.delayMs = 0;
  });

  test('of a closed store gets CLOSED', async () => {
    const other = await cluster.client();
    const { uri } = await other.put(patterned(5_000_000), { segmentBytes });
    const got = await other.get(uri);
    const iterator = got[Symbol.asyncIterator]();
    await iterator.next();
    await other.close();
    await expectCodeAsync(
      'CLOSED',
      (async () => {
        for (;;) if ((await iterator.next()).done === true) return;
      })(),
    );
    await expectCodeAsync('CLOSED', other.get(uri));
    await expectCodeAsync('CLOSED', other.put('x'));
  });
});

test('a range outside the object is INVALID_ARGUMENT', async () => {
  const { uri } = await client.put(patterned(10_000));
  const ranges = [
    { offset: -1 },
    { offset: 0.5 },
    { offset: 10_001 },
    { offset: 9_999, length: 2 },
    { offset: 0, length: -1 },
    { offset: Number.NaN },
    { offset: 0, length: Number.POSITIVE_INFINITY },
  ];
  for (const range of ranges) await expectCodeAsync('INVALID_ARGUMENT', client.get(uri, { range }));
  expect((await (await client.get(uri, { range: { offset: 10_000 } })).bytes()).length).toBe(0);
});
