import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ZodType } from 'zod';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { decodeCanonical, encode } from '../../src/base/codec.ts';
import type { Epoch } from '../../src/base/ids.ts';
import { STATE_RECORD_LENGTH_MAX } from '../../src/base/limits.ts';
import { bucketIdOf, bucketListRecord, bucketRecord } from '../../src/shards/bucket.ts';
import { decodePage } from '../../src/shards/directory/page.ts';
import { decodeEntry } from '../../src/shards/name-entry.ts';
import { objectRecord } from '../../src/shards/object-record.ts';
import { segmentsRecord } from '../../src/shards/segments.ts';
import { STORAGE_DELIVERIES } from '../../src/shards/storage-rules.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { fastSha256 } from './kinds.ts';
import {
  BUCKET,
  ENTRY,
  INNER,
  LEAF,
  MOVING,
  OBJECT,
  SEGMENTS,
  STORAGE_MESSAGES,
  STORAGE_SAMPLES,
  STORAGE_TRANSACTIONS,
} from './storage-samples.ts';
import { NETWORK, ownerOf } from './world.ts';

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/storage-records.json', import.meta.url), 'utf8'),
) as Record<string, string>;

function read(schema: ZodType, bytes: Uint8Array): unknown {
  return decodeCanonical(schema, bytes, STATE_RECORD_LENGTH_MAX, 'sample');
}

test('records of names and objects, and transactions about them, are their bytes, for ever', () => {
  const { 'bucket id': bucketId, ...frozen } = vectors;
  const now = Object.fromEntries(
    Object.entries({ ...STORAGE_SAMPLES, ...STORAGE_TRANSACTIONS, ...STORAGE_MESSAGES }).map(
      ([name, bytes]) => [name, toHex(bytes)],
    ),
  );
  expect(now).toEqual(frozen);
  expect(toHex(bucketIdOf(NETWORK, ownerOf('ann'), 'photos', fastSha256))).toBe(bucketId);
});

test('messages come back from their bytes, and are refused with a byte more', () => {
  for (const { kind, schema, tuple } of STORAGE_DELIVERIES) {
    const bytes = STORAGE_MESSAGES[`message ${kind}`];
    if (bytes === undefined) continue;
    expect(encode(tuple(read(schema, bytes)))).toEqual(bytes);
    expectCode('INVALID_ENCODING', () => read(schema, new Uint8Array([...bytes, 0])));
  }
});

test('what was frozen is read as what it was', () => {
  const bytes = (name: string): Uint8Array => fromHex(vectors[name]!);
  expect(read(bucketRecord.schema, bytes('bucket'))).toEqual(BUCKET);
  expect(read(bucketListRecord.schema, bytes('bucket list'))).toEqual(['archive', 'photos']);
  expect(decodeEntry(bytes('name entry'))).toEqual(ENTRY);
  expect(decodeEntry(bytes('moving name entry'))).toEqual(MOVING);
  expect(decodePage(bytes('leaf'))).toEqual(LEAF);
  expect(decodePage(bytes('inner'))).toEqual(INNER);
  expect(read(objectRecord.schema, bytes('object'))).toEqual(OBJECT);
  expect(read(segmentsRecord.schema, bytes('segments'))).toEqual(SEGMENTS);
});

test.each([
  ['more segments than it has', { registered: 4 }],
  ['a key check but no encryption', { shape: { ...OBJECT.shape, isEncrypted: false } }],
  ['no key check but encryption', { keyCheck: null }],
  ['inline bytes that are too many', { registered: 0, shape: { ...OBJECT.shape, isInline: true } }],
  ['no bytes to make segments of', { registered: 0, shape: { ...OBJECT.shape, lengthBytes: 0 } }],
  ['segments that are too short', { shape: { ...OBJECT.shape, segmentCells: 15 } }],
  ['more segments than any', { shape: { ...OBJECT.shape, lengthBytes: 2 ** 48, segmentCells: 16 } }],
])('an object with %s is refused', (_what, change) => {
  expectCode('INVALID_ENCODING', () =>
    read(objectRecord.schema, encode(objectRecord.tuple({ ...OBJECT, ...change }))),
  );
});

const [table, rows] = segmentsRecord.tuple(SEGMENTS) as [
  Uint8Array[],
  [Uint8Array, Uint8Array[], number[]][],
];
const [first, second] = rows as [(typeof rows)[0], (typeof rows)[0]];

test.each([
  ['out of order', [table, [[first[0], first[1], [1, 0, 2, 3]], second]]],
  ['that is not used', [[...table, table[0]!.map((byte) => byte ^ 1)], rows]],
  [
    'twice',
    [
      [...table, table[0]!],
      [first, [second[0], second[1], [1, 2, 3, 5]]],
    ],
  ],
  ['that is not there', [table, [first, [second[0], second[1], [1, 2, 3, 9]]]]],
  ['too few', [table, [first, [second[0], second[1], [1, 2, 3]]]]],
])('segments with a holder %s are refused: a list has one form', (_what, tuple) => {
  expectCode('INVALID_ENCODING', () => read(segmentsRecord.schema, encode(tuple)));
});

const deposit = OBJECT.deposits[0]!;
test.each([
  ['of nothing', [{ ...deposit, perEpoch: 0n }]],
  ['for no epoch', [{ ...deposit, until: deposit.from }]],
  ['for epochs that were', [{ ...deposit, from: 32 as Epoch }]],
  ['twice for an epoch', [deposit, { ...deposit, from: 30 as Epoch, until: 40 as Epoch }]],
  ['out of order', OBJECT.deposits.toReversed()],
])('an object with deposits %s is refused', (_what, deposits) => {
  expectCode('INVALID_ENCODING', () =>
    read(objectRecord.schema, encode(objectRecord.tuple({ ...OBJECT, deposits }))),
  );
});
