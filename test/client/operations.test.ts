import { afterEach, describe, expect, test } from 'vitest';
import { type Cluster, createCluster, patterned } from '../helpers/cluster.ts';

let cluster: Cluster | undefined;
afterEach(async () => {
  await cluster?.close();
  cluster = undefined;
});

describe('what was put comes back', () => {
  test('byte for byte', async () => {
    cluster = await createCluster({ nodes: 7 });
    const client = await cluster.client();
    for (const size of [0, 1, 4096, 4097, 100_000, 1_048_320, 1_048_321, 3_000_000]) {
      const bytes = patterned(size);
      const put = await client.put(bytes, { segmentBytes: 1024 * 1024 });
      expect(put.sizeBytes).toBe(size);
      const back = await (await client.get(put.uri)).bytes();
      expect(Buffer.compare(back, bytes)).toBe(0);
    }
  });
});
