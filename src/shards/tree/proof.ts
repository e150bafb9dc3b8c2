// Proof that a path has a value, or that it has none, under the digest of a tree. The way down ends in a slot without
// nodes: with the leaf of the path there, the path is present; with nothing or another leaf, it is absent, for a subtree of
// one leaf is that leaf.
//
// The checker takes nothing from the proof but what is hashed: which side a sibling is on, and how deep its way may go, follow
// from the path. There are no proofs of ranges.

import { compare } from '../../base/bytes.ts';
import { portableSha256, type Sha256 } from '../../base/hash.ts';
import { DIGEST_LENGTH, type Digest } from '../../base/ids.ts';
import { STATE_PROOF_LENGTH_MAX } from '../../base/limits.ts';
import { Reader, Writer } from '../../consensus/binary.ts';
import { missingOnWays } from './missing.ts';
import { nodeKey } from './node-key.ts';
import {
  climb,
  digestOf,
  EMPTY,
  EMPTY_DIGEST,
  type EmptySlot,
  type Leaf,
  type LoadedNodes,
  type Missing,
  readLeaf,
  type Tree,
  type TreeHead,
} from './node.ts';
import { isRight, isUnder, PATH_BITS, PATH_LENGTH, type StatePath, sharedBits } from './path.ts';
import { assert } from '../../base/assert.ts';

export interface StateProof {
  /** What lies beside the way down, topmost first. */
  readonly siblings: readonly Digest[];
  /** Where the way ends. */
  readonly end: EmptySlot | Leaf;
}

// ---- Making --------------------------------------------------------------------------------------------------

export interface Proved {
  readonly kind: 'proved';
  /** In the order of the paths. */
  readonly proofs: readonly StateProof[];
}

/** What `tree` has at each of `paths`, all under its prefix. */
export function provePaths(
  loaded: LoadedNodes,
  tree: Tree,
  paths: readonly StatePath[],
  sha256: Sha256 = portableSha256,
): Proved | Missing {
  for (const path of paths) {
    assert(path.length === PATH_LENGTH && isUnder(path, tree.prefix), 'what is proved lies within the tree');
  }
  const sorted = paths.toSorted(compare).map((path) => ({ path }));
  const missing = missingOnWays(loaded, tree, sorted);
  if (missing !== undefined) return missing;
  return { kind: 'proved', proofs: paths.map((path) => provePath(loaded, tree, path, sha256)) };
}

function provePath(loaded: LoadedNodes, tree: Tree, path: StatePath, sha256: Sha256): StateProof {
  const siblings: Digest[] = [];
  let at = tree.top;
  for (let depth = tree.prefix.length; at.kind === 'inner'; depth++) {
    const node = loaded.get(nodeKey(at.version, path, depth));
    assert(node !== undefined, 'what the proof needs is loaded');
    const goesRight = isRight(path, depth);
    siblings.push(digestOf(goesRight ? node.left : node.right, sha256));
    at = goesRight ? node.right : node.left;
  }
  return { siblings, end: at };
}

// ---- Checking ------------------------------------------------------------------------------------------------

export type ProofVerdict =
  | { readonly kind: 'present'; readonly value: Digest }
  | { readonly kind: 'absent' }
  | { readonly kind: 'refused'; readonly reason: ProofProblem };

export type ProofProblem =
  | 'malformed'
  | 'other-tree'
  | 'too-deep'
  | 'other-way'
  | 'not-canonical'
  | 'wrong-digest';

/** What `proof` shows of `path` under `head`. Never throws, whatever the proof says. */
export function checkProof(
  head: TreeHead,
  path: StatePath,
  proof: StateProof,
  sha256: Sha256 = portableSha256,
): ProofVerdict {
  const reason = proofProblem(head, path, proof, sha256);
  if (reason !== undefined) return { kind: 'refused', reason };
  const { end } = proof;
  const isPresent = end.kind === 'leaf' && compare(end.path, path) === 0;
  return isPresent ? { kind: 'present', value: end.value } : { kind: 'absent' };
}

function proofProblem(
  head: TreeHead,
  path: StatePath,
  { siblings, end }: StateProof,
  sha256: Sha256,
): ProofProblem | undefined {
  const digests = end.kind === 'leaf' ? [...siblings, end.path, end.value] : siblings;
  if (path.length !== PATH_LENGTH || !digests.every(is32Bytes)) return 'malformed';
  if (!isUnder(path, head.prefix)) return 'other-tree';
  const depth = head.prefix.length + siblings.length;
  // Behind the last bit there is one path, and a slot for it only because of its leaf.
  if (depth > (end.kind === 'leaf' ? PATH_BITS : PATH_BITS - 1)) return 'too-deep';
  // A leaf proves nothing but its own slot, which is on the way only if the path leads there.
  if (end.kind === 'leaf' && sharedBits(end.path, path) < depth) return 'other-way';
  if (!isCanonicalEnd(siblings, end.kind === 'leaf' ? 1 : 0)) return 'not-canonical';
  const digest = climb(path, head.prefix.length, siblings, digestOf(end, sha256), sha256);
  return compare(digest, head.digest) === 0 ? undefined : 'wrong-digest';
}

function is32Bytes(bytes: Uint8Array): boolean {
  return bytes.length === DIGEST_LENGTH;
}

/** Whether a subtree of `leaves` leaves may stand beside the last of `siblings`: no node has less than two leaves below. */
export function isCanonicalEnd(siblings: readonly Digest[], leaves: number): boolean {
  const last = siblings.at(-1);
  return last === undefined || leaves > 1 || compare(last, EMPTY_DIGEST) !== 0;
}

// ---- Bytes ---------------------------------------------------------------------------------------------------

const EMPTY_TAG = 0;
const LEAF_TAG = 1;
const LEAF_LENGTH = PATH_LENGTH + DIGEST_LENGTH;

/** u16 number of siblings | siblings | u8 0, or u8 1, path and value digest of a leaf. */
export function encodeProof({ siblings, end }: StateProof): Uint8Array {
  const writer = new Writer(
    2 + DIGEST_LENGTH * siblings.length + 1 + (end.kind === 'leaf' ? LEAF_LENGTH : 0),
  );
  writeSiblings(writer, siblings);
  writer.uint8(end.kind === 'leaf' ? LEAF_TAG : EMPTY_TAG);
  if (end.kind === 'leaf') {
    writer.raw(end.path);
    writer.raw(end.value);
  }
  return writer.finish();
}

/** Throws INVALID_ENCODING. */
export function decodeProof(bytes: Uint8Array): StateProof {
  const reader = new Reader(bytes, 'state proof');
  if (bytes.length > STATE_PROOF_LENGTH_MAX) throw reader.refusal('it is too long');
  const siblings = readSiblings(reader);
  const tag = reader.uint8();
  if (tag !== EMPTY_TAG && tag !== LEAF_TAG) throw reader.refusal('its end is unknown');
  const end = tag === LEAF_TAG ? readLeaf(reader) : EMPTY;
  reader.end();
  if (!isCanonicalEnd(siblings, tag)) throw reader.refusal('its last sibling is empty');
  return { siblings, end };
}

export function writeSiblings(writer: Writer, siblings: readonly Digest[]): void {
  writer.uint16(siblings.length);
  for (const sibling of siblings) writer.raw(sibling);
}

export function readSiblings(reader: Reader): Digest[] {
  const count = reader.uint16();
  if (count > PATH_BITS) throw reader.refusal('there are more siblings than bits');
  if (DIGEST_LENGTH * count > reader.remaining) throw reader.refusal('it ends too early');
  return Array.from({ length: count }, () => reader.raw(DIGEST_LENGTH) as Digest);
}
