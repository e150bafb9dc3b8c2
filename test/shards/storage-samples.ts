// One of every record about names and objects, for frozen vectors and for the fuzzer.

import { concat, toUtf8 } from '../../src/base/bytes.ts';
import { encode } from '../../src/base/codec.ts';
import type { NodeId, OwnerId, PieceRoot } from '../../src/base/ids.ts';
import { type Bucket, bucketListRecord, bucketRecord } from '../../src/shards/bucket.ts';
import { type Page, pageRecord } from '../../src/shards/directory/page.ts';
import { encodeEntry, type NameEntry } from '../../src/shards/name-entry.ts';
import { type ObjectRecord, objectRecord } from '../../src/shards/object-record.ts';
import { type PlacedSegment, segmentsRecord } from '../../src/shards/segments.ts';
import { digestFrom } from '../helpers/records.ts';
import { referenceTo } from './buckets.ts';

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
