// One of every record about names and objects, for frozen vectors and for the fuzzer.

import { concat, toUtf8 } from '../../src/base/bytes.ts';
import { encode } from '../../src/base/codec.ts';
import type {
  Epoch,
  NetworkId,
  NodeId,
  ObjectId,
  OwnerId,
  PieceRoot,
  Signature,
} from '../../src/base/ids.ts';
import {
  type Bucket,
  type BucketId,
  bucketListRecord,
  bucketRecord,
  DEFAULT_POLICY,
} from '../../src/shards/bucket.ts';
import { type Page, pageRecord } from '../../src/shards/directory/page.ts';
import { encodeEntry, type NameEntry, type ObjectReference } from '../../src/shards/name-entry.ts';
import { type ObjectRecord, objectRecord } from '../../src/shards/object-record.ts';
import { type PlacedSegment, segmentsRecord } from '../../src/shards/segments.ts';
import type { DisputeResult } from '../../src/shards/operations/dispute-result.ts';
import { STORAGE_DELIVERIES, STORAGE_OPERATIONS } from '../../src/shards/storage-rules.ts';
import { encodeTransaction, Operations, signTransaction } from '../../src/shards/transaction.ts';
import { digestFrom, signerFrom } from '../helpers/records.ts';

export const referenceTo = (what: string, lengthBytes = 100): ObjectReference => ({
  manifest: digestFrom(`manifest ${what}`),
  object: digestFrom<ObjectId>(`object ${what}`),
  lengthBytes,
  wrappedKey: digestFrom(`key ${what}`),
});

export const BUCKET: Bucket = {
  owner: digestFrom<OwnerId>('owner'),
  name: 'photos',
  policy: { code: { k: 4, n: 12 }, isEncrypted: true, isPublic: false },
  createdAtHeight: 7,
  directoryHeight: 2,
  names: 99,
  bytes: 2n ** 63n,
};

export const ENTRY: NameEntry = {
  object: referenceTo('cat', 10_240),
  height: 8,
  etag: digestFrom('etag').slice(0, 16),
  movingAs: null,
};

export const MOVING: NameEntry = { ...ENTRY, movingAs: digestFrom('rename').slice(0, 16) };

export const LEAF: Page = {
  level: 0,
  from: toUtf8('a'),
  next: toUtf8('c'),
  keys: [toUtf8('apple'), toUtf8('banana')],
  values: [encodeEntry(ENTRY), encodeEntry(MOVING)],
};

export const INNER: Page = {
  level: 1,
  from: new Uint8Array(0),
  next: null,
  keys: [new Uint8Array(0), concat(toUtf8('m'), new Uint8Array(300))],
  values: [],
};

const node = (index: number): NodeId => digestFrom<NodeId>(`node ${index}`);

export const OBJECT: ObjectRecord = {
  owner: digestFrom<OwnerId>('owner'),
  salt: digestFrom('salt').slice(0, 16),
  shape: {
    lengthBytes: 40_000_000,
    code: { k: 2, n: 4 },
    segmentCells: 256,
    isEncrypted: true,
    isInline: false,
  },
  keyCheck: digestFrom('check').slice(0, 16),
  manifest: { digest: digestFrom('manifest'), lengthBytes: 900, holders: [node(2), node(0)] },
  registered: 2,
  registeredAtHeight: 12,
  expiresAtMs: 1_800_000_000_000,
  isLeaving: false,
  deposits: [
    { perEpoch: 3n, from: 7 as Epoch, until: 31 as Epoch },
    { perEpoch: 2n ** 40n, from: 31 as Epoch, until: 32 as Epoch },
  ],
};

export const SEGMENTS: readonly PlacedSegment[] = [0, 1].map((segment) => ({
  salt: digestFrom(`salt ${segment}`).slice(0, 16),
  roots: [0, 1, 2, 3].map((piece) => digestFrom<PieceRoot>(`root ${segment} ${piece}`)),
  holders: [0, 1, 2, 3].map((piece) => node((segment + piece) % 5)),
}));

export const STORAGE_SAMPLES: Readonly<Record<string, Uint8Array>> = {
  bucket: encode(bucketRecord.tuple(BUCKET)),
  'bucket list': encode(bucketListRecord.tuple(['archive', 'photos'])),
  'name entry': encodeEntry(ENTRY),
  'moving name entry': encodeEntry(MOVING),
  leaf: encode(pageRecord.tuple(LEAF)),
  inner: encode(pageRecord.tuple(INNER)),
  object: encode(objectRecord.tuple(OBJECT)),
  segments: encode(segmentsRecord.tuple(SEGMENTS)),
};

// ---- Transactions --------------------------------------------------------------------------------------------

const bucket = digestFrom<BucketId>('bucket');
const object = digestFrom<ObjectId>('object');
const signature = new Uint8Array(64).fill(3) as Signature;
const name = toUtf8('apple');
const signedSegments = SEGMENTS.map((segment) => ({
  ...segment,
  confirmations: [0, 1, 3].map((pieceIndex) => ({ pieceIndex, signature })),
}));

const ACTIONS: Readonly<Record<string, unknown>> = {
  'create-bucket': { bucket, name: 'photos', policy: DEFAULT_POLICY },
  'change-bucket': { bucket, policy: BUCKET.policy },
  'delete-bucket': { bucket },
  'put-name': { bucket, name, object: ENTRY.object, condition: { kind: 'match', etag: ENTRY.etag } },
  'delete-name': { bucket, name, condition: { kind: 'present' } },
  rename: {
    source: { bucket, name, condition: { kind: 'any' } },
    destination: { bucket, name: toUtf8('pear'), condition: { kind: 'absent' } },
  },
  'register-object': {
    object,
    salt: OBJECT.salt,
    shape: OBJECT.shape,
    keyCheck: OBJECT.keyCheck,
    manifest: { digest: digestFrom('manifest'), lengthBytes: 900, confirmations: [[node(0), signature]] },
    expiresAtMs: null,
    payment: 12n,
    segments: signedSegments,
  },
  'add-segments': { object, shape: OBJECT.shape, first: 1, segments: signedSegments },
  'renew-object': { object, expiresAtMs: 5, payment: 2n ** 40n },
  'delete-object': { object },
  'replace-holder': {
    object,
    holder: node(7),
    reason: 'gone',
    replacements: [
      { segmentIndex: 3, pieceIndex: 1, signature },
      { segmentIndex: null, pieceIndex: 0, signature },
    ],
  },
  'repair-pieces': {
    object,
    from: node(3),
    holder: node(7),
    loss: {
      kind: 'failed',
      round: 12,
      group: 1,
      results: [
        {
          asked: { place: { object, segmentIndex: 3, pieceIndex: 1 }, leafIndex: 77 },
          index: 5,
          path: [digestFrom('sibling 0'), digestFrom('sibling 1')],
        },
      ],
    },
    replacements: [{ segmentIndex: 3, pieceIndex: 1, signature }],
  },
  'dispute-result': {
    round: 12,
    group: 1,
    result: {
      node: node(3),
      asked: { place: { object, segmentIndex: 3, pieceIndex: 1 }, leafIndex: 77 },
      verdict: 'held',
      index: 5,
      path: [digestFrom('sibling 0'), digestFrom('sibling 1')],
    },
    bond: 10n,
  },
};

export const STORAGE_KINDS: Operations = new Operations(STORAGE_OPERATIONS);

/** By kind: one transaction of each. */
export const STORAGE_TRANSACTIONS: Readonly<Record<string, Uint8Array>> = Object.fromEntries(
  STORAGE_OPERATIONS.map(({ kind }, nonce) => {
    const signer = signerFrom('owner');
    const transaction = {
      network: digestFrom<NetworkId>('network'),
      sender: signer.publicKey as OwnerId,
      nonce,
      fee: 0n,
      expiresAtHeight: 100,
      action: { kind, parameters: ACTIONS[kind] },
    };
    return [kind, encodeTransaction(signTransaction(transaction, STORAGE_KINDS, signer), STORAGE_KINDS)];
  }),
);

// ---- Messages that are no orders -------------------------------------------------------------------------------

const DEPOSITS = OBJECT.deposits;
const PAYLOADS: Readonly<Record<string, unknown>> = {
  'take-over': {
    from: node(3),
    holder: node(7),
    loss: 'admitted',
    atHeight: 28_900,
    admissions: { round: 12, signatures: [signature] },
    replacements: [{ segmentIndex: null, pieceIndex: 1, signature }],
  },
  'charge-loss': { from: node(3), repairer: node(7), loss: 'failed', pieces: 2 },
  'open-dispute': {
    from: OBJECT.owner,
    round: 12,
    group: 1,
    result: (ACTIONS['dispute-result'] as DisputeResult).result,
    content: { root: digestFrom('piece'), lengthBytes: 2 ** 22 },
    registeredAtHeight: 12,
  },
  deposit: DEPOSITS[0],
  'refund-deposits': { owner: OBJECT.owner, deposits: DEPOSITS },
};

/** By kind: the payload of one message of each. */
export const STORAGE_MESSAGES: Readonly<Record<string, Uint8Array>> = Object.fromEntries(
  Object.entries(PAYLOADS).map(([kind, payload]) => {
    const { tuple } = STORAGE_DELIVERIES.find((delivery) => delivery.kind === kind)!;
    return [`message ${kind}`, encode(tuple(payload))];
  }),
);
