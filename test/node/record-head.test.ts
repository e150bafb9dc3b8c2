import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encode } from '../../src/base/codec.ts';
import type { NodeId, PieceRoot } from '../../src/base/ids.ts';
import { isPublicManifest, objectOfRecord } from '../../src/node/record-head.ts';
import {
  decodeManifest,
  decodePage,
  encodeManifest,
  encodePage,
  type Manifest,
  manifestObject,
} from '../../src/replication/manifest.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { digestFrom, signerFrom } from '../helpers/records.ts';

const network = digestFrom('network') as unknown as Manifest['network'];
const manifest: Manifest = {
  network,
  owner: signerFrom('alice').publicKey as Manifest['owner'],
  salt: new Uint8Array(16).fill(3),
  lengthBytes: 3,
  code: { k: 3, n: 7 },
  segmentCells: 256,
  keyCheck: undefined,
  content: { kind: 'inline', salt: new Uint8Array(16), bytes: new Uint8Array(3) },
};
const object = manifestObject(manifest);
const page = encodePage({
  object,
  firstSegment: 128,
  segments: [
    {
      salt: new Uint8Array(16),
      roots: [digestFrom('root') as unknown as PieceRoot],
      holders: [signerFrom('holder').publicKey as NodeId],
      confirmations: [],
    },
  ],
});

describe('a record', () => {
  test('belongs to the object that decoding all of it finds', () => {
    expect(objectOfRecord(page, network)).toEqual(decodePage(page).object);
    const bytes = encodeManifest(manifest);
    expect(objectOfRecord(bytes, network)).toEqual(manifestObject(decodeManifest(bytes)));
  });

  test('of another network is refused', () => {
    const other = encodeManifest({ ...manifest, network: digestFrom('other') as never });
    expectCode('WRONG_NETWORK', () => objectOfRecord(other, network));
  });

  test('cut, lengthened, or with any byte of its head changed is no record, or that of another object', () => {
    for (const record of [page, encodeManifest(manifest)]) {
      for (let length = 0; length < record.length; length++) {
        expectCode('INVALID_ENCODING', () => objectOfRecord(record.subarray(0, length), network));
      }
      expectCode('INVALID_ENCODING', () => objectOfRecord(new Uint8Array([...record, 0]), network));
      fc.assert(
        fc.property(fc.nat({ max: 48 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
          const changed = record.slice();
          changed[at]! ^= flip;
          expect(whose(changed)).not.toEqual(object);
        }),
      );
    }
  });

  test('is not taken for one by its first words alone', () => {
    for (const value of [
      ['holdfast-page', 1, 2, 3, 4],
      ['holdfast-page'],
      ['holdfast-other', object, 0, [], []],
    ]) {
      expectCode('INVALID_ENCODING', () => objectOfRecord(encode(value), network));
    }
  });
});

test('a public manifest is known without decoding it, whatever its numbers', () => {
  const lengths = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 40 }));
  const cells = fc.integer({ min: 16, max: 1024 });
  const codes = fc.tuple(fc.integer({ min: 1, max: 255 }), fc.integer({ min: 1, max: 255 }));
  fc.assert(
    fc.property(lengths, cells, codes, fc.boolean(), (lengthBytes, segmentCells, [a, b], isPublic) => {
      const code = { k: Math.min(a, b), n: Math.max(a, b) };
      const keyCheck = isPublic ? undefined : new Uint8Array(32);
      const record = encodeManifest({ ...manifest, lengthBytes, segmentCells, code, keyCheck });
      expect(isPublicManifest(record)).toBe(isPublic);
    }),
  );
  expect(isPublicManifest(page)).toBe(false);
});

test('the longest page is judged without building what it holds', () => {
  // Canonical, but of another shape within: whoever decodes it finds out, and nobody has to here.
  const long = encode(['holdfast-page', object, 0, [], Array.from({ length: 200_000 }, () => 0)]);
  expect(objectOfRecord(long, network)).toEqual(object);
  expectCode('INVALID_ENCODING', () => decodePage(long));
});

function whose(record: Uint8Array): Uint8Array | undefined {
  try {
    return objectOfRecord(record, network);
  } catch {
    return undefined;
  }
}
