// Reading segments and ranges while holders are gone, slow, damaged or lying.

import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { CELL_LENGTH, GROUP_LENGTH } from '../../src/base/limits.ts';
import type { ErrorCode } from '../../src/base/errors.ts';
import { decodeGetPiece, SERVICES } from '../../src/replication/messages.ts';
import type { NoticeEvent } from '../../src/client/types.ts';
import { claimsEverything } from '../adversaries/boasting-member.ts';
import {
  servesTooLittle,
  servesWithoutEnd,
  servesWrongBytes,
  speaksGarbage,
} from '../adversaries/lying-holder.ts';
import { failsAtFirst, refuses } from '../adversaries/refusing-holder.ts';
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
const bytes = patterned(1_500_000);

let cluster: Cluster;
let client: TestClient;
let uri: string;
const start = async (
  nodes = 7,
  put: Parameters<TestClient['put']>[1] = { code, segmentBytes },
): Promise<void> => {
  cluster = await createCluster({ nodes });
  client = await cluster.client();
  const result = await client.put(bytes, put);
  await result.complete;
  uri = result.uri;
};
afterEach(() => cluster.close());

const readsBack = async (notices: NoticeEvent[] = []): Promise<void> => {
  const got = await client.get(uri, { onNotice: (notice) => notices.push(notice) });
  expect(Buffer.compare(await got.bytes(), bytes)).toBe(0);
};
/** Pieces of segment 0 by node, data pieces first. */
const holdersInOrder = (): ClusterNode[] =>
  cluster.nodes
    .map((node) => ({
      node,
      key: [...node.entries.keys()].find((key) => key.startsWith('70') && key.slice(66, 74) === '00000000'),
    }))
    .filter(({ key }) => key !== undefined)
    .sort((a, b) => Number.parseInt(a.key!.slice(74, 76), 16) - Number.parseInt(b.key!.slice(74, 76), 16))
    .map(({ node }) => node);

/** Five of seven holders: the two that are left have a copy of every record, so that pieces alone are too few. */
const allButTwo = (): ClusterNode[] => {
  const records = ({ entries }: ClusterNode): number =>
    [...entries.keys()].filter((key) => key.startsWith('72')).length;
  return [...cluster.nodes].sort((a, b) => records(a) - records(b)).slice(0, 5);
};

describe('n - k bad holders of 3 of 7 do not matter, whichever way they are bad', () => {
  const ways: readonly [string, (node: ClusterNode) => void, NoticeEvent['kind'] | undefined][] = [
    ['dead', ({ memory }) => isDead(memory), undefined],
    ['silent', ({ memory }) => isSilent(memory), 'holder-slow'],
    ['without their pieces', ({ entries }) => entries.clear(), undefined],
    ['refusing', ({ memory }) => refuses(memory, 'UNAUTHORIZED', SERVICES.getPiece), undefined],
    ['reporting damage', ({ memory }) => refuses(memory, 'DAMAGED', SERVICES.getPiece), 'piece-damaged'],
    ['serving wrong bytes', ({ memory }) => servesWrongBytes(memory), 'piece-wrong'],
    ['serving too little', ({ memory }) => servesTooLittle(memory), 'piece-wrong'],
    ['serving without end', ({ memory }) => servesWithoutEnd(memory), undefined],
    ['speaking garbage', ({ memory }) => speaksGarbage(memory), 'piece-wrong'],
  ];
  for (const [name, spoil, kind] of ways) {
    test(name, async () => {
      await start();
      const bad = holdersInOrder().slice(0, 4);
      bad.forEach(spoil);
      const notices: NoticeEvent[] = [];
      await readsBack(notices);
      if (kind !== undefined) {
        const named = notices.filter((notice) => notice.kind === kind).map((notice) => notice.node);
        expect(named.length).toBeGreaterThan(0);
        expect(named.every((node) => bad.some(({ hex }) => hex === node))).toBe(true);
      }
      const range = { offset: 300_000, length: 200_000 };
      const part = await (await client.get(uri, { range })).bytes();
      expect(Buffer.compare(part, bytes.subarray(300_000, 500_000))).toBe(0);
    });
  }

  test('bytes flipped on the disk of a holder are found and the holder is named', async () => {
    await start();
    const [first] = holdersInOrder();
    for (const [key, entry] of first!.entries) if (key.startsWith('70')) entry.payload[1000]! ^= 4;
    const notices: NoticeEvent[] = [];
    await readsBack(notices);
    expect(notices).toContainEqual(
      expect.objectContaining({ kind: 'piece-wrong', node: first!.hex, pieceIndex: 0 }),
    );
  });

  test('a liar is asked once, not once a segment', async () => {
    await start();
    const [first] = holdersInOrder();
    servesWrongBytes(first!.memory);
    const serial = await cluster.client();
    await (await serial.get(uri)).bytes();
    const before = first!.memory.callsServed.get(SERVICES.getPiece) ?? 0;
    expect(before).toBeLessThanOrEqual(2);
  });
});

describe('with exactly k living holders', () => {
  for (const failure of ['UNREACHABLE', 'TIMEOUT', 'BUSY', 'PROTOCOL', 'CLOSED'] satisfies ErrorCode[]) {
    test(`one that answers ${failure} in passing does not end the get`, async () => {
      await start();
      const holders = holdersInOrder();
      for (const { memory } of holders.slice(0, 4)) isDead(memory);
      failsAtFirst(holders[5]!.memory, failure, 1, SERVICES.getPiece);
      await readsBack();
      failsAtFirst(holders[5]!.memory, failure, 1, SERVICES.getPiece);
      const range = { offset: 300_000, length: 1000 };
      const part = await (await client.get(uri, { range })).bytes();
      expect(Buffer.compare(part, bytes.subarray(300_000, 301_000))).toBe(0);
    });
  }
});

describe('more than n - k', () => {
  test('dead holders: NOT_ENOUGH_PIECES names segment, count and who did not answer', async () => {
    await start();
    const dead = allButTwo();
    const got = await client.get(uri);
    for (const { memory } of dead) isDead(memory);
    const error = await expectCodeAsync('NOT_ENOUGH_PIECES', got.bytes());
    expect(error.message).toContain('segment 0: 2 pieces could be had, 3 are needed');
    for (const { hex } of dead) expect(error.message).toContain(hex.slice(0, 8));
    expect(error.isRetryable).toBe(true);
  });

  test('liars: nothing wrong is ever delivered', async () => {
    await start();
    const got = await client.get(uri);
    for (const { memory } of allButTwo()) servesWrongBytes(memory);
    let delivered = 0;
    const read = (async () => {
      for await (const chunk of got) delivered += chunk.length;
    })();
    await expectCodeAsync('NOT_ENOUGH_PIECES', read);
    expect(delivered).toBe(0);
  });

  test('silent holders: the get ends, it does not hang', async () => {
    await start();
    const got = await client.get(uri);
    for (const { memory } of allButTwo()) isSilent(memory);
    await expectCodeAsync('NOT_ENOUGH_PIECES', got.bytes());
  });
});

describe('pieces that moved', () => {
  test('are found although the member that has them fails in passing when it is asked', async () => {
    await start(8);
    const holders = holdersInOrder();
    const other = cluster.nodes.find((node) => !holders.includes(node))!;
    for (const [key, entry] of holders[0]!.entries) other.entries.set(key, entry);
    for (const { memory } of holders.slice(0, 5)) isDead(memory);
    failsAtFirst(other.memory, 'UNREACHABLE', 2, SERVICES.locatePieces);
    const part = await (await client.get(uri, { range: { offset: 0, length: 1_000_000 } })).bytes();
    expect(Buffer.compare(part, bytes.subarray(0, 1_000_000))).toBe(0);
  });

  test('are found at members that the manifest does not name', async () => {
    await start(12);
    const holders = holdersInOrder();
    const names = new Set(holders.map((node) => node.hex));
    const others = cluster.nodes.filter(({ hex }) => !names.has(hex));
    for (const [index, from] of holders.slice(0, 5).entries()) {
      for (const [key, entry] of from.entries) others[index]!.entries.set(key, entry);
      from.entries.clear();
    }
    const part = await (await client.get(uri, { range: { offset: 0, length: 1_000_000 } })).bytes();
    expect(Buffer.compare(part, bytes.subarray(0, 1_000_000))).toBe(0);
  });

  test('members that claim to have everything and serve zeros are seen through', async () => {
    await start(12);
    const holders = holdersInOrder();
    const names = new Set(holders.map((node) => node.hex));
    const others = cluster.nodes.filter(({ hex }) => !names.has(hex));
    const rootsAt = holders.map(
      (node) =>
        [...node.entries.keys()].find((key) => key.startsWith('70') && key.slice(66, 74) === '00000000')!,
    );
    const roots = rootsAt.map((key) => new Uint8Array(Buffer.from(key.slice(76), 'hex')) as never);
    const pieceLength = holders[0]!.entries.get(rootsAt[0]!)!.payload.length;
    for (const { memory } of others) claimsEverything(memory, () => roots, pieceLength);
    for (const { memory } of holders.slice(0, 4)) refuses(memory, 'NOT_FOUND', SERVICES.getPiece);
    const part = await (await client.get(uri, { range: { offset: 0, length: 1_000_000 } })).bytes();
    expect(Buffer.compare(part, bytes.subarray(0, 1_000_000))).toBe(0);
  });
});

test('a slow holder is hedged: the get does not wait for it', async () => {
  await start();
  const [slow] = holdersInOrder();
  slow!.memory.faults.delayMs = 100_000;
  const began = cluster.clock.monotonic();
  const notices: NoticeEvent[] = [];
  await readsBack(notices);
  expect(cluster.clock.monotonic() - began).toBeLessThan(90_000);
  expect(notices.some((notice) => notice.kind === 'holder-slow' && notice.node === slow!.hex)).toBe(true);
});

describe('ranges', () => {
  /** Bytes of pieces that holders sent since the start of the measurement. */
  const measure = (): (() => number) => {
    let sent = 0;
    for (const { memory } of cluster.nodes) {
      memory.faults.lie = (service, reply) => {
        if (service === SERVICES.getPiece) sent += reply.body.length;
        return reply;
      };
    }
    return () => sent;
  };

  for (const isPublic of [false, true]) {
    test(`equal slices of the object, ${isPublic ? 'public' : 'encrypted'}`, async () => {
      await start(7, { code, segmentBytes, isPublic });
      const range = fc
        .tuple(
          fc.nat({ max: bytes.length }),
          fc.oneof(fc.nat({ max: 200_000 }), fc.nat({ max: bytes.length })),
        )
        .map(([offset, length]) => ({ offset, length: Math.min(length, bytes.length - offset) }));
      await fc.assert(
        fc.asyncProperty(range, async ({ offset, length }) => {
          const part = await (await client.get(uri, { range: { offset, length } })).bytes();
          expect(Buffer.compare(part, bytes.subarray(offset, offset + length))).toBe(0);
        }),
        { numRuns: 25 },
      );
    });
  }

  test('equal slices while n - k holders are gone', async () => {
    await start();
    for (const { memory } of holdersInOrder().slice(0, 4)) isDead(memory);
    for (const [offset, length] of [
      [0, 1],
      [65_519, 2],
      [700_000, 1],
      [1_000_000, 100_000],
      [1_499_999, 1],
    ] as const) {
      const part = await (await client.get(uri, { range: { offset, length } })).bytes();
      expect(Buffer.compare(part, bytes.subarray(offset, offset + length))).toBe(0);
    }
  });

  test('one byte costs one cell', async () => {
    await start();
    const sent = measure();
    const got = await client.get(uri, { range: { offset: 400_000, length: 1 } });
    expect([...(await got.bytes())]).toEqual([bytes[400_000]]);
    expect(sent()).toBe(CELL_LENGTH);
  });

  test('one byte whose data holder is gone costs k cells', async () => {
    await start();
    for (const { memory } of holdersInOrder().slice(0, 3)) isDead(memory);
    const sent = measure();
    const got = await client.get(uri, { range: { offset: 0, length: 1 } });
    expect([...(await got.bytes())]).toEqual([bytes[0]]);
    expect(sent()).toBe(3 * CELL_LENGTH);
  });

  test('a tail is read to its end, in whole groups at most', async () => {
    await start();
    const sent = measure();
    const got = await client.get(uri, { range: { offset: bytes.length - 10 } });
    expect(Buffer.compare(await got.bytes(), bytes.subarray(bytes.length - 10))).toBe(0);
    expect(sent()).toBeLessThanOrEqual(CELL_LENGTH + GROUP_LENGTH);
  });

  test('only ranges are asked for, and only of data holders', async () => {
    await start();
    const asked: (boolean | undefined)[] = [];
    for (const { memory } of cluster.nodes) {
      memory.faults.refuse = (service, header) => {
        if (service === SERVICES.getPiece) {
          const { range, pieceIndex } = decodeGetPiece(header);
          asked.push(range !== undefined && pieceIndex < 3);
        }
        return undefined;
      };
    }
    await (await client.get(uri, { range: { offset: 100_000, length: 150_000 } })).bytes();
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.every((isRight) => isRight === true)).toBe(true);
  });
});
