// What was put comes back, whatever its length, code and secrecy.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { CELL_LENGTH, INLINE_LENGTH_MAX, TAG_LENGTH } from '../../src/base/limits.ts';
import { segmentCapacity } from '../../src/replication/manifest.ts';
import { type Cluster, createCluster, patterned, type TestClient } from '../helpers/cluster.ts';

const CELLS = 16;
const segmentBytes = CELLS * CELL_LENGTH;

let cluster: Cluster;
let client: TestClient;
beforeAll(async () => {
  cluster = await createCluster({ nodes: 11 });
  client = await cluster.client();
});
afterAll(() => cluster.close());

const CODES = [
  { k: 1, n: 1 },
  { k: 1, n: 3 },
  { k: 2, n: 4 },
  { k: 3, n: 7 },
  { k: 4, n: 10 },
];

for (const code of CODES) {
  for (const isPublic of [false, true]) {
    test(`${code.k} of ${code.n}, ${isPublic ? 'public' : 'encrypted'}: lengths around every boundary`, async () => {
      const cell = CELL_LENGTH - (isPublic ? 0 : TAG_LENGTH);
      const segment = segmentCapacity(CELLS, !isPublic);
      const lengths = [
        0,
        1,
        INLINE_LENGTH_MAX,
        INLINE_LENGTH_MAX + 1,
        cell,
        code.k * cell + 1,
        segment - 1,
        segment,
        segment + 1,
      ];
      if (code.k === 3) lengths.push(cell - 1, cell + 1, code.k * cell, 2 * segment + 12_345);
      for (const length of lengths) {
        const bytes = patterned(length, length + 1);
        const put = await client.put(bytes, { code, isPublic, segmentBytes });
        expect(put).toMatchObject({ sizeBytes: length, code });
        expect(put.segments).toBe(length <= INLINE_LENGTH_MAX ? 0 : Math.ceil(length / segment));
        expect(await put.complete).toEqual({ confirmedPieces: put.totalPieces, missingPieces: 0 });
        const got = await client.get(put.uri);
        expect(got.sizeBytes).toBe(length);
        expect(Buffer.compare(await got.bytes(), bytes), `${length} bytes`).toBe(0);
      }
    });
  }
}

test('an encrypted object is nowhere stored in the clear, a public one is', async () => {
  const find = (bytes: Uint8Array): boolean =>
    cluster.nodes.some(({ entries }) =>
      [...entries.values()].some(({ payload }) =>
        Buffer.from(payload).includes(Buffer.from(bytes.subarray(0, 64))),
      ),
    );
  for (const length of [100, 12_800]) {
    const bytes = patterned(length, 77);
    await (await client.put(bytes)).complete;
    expect(find(bytes)).toBe(false);
  }
  for (const length of [100, 12_800]) {
    const bytes = patterned(length, 77);
    await (await client.put(bytes, { isPublic: true })).complete;
    expect(find(bytes)).toBe(true);
  }
});

test('the same bytes put twice are two objects under two keys', async () => {
  const bytes = patterned(10_000);
  const [a, b] = await Promise.all([client.put(bytes), client.put(bytes)]);
  expect(a!.uri).not.toBe(b!.uri);
  expect(a!.uri.split('.')[1]).not.toBe(b!.uri.split('.')[1]);
});
