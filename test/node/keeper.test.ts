import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { encode } from '../../src/base/codec.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { Digest, NodeId, ObjectId, PieceRoot, Signature } from '../../src/base/ids.ts';
import {
  GROUP_LENGTH,
  MANIFEST_LENGTH_MAX,
  PIECE_LENGTH_MAX,
  READ_BUDGET,
  READ_SLICE_LENGTH,
  REMOVE_BATCH,
} from '../../src/base/limits.ts';
import { pieceKey } from '../../src/node/entry-keys.ts';
import { confirmedRecord } from '../../src/replication/confirmation.ts';
import { verifyConfirmation } from '../../src/replication/confirmation.ts';
import {
  encodeManifest,
  encodePage,
  type Manifest,
  type ManifestPage,
} from '../../src/replication/manifest.ts';
import {
  decodeGetPieceReply,
  decodeLocated,
  decodeMembersReply,
  decodeNodeStatus,
  decodePutReply,
  decodeRemoveReply,
  encodeGetPiece,
  encodeGetRecord,
  encodeLocatePieces,
  encodeRemoveObject,
  type GetPiece,
  SERVICES,
} from '../../src/replication/messages.ts';
import { hashPiece, verifyRange } from '../../src/replication/piece-tree.ts';
import { signRemove } from '../../src/replication/ticket.ts';
import { nativeSha256, nativeVerify } from '../../src/runtime/crypto.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';
import {
  openTestKeeper,
  ownerFrom,
  putPiece,
  putPieceHeader,
  putRecordHeader,
  type TestKeeper,
  type TestOwner,
} from '../helpers/keeper.ts';
import { digestFrom, signerFrom } from '../helpers/records.ts';
import { patterned } from '../suites/network.ts';

let open: TestKeeper[] = [];
async function keeper(...options: Parameters<typeof openTestKeeper>): Promise<TestKeeper> {
  const made = await openTestKeeper(...options);
  open.push(made);
  return made;
}
afterEach(async () => {
  const closing = open;
  open = [];
  for (const made of closing) await made.close();
});

const PIECE = patterned(200_001);
const ROOT = hashPiece(PIECE).root as Uint8Array as PieceRoot;

function getHeader(by: TestOwner, fields: Partial<GetPiece> = {}): Uint8Array {
  return encodeGetPiece({
    object: by.object,
    segmentIndex: 0,
    pieceIndex: 0,
    root: ROOT,
    range: undefined,
    ...fields,
  });
}

function manifestOf(node: TestKeeper, by: TestOwner, overrides: Partial<Manifest> = {}): Uint8Array {
  return encodeManifest({
    network: node.epoch.network,
    owner: by.owner,
    salt: by.salt,
    lengthBytes: 5,
    code: { k: 2, n: 4 },
    segmentCells: 256,
    keyCheck: undefined,
    content: { kind: 'inline', salt: new Uint8Array(16), bytes: patterned(5) },
    ...overrides,
  });
}

describe('put-piece', () => {
  test('a confirmation is for exactly the piece that is then served', async () => {
    const node = await keeper();
    const owner = ownerFrom('alice', node.epoch);
    const reply = await putPiece(node, owner, PIECE, { segmentIndex: 3, pieceIndex: 2 });
    const piece = {
      network: node.epoch.network,
      object: owner.object,
      segmentIndex: 3,
      pieceIndex: 2,
      root: ROOT,
      lengthBytes: PIECE.length,
    };
    const confirmation = decodePutReply(reply.header);
    expect(verifyConfirmation(piece, node.node, confirmation, nativeVerify)).toBe(true);
    expect(verifyConfirmation({ ...piece, pieceIndex: 1 }, node.node, confirmation, nativeVerify)).toBe(
      false,
    );
    const got = await node.call(SERVICES.getPiece, getHeader(owner, { segmentIndex: 3, pieceIndex: 2 }));
    expect(decodeGetPieceReply(got.header)).toEqual({ pieceLength: PIECE.length, proof: [] });
    expect(Buffer.compare(got.body, PIECE)).toBe(0);
  });

  test('storing the same piece again changes nothing and is confirmed again', async () => {
    const node = await keeper();
    const owner = ownerFrom('alice', node.epoch);
    const first = await putPiece(node, owner, PIECE);
    const { logBytes } = node.log.usage();
    const second = await putPiece(node, owner, PIECE);
    expect(second.header).toEqual(first.header);
    expect(node.log.usage()).toMatchObject({ logBytes, entries: 1 });
  });

  test.each([
    ['is forged', 'UNAUTHORIZED', { ticket: new Uint8Array(64) as Signature }],
    ['is for another node', 'UNAUTHORIZED', { node: signerFrom('node 1').publicKey as NodeId }],
    ['has expired', 'UNAUTHORIZED', { expiresAtMs: 1_760_000_000_000 }],
    ['is for a longer piece', 'PROTOCOL', { lengthBytes: PIECE.length + 1 }],
    ['is for other bytes', 'INTEGRITY', { root: digestFrom<PieceRoot>('other bytes') }],
    ['is for a piece that no code has', 'INVALID_ARGUMENT', { pieceIndex: 255 }],
    ['is for a segment that no object has', 'INVALID_ARGUMENT', { segmentIndex: 65_536 * 128 }],
  ] as const)('a ticket that %s is refused as %s', async (_what, code, fields) => {
    const node = await keeper();
    await expectCodeAsync(code, putPiece(node, ownerFrom('alice', node.epoch), PIECE, fields));
    expect(node.log.usage().entries).toBe(0);
  });

  test("a ticket of one owner does not store under another's object", async () => {
    const node = await keeper();
    const alice = ownerFrom('alice', node.epoch);
    const mallory = { ...ownerFrom('mallory', node.epoch), owner: alice.owner, object: alice.object };
    await expectCodeAsync('UNAUTHORIZED', putPiece(node, mallory, PIECE));
  });

  test('a refusal comes before the body is taken', async () => {
    const node = await keeper();
    const owner = ownerFrom('alice', node.epoch);
    const service = node.keeper.services.find(({ name }) => name === SERVICES.putPiece)!;
    const header = putPieceHeader(node, owner, PIECE, { expiresAtMs: 1 });
    await expectCodeAsync('UNAUTHORIZED', service.admit!(node.client.self, header, PIECE.length));
  });

  test('an empty piece is refused', async () => {
    const node = await keeper();
    await expectCodeAsync(
      'INVALID_ARGUMENT',
      putPiece(node, ownerFrom('alice', node.epoch), new Uint8Array(0)),
    );
  });

  test('a node limited to some owners serves no other', async () => {
    const bob = signerFrom('bob').publicKey;
    const node = await keeper({ allowedOwners: new Set([toHex(bob)]) });
    await expectCodeAsync('UNAUTHORIZED', putPiece(node, ownerFrom('alice', node.epoch), PIECE));
    await putPiece(node, ownerFrom('bob', node.epoch), PIECE);
  });

  test('a full node refuses pieces and goes on serving and removing', async () => {
    const node = await keeper({}, { quotaBytes: 300_000, logFileLength: 100_000 });
    const owner = ownerFrom('alice', node.epoch);
    await putPiece(node, owner, PIECE);
    const refusal = await expectCodeAsync(
      'FULL',
      putPiece(node, owner, patterned(150_000), { pieceIndex: 1 }),
    );
    expect(refusal.message).toContain('no more pieces');
    expect((await node.call(SERVICES.getPiece, getHeader(owner))).body.length).toBe(PIECE.length);
    const remove = { owner: owner.owner, objectSalt: owner.salt };
    const ticket = signRemove(node.epoch.network, owner.object, owner.signer);
    const removed = await node.call(SERVICES.removeObject, encodeRemoveObject({ ...remove, ticket }));
    expect(decodeRemoveReply(removed.header)).toBe(1);
  });

  test('a node that refused a large piece still takes what it has room for', async () => {
    const node = await keeper({}, { quotaBytes: 1_000_000 });
    const owner = ownerFrom('alice', node.epoch);
    await putPiece(node, owner, PIECE);
    // Within the quota by its payload alone, so that the log has to refuse it: there it is a record longer.
    const large = patterned(1_000_000 - PIECE.length - 100);
    await expectCodeAsync('FULL', putPiece(node, owner, large, { pieceIndex: 1 }));
    expect(node.log.usage().state).toBe('full');
    await putPiece(node, owner, PIECE, { pieceIndex: 2 });
    await expectCodeAsync('FULL', putPiece(node, owner, large, { pieceIndex: 3 }));
  });
});

describe('a node whose disk failed', () => {
  test('refuses pieces as DISK without telling its paths, and goes on serving', async () => {
    const node = await keeper();
    const owner = ownerFrom('alice', node.epoch);
    await putPiece(node, owner, PIECE);
    const working = node.log.usage();
    node.log.usage = () => ({ ...working, state: 'failed' });
    const refusal = await expectCodeAsync('DISK', putPiece(node, owner, patterned(64), { pieceIndex: 1 }));
    expect(refusal.message).toContain('only serves reads');
    expect((await node.call(SERVICES.getPiece, getHeader(owner))).body.length).toBe(PIECE.length);
    // The failure may also come in the middle of a put.
    node.log.usage = () => working;
    node.log.put = async () => {
      throw new StoreError('DISK', 'cannot write /secret/path');
    };
    const failure = await expectCodeAsync('DISK', putPiece(node, owner, patterned(64), { pieceIndex: 1 }));
    expect(failure.message).not.toContain('/secret');
  });
});

describe('get-piece', () => {
  test('every range comes as whole groups with a proof that verifies', async () => {
    const node = await keeper();
    const owner = ownerFrom('alice', node.epoch);
    await putPiece(node, owner, PIECE);
    const last = PIECE.length - 1;
    for (const [offset, length] of [
      [0, 1],
      [0, PIECE.length],
      [last, 1],
      [16_383, 2],
      [70_000, 40_000],
    ] as const) {
      const range = { offset, length };
      const reply = await node.call(SERVICES.getPiece, getHeader(owner, { range }));
      const { pieceLength, proof } = decodeGetPieceReply(reply.header);
      expect(pieceLength).toBe(PIECE.length);
      expect(verifyRange(ROOT, pieceLength, range, reply.body, proof)).toBe(true);
      const start = Math.floor(offset / GROUP_LENGTH) * GROUP_LENGTH;
      expect(Buffer.compare(reply.body, PIECE.subarray(start, start + reply.body.length))).toBe(0);
    }
  });

  test.each([
    ['no bytes', { offset: 0, length: 0 }],
    ['bytes behind the end', { offset: PIECE.length - 1, length: 2 }],
  ])('a range of %s is refused', async (_what, range) => {
    const node = await keeper();
    const owner = ownerFrom('alice', node.epoch);
    await putPiece(node, owner, PIECE);
    await expectCodeAsync('INVALID_ARGUMENT', node.call(SERVICES.getPiece, getHeader(owner, { range })));
  });

  test('however many ask for large pieces at once, few are in memory', async () => {
    const node = await keeper();
    const owner = ownerFrom('alice', node.epoch);
    await putPiece(node, owner, PIECE);
    const payloadLength = PIECE_LENGTH_MAX;
    const stat = (await node.log.stat(pieceKey({ ...owner, segmentIndex: 0, pieceIndex: 0, root: ROOT })))!;
    node.log.stat = async () => ({ ...stat, payloadLength });
    const reading = new Map<number, number>();
    let most = 0;
    let calls = 0;
    node.log.read = async () => {
      const call = calls++;
      reading.set(call, 1);
      most = Math.max(most, reading.size);
      await new Promise((resolve) => setImmediate(resolve));
      reading.delete(call);
      return new Uint8Array(0);
    };
    const service = node.keeper.services.find(({ name }) => name === SERVICES.getPiece)!;
    const signal = new AbortController().signal;
    const ask = () => service.handle(node.client.self, getHeader(owner), new Uint8Array(0), signal);
    await Promise.all(Array.from({ length: 10 }, ask));
    expect(calls).toBe(10 * Math.ceil(payloadLength / READ_SLICE_LENGTH));
    expect(most).toBe(READ_BUDGET / payloadLength);
  });

  test('what is not here is NOT_FOUND: another piece, object or root', async () => {
    const node = await keeper();
    const owner = ownerFrom('alice', node.epoch);
    await putPiece(node, owner, PIECE);
    for (const other of [
      { pieceIndex: 1 },
      { object: digestFrom<ObjectId>('x') },
      { root: digestFrom<PieceRoot>('x') },
    ]) {
      await expectCodeAsync('NOT_FOUND', node.call(SERVICES.getPiece, getHeader(owner, other)));
    }
  });

  test('a damaged piece is DAMAGED, never wrong bytes, and a new copy heals it', async () => {
    const node = await keeper();
    const owner = ownerFrom('alice', node.epoch);
    await putPiece(node, owner, PIECE);
    await node.rot(PIECE.subarray(100_000, 100_100));
    await expectCodeAsync('DAMAGED', node.call(SERVICES.getPiece, getHeader(owner)));
    await putPiece(node, owner, PIECE);
    const healed = await node.call(SERVICES.getPiece, getHeader(owner));
    expect(Buffer.compare(healed.body, PIECE)).toBe(0);
  });
});

test('locate-pieces names the pieces of one segment and no other', async () => {
  const node = await keeper();
  const alice = ownerFrom('alice', node.epoch);
  const short = [patterned(64), patterned(128), patterned(192)];
  for (const [pieceIndex, piece] of short.entries())
    await putPiece(node, alice, piece, { segmentIndex: 5, pieceIndex });
  await putPiece(node, alice, short[0]!, { segmentIndex: 6 });
  await putPiece(node, ownerFrom('alice', node.epoch, 8), short[0]!, { segmentIndex: 5 });
  const header = encodeLocatePieces({ object: alice.object, segmentIndex: 5 });
  const located = decodeLocated((await node.call(SERVICES.locatePieces, header)).header);
  expect(located).toEqual(short.map((piece, pieceIndex) => ({ pieceIndex, root: hashPiece(piece).root })));
});

describe('records', () => {
  test('a manifest and a page of it are stored, confirmed and given back', async () => {
    const node = await keeper();
    const owner = ownerFrom('alice', node.epoch);
    const page: ManifestPage = { object: owner.object, firstSegment: 0, segments: [] };
    for (const record of [manifestOf(node, owner), encodePage(page)]) {
      const reply = await node.call(SERVICES.putRecord, putRecordHeader(node, owner, record), record);
      const digest = nativeSha256(record) as Digest;
      const confirmed = confirmedRecord(node.epoch.network, owner.object, digest, record.length);
      expect(verifyConfirmation(confirmed, node.node, decodePutReply(reply.header), nativeVerify)).toBe(true);
      const got = await node.call(SERVICES.getRecord, encodeGetRecord(digest));
      expect(got.body).toEqual(record);
    }
  });

  test('however many ask for the longest record at once, few are in memory', async () => {
    const node = await keeper();
    const stat = { payloadLength: MANIFEST_LENGTH_MAX, meta: new Uint8Array(0) };
    node.log.stat = async () => stat as unknown as Awaited<ReturnType<typeof node.log.stat>>;
    let [reading, most] = [0, 0];
    node.log.read = async () => {
      most = Math.max(most, ++reading);
      await new Promise((resolve) => setImmediate(resolve));
      reading -= 1;
      return new Uint8Array(0);
    };
    const service = node.keeper.services.find(({ name }) => name === SERVICES.getRecord)!;
    const header = encodeGetRecord(digestFrom('any record'));
    const signal = new AbortController().signal;
    const ask = () => service.handle(node.client.self, header, new Uint8Array(0), signal);
    await Promise.all(Array.from({ length: 256 }, ask));
    expect(most).toBe(Math.floor(READ_BUDGET / MANIFEST_LENGTH_MAX));
  });

  test('bytes that are no record are refused, whatever the ticket', async () => {
    const node = await keeper();
    const owner = ownerFrom('alice', node.epoch);
    const page = encodePage({ object: owner.object, firstSegment: 0, segments: [] });
    for (const record of [
      patterned(100),
      page.subarray(0, page.length - 1),
      new Uint8Array([0x85]),
      new Uint8Array(0),
    ]) {
      await expectCodeAsync(
        'INVALID_ENCODING',
        node.call(SERVICES.putRecord, putRecordHeader(node, owner, record), record),
      );
    }
  });

  test('a record is taken by what it says it belongs to; the rest is checked by whoever reads it', async () => {
    const node = await keeper();
    const owner = ownerFrom('alice', node.epoch);
    const rows = Array.from({ length: 250_000 }, () => 0);
    const record = encode(['holdfast-page', owner.object, 0, [], rows]);
    await node.call(SERVICES.putRecord, putRecordHeader(node, owner, record), record);
    const digest = nativeSha256(record) as Digest;
    expect((await node.call(SERVICES.getRecord, encodeGetRecord(digest))).body).toEqual(record);
  });

  test("nobody occupies another's record, by ticket or by digest", async () => {
    const node = await keeper();
    const alice = ownerFrom('alice', node.epoch);
    const mallory = ownerFrom('mallory', node.epoch);
    const record = manifestOf(node, alice);
    await expectCodeAsync(
      'UNAUTHORIZED',
      node.call(SERVICES.putRecord, putRecordHeader(node, mallory, record), record),
    );
    const own = manifestOf(node, mallory);
    const digest = nativeSha256(record) as Digest;
    await expectCodeAsync(
      'INTEGRITY',
      node.call(SERVICES.putRecord, putRecordHeader(node, mallory, own, digest), own),
    );
    await expectCodeAsync('NOT_FOUND', node.call(SERVICES.getRecord, encodeGetRecord(digest)));
  });

  test("another network's manifest is refused", async () => {
    const node = await keeper();
    const owner = ownerFrom('alice', node.epoch);
    const record = manifestOf(node, owner, { network: digestFrom('elsewhere') });
    await expectCodeAsync(
      'WRONG_NETWORK',
      node.call(SERVICES.putRecord, putRecordHeader(node, owner, record), record),
    );
  });
});

describe('remove-object', () => {
  async function filled(node: TestKeeper, owner: TestOwner): Promise<Uint8Array> {
    for (let index = 0; index < 5; index++) {
      await putPiece(node, owner, patterned(64 * (index + 1)), { segmentIndex: index, pieceIndex: index });
    }
    const record = manifestOf(node, owner);
    await node.call(SERVICES.putRecord, putRecordHeader(node, owner, record), record);
    return record;
  }

  test("takes away every piece and record of the object and nothing of another's, and may be repeated", async () => {
    const node = await keeper();
    const alice = ownerFrom('alice', node.epoch);
    const bob = ownerFrom('bob', node.epoch);
    const record = await filled(node, alice);
    const other = await filled(node, bob);
    const ticket = signRemove(node.epoch.network, alice.object, alice.signer);
    const header = encodeRemoveObject({ owner: alice.owner, objectSalt: alice.salt, ticket });
    expect(decodeRemoveReply((await node.call(SERVICES.removeObject, header)).header)).toBe(6);
    expect(decodeRemoveReply((await node.call(SERVICES.removeObject, header)).header)).toBe(0);
    await expectCodeAsync(
      'NOT_FOUND',
      node.call(SERVICES.getRecord, encodeGetRecord(nativeSha256(record) as Digest)),
    );
    expect(
      (await node.call(SERVICES.getRecord, encodeGetRecord(nativeSha256(other) as Digest))).body,
    ).toEqual(other);
    expect(node.log.usage().entries).toBe(5 + 2);
  });

  test('takes away also what is too damaged to be read', async () => {
    const node = await keeper();
    const alice = ownerFrom('alice', node.epoch);
    const piece = patterned(64);
    await filled(node, alice);
    const root = hashPiece(piece).root as Uint8Array as PieceRoot;
    const key = pieceKey({ object: alice.object, segmentIndex: 0, pieceIndex: 0, root });
    await node.rot(key);
    await expectCodeAsync('DAMAGED', node.log.stat(key));
    const ticket = signRemove(node.epoch.network, alice.object, alice.signer);
    const header = encodeRemoveObject({ owner: alice.owner, objectSalt: alice.salt, ticket });
    expect(decodeRemoveReply((await node.call(SERVICES.removeObject, header)).header)).toBe(6);
    expect(node.log.usage().entries).toBe(0);
  });

  test('removes more entries than one batch holds', async () => {
    const node = await keeper();
    const alice = ownerFrom('alice', node.epoch);
    const count = 2 * REMOVE_BATCH + 76;
    const place = { object: alice.object, pieceIndex: 0, root: ROOT };
    await Promise.all(
      Array.from({ length: count }, (_, segmentIndex) =>
        node.log.put({
          key: pieceKey({ ...place, segmentIndex }),
          meta: new Uint8Array(0),
          payload: patterned(64),
        }),
      ),
    );
    const ticket = signRemove(node.epoch.network, alice.object, alice.signer);
    const header = encodeRemoveObject({ owner: alice.owner, objectSalt: alice.salt, ticket });
    expect(decodeRemoveReply((await node.call(SERVICES.removeObject, header)).header)).toBe(count);
    expect(node.log.usage().entries).toBe(0);
  });

  test("another owner's word, or a wrong signature, removes nothing", async () => {
    const node = await keeper();
    const alice = ownerFrom('alice', node.epoch);
    const mallory = ownerFrom('mallory', node.epoch);
    await filled(node, alice);
    const network = node.epoch.network;
    const forged = {
      owner: alice.owner,
      objectSalt: alice.salt,
      ticket: signRemove(network, alice.object, mallory.signer),
    };
    await expectCodeAsync('UNAUTHORIZED', node.call(SERVICES.removeObject, encodeRemoveObject(forged)));
    // Her own signature is good for her own object of that salt, which has nothing here.
    const own = { owner: mallory.owner, objectSalt: alice.salt };
    const ticket = signRemove(network, ownerFrom('mallory', node.epoch).object, mallory.signer);
    const reply = await node.call(SERVICES.removeObject, encodeRemoveObject({ ...own, ticket }));
    expect(decodeRemoveReply(reply.header)).toBe(0);
    expect(node.log.usage().entries).toBe(5 + 2);
  });
});

test('members and node-status answer whatever they are asked', async () => {
  const record = patterned(100);
  const peer = signerFrom('node 3').publicKey as NodeId;
  const node = await keeper({
    nodeRecords: () => [record],
    peers: () => [peer],
    agent: 'test',
    damagedEntries: () => 2,
  });
  await putPiece(node, ownerFrom('alice', node.epoch), PIECE);
  for (const header of [new Uint8Array(0), patterned(50)]) {
    const members = decodeMembersReply((await node.call(SERVICES.members, header)).body);
    expect(members.nodeRecords).toEqual([record]);
    const status = decodeNodeStatus((await node.call(SERVICES.nodeStatus, header)).header);
    expect(status).toMatchObject({
      agent: 'test',
      epoch: 0,
      logState: 'writable',
      entries: 1,
      damagedEntries: 2,
    });
    expect(status.liveBytes).toBe(PIECE.length);
    expect(status.peers).toEqual([peer]);
  }
});

test('a members reply never exceeds what a client takes, however long the records are', async () => {
  const records = Array.from({ length: 1000 }, (_, index) => new Uint8Array(4096).fill(index));
  const node = await keeper({ nodeRecords: () => records });
  const { body } = await node.call(SERVICES.members, new Uint8Array(0));
  const { nodeRecords } = decodeMembersReply(body);
  expect(nodeRecords.length).toBeGreaterThan(500);
  expect(nodeRecords).toEqual(records.slice(0, nodeRecords.length));
});

describe('hostile headers', () => {
  test('are answered with a typed refusal by every service, admission included', async () => {
    const node = await keeper();
    const good = putPieceHeader(node, ownerFrom('alice', node.epoch), PIECE);
    const flipped = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, mask]) => {
      const bytes = good.slice();
      bytes[at]! ^= mask;
      return bytes;
    });
    const cut = fc.nat(good.length - 1).map((length) => good.slice(0, length));
    const headers = fc.oneof(fc.uint8Array({ maxLength: 400 }), flipped, cut);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...node.keeper.services), headers, async (service, header) => {
        const run = async (): Promise<unknown> => {
          await service.admit?.(node.client.self, header, PIECE.length);
          return service.handle(node.client.self, header, new Uint8Array(0), new AbortController().signal);
        };
        const outcome = await run().catch((error: unknown) => error);
        if (outcome instanceof Error) expect(outcome, String(outcome)).toBeInstanceOf(StoreError);
        expect(node.log.usage().entries).toBe(0);
      }),
      { numRuns: 1500 },
    );
  });

  test('longer than the bound of their service are not looked at', async () => {
    const node = await keeper();
    for (const { name, maxHeaderLength } of node.keeper.services) {
      await expectCodeAsync('PROTOCOL', node.call(name, new Uint8Array(maxHeaderLength + 1)));
    }
  });
});
