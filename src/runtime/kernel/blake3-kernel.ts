// BLAKE3 of pieces by WebAssembly SIMD: four chunks per vector, the tree above them included. Results equal
// those of replication/blake3.ts bit for bit; the layout of an outboard tree is that of
// replication/piece-tree.ts.
//
// A kernel reads pieces where they lie in its memory, and writes to its scratch area and to where it is told,
// nowhere else. It belongs to one thread; several may share a memory when their scratch areas differ.

import { assert } from '../../base/assert.ts';
import type { Digest } from '../../base/ids.ts';
import { GROUP_LENGTH, LEAF_LENGTH, PIECE_LENGTH_MAX } from '../../base/limits.ts';
import type { HashedPiece } from '../../base/ports.ts';
import { BLOCK_LENGTH, CHUNK_END, CHUNK_START, type GroupHasher, ROOT } from '../../replication/blake3.ts';
import { blake3Module } from './blake3-module.ts';

export interface Blake3Kernel {
  /**
   * Writes the chaining values of all groups of the `length` bytes at `pointer`, 32 bytes each, to
   * `outPointer`, and returns how many there are. The first byte belongs to chunk number `firstChunk`, a
   * multiple of 16. The bytes are part of a piece of more than one group; only the last group may be short.
   */
  groups(pointer: number, length: number, firstChunk: number, outPointer: number): number;
  /** BLAKE3 digest of the piece of 0 to PIECE_LENGTH_MAX bytes at `pointer`. */
  root(pointer: number, length: number): Digest;
  /** Root and outboard tree of that piece, in one pass. */
  hash(pointer: number, length: number): HashedPiece;
}

export interface Blake3Hasher extends GroupHasher {
  /** Root and outboard tree of a piece of 0 to PIECE_LENGTH_MAX bytes, copied through a memory of its own. */
  hashBytes(bytes: Uint8Array): HashedPiece;
}

const VALUE_LENGTH = 32;
const LEAVES_PER_GROUP: number = GROUP_LENGTH / LEAF_LENGTH;
/** Groups hashed at once: with 64 chunks every level down to four values fills all lanes. */
const BATCH_GROUPS = 4;
const BATCH_LENGTH: number = BATCH_GROUPS * GROUP_LENGTH;
const PAGE_LENGTH = 65_536;

// The scratch area: chaining values of a batch's leaves; one leaf, zero padded; the group values of a piece.
const PADDED_AT: number = BATCH_GROUPS * LEAVES_PER_GROUP * VALUE_LENGTH;
const TREE_AT: number = PADDED_AT + LEAF_LENGTH;

/** Bytes of scratch that a kernel needs. */
export const BLAKE3_SCRATCH_LENGTH: number =
  TREE_AT + Math.ceil(PIECE_LENGTH_MAX / GROUP_LENGTH) * VALUE_LENGTH;

/** True where WebAssembly has SIMD; elsewhere `portableHasher` does the same slowly. */
export function isBlake3KernelSupported(): boolean {
  return WebAssembly.validate(moduleBytes(false));
}

/**
 * A kernel on `memory`, which must have a maximum, with BLAKE3_SCRATCH_LENGTH bytes of its own at
 * `scratchPointer`. Throws WebAssembly.CompileError where SIMD is missing; ask `isBlake3KernelSupported`
 * first.
 */
export function createBlake3Kernel(memory: WebAssembly.Memory, scratchPointer: number): Blake3Kernel {
  const tree = createTree(memory, scratchPointer);
  const hash = (pointer: number, length: number, wantsOutboard: boolean): HashedPiece => {
    assert(length >= 0 && length <= PIECE_LENGTH_MAX, 'a piece is no longer than PIECE_LENGTH_MAX');
    if (length <= GROUP_LENGTH) return onlyGroup(tree.group(pointer, length, 0, ROOT));
    const count = tree.groups(pointer, length, 0, tree.valuesAt);
    const outboard = wantsOutboard ? tree.read(tree.valuesAt, count * VALUE_LENGTH) : NO_BYTES;
    return { root: tree.join(tree.valuesAt, count, ROOT), outboard };
  };
  return {
    groups(pointer, length, firstChunk, outPointer) {
      assert(length > 0 && firstChunk % LEAVES_PER_GROUP === 0, 'a run of groups starts at a group');
      return tree.groups(pointer, length, firstChunk, outPointer);
    },
    root: (pointer, length) => hash(pointer, length, false).root,
    hash: (pointer, length) => hash(pointer, length, true),
  };
}

/**
 * A hasher of bytes that lie anywhere, with its own memory of 448 KiB. Throws WebAssembly.CompileError where
 * SIMD is missing.
 */
export function createBlake3Hasher(): Blake3Hasher {
  const pages = Math.ceil((BLAKE3_SCRATCH_LENGTH + WINDOW_LENGTH) / PAGE_LENGTH);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const tree = createTree(memory, WINDOW_LENGTH);
  const window = new Uint8Array(memory.buffer, 0, WINDOW_LENGTH);
  const groupOf = (bytes: Uint8Array, firstChunk: number, topFlag: number): Digest => {
    assert(bytes.length <= GROUP_LENGTH, 'a group has at most GROUP_LENGTH bytes');
    window.set(bytes);
    return tree.group(0, bytes.length, firstChunk, topFlag);
  };
  return {
    group(bytes, firstChunk) {
      assert(bytes.length > 0, 'a group has bytes');
      return groupOf(bytes, firstChunk, 0);
    },
    root: (bytes) => groupOf(bytes, 0, ROOT),
    parent(left, right, isRoot) {
      assert(left.length === VALUE_LENGTH && right.length === VALUE_LENGTH, 'chaining values have 32 bytes');
      window.set(left);
      window.set(right, VALUE_LENGTH);
      return tree.join(0, 2, isRoot ? ROOT : 0);
    },
    hashBytes(bytes) {
      assert(bytes.length <= PIECE_LENGTH_MAX, 'a piece is no longer than PIECE_LENGTH_MAX');
      if (bytes.length <= GROUP_LENGTH) return onlyGroup(groupOf(bytes, 0, ROOT));
      let count = 0;
      for (let from = 0; from < bytes.length; from += WINDOW_LENGTH) {
        const part = bytes.subarray(from, from + WINDOW_LENGTH);
        window.set(part);
        count += tree.groups(0, part.length, from / LEAF_LENGTH, tree.valuesAt + count * VALUE_LENGTH);
      }
      const outboard = tree.read(tree.valuesAt, count * VALUE_LENGTH);
      return { root: tree.join(tree.valuesAt, count, ROOT), outboard };
    },
  };
}

/** Bytes copied in at a time: small enough to stay in the cache until they are hashed. */
const WINDOW_LENGTH: number = 4 * BATCH_LENGTH;
const NO_BYTES: Uint8Array = new Uint8Array(0);

/** The outboard tree of a piece of one group is its root. */
function onlyGroup(root: Digest): HashedPiece {
  return { root, outboard: root.slice() };
}

// ---- The tree ----------------------------------------------------------------------------------------------

interface Tree {
  /** Where the group values of a whole piece may be gathered. */
  readonly valuesAt: number;
  /** Chaining values of all groups to `out`; how many. */
  groups(pointer: number, length: number, firstChunk: number, out: number): number;
  /** Value of one group of 0 to GROUP_LENGTH bytes; `topFlag` goes to its last compression. */
  group(pointer: number, length: number, firstChunk: number, topFlag: number): Digest;
  /**
   * Joins the `count` >= 2 values at `at` into one, in place: neighbours level by level, an odd last one is
   * carried up.
   */
  join(at: number, count: number, topFlag: number): Digest;
  read(at: number, length: number): Uint8Array;
}

function createTree(memory: WebAssembly.Memory, scratch: number): Tree {
  const { chunks, one, parents } = instantiate(memory);
  const padded = scratch + PADDED_AT;
  // A memory that grows gets a new buffer.
  const view = (): Uint8Array => new Uint8Array(memory.buffer);
  const read = (at: number, length: number): Uint8Array => view().slice(at, at + length);

  const join = (at: number, count: number, topFlag: number): Digest => {
    let left = count;
    while (left > 2) {
      const pairs = left >> 1;
      parents(at, pairs, at, 0);
      if (left % 2 === 1) {
        const last = at + (left - 1) * VALUE_LENGTH;
        view().copyWithin(at + pairs * VALUE_LENGTH, last, last + VALUE_LENGTH);
      }
      left -= pairs;
    }
    parents(at, 1, at, topFlag);
    return read(at, VALUE_LENGTH) as Digest;
  };

  /** One leaf of 0 to LEAF_LENGTH bytes; the compression reads whole blocks, hence the padded copy. */
  const leaf = (pointer: number, length: number, number: number, topFlag: number, out: number): void => {
    const bytes = view();
    bytes.fill(0, padded, padded + LEAF_LENGTH);
    bytes.copyWithin(padded, pointer, pointer + length);
    const blocks = Math.max(1, Math.ceil(length / BLOCK_LENGTH));
    const lastLength = length - (blocks - 1) * BLOCK_LENGTH;
    one(padded, blocks, lastLength, number, CHUNK_START, CHUNK_END | topFlag, out);
  };

  const group = (pointer: number, length: number, firstChunk: number, topFlag: number): Digest => {
    if (length <= LEAF_LENGTH) {
      leaf(pointer, length, firstChunk, topFlag, scratch);
      return read(scratch, VALUE_LENGTH) as Digest;
    }
    const whole = Math.floor(length / LEAF_LENGTH);
    const rest = length % LEAF_LENGTH;
    chunks(pointer, whole, firstChunk, scratch);
    if (rest > 0) leaf(pointer + length - rest, rest, firstChunk + whole, 0, scratch + whole * VALUE_LENGTH);
    return join(scratch, whole + (rest > 0 ? 1 : 0), topFlag);
  };

  const batch = (pointer: number, firstChunk: number, out: number): void => {
    let values = BATCH_GROUPS * LEAVES_PER_GROUP;
    chunks(pointer, values, firstChunk, scratch);
    while (values > BATCH_GROUPS) {
      values >>= 1;
      parents(scratch, values, values === BATCH_GROUPS ? out : scratch, 0);
    }
  };

  const groups = (pointer: number, length: number, firstChunk: number, out: number): number => {
    let done = 0;
    let count = 0;
    for (; length - done >= BATCH_LENGTH; done += BATCH_LENGTH, count += BATCH_GROUPS) {
      batch(pointer + done, firstChunk + done / LEAF_LENGTH, out + count * VALUE_LENGTH);
    }
    for (; done < length; done += GROUP_LENGTH, count++) {
      const value = group(
        pointer + done,
        Math.min(GROUP_LENGTH, length - done),
        firstChunk + done / LEAF_LENGTH,
        0,
      );
      view().set(value, out + count * VALUE_LENGTH);
    }
    return count;
  };

  return { valuesAt: scratch + TREE_AT, groups, group, join, read };
}

// ---- The module --------------------------------------------------------------------------------------------

interface Exports {
  readonly chunks: (source: number, count: number, firstChunk: number, target: number) => void;
  readonly one: (
    source: number,
    blocks: number,
    lastLength: number,
    number: number,
    startFlags: number,
    endFlags: number,
    target: number,
  ) => void;
  readonly parents: (source: number, count: number, target: number, flags: number) => void;
}

function instantiate(memory: WebAssembly.Memory): Exports {
  const isShared = typeof SharedArrayBuffer === 'function' && memory.buffer instanceof SharedArrayBuffer;
  let module = modules.get(isShared);
  if (module === undefined) {
    module = new WebAssembly.Module(moduleBytes(isShared));
    modules.set(isShared, module);
  }
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports;
}

// Made once a thread, when first needed: emitting takes some milliseconds.
const modules = new Map<boolean, WebAssembly.Module>();
const emitted = new Map<boolean, Uint8Array<ArrayBuffer>>();

function moduleBytes(isShared: boolean): Uint8Array<ArrayBuffer> {
  const bytes = emitted.get(isShared) ?? blake3Module(isShared);
  emitted.set(isShared, bytes);
  return bytes;
}
