import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../../src/base/bytes.ts';
import { LOG_BLOCK_LENGTH, PIECE_LENGTH_MAX } from '../../../src/base/limits.ts';
import {
  blockChecksums,
  decodeFileHeader,
  decodeHead,
  encodeFileHeader,
  encodeHead,
  HEAD_LENGTH_MAX,
  headLength,
  type Identity,
  isKnownFormat,
  type RecordHead,
  recordLength,
} from '../../../src/runtime/piece-log/record.ts';

const identity: Identity = {
  network: new Uint8Array(32).fill(0x11),
  node: new Uint8Array(32).fill(0x22),
  marker: Uint8Array.from({ length: 16 }, (_, at) => 0xa0 + at),
};

interface Vector {
  readonly name: string;
  readonly kind: 'put' | 'remove';
  readonly file: number;
  readonly offset: number;
  readonly batchOffset: number;
  readonly horizon: number;
  readonly key: string;
  readonly meta: string;
  readonly payload?: string;
  /** Instead of `payload`: so many zeros. */
  readonly zeros?: number;
  readonly headAndMeta: string;
}

const vectors = JSON.parse(
  readFileSync(new URL('../../vectors/log-record.json', import.meta.url), 'utf8'),
) as {
  readonly network: string;
  readonly node: string;
  readonly marker: string;
  readonly fileHeaders: readonly { readonly file: number; readonly bytes: string }[];
  readonly records: readonly Vector[];
};

const vectorIdentity: Identity = {
  network: fromHex(vectors.network),
  node: fromHex(vectors.node),
  marker: fromHex(vectors.marker),
};

function payloadOf({ payload, zeros = 0 }: Vector): Uint8Array {
  return payload === undefined ? new Uint8Array(zeros) : fromHex(payload);
}

function headOf(vector: Vector): RecordHead {
  const [meta, payload] = [fromHex(vector.meta), payloadOf(vector)];
  const { kind, file, offset, batchOffset, horizon } = vector;
  return {
    kind,
    key: fromHex(vector.key),
    file,
    offset,
    batchOffset,
    horizon,
    metaLength: meta.length,
    payloadLength: payload.length,
    metaChecksum: crc32(meta),
    blockChecksums: blockChecksums(payload),
  };
}

describe('frozen vectors', () => {
  test.each(vectors.fileHeaders)('file header $file', ({ file, bytes }) => {
    expect(toHex(encodeFileHeader(file, vectorIdentity))).toBe(bytes);
    const header = decodeFileHeader(fromHex(bytes))!;
    expect(header).toEqual({ format: 1, file, identity: vectorIdentity });
    expect(isKnownFormat(header)).toBe(true);
  });

  test.each(vectors.records)('record: $name', (vector) => {
    const head = headOf(vector);
    expect(toHex(encodeHead(head, vectorIdentity)) + vector.meta).toBe(vector.headAndMeta);
    const bytes = fromHex(vector.headAndMeta);
    expect(decodeHead(bytes, vector, vectorIdentity)).toEqual(head);
    expect(recordLength(head)).toBe(bytes.length + payloadOf(vector).length);
  });
});

const heads: fc.Arbitrary<RecordHead> = fc
  .record({
    kind: fc.constantFrom('put' as const, 'remove' as const),
    key: fc.uint8Array({ minLength: 1, maxLength: 128 }),
    metaLength: fc.nat(393_216),
    payloadLength: fc.oneof(fc.nat(300_000), fc.nat(PIECE_LENGTH_MAX)),
    file: fc.nat(2 ** 32 - 1),
    offset: fc.nat(2 ** 40),
    horizon: fc.nat(2 ** 32 - 1),
    metaChecksum: fc.nat(2 ** 32 - 1),
    seed: fc.nat(),
  })
  .map(({ seed, ...head }) => ({
    ...head,
    batchOffset: Math.floor(head.offset / 2),
    blockChecksums: Array.from(
      { length: Math.ceil(head.payloadLength / LOG_BLOCK_LENGTH) },
      (_, n) => (seed + n * 7919) >>> 0,
    ),
  }));

test('a head decodes to what was encoded, whatever follows it', () => {
  fc.assert(
    fc.property(heads, fc.uint8Array({ maxLength: 50 }), (head, rest) => {
      const encoded = encodeHead(head, identity);
      expect(encoded.length).toBe(headLength(head.key.length, head.payloadLength));
      expect(encoded.length).toBeLessThanOrEqual(HEAD_LENGTH_MAX);
      const bytes = new Uint8Array([...encoded, ...rest]);
      expect(decodeHead(bytes, head, identity)).toEqual(head);
    }),
  );
});

test('a head with any bit turned over, cut short, or at another place is none', () => {
  fc.assert(
    fc.property(heads, fc.nat(), fc.nat(7), (head, where, bit) => {
      const encoded = encodeHead(head, identity);
      const spoiled = encoded.slice();
      spoiled[where % encoded.length]! ^= 1 << bit;
      expect(decodeHead(spoiled, head, identity)).toBe(undefined);
      expect(decodeHead(encoded.subarray(0, where % encoded.length), head, identity)).toBe(undefined);
      expect(decodeHead(encoded, { ...head, offset: head.offset + 1 }, identity)).toBe(undefined);
      expect(decodeHead(encoded, { ...head, file: head.file ^ 1 }, identity)).toBe(undefined);
    }),
  );
});

test('a head of another network, node or folder is none, though its checksum is right', () => {
  const head = headOf(vectors.records[0]!);
  const other = new Uint8Array(32).fill(0x33);
  for (const change of [{ network: other }, { node: other }, { marker: other.slice(16) }]) {
    expect(decodeHead(encodeHead(head, { ...identity, ...change }), head, identity)).toBe(undefined);
  }
});

test('random bytes are no head and no file header', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 600 }), (bytes) => {
      expect(decodeHead(bytes, { file: 1, offset: 128 }, identity)).toBe(undefined);
      expect(decodeFileHeader(bytes)).toBe(undefined);
    }),
  );
});

test('block checksums cover each 64 KiB block, the last one short', () => {
  const payload = new Uint8Array(2 * LOG_BLOCK_LENGTH + 5).map((_, at) => at >> 3);
  expect(blockChecksums(payload)).toEqual([
    crc32(payload.subarray(0, LOG_BLOCK_LENGTH)),
    crc32(payload.subarray(LOG_BLOCK_LENGTH, 2 * LOG_BLOCK_LENGTH)),
    crc32(payload.subarray(2 * LOG_BLOCK_LENGTH)),
  ]);
  expect(blockChecksums(new Uint8Array())).toEqual([]);
});

test('a file header of a later format is told apart from damage', () => {
  const bytes = encodeFileHeader(7, identity);
  const view = new DataView(bytes.buffer);
  view.setUint32(16, 2);
  view.setUint32(124, crc32(bytes.subarray(0, 124)));
  const header = decodeFileHeader(bytes)!;
  expect(header.format).toBe(2);
  expect(isKnownFormat(header)).toBe(false);
});
