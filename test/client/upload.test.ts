// Put, while holders fail, stall, refuse and lie.

import { afterEach, describe, expect, test } from 'vitest';
import type { ErrorCode } from '../../src/base/errors.ts';
import { SERVICES } from '../../src/replication/messages.ts';
import type { NoticeEvent } from '../../src/client/types.ts';
import { createTwinCoder } from '../../src/runtime/coder/coder.ts';
import { confirmsFalsely, speaksGarbage } from '../adversaries/lying-holder.ts';
import { failsAtFirst, isBusyAtFirst, refuses } from '../adversaries/refusing-holder.ts';
import { isDead, isSilent } from '../adversaries/silent-holder.ts';
import {
  type Cluster,
  type ClusterNode,
  createCluster,
  patterned,
  type TestClient,
} from '../helpers/cluster.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';

const segmentBytes = 1024 * 1024;
const code = { k: 3, n: 7 };
const bytes = patterned(1_100_000);

let cluster: Cluster;
let client: TestClient;
const start = async (nodes: number, operators = nodes): Promise<void> => {
  cluster = await createCluster({ nodes, operators });
  client = await cluster.client();
};
afterEach(() => cluster.close());

const pieces = ({ entries }: ClusterNode): number =>
  [...entries.keys()].filter((key) => key.startsWith('70')).length;
const allPieces = (): number => cluster.nodes.reduce((sum, node) => sum + pieces(node), 0);
const readsBack = async (uri: string): Promise<void> => {
  expect(Buffer.compare(await (await client.get(uri)).bytes(), bytes)).toBe(0);
};

describe('holders that fail are replaced by spares while the upload goes on', () => {
  const failures: readonly [string, (node: ClusterNode) => void][] = [
    ['dead', ({ memory }) => isDead(memory)],
    ['silent', ({ memory }) => isSilent(memory)],
    ['full', ({ memory }) => refuses(memory, 'FULL')],
    ['of a failed disk', ({ memory }) => refuses(memory, 'DISK')],
    ['unwilling', ({ memory }) => refuses(memory, 'UNAUTHORIZED')],
    ['always busy', ({ memory }) => refuses(memory, 'BUSY')],
    ['speaking garbage', ({ memory }) => speaksGarbage(memory)],
    ['confirming with a wrong signature', ({ memory }) => confirmsFalsely(memory)],
  ];
  for (const [name, fail] of failures) {
    test(name, async () => {
      await start(9);
      const bad = cluster.nodes.slice(3, 5);
      bad.forEach(fail);
      const notices: NoticeEvent[] = [];
      const put = await client.put(bytes, { code, segmentBytes, onNotice: (notice) => notices.push(notice) });
      expect(await put.complete).toEqual({ confirmedPieces: 14, missingPieces: 0 });
      const names = new Set(bad.map((node) => node.hex));
      expect(notices.length).toBeGreaterThan(0);
      expect(notices.every((notice) => notice.kind === 'holder-replaced' && names.has(notice.node!))).toBe(
        true,
      );
      await readsBack(put.uri);
    });
  }
});

test('a holder that fails once is not waited for again by the next segments', async () => {
  await start(9);
  cluster.nodes[3]!.memory.faults.isStalled = true;
  const serial = await cluster.client({ memoryBytes: 1, timing: { barMs: 1e9 } });
  await (await serial.put(patterned(5_000_000), { code, segmentBytes })).complete;
  expect(cluster.nodes[3]!.memory.callsServed.get(SERVICES.putPiece)).toBeLessThanOrEqual(1);
});

test('without spares the put ends at the quorum, and tells what is missing', async () => {
  await start(7);
  isDead(cluster.nodes[3]!.memory);
  refuses(cluster.nodes[4]!.memory, 'FULL');
  const notices: NoticeEvent[] = [];
  const put = await client.put(bytes, { code, segmentBytes, onNotice: (notice) => notices.push(notice) });
  expect(put.confirmedPieces).toBeGreaterThanOrEqual(10);
  expect(await put.complete).toEqual({ confirmedPieces: 10, missingPieces: 4 });
  expect(put.totalPieces).toBe(14);
  const missing = notices.filter(
    ({ kind, pieceIndex }) => kind === 'piece-missing' && pieceIndex !== undefined,
  );
  for (const [at, reason] of [
    [3, 'cannot be reached'],
    [4, 'refused'],
  ] as const) {
    const named = missing.filter(({ node }) => node === cluster.nodes[at]!.hex);
    expect(new Set(named.map(({ segmentIndex }) => segmentIndex))).toEqual(new Set([0, 1]));
    expect(named.every(({ message }) => message.includes(reason))).toBe(true);
  }
  expect(new Set(missing.map(({ segmentIndex, pieceIndex }) => `${segmentIndex}/${pieceIndex}`)).size).toBe(
    4,
  );
  await readsBack(put.uri);
});

test('copies of a small object that are missing are told with node and reason', async () => {
  await start(4);
  refuses(cluster.nodes[1]!.memory, 'FULL');
  const notices: NoticeEvent[] = [];
  const put = await client.put('small', { code: { k: 1, n: 4 }, onNotice: (notice) => notices.push(notice) });
  expect(await put.complete).toEqual({ confirmedPieces: 3, missingPieces: 1 });
  expect(notices).toEqual([
    { kind: 'piece-missing', node: cluster.nodes[1]!.hex, message: expect.stringContaining('refused') },
  ]);
});

for (const failure of ['UNREACHABLE', 'TIMEOUT', 'BUSY', 'PROTOCOL', 'CLOSED'] satisfies ErrorCode[]) {
  test(`without spares a holder that answers ${failure} in passing gets its pieces all the same`, async () => {
    await start(7);
    failsAtFirst(cluster.nodes[3]!.memory, failure, failure === 'TIMEOUT' ? 1 : 3, SERVICES.putPiece);
    const put = await client.put(patterned(3_000_000), { code, segmentBytes });
    expect(await put.complete).toEqual({ confirmedPieces: 21, missingPieces: 0 });
    expect(pieces(cluster.nodes[3]!)).toBe(3);
  });
}

test('without spares a dead holder is tried a few times by one segment, not by each', async () => {
  await start(7);
  const dead = cluster.nodes[3]!;
  let tries = 0;
  dead.memory.faults.refuse = (service) => {
    if (service !== SERVICES.putPiece) return undefined;
    tries++;
    return 'UNREACHABLE';
  };
  const serial = await cluster.client({ memoryBytes: 1, timing: { barMs: 1e9 } });
  const put = await serial.put(patterned(3_000_000), { code, segmentBytes });
  expect(await put.complete).toEqual({ confirmedPieces: 18, missingPieces: 3 });
  expect(tries).toBe(4);
});

test('a burst of BUSY passes without a replacement', async () => {
  await start(7);
  for (const { memory } of cluster.nodes) isBusyAtFirst(memory, 3);
  const notices: NoticeEvent[] = [];
  const put = await client.put(bytes, { code, segmentBytes, onNotice: (notice) => notices.push(notice) });
  expect(await put.complete).toMatchObject({ missingPieces: 0 });
  expect(notices).toEqual([]);
});

test('the put is acknowledged at the quorum, while slow holders complete behind it', async () => {
  await start(7);
  for (const { memory } of cluster.nodes.slice(5)) memory.faults.delayMs = 30_000;
  const patient = await cluster.client({ timing: { stallFloorMs: 1e9 } });
  const put = await patient.put(patterned(1_000_000), { code });
  expect(put.confirmedPieces).toBe(5);
  expect(await put.complete).toEqual({ confirmedPieces: 7, missingPieces: 0 });
});

test('no operator gets two pieces of a segment, not even as a spare', async () => {
  await start(10, 8);
  isDead(cluster.nodes[2]!.memory);
  isDead(cluster.nodes[6]!.memory);
  const put = await client.put(bytes, { code, segmentBytes });
  await put.complete;
  for (let segment = 0; segment < 2; segment++) {
    const holders = cluster.nodes.filter(({ entries }) =>
      [...entries.keys()].some(
        (key) => key.startsWith('70') && Number.parseInt(key.slice(66, 74), 16) === segment,
      ),
    );
    const operators = holders.map((node) => cluster.nodes.indexOf(node) % 8);
    expect(new Set(operators).size).toBe(operators.length);
  }
});

describe('too few holders', () => {
  test('confirm: NOT_ENOUGH_CONFIRMATIONS says how many and why', async () => {
    await start(7);
    for (const { memory } of cluster.nodes.slice(4)) refuses(memory, 'FULL', SERVICES.putPiece);
    const error = await expectCodeAsync(
      'NOT_ENOUGH_CONFIRMATIONS',
      client.put(bytes, { code, segmentBytes }),
    );
    expect(error.message).toMatch(/segment 0: [0-4] of 7 holders stored it, 5 are needed/);
    expect(error.message).toContain('refused');
    expect(error.next).toBeDefined();
  });

  test('take the manifest: NOT_ENOUGH_CONFIRMATIONS', async () => {
    await start(4);
    for (const { memory } of cluster.nodes) refuses(memory, 'FULL', SERVICES.putRecord);
    const error = await expectCodeAsync('NOT_ENOUGH_CONFIRMATIONS', client.put(bytes, { segmentBytes }));
    expect(error.message).toContain('manifest');
  });

  test('exist: NOT_ENOUGH_OPERATORS before the source is read', async () => {
    await start(7, 4);
    let isRead = false;
    const source = (function* (): Generator<Uint8Array> {
      isRead = true;
      yield bytes;
    })();
    const error = await expectCodeAsync('NOT_ENOUGH_OPERATORS', client.put(source, { code }));
    expect(error.message).toContain('4 independent operators');
    expect(isRead).toBe(false);
    const put = await client.put(bytes, { code, segmentBytes, allowSameOperator: true });
    await put.complete;
    expect((await client.stat(put.uri)).isTrial).toBe(true);
    await readsBack(put.uri);
  });
});

describe('options that are off are INVALID_ARGUMENT', () => {
  for (const options of [
    { code: { k: 0, n: 3 } },
    { code: { k: 4, n: 3 } },
    { code: { k: 1.5, n: 3 } },
    { code: { k: 1, n: 256 } },
    { copies: 0 },
    { copies: 2, code: { k: 1, n: 2 } },
    { segmentBytes: 1000 },
    { segmentBytes: 65 * 1024 * 1024 },
    { segmentBytes: Number.NaN },
    { lengthBytes: -1 },
    { lengthBytes: 1.5 },
  ]) {
    test(JSON.stringify(options), async () => {
      await start(3);
      await expectCodeAsync('INVALID_ARGUMENT', client.put('x', options));
    });
  }
});

test('an object that a client with default memory could not read is INVALID_ARGUMENT, however much memory its writer has', async () => {
  await start(12);
  const coder = createTwinCoder({ maxMemory: 2 * 1024 ** 3 });
  const large = await cluster.client({ memoryBytes: 2 * 1024 ** 3, ports: { coder } });
  const source = function* (): Generator<Uint8Array> {
    yield patterned(10_000);
  };
  const error = await expectCodeAsync(
    'INVALID_ARGUMENT',
    large.put(source(), { copies: 12, segmentBytes: 64 * 1024 ** 2 }),
  );
  expect(error.message).toContain('a client with default memory could not read');
  expect(allPieces()).toBe(0);
  const put = await large.put(source(), { copies: 12, segmentBytes: 32 * 1024 ** 2 });
  expect(await put.complete).toMatchObject({ missingPieces: 0 });
  await coder.close();
});

describe('an abort', () => {
  test('in the middle ends everything: no call is made afterwards, and memory is free', async () => {
    await start(7);
    for (const { memory } of cluster.nodes) memory.faults.delayMs = 200;
    const abort = new AbortController();
    const put = client.put(patterned(5_000_000), {
      code,
      segmentBytes,
      signal: abort.signal,
      onProgress: ({ doneBytes }) => {
        if (doneBytes > 2_000_000) abort.abort();
      },
    });
    await expectCodeAsync('ABORTED', put);
    const calls = (): number =>
      cluster.nodes.reduce((sum, node) => sum + (node.memory.callsServed.get('put-piece') ?? 0), 0);
    const before = calls();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(calls()).toBe(before);
    for (const { memory } of cluster.nodes) memory.faults.delayMs = 0;
    await readsBack((await client.put(bytes, { code, segmentBytes })).uri);
  });

  test('before the start reads nothing', async () => {
    await start(3);
    await expectCodeAsync('ABORTED', client.put(bytes, { signal: AbortSignal.abort() }));
    expect(allPieces()).toBe(0);
  });

  test('after the acknowledgement only stops what completes behind', async () => {
    await start(7);
    for (const { memory } of cluster.nodes.slice(5)) isSilent(memory);
    const abort = new AbortController();
    const put = await client.put(patterned(1_000_000), { code, signal: abort.signal });
    abort.abort();
    expect(await put.complete).toEqual({ confirmedPieces: 5, missingPieces: 2 });
  });
});

describe('a put that fails takes back what it left', () => {
  const entriesLeft = (): number => cluster.nodes.reduce((sum, { entries }) => sum + entries.size, 0);
  const failing = async function* (): AsyncGenerator<Uint8Array> {
    yield patterned(2_500_000);
    throw new Error('the tape tore');
  };

  test('for want of a quorum', async () => {
    await start(7);
    for (const { memory } of cluster.nodes.slice(4)) refuses(memory, 'FULL', SERVICES.putPiece);
    await expectCodeAsync('NOT_ENOUGH_CONFIRMATIONS', client.put(bytes, { code, segmentBytes }));
    expect(entriesLeft()).toBe(0);
  });

  test('because of its source, also while a node does not answer', async () => {
    await start(7);
    cluster.nodes[2]!.memory.faults.isStalled = true;
    await expectCodeAsync('INVALID_ARGUMENT', client.put(failing(), { code, segmentBytes }));
    expect(entriesLeft()).toBe(0);
  });

  test('unless it can be resumed', async () => {
    await start(7);
    await expectCodeAsync(
      'INVALID_ARGUMENT',
      client.put(failing(), { code, segmentBytes, resumeKey: 'tape' }),
    );
    expect(entriesLeft()).toBeGreaterThan(0);
  });
});

test('memory for one segment is enough for any length', async () => {
  await start(7);
  const small = await cluster.client({ memoryBytes: 1 });
  const put = await small.put(bytes, { code, segmentBytes });
  await put.complete;
  await readsBack(put.uri);
});

test('many puts at once share the memory and all succeed', async () => {
  await start(7);
  const puts = await Promise.all(
    Array.from({ length: 12 }, (_, index) => client.put(patterned(200_000, index), { code, segmentBytes })),
  );
  for (const [index, { uri }] of puts.entries()) {
    expect(Buffer.compare(await (await client.get(uri)).bytes(), patterned(200_000, index))).toBe(0);
  }
});
