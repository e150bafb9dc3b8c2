// The state tree: a compressed binary sparse Merkle tree over leaves (path, digest of a value).
//
//     leaf        = digest('state-leaf', path | value digest)
//     inner node  = digest('state-node', left | right)
//     empty       = 32 zero bytes
//     subtree of leaves that agree in their first d bits:
//         none: empty;  one: that leaf, at whatever depth;  more: inner node of the two halves by bit d
//
// So the root is a function of the leaves alone, not of the order in which they came. No digest depends on its depth: the
// tree of a shard is the subtree under its bits, rooted there, and a shard that splits leaves behind two finished trees.
//
// What is stored is inner nodes. A leaf lies within its parent, which halves the nodes and saves a read at the end of
// every way down. Beside its digest a reference counts the leaves below: not hashed, it only guides the making of chunks.

import { digest, portableSha256, type Sha256 } from '../../base/hash.ts';
import { DIGEST_LENGTH, type Digest } from '../../base/ids.ts';
import { HEIGHT_MAX } from '../../base/limits.ts';
import { Reader, Writer } from '../../consensus/binary.ts';
import { type NodeKey, placeOf } from './node-key.ts';
import {
  isRight,
  lowestPath,
  PATH_BITS,
  PATH_LENGTH,
  type Prefix,
  prefixOf,
  type StatePath,
  sharedBits,
} from './path.ts';

/** What hangs in a slot: at the top of a tree, or left or right of a node. */
export type Subtree = EmptySlot | Leaf | InnerNode;

export interface EmptySlot {
  readonly kind: 'empty';
}

export interface Leaf {
  readonly kind: 'leaf';
  readonly path: StatePath;
  /** Digest of the value that is stored under the path. */
  readonly value: Digest;
}

/** Reference to a stored node, with at least two leaves below. */
export interface InnerNode {
  readonly kind: 'inner';
  /** Version that wrote it: with the place where the reference is found, its key. */
  readonly version: number;
  readonly digest: Digest;
  /** Leaves below. */
  readonly leaves: number;
}

/** A stored node. Never both sides empty, never a leaf beside an empty side. */
export interface TreeNode {
  readonly left: Subtree;
  readonly right: Subtree;
}

/** A tree at one version: all that is under `prefix`. */
export interface Tree {
  readonly prefix: Prefix;
  readonly top: Subtree;
}

/** What others know of a tree: enough to check proofs and chunks. */
export interface TreeHead {
  readonly prefix: Prefix;
  readonly digest: Digest;
}

/** Nodes at hand. Whoever finds one missing says so, and is called again when it is there. */
export interface LoadedNodes {
  get(key: NodeKey): TreeNode | undefined;
}

export interface Missing {
  readonly kind: 'missing';
  /** Distinct, and all that can be told so far: the nodes below them are not known before. */
  readonly keys: readonly NodeKey[];
}

export interface WrittenNode {
  readonly key: NodeKey;
  readonly node: TreeNode;
}

export const EMPTY: EmptySlot = { kind: 'empty' };
export const EMPTY_DIGEST: Digest = new Uint8Array(DIGEST_LENGTH) as Digest;

// ---- Digests -------------------------------------------------------------------------------------------------

export function digestOf(subtree: Subtree, sha256: Sha256 = portableSha256): Digest {
  if (subtree.kind === 'inner') return subtree.digest;
  return subtree.kind === 'empty'
    ? EMPTY_DIGEST
    : digest('state-leaf', [subtree.path, subtree.value], sha256);
}

export function joinDigests(left: Digest, right: Digest, sha256: Sha256 = portableSha256): Digest {
  return digest('state-node', [left, right], sha256);
}

/** Digest at depth `top`, from `bottom` at depth `top` + siblings on the way to `path`; siblings topmost first. */
export function climb(
  path: Uint8Array,
  top: number,
  siblings: readonly Digest[],
  bottom: Digest,
  sha256: Sha256,
): Digest {
  let at = bottom;
  for (let index = siblings.length - 1; index >= 0; index--) {
    const sibling = siblings[index]!;
    at = isRight(path, top + index) ? joinDigests(sibling, at, sha256) : joinDigests(at, sibling, sha256);
  }
  return at;
}

export function headOf(tree: Tree, sha256: Sha256 = portableSha256): TreeHead {
  return { prefix: tree.prefix, digest: digestOf(tree.top, sha256) };
}

export function leavesOf(subtree: Subtree): number {
  if (subtree.kind === 'inner') return subtree.leaves;
  return subtree.kind === 'empty' ? 0 : 1;
}

// ---- Bytes ---------------------------------------------------------------------------------------------------

const TAG = { empty: 0, leaf: 1, inner: 2 } as const;
const LENGTH = { empty: 1, leaf: 1 + PATH_LENGTH + DIGEST_LENGTH, inner: 1 + 8 + DIGEST_LENGTH + 8 } as const;

/** Value under a node key. */
export function encodeNode(node: TreeNode): Uint8Array {
  const writer = new Writer(LENGTH[node.left.kind] + LENGTH[node.right.kind]);
  writeSubtree(writer, node.left);
  writeSubtree(writer, node.right);
  return writer.finish();
}

/** The node stored under `key`. Throws INVALID_ENCODING when no tree has such a node there. */
export function decodeNode(bytes: Uint8Array, key: NodeKey): TreeNode {
  const { version, path, depth } = placeOf(key);
  const reader = new Reader(bytes, 'tree node');
  const left = readSubtree(reader, version);
  const right = readSubtree(reader, version);
  reader.end();
  if (!isJoined(left, right)) throw reader.refusal('it has a single leaf, or none');
  for (const [side, subtree] of [left, right].entries()) {
    if (subtree.kind !== 'leaf') continue;
    const isThere = sharedBits(subtree.path, path) >= depth && isRight(subtree.path, depth) === (side === 1);
    if (!isThere) throw reader.refusal('a leaf lies elsewhere');
  }
  return { left, right };
}

/** What a version keeps of each tree: its prefix and its top. */
export function encodeTree(tree: Tree): Uint8Array {
  const writer = new Writer(prefixLength(tree.prefix) + LENGTH[tree.top.kind]);
  writePrefix(writer, tree.prefix);
  writeSubtree(writer, tree.top);
  return writer.finish();
}

/** Throws INVALID_ENCODING. */
export function decodeTree(bytes: Uint8Array): Tree {
  const reader = new Reader(bytes, 'tree');
  const prefix = readPrefix(reader);
  const top = readSubtree(reader, HEIGHT_MAX);
  reader.end();
  if (top.kind === 'leaf' && sharedBits(top.path, lowestPath(prefix)) < prefix.length) {
    throw reader.refusal('its leaf lies elsewhere');
  }
  if (top.kind === 'inner' && prefix.length === PATH_BITS) throw reader.refusal('a single path has no node');
  return { prefix, top };
}

/** Whether two sides make a node: with less than two leaves below they do not. */
export function isJoined(left: Subtree, right: Subtree): boolean {
  return left.kind === 'inner' || right.kind === 'inner' || (left.kind === 'leaf' && right.kind === 'leaf');
}

function writeSubtree(writer: Writer, subtree: Subtree): void {
  writer.uint8(TAG[subtree.kind]);
  if (subtree.kind === 'leaf') {
    writer.raw(subtree.path);
    writer.raw(subtree.value);
  } else if (subtree.kind === 'inner') {
    writer.uint64(subtree.version);
    writer.raw(subtree.digest);
    writer.uint64(subtree.leaves);
  }
}

function readSubtree(reader: Reader, versionMax: number): Subtree {
  const tag = reader.uint8();
  if (tag === TAG.empty) return EMPTY;
  if (tag === TAG.leaf) return readLeaf(reader);
  if (tag !== TAG.inner) throw reader.refusal('its kind is unknown');
  const version = reader.uint64();
  if (version > versionMax) throw reader.refusal('what it leads to was written later');
  const digest = reader.raw(DIGEST_LENGTH) as Digest;
  const leaves = reader.uint64();
  if (leaves < 2) throw reader.refusal('a node has two leaves at least');
  return { kind: 'inner', version, digest, leaves };
}

/** Path and value digest, 64 bytes. */
export function readLeaf(reader: Reader): Leaf {
  return {
    kind: 'leaf',
    path: reader.raw(PATH_LENGTH) as StatePath,
    value: reader.raw(DIGEST_LENGTH) as Digest,
  };
}

/** Bytes of an encoded prefix: u16 number of bits, the bits, zeros up to a whole byte. */
export function prefixLength(prefix: Prefix): number {
  return 2 + Math.ceil(prefix.length / 8);
}

export function writePrefix(writer: Writer, prefix: Prefix): void {
  writer.uint16(prefix.length);
  writer.raw(lowestPath(prefix).subarray(0, Math.ceil(prefix.length / 8)));
}

export function readPrefix(reader: Reader): Prefix {
  const depth = reader.uint16();
  if (depth > PATH_BITS) throw reader.refusal('a prefix is longer than a path');
  const bytes = reader.raw(Math.ceil(depth / 8));
  const bits = prefixOf(bytes, 8 * bytes.length);
  if (bits.includes('1', depth)) throw reader.refusal('a prefix has bits behind its end');
  return bits.slice(0, depth) as Prefix;
}
