// One opening of a node's answer, by itself: proof for everybody, under two kilobytes for a leaf, that this node had that leaf when the round's seed was
// known. It is what the leader of a group missed and another auditor has, what defends a pass that is disputed, and what a portable proof of an object carries.

import { z } from 'zod';
import { decodeCanonical, digestOf, encode, uint } from '../base/codec.ts';
import { portableSha256, type Sha256 } from '../base/hash.ts';
import type { Digest, Signature } from '../base/ids.ts';
import { AUDIT_PART_ASKED_MAX, MANIFEST_LENGTH_MAX, OPENING_HEAD_LENGTH_MAX } from '../base/limits.ts';
import { merkleRoot, proveInclusion, verifyInclusion } from '../base/merkle.ts';
import type { Verify } from '../base/ports.ts';
import {
  type Content,
  type Hashes,
  type Opening,
  openingDigest,
  openingSchema,
  openingTuple,
  PORTABLE_HASHES,
  verifyOpening,
} from './opening.ts';
import { type Path, pathBytes, pathLengthMax, pathSchema } from './path.ts';
import { type AuditContext, responseBytes, type ResponsePart, signatureSchema } from './response.ts';

/** An opening as part of what its node signed. */
export interface ShownOpening {
  readonly opening: Opening;
  /** Its number among the openings of its part, and how many those are. */
  readonly index: number;
  readonly count: number;
  /** To their root. */
  readonly path: Path;
  readonly root: Digest;
  readonly signature: Signature;
}

/** An opening of a part, and what it takes to show it without the rest of the part. */
export interface SignedOpening {
  readonly opening: Opening;
  readonly index: number;
  /** Of all openings of the part. */
  readonly digests: readonly Digest[];
  readonly signature: Signature;
}

/** All of the part, hashed once. */
export function signedOpenings(
  { openings, signature }: ResponsePart,
  { sha256 }: Hashes = PORTABLE_HASHES,
): readonly SignedOpening[] {
  const digests = openings.map((opening) => openingDigest(opening, sha256));
  return openings.map((opening, index) => ({ opening, index, digests, signature }));
}

export function showSigned(
  { opening, index, digests, signature }: SignedOpening,
  sha256: Sha256 = portableSha256,
): ShownOpening {
  return {
    opening,
    index,
    count: digests.length,
    path: proveInclusion(digests, index, sha256),
    root: merkleRoot(digests, sha256),
    signature,
  };
}

export function showOpening(
  part: ResponsePart,
  index: number,
  hashes: Hashes = PORTABLE_HASHES,
): ShownOpening {
  return showSigned(signedOpenings(part, hashes)[index]!, hashes.sha256);
}

/** True when the node of `context` answered with it in its round and it is of what the chain says is at its place. */
export function verifyShown(
  context: AuditContext,
  { opening, index, count, path, root, signature }: ShownOpening,
  content: Content,
  verify: Verify,
  hashes: Hashes = PORTABLE_HASHES,
): boolean {
  return (
    verifyOpening(opening, content, hashes) &&
    verifyInclusion(root, count, index, openingDigest(opening, hashes.sha256), path, hashes.sha256) &&
    verify(context.node, responseBytes(context, root), signature)
  );
}

// ---- Form ----------------------------------------------------------------------------------------------------

export const shownSchema: z.ZodType<ShownOpening> = z
  .tuple([
    openingSchema,
    uint(AUDIT_PART_ASKED_MAX - 1),
    uint(AUDIT_PART_ASKED_MAX),
    pathSchema(pathLengthMax(AUDIT_PART_ASKED_MAX)),
    digestOf<Digest>(),
    signatureSchema,
  ])
  .transform(
    ([opening, index, count, path, root, signature]): ShownOpening => ({
      opening,
      index,
      count,
      path,
      root,
      signature,
    }),
  );

export const shownTuple = (shown: ShownOpening): readonly unknown[] => [
  openingTuple(shown.opening),
  shown.index,
  shown.count,
  pathBytes(shown.path),
  shown.root,
  shown.signature,
];

export function encodeShown(shown: ShownOpening): Uint8Array {
  return encode(shownTuple(shown));
}

/** Throws INVALID_ENCODING. */
export function decodeShown(bytes: Uint8Array): ShownOpening {
  const lengthMax = MANIFEST_LENGTH_MAX + 2 * OPENING_HEAD_LENGTH_MAX;
  return decodeCanonical(shownSchema, bytes, lengthMax, 'shown opening');
}
