import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { encode } from '../../src/base/codec.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { NetworkId, NodeId, OwnerId, PieceRoot, Signature } from '../../src/base/ids.ts';
import { PAGE_SEGMENTS_MAX } from '../../src/base/limits.ts';
import {
  checkPage,
  decodeManifest,
  decodePage,
  encodeManifest,
  encodePage,
  type Manifest,
  type ManifestPage,
  manifestObject,
  segmentCapacity,
  segmentLength,
} from '../../src/replication/manifest.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { digestFrom } from '../helpers/records.ts';

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/manifest.json', import.meta.url), 'utf8'),
) as Record<string, string>;

const CELLS = 256;
const LENGTH = 2 * segmentCapacity(CELLS, true) + 5;

function sampleManifest(overrides: Partial<Manifest> = {}): Manifest {
  return {
    network: digestFrom<NetworkId>('network'),
    owner: digestFrom<OwnerId>('owner'),
    salt: digestFrom('salt').subarray(0, 16),
    lengthBytes: LENGTH,
    code: { k: 3, n: 7 },
    segmentCells: CELLS,
    keyCheck: digestFrom('check').subarray(0, 16),
    content: { kind: 'paged', segmentCount: 3, pages: [digestFrom('page')] },
    ...overrides,
  };
}

function samplePage(manifest: Manifest, overrides: Partial<ManifestPage> = {}): ManifestPage {
  const segments = Array.from({ length: 3 }, (_, segment) => ({
    salt: digestFrom(`salt ${segment}`).subarray(0, 16),
    roots: Array.from({ length: 7 }, (_, piece) => digestFrom<PieceRoot>(`root ${segment} ${piece}`)),
    holders: Array.from({ length: 7 }, (_, piece) => digestFrom<NodeId>(`node ${(segment + piece) % 8}`)),
    confirmations: [{ pieceIndex: 2, signature: new Uint8Array(64).fill(segment) as Signature }],
  }));
  return { object: manifestObject(manifest), firstSegment: 0, segments, ...overrides };
}

const inline = {
  kind: 'inline',
  salt: digestFrom('inline').subarray(0, 16),
  bytes: new Uint8Array(26).fill(9),
} as const;

test('encodings equal the frozen vectors', () => {
  expect(toHex(encodeManifest(sampleManifest()))).toBe(vectors['paged']);
  expect(toHex(encodeManifest(sampleManifest({ lengthBytes: 10, content: inline })))).toBe(vectors['inline']);
  expect(toHex(encodePage(samplePage(sampleManifest())))).toBe(vectors['page']);
});

test('what is decoded is what was encoded', () => {
  const manifest = sampleManifest();
  expect(decodeManifest(encodeManifest(manifest))).toEqual(manifest);
  const open = sampleManifest({ keyCheck: undefined, lengthBytes: 26, content: inline });
  expect(decodeManifest(encodeManifest(open))).toEqual(open);
  const page = samplePage(manifest);
  expect(decodePage(encodePage(page))).toEqual(page);
  checkPage(manifest, 0, decodePage(encodePage(page)));
});

test('a manifest that contradicts itself is refused', () => {
  const wrong: Partial<Manifest>[] = [
    { lengthBytes: LENGTH + segmentCapacity(CELLS, true) },
    { content: { kind: 'paged', segmentCount: 2, pages: [digestFrom('page')] } },
    { content: { kind: 'paged', segmentCount: 3, pages: [] } },
    { lengthBytes: 11, content: inline },
    { code: { k: 8, n: 7 } },
    { code: { k: 0, n: 7 } },
    { segmentCells: 8 },
    { segmentCells: 4096 },
    { salt: new Uint8Array(15) },
  ];
  for (const overrides of wrong) {
    expectCode('INVALID_ENCODING', () => decodeManifest(encodeManifest(sampleManifest(overrides))));
  }
});

test('a page of another object, place or code is refused', () => {
  const manifest = sampleManifest();
  const page = samplePage(manifest);
  for (const other of [
    { ...page, object: digestFrom<ManifestPage['object']>('other') },
    { ...page, firstSegment: PAGE_SEGMENTS_MAX },
    { ...page, segments: page.segments.slice(1) },
    {
      ...page,
      segments: page.segments.map((s) => ({ ...s, roots: s.roots.slice(1), holders: s.holders.slice(1) })),
    },
  ]) {
    expectCode('INVALID_ENCODING', () => checkPage(manifest, 0, decodePage(encodePage(other))));
  }
  expectCode('INVALID_ENCODING', () =>
    decodePage(
      encode([
        'holdfast-page',
        page.object,
        0,
        [],
        [[page.segments[0]!.salt, page.segments[0]!.roots, [0, 1, 2, 3, 4, 5, 6], []]],
      ]),
    ),
  );
});

test('one flipped byte never gives the same manifest, and never an untyped error', () => {
  const bytes = encodeManifest(sampleManifest());
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = Uint8Array.from(bytes);
      damaged[at]! ^= flip;
      try {
        expect(decodeManifest(damaged)).not.toEqual(sampleManifest());
      } catch (error) {
        expect(error).toBeInstanceOf(StoreError);
      }
    }),
    { numRuns: 500 },
  );
});

test('random bytes are refused, typed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expectCode('INVALID_ENCODING', () => decodeManifest(bytes));
      expectCode('INVALID_ENCODING', () => decodePage(bytes));
    }),
  );
});

test('segments cover the object exactly', () => {
  const manifest = sampleManifest();
  const lengths = [0, 1, 2].map((index) => segmentLength(manifest, index));
  expect(lengths).toEqual([16_773_120, 16_773_120, 5]);
  expect(fromHex(vectors['paged']!).length).toBeLessThan(300);
});
