// An opening shows that somebody had the bytes of an asked leaf when its seed was known: the leaf and its path to the piece root on chain, under two
// kilobytes. A copy of a manifest has no leaves, its digest is SHA-256 of all of it, so it is shown whole. Openings cannot be forged; who made one, and
// when, is for the response around it to say.

import { z } from 'zod';
import { equal } from '../base/bytes.ts';
import { bytesUpTo, decodeCanonical, encode, uint } from '../base/codec.ts';
import { digest, portableSha256, type Sha256 } from '../base/hash.ts';
import type { Digest } from '../base/ids.ts';
import {
  GROUP_LENGTH,
  LEAF_LENGTH,
  MANIFEST_LENGTH_MAX,
  OPENING_HEAD_LENGTH_MAX,
  PIECE_LENGTH_MAX,
} from '../base/limits.ts';
import { type GroupHasher, portableHasher } from '../replication/blake3.ts';
import { leafCount, proveLeaf, verifyLeaf } from '../replication/piece-tree.ts';
import type { Asked } from './draw.ts';
import { type Path, pathBytes, pathLengthMax, pathSchema } from './path.ts';
import { isCopy, type Place, placeBytes, placeSchema } from './place.ts';

/** What the chain says is at a place. */
export interface Content {
  /** Piece root; of a copy, the manifest's digest. */
  readonly root: Uint8Array;
  readonly lengthBytes: number;
}

export interface Opening extends Asked {
  /** The leaf; of a copy, all of it. */
  readonly bytes: Uint8Array;
  readonly path: Path;
}

/** Hashes of a verifier or prover: the portable ones, unless the runtime has faster ones. */
export interface Hashes {
  readonly hasher: GroupHasher;
  readonly sha256: Sha256;
}

export const PORTABLE_HASHES: Hashes = { hasher: portableHasher, sha256: portableSha256 };

/** Of a piece, whose `groupBytes` are the whole group of the leaf. Throws DAMAGED or INVALID_ARGUMENT as `proveLeaf` does. */
export function openLeaf(
  { place, leafIndex }: Asked,
  groupBytes: Uint8Array,
  outboard: Uint8Array,
  pieceLength: number,
  hasher: GroupHasher = portableHasher,
): Opening {
  const path = proveLeaf(groupBytes, outboard, pieceLength, leafIndex, hasher);
  const from = (leafIndex * LEAF_LENGTH) % GROUP_LENGTH;
  return { place, leafIndex, bytes: groupBytes.slice(from, from + LEAF_LENGTH), path };
}

export function openCopy(place: Place, record: Uint8Array): Opening {
  return { place, leafIndex: 0, bytes: record, path: [] };
}

/** True when the opening is of what the chain says is at its place. False for anything malformed; never throws. */
export function verifyOpening(
  { place, leafIndex, bytes, path }: Opening,
  { root, lengthBytes }: Content,
  { hasher, sha256 }: Hashes = PORTABLE_HASHES,
): boolean {
  if (!isCopy(place)) return verifyLeaf(root, lengthBytes, leafIndex, bytes, path, hasher);
  if (leafIndex !== 0 || path.length !== 0 || bytes.length !== lengthBytes) return false;
  return equal(sha256(bytes), root);
}

// ---- Form ----------------------------------------------------------------------------------------------------

const LEAF_MAX = leafCount(PIECE_LENGTH_MAX) - 1;
const LEAF_PATH_MAX = pathLengthMax(LEAF_MAX + 1);

export const askedSchema: z.ZodType<Asked> = z
  .tuple([placeSchema, uint(LEAF_MAX)])
  .transform(([place, leafIndex]): Asked => ({ place, leafIndex }))
  .refine(({ place, leafIndex }) => !isCopy(place) || leafIndex === 0, 'a leaf of a copy');

export const askedTuple = ({ place, leafIndex }: Asked): readonly unknown[] => [placeBytes(place), leafIndex];

export const openingSchema: z.ZodType<Opening> = z
  .tuple([placeSchema, uint(LEAF_MAX), bytesUpTo(MANIFEST_LENGTH_MAX), pathSchema(LEAF_PATH_MAX)])
  .transform(([place, leafIndex, bytes, path]): Opening => ({ place, leafIndex, bytes, path }))
  .refine(isInForm, 'neither a leaf nor a copy');

function isInForm({ place, leafIndex, bytes, path }: Opening): boolean {
  return isCopy(place) ? leafIndex === 0 && path.length === 0 : bytes.length <= LEAF_LENGTH;
}

export const openingTuple = ({ place, leafIndex, bytes, path }: Opening): readonly unknown[] => [
  placeBytes(place),
  leafIndex,
  bytes,
  pathBytes(path),
];

export function encodeOpening(opening: Opening): Uint8Array {
  return encode(openingTuple(opening));
}

/** Throws INVALID_ENCODING. */
export function decodeOpening(bytes: Uint8Array): Opening {
  const lengthMax = MANIFEST_LENGTH_MAX + OPENING_HEAD_LENGTH_MAX;
  return decodeCanonical(openingSchema, bytes, lengthMax, 'opening');
}

export function openingDigest(opening: Opening, sha256: Sha256 = portableSha256): Digest {
  return digest('audit-opening', [encodeOpening(opening)], sha256);
}
