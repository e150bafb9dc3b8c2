// State sync: a tree travels in chunks, each with all leaves under a prefix and the siblings up to the root, so that each
// is verified by itself, in any order, from anybody. What a chunk covers follows from its prefix; when nothing is left
// uncovered the tree is complete. The values behind the digests travel beside it and are checked by them.
//
// Whoever asks names a prefix; the answer covers the largest part at its left end that fits, or more when the tree has no
// node there. The asker takes off what it got and asks for the rest (`uncovered`), so an answer is never "too large".

import { assert } from '../../base/assert.ts';
import { compare } from '../../base/bytes.ts';
import { portableSha256, type Sha256 } from '../../base/hash.ts';
import { DIGEST_LENGTH, type Digest } from '../../base/ids.ts';
import { CHUNK_LEAVES_MAX, STATE_CHUNK_LENGTH_MAX } from '../../base/limits.ts';
import { Reader, Writer } from '../../consensus/binary.ts';
import { nodeKey } from './node-key.ts';
import {
  climb,
  digestOf,
  EMPTY_DIGEST,
  joinDigests,
  type Leaf,
  type LoadedNodes,
  type Missing,
  prefixLength,
  readLeaf,
  readPrefix,
  type Subtree,
  type Tree,
  type TreeHead,
  writePrefix,
} from './node.ts';
import {
  firstRight,
  halves,
  isRight,
  isUnder,
  lowestPath,
  PATH_BITS,
  PATH_LENGTH,
  type Prefix,
  prefixOf,
} from './path.ts';
import { isCanonicalEnd, readSiblings, writeSiblings } from './proof.ts';

export interface StateChunk {
  /** The leaves are all that the tree has under it. */
  readonly prefix: Prefix;
  /** What lies beside the way to the prefix, topmost first. */
  readonly siblings: readonly Digest[];
  /** Ascending by path. */
  readonly leaves: readonly Leaf[];
}

// ---- Making --------------------------------------------------------------------------------------------------

export interface Cut {
  readonly kind: 'cut';
  readonly chunk: StateChunk;
}

/** The chunk of at most `leavesMax` leaves, at least one, at the left end of what is under `asked`. */
export function chunkAt(
  loaded: LoadedNodes,
  tree: Tree,
  asked: Prefix,
  leavesMax: number = CHUNK_LEAVES_MAX,
  sha256: Sha256 = portableSha256,
): Cut | Missing {
  assert(asked.startsWith(tree.prefix), 'what is asked lies within the tree');
  assert(leavesMax >= 1 && leavesMax <= CHUNK_LEAVES_MAX, 'a chunk has room for one leaf');
  const path = lowestPath(asked);
  const siblings: Digest[] = [];
  let at = tree.top;
  let depth = tree.prefix.length;
  while (at.kind === 'inner' && (depth < asked.length || at.leaves > leavesMax)) {
    const key = nodeKey(at.version, path, depth);
    const node = loaded.get(key);
    if (node === undefined) return { kind: 'missing', keys: [key] };
    const goesRight = isRight(path, depth++);
    siblings.push(digestOf(goesRight ? node.left : node.right, sha256));
    at = goesRight ? node.right : node.left;
  }
  const { leaves, missing } = leavesUnder(loaded, at, path, depth);
  if (missing !== undefined) return missing;
  return { kind: 'cut', chunk: { prefix: prefixOf(path, depth), siblings, leaves } };
}

/** All leaves of a subtree, ascending, or what has to be loaded to know more of them. */
function leavesUnder(
  loaded: LoadedNodes,
  subtree: Subtree,
  lowest: Uint8Array,
  top: number,
): { leaves: Leaf[]; missing: Missing | undefined } {
  const leaves: Leaf[] = [];
  const keys: Missing['keys'][number][] = [];
  const visit = (at: Subtree, path: Uint8Array, depth: number): void => {
    if (at.kind === 'leaf') leaves.push(at);
    if (at.kind !== 'inner') return;
    const key = nodeKey(at.version, path, depth);
    const node = loaded.get(key);
    if (node === undefined) {
      keys.push(key);
      return;
    }
    visit(node.left, path, depth + 1);
    const right = path.slice();
    right[depth >>> 3]! |= 0x80 >>> (depth & 7);
    visit(node.right, right, depth + 1);
  };
  visit(subtree, lowest, top);
  return { leaves, missing: keys.length === 0 ? undefined : { kind: 'missing', keys } };
}

// ---- Checking ------------------------------------------------------------------------------------------------

export type ChunkProblem =
  | 'malformed'
  | 'too-large'
  | 'other-tree'
  | 'other-place'
  | 'out-of-order'
  | 'not-canonical'
  | 'wrong-digest';

/** Why `chunk` is not what the tree of `head` has under the chunk's prefix; undefined when it is. Never throws. */
export function chunkProblem(
  head: TreeHead,
  chunk: StateChunk,
  sha256: Sha256 = portableSha256,
): ChunkProblem | undefined {
  const { prefix, siblings, leaves } = chunk;
  if (leaves.length > CHUNK_LEAVES_MAX) return 'too-large';
  if (!prefix.startsWith(head.prefix)) return 'other-tree';
  if (siblings.length !== prefix.length - head.prefix.length) return 'malformed';
  if (!siblings.every(is32Bytes) || !leaves.every((leaf) => is32Bytes(leaf.path) && is32Bytes(leaf.value))) {
    return 'malformed';
  }
  const problem = orderProblem(chunk);
  if (problem !== undefined) return problem;
  const digest = digestOfLeaves(leaves, prefix.length, 0, leaves.length, sha256);
  const root = climb(lowestPath(prefix), head.prefix.length, siblings, digest, sha256);
  return compare(root, head.digest) === 0 ? undefined : 'wrong-digest';
}

/** What needs no hash: leaves ascend and lie under the prefix, and a tree would end where the chunk says. */
function orderProblem({ prefix, siblings, leaves }: StateChunk): ChunkProblem | undefined {
  for (let index = 1; index < leaves.length; index++) {
    if (compare(leaves[index - 1]!.path, leaves[index]!.path) >= 0) return 'out-of-order';
  }
  // Between two paths under a prefix there are only such.
  const ends = [leaves[0], leaves.at(-1)];
  if (ends.some((leaf) => leaf !== undefined && !isUnder(leaf.path, prefix))) return 'other-place';
  if (leaves.length === 0 && prefix.length === PATH_BITS) return 'not-canonical';
  return isCanonicalEnd(siblings, leaves.length) ? undefined : 'not-canonical';
}

function is32Bytes(bytes: Uint8Array): boolean {
  return bytes.length === DIGEST_LENGTH;
}

function digestOfLeaves(
  leaves: readonly Leaf[],
  depth: number,
  from: number,
  to: number,
  sha256: Sha256,
): Digest {
  if (from === to) return EMPTY_DIGEST;
  if (to - from === 1) return digestOf(leaves[from]!, sha256);
  const middle = firstRight(leaves, from, to, depth);
  return joinDigests(
    digestOfLeaves(leaves, depth + 1, from, middle, sha256),
    digestOfLeaves(leaves, depth + 1, middle, to, sha256),
    sha256,
  );
}

/** What is left of `pending` when all that is under `covered` is there. In the order of `pending`, left before right. */
export function uncovered(pending: readonly Prefix[], covered: Prefix): Prefix[] {
  return pending.flatMap((prefix) => {
    if (prefix.startsWith(covered)) return [];
    return covered.startsWith(prefix) ? besides(prefix, covered) : [prefix];
  });
}

/** All of `prefix` without `covered`, a part of it: at each bit between them the other half. */
function besides(prefix: Prefix, covered: Prefix): Prefix[] {
  const [left, right] = halves(prefix);
  const [part, other] = covered.startsWith(left) ? [left, right] : [right, left];
  const within = part === covered ? [] : besides(part, covered);
  return part === left ? [...within, other] : [other, ...within];
}

// ---- Bytes ---------------------------------------------------------------------------------------------------

const LEAF_LENGTH = PATH_LENGTH + DIGEST_LENGTH;

/** Prefix | u16 number of siblings | siblings | u32 number of leaves | path and value digest of each. */
export function encodeChunk({ prefix, siblings, leaves }: StateChunk): Uint8Array {
  const lists = 2 + DIGEST_LENGTH * siblings.length + 4 + LEAF_LENGTH * leaves.length;
  const writer = new Writer(prefixLength(prefix) + lists);
  writePrefix(writer, prefix);
  writeSiblings(writer, siblings);
  writer.uint32(leaves.length);
  for (const { path, value } of leaves) {
    writer.raw(path);
    writer.raw(value);
  }
  return writer.finish();
}

/** Throws INVALID_ENCODING. */
export function decodeChunk(bytes: Uint8Array): StateChunk {
  const reader = new Reader(bytes, 'state chunk');
  if (bytes.length > STATE_CHUNK_LENGTH_MAX) throw reader.refusal('it is too long');
  const prefix = readPrefix(reader);
  const siblings = readSiblings(reader);
  if (siblings.length > prefix.length) throw reader.refusal('there are more siblings than bits');
  const count = reader.uint32();
  if (count > CHUNK_LEAVES_MAX) throw reader.refusal('it has too many leaves');
  if (LEAF_LENGTH * count > reader.remaining) throw reader.refusal('it ends too early');
  const leaves = Array.from({ length: count }, () => readLeaf(reader));
  reader.end();
  const chunk = { prefix, siblings, leaves };
  const problem = orderProblem(chunk);
  if (problem !== undefined) throw reader.refusal(problem);
  return chunk;
}
