import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StoreError } from '../../src/base/errors.ts';
import type { Digest, ObjectId, OwnerId, PieceRoot, Signature } from '../../src/base/ids.ts';
import * as messages from '../../src/replication/messages.ts';
import { digestFrom } from '../helpers/records.ts';

const salt = digestFrom('salt').subarray(0, 16);
const ticket = new Uint8Array(64).fill(7) as Signature;
const owner = digestFrom<OwnerId>('owner');
const object = digestFrom<ObjectId>('object');
const root = digestFrom<PieceRoot>('root');

/** Every message with its two directions, so that none is forgotten by the properties below. */
const CASES: readonly [
  name: string,
  value: unknown,
  encode: (v: never) => Uint8Array,
  decode: (b: Uint8Array) => unknown,
][] = [
  ['members reply', { nodeRecords: [salt] }, messages.encodeMembersReply, messages.decodeMembersReply],
  [
    'put-piece',
    { owner, objectSalt: salt, segmentIndex: 1, pieceIndex: 2, root, lengthBytes: 3, expiresAtMs: 4, ticket },
    messages.encodePutPiece,
    messages.decodePutPiece,
  ],
  ['put reply', ticket, messages.encodePutReply, messages.decodePutReply],
  [
    'get-piece',
    { object, segmentIndex: 1, pieceIndex: 2, root, range: { offset: 1, length: 2 } },
    messages.encodeGetPiece,
    messages.decodeGetPiece,
  ],
  [
    'get-piece whole',
    { object, segmentIndex: 1, pieceIndex: 2, root, range: undefined },
    messages.encodeGetPiece,
    messages.decodeGetPiece,
  ],
  [
    'get-piece reply',
    { pieceLength: 9, proof: [root] },
    messages.encodeGetPieceReply,
    messages.decodeGetPieceReply,
  ],
  ['locate-pieces', { object, segmentIndex: 5 }, messages.encodeLocatePieces, messages.decodeLocatePieces],
  ['located', [{ pieceIndex: 1, root }], messages.encodeLocated, messages.decodeLocated],
  [
    'put-record',
    { owner, objectSalt: salt, digest: digestFrom('d'), lengthBytes: 3, expiresAtMs: 4, ticket },
    messages.encodePutRecord,
    messages.decodePutRecord,
  ],
  ['get-record', digestFrom<Digest>('d'), messages.encodeGetRecord, messages.decodeGetRecord],
  ['locate-record', digestFrom<Digest>('d'), messages.encodeLocateRecord, messages.decodeLocateRecord],
  ['locations', [salt, root], messages.encodeLocations, messages.decodeLocations],
  [
    'remove-object',
    { owner, objectSalt: salt, ticket },
    messages.encodeRemoveObject,
    messages.decodeRemoveObject,
  ],
  ['remove reply', 4, messages.encodeRemoveReply, messages.decodeRemoveReply],
  [
    'node-status',
    {
      agent: 'a',
      epoch: 1,
      logState: 'writable',
      entries: 2,
      liveBytes: 3,
      logBytes: 4,
      quotaBytes: 5,
      freeBytes: 6,
      damagedEntries: 7,
      uptimeMs: 8,
      peers: [root],
    },
    messages.encodeNodeStatus,
    messages.decodeNodeStatus,
  ],
];

test.each(CASES)('%s: what is decoded is what was encoded', (_name, value, encode, decode) => {
  expect(decode(encode(value as never))).toEqual(value);
});

test.each(CASES)('%s: hostile bytes are refused as INVALID_ENCODING', (_name, value, encode, decode) => {
  const good = encode(value as never);
  const damaged = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, flip]) => {
    const bytes = Uint8Array.from(good);
    bytes[at]! ^= flip;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      try {
        expect(encode(decode(bytes) as never)).toEqual(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(StoreError);
        expect((error as StoreError).code).toBe('INVALID_ENCODING');
      }
    }),
    { numRuns: 200 },
  );
});
