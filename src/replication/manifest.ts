// The manifest describes an object: length, code, and for every segment its salt, piece roots, holders and
// confirmations. It is a dag-cbor root named by its CID, over pages of PAGE_SEGMENTS_MAX segments named by theirs, so
// that both ends work in bounded memory at any object size. Once the CID of the root is matched, everything below it
// is trusted for what it says about bytes; holders are where to ask first, never the only place to ask.

import { z } from 'zod';
import { equal, short } from '../base/bytes.ts';
import { bytesOf, bytesUpTo, decodeCanonical, digestOf, encode, listOf, uint } from '../base/codec.ts';
import { StoreError } from '../base/errors.ts';
import type { Digest, NetworkId, NodeId, ObjectId, OwnerId, PieceRoot, Signature } from '../base/ids.ts';
import {
  CELL_LENGTH,
  CODE_PIECES_MAX,
  INLINE_LENGTH_MAX,
  MANIFEST_LENGTH_MAX,
  MANIFEST_PAGES_MAX,
  PAGE_SEGMENTS_MAX,
  SEGMENT_CELLS_MAX,
  SEGMENT_CELLS_MIN,
  TAG_LENGTH,
} from '../base/limits.ts';
import type { Code } from './code.ts';
import type { Confirmation } from './confirmation.ts';
import { KEY_CHECK_LENGTH, objectIdOf, SALT_LENGTH } from './object.ts';

export interface Manifest {
  readonly network: NetworkId;
  readonly owner: OwnerId;
  /** Makes the object id; see `objectIdOf`. */
  readonly salt: Uint8Array;
  readonly lengthBytes: number;
  readonly code: Code;
  /** Cells of a full segment; a segment of the object carries `segmentCapacity` bytes of plaintext, the last one the rest. */
  readonly segmentCells: number;
  /** Commitment to the content key; undefined for a public object, whose cells are stored as they are. */
  readonly keyCheck: Uint8Array | undefined;
  readonly content: InlineContent | PagedContent;
}

/** At most INLINE_LENGTH_MAX bytes live in the manifest itself, encrypted as cell 0 of segment 0 when there is a key. */
export interface InlineContent {
  readonly kind: 'inline';
  readonly salt: Uint8Array;
  readonly bytes: Uint8Array;
}

export interface PagedContent {
  readonly kind: 'paged';
  readonly segmentCount: number;
  /** SHA-256 of page i, which describes segments [i * PAGE_SEGMENTS_MAX, ...). */
  readonly pages: readonly Digest[];
}

export interface ManifestPage {
  readonly object: ObjectId;
  readonly firstSegment: number;
  readonly segments: readonly SegmentRecord[];
}

export interface SegmentRecord {
  /** Salt of the segment key; zeros for a public object. */
  readonly salt: Uint8Array;
  readonly roots: readonly PieceRoot[];
  /** Holder of piece i at index i. */
  readonly holders: readonly NodeId[];
  readonly confirmations: readonly Confirmation[];
}

/** Plaintext bytes of a full segment. */
export function segmentCapacity(segmentCells: number, isEncrypted: boolean): number {
  return segmentCells * (CELL_LENGTH - (isEncrypted ? TAG_LENGTH : 0));
}

export function manifestObject(manifest: Manifest): ObjectId {
  return objectIdOf(manifest.network, manifest.owner, manifest.salt);
}

/** Plaintext bytes of segment `index`. */
export function segmentLength(manifest: Manifest, index: number): number {
  const capacity = segmentCapacity(manifest.segmentCells, manifest.keyCheck !== undefined);
  return Math.min(capacity, manifest.lengthBytes - index * capacity);
}

const codeSchema = z
  .tuple([uint(CODE_PIECES_MAX), uint(CODE_PIECES_MAX)])
  .refine(([k, n]) => k >= 1 && k <= n, 'code')
  .transform(([k, n]): Code => ({ k, n }));

const contentSchema = z.union([
  z
    .tuple([bytesOf(SALT_LENGTH), bytesUpTo(INLINE_LENGTH_MAX + TAG_LENGTH)])
    .transform(([salt, bytes]): InlineContent => ({ kind: 'inline', salt, bytes })),
  z
    .tuple([uint(MANIFEST_PAGES_MAX * PAGE_SEGMENTS_MAX), listOf(digestOf<Digest>(), MANIFEST_PAGES_MAX)])
    .transform(([segmentCount, pages]): PagedContent => ({ kind: 'paged', segmentCount, pages })),
]);

const manifestSchema = z
  .tuple([
    z.literal('holdfast-manifest'),
    digestOf<NetworkId>(),
    digestOf<OwnerId>(),
    bytesOf(SALT_LENGTH),
    uint(),
    codeSchema,
    uint(SEGMENT_CELLS_MAX).refine((cells) => cells >= SEGMENT_CELLS_MIN),
    z.union([bytesOf(KEY_CHECK_LENGTH), z.null()]),
    contentSchema,
  ])
  .transform(
    ([, network, owner, salt, lengthBytes, code, segmentCells, keyCheck, content]): Manifest => ({
      network,
      owner,
      salt,
      lengthBytes,
      code,
      segmentCells,
      keyCheck: keyCheck ?? undefined,
      content,
    }),
  );

const confirmationSchema = z
  .tuple([uint(CODE_PIECES_MAX), bytesOf(64)])
  .transform(([pieceIndex, signature]): Confirmation => ({ pieceIndex, signature: signature as Signature }));

/** On the wire holders are indices into the page's node table, because the same few nodes recur. */
const pageSchema = z.tuple([
  z.literal('holdfast-page'),
  digestOf<ObjectId>(),
  uint(MANIFEST_PAGES_MAX * PAGE_SEGMENTS_MAX),
  listOf(digestOf<NodeId>(), PAGE_SEGMENTS_MAX * CODE_PIECES_MAX),
  listOf(
    z.tuple([
      bytesOf(SALT_LENGTH),
      listOf(digestOf<PieceRoot>(), CODE_PIECES_MAX),
      listOf(uint(PAGE_SEGMENTS_MAX * CODE_PIECES_MAX), CODE_PIECES_MAX),
      listOf(confirmationSchema, CODE_PIECES_MAX),
    ]),
    PAGE_SEGMENTS_MAX,
  ),
]);

export function encodeManifest(manifest: Manifest): Uint8Array {
  const { content } = manifest;
  return encode([
    'holdfast-manifest',
    manifest.network,
    manifest.owner,
    manifest.salt,
    manifest.lengthBytes,
    [manifest.code.k, manifest.code.n],
    manifest.segmentCells,
    manifest.keyCheck ?? null,
    content.kind === 'inline' ? [content.salt, content.bytes] : [content.segmentCount, content.pages],
  ]);
}

/** Parses and checks a manifest against itself; the caller has matched it to its CID. Throws INVALID_ENCODING. */
export function decodeManifest(bytes: Uint8Array): Manifest {
  const manifest = decodeCanonical(manifestSchema, bytes, MANIFEST_LENGTH_MAX, 'manifest');
  const problem = manifestProblem(manifest);
  if (problem !== undefined) throw new StoreError('INVALID_ENCODING', `manifest: ${problem}`);
  return manifest;
}

function manifestProblem(manifest: Manifest): string | undefined {
  const { content, lengthBytes } = manifest;
  const isEncrypted = manifest.keyCheck !== undefined;
  if (content.kind === 'inline') {
    const stored = lengthBytes + (isEncrypted ? TAG_LENGTH : 0);
    return content.bytes.length === stored ? undefined : 'inline content does not fit the length';
  }
  const segments = Math.ceil(lengthBytes / segmentCapacity(manifest.segmentCells, isEncrypted));
  if (content.segmentCount !== segments) return 'segment count does not fit the length';
  const pages = Math.ceil(segments / PAGE_SEGMENTS_MAX);
  return content.pages.length === pages ? undefined : 'page count does not fit the segment count';
}

export function encodePage(page: ManifestPage): Uint8Array {
  const indices = new Map<string, number>();
  const table: NodeId[] = [];
  const indexOf = (node: NodeId): number => {
    const key = node.join();
    const known = indices.get(key);
    if (known !== undefined) return known;
    indices.set(key, table.length);
    table.push(node);
    return table.length - 1;
  };
  const segments = page.segments.map((segment) => [
    segment.salt,
    segment.roots,
    segment.holders.map(indexOf),
    segment.confirmations.map(({ pieceIndex, signature }) => [pieceIndex, signature]),
  ]);
  return encode(['holdfast-page', page.object, page.firstSegment, table, segments]);
}

/** Parses a page on its own, as a storage node meets it. Throws INVALID_ENCODING. */
export function decodePage(bytes: Uint8Array): ManifestPage {
  const [, object, firstSegment, table, rows] = decodeCanonical(
    pageSchema,
    bytes,
    MANIFEST_LENGTH_MAX,
    'manifest page',
  );
  const segments = rows.map(([salt, roots, holderIndices, confirmations]): SegmentRecord => {
    if (roots.length !== holderIndices.length) throw badPage('roots and holders differ in number');
    const holders = holderIndices.map((index) => {
      const node = table[index];
      if (node === undefined) throw badPage('a holder is not in the node table');
      return node;
    });
    return { salt, roots, holders, confirmations };
  });
  return { object, firstSegment, segments };
}

/** Checks that a page is the `index`-th one of this manifest. Throws INVALID_ENCODING. */
export function checkPage(manifest: Manifest, index: number, page: ManifestPage): void {
  const { content } = manifest;
  if (content.kind !== 'paged') throw badPage('the manifest has no pages');
  const object = manifestObject(manifest);
  if (!equal(page.object, object)) throw badPage(`it belongs to object ${short(page.object)}`);
  const first = index * PAGE_SEGMENTS_MAX;
  const count = Math.min(PAGE_SEGMENTS_MAX, content.segmentCount - first);
  if (page.firstSegment !== first || page.segments.length !== count)
    throw badPage('it covers other segments');
  if (page.segments.some((segment) => segment.roots.length !== manifest.code.n)) {
    throw badPage('a segment has another number of pieces than the code');
  }
}

function badPage(reason: string): StoreError {
  return new StoreError('INVALID_ENCODING', `manifest page: ${reason}`);
}
