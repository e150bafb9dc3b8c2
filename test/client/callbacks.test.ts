// Callbacks of the caller that throw: the operation goes on, and gives back what it holds.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CallEvents, NoticeEvent, ProgressEvent } from '../../src/client/types.ts';
import { servesWrongBytes } from '../adversaries/lying-holder.ts';
import { isDead } from '../adversaries/silent-holder.ts';
import { type Cluster, createCluster, patterned, type TestClient } from '../helpers/cluster.ts';

const segmentBytes = 1024 * 1024;
const code = { k: 2, n: 4 };
const bytes = patterned(2_200_000);

let cluster: Cluster;
let client: TestClient;
let called: Set<string>;
const throwing: CallEvents = {
  onProgress: ({ phase }: ProgressEvent) => {
    called.add(phase);
    throw new Error(`progress ${phase}`);
  },
  onNotice: ({ kind }: NoticeEvent) => {
    called.add(kind);
    throw new Error(`notice ${kind}`);
  },
};
beforeEach(async () => {
  called = new Set();
  cluster = await createCluster({ nodes: 6 });
  // One segment at a time: what is not released stops the next one.
  client = await cluster.client({ memoryBytes: 1 });
});
afterEach(() => cluster.close());

describe('a callback that throws', () => {
  test('ends no put, whatever it is told', async () => {
    isDead(cluster.nodes[0]!.memory);
    isDead(cluster.nodes[1]!.memory);
    const put = await client.put(bytes, { ...throwing, code, segmentBytes });
    expect(await put.complete).toEqual({ confirmedPieces: 12, missingPieces: 0 });
    expect(called).toContain('complete');
    expect(called).toContain('holder-replaced');
    const next = await client.put(bytes, { code, segmentBytes });
    expect(await next.complete).toMatchObject({ missingPieces: 0 });
  });

  test('ends no get, nor the one after it', async () => {
    const { uri, complete } = await client.put(bytes, { code, segmentBytes });
    await complete;
    for (const { memory } of cluster.nodes.slice(0, 2)) servesWrongBytes(memory);
    for (const events of [throwing, {}]) {
      const got = await client.get(uri, events);
      expect(Buffer.compare(await got.bytes(), bytes)).toBe(0);
    }
    expect(called).toContain('complete');
  });

  test('may be asynchronous: its rejection is heard by nobody', async () => {
    const unheard: unknown[] = [];
    const listen = (error: unknown): void => {
      unheard.push(error);
    };
    process.on('unhandledRejection', listen);
    try {
      const put = await client.put(bytes, {
        code,
        segmentBytes,
        onProgress: (() => Promise.reject(new Error('later'))) as () => void,
      });
      await put.complete;
      await new Promise((resolve) => setTimeout(resolve, 10));
    } finally {
      process.off('unhandledRejection', listen);
    }
    expect(unheard).toEqual([]);
  });
});
