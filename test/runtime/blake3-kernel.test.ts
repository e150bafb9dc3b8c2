import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { toHex } from '../../src/base/bytes.ts';
import { GROUP_LENGTH, LEAF_LENGTH, PIECE_LENGTH_MAX } from '../../src/base/limits.ts';
import { portableHasher } from '../../src/replication/blake3.ts';
import {
  groupCount,
  hashPiece,
  proveLeaf,
  proveRange,
  verifyLeaf,
  verifyRange,
} from '../../src/replication/piece-tree.ts';
import {
  BLAKE3_SCRATCH_LENGTH,
  createBlake3Hasher,
  createBlake3Kernel,
  isBlake3KernelSupported,
} from '../../src/runtime/kernel/blake3-kernel.ts';

interface Vectors {
  readonly cases: readonly { readonly length: number; readonly digest: string }[];
}
const vectors = JSON.parse(
  readFileSync(new URL('../vectors/blake3.json', import.meta.url), 'utf8'),
) as Vectors;
const pattern = (length: number) => Uint8Array.from({ length }, (_, index) => index % 251);
/** Not a repetition of any leaf or group. */
const noise = (length: number) =>
  Uint8Array.from({ length }, (_, index) => (Math.imul(index + 1, 2654435761) >>> 21) & 255);

const PAGES = 24;
const SCRATCH = PAGES * 65_536 - BLAKE3_SCRATCH_LENGTH;

function kernelOn(isShared: boolean) {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: 256, shared: isShared });
  return { memory, bytes: () => new Uint8Array(memory.buffer), kernel: createBlake3Kernel(memory, SCRATCH) };
}

const hasher = createBlake3Hasher();

describe('the BLAKE3 kernel', () => {
  test('is supported by the Node that runs this', () => {
    expect(isBlake3KernelSupported()).toBe(true);
  });

  test.each([false, true])('gives the official digests, in shared memory: %s', (isShared) => {
    const { bytes, kernel } = kernelOn(isShared);
    for (const { length, digest } of vectors.cases) {
      bytes().set(pattern(length), 64);
      expect(toHex(kernel.root(64, length))).toBe(digest);
      expect(toHex(hasher.hashBytes(pattern(length)).root)).toBe(digest);
    }
  });

  test('agrees with the plain twin on root and outboard tree at every kind of length', () => {
    const { bytes, kernel } = kernelOn(false);
    const data = noise(600_000);
    bytes().set(data, 3);
    const group = GROUP_LENGTH;
    const lengths = [
      group - 1,
      group,
      group + 1,
      3 * group,
      4 * group,
      4 * group + 1,
      5 * group + 100,
      7 * group,
    ];
    for (const length of [...lengths, 16 * group, 16 * group + 1, 16 * group + 3 * 1024, 36 * group + 64]) {
      const piece = data.subarray(0, length);
      const expected = hashPiece(piece);
      expect(kernel.hash(3, length)).toEqual(expected);
      expect(hasher.hashBytes(piece)).toEqual(expected);
    }
  });

  test('agrees with the plain twin on any run of groups at any address', () => {
    const { bytes, kernel } = kernelOn(false);
    const data = noise(400_000);
    fc.assert(
      fc.property(
        fc.nat(200_000),
        fc.integer({ min: 1, max: 150_000 }),
        fc.nat(4000),
        (at, length, firstGroup) => {
          bytes().set(data.subarray(at, at + length), at);
          const out = 500_000;
          const count = kernel.groups(at, length, firstGroup * 16, out);
          expect(count).toBe(groupCount(length));
          for (const group of [0, count >> 1, count - 1]) {
            const from = at + group * GROUP_LENGTH;
            const value = portableHasher.group(
              data.subarray(from, Math.min(at + length, from + GROUP_LENGTH)),
              (firstGroup + group) * 16,
            );
            expect(bytes().slice(out + 32 * group, out + 32 * group + 32)).toEqual(value);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test('writes to its scratch area and the output only', () => {
    const { bytes, kernel } = kernelOn(false);
    bytes().set(noise(SCRATCH));
    const before = bytes().slice(0, SCRATCH);
    const length = 9 * GROUP_LENGTH + 777;
    kernel.hash(0, length);
    kernel.root(5, 1000);
    expect(bytes().subarray(0, SCRATCH)).toEqual(before);
    const out = 700_000;
    const count = kernel.groups(0, length, 0, out);
    expect(bytes().subarray(0, out)).toEqual(before.subarray(0, out));
    expect(bytes().subarray(out + 32 * count, SCRATCH)).toEqual(before.subarray(out + 32 * count));
  });

  test('keeps working when its memory grows', () => {
    const { memory, bytes, kernel } = kernelOn(false);
    memory.grow(3);
    const at = PAGES * 65_536 + 1;
    const piece = noise(3 * GROUP_LENGTH);
    bytes().set(piece, at);
    expect(kernel.hash(at, piece.length)).toEqual(hashPiece(piece));
  });

  test('returns bytes of its own, not views of memory that the next piece overwrites', () => {
    const first = hasher.hashBytes(pattern(20_000));
    const small = hasher.hashBytes(pattern(10));
    const copies = [first.root.slice(), first.outboard.slice(), small.root.slice(), small.outboard.slice()];
    hasher.hashBytes(noise(40_000));
    hasher.hashBytes(noise(11));
    small.root.fill(0);
    expect([first.root, first.outboard]).toEqual(copies.slice(0, 2));
    expect(small.outboard).toEqual(copies[3]);
  });

  test('treats pieces over the limit and crooked runs as defects of the caller', () => {
    const { kernel } = kernelOn(false);
    expect(() => kernel.root(0, PIECE_LENGTH_MAX + 1)).toThrow(AssertionError);
    expect(() => kernel.groups(0, 100, 3, 1000)).toThrow(AssertionError);
    expect(() => hasher.group(new Uint8Array(GROUP_LENGTH + 1), 0)).toThrow(AssertionError);
    expect(() => hasher.parent(new Uint8Array(31), new Uint8Array(32), true)).toThrow(AssertionError);
  });

  test('has scratch for the largest piece', () => {
    const pages = Math.ceil((PIECE_LENGTH_MAX + BLAKE3_SCRATCH_LENGTH) / 65_536);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const bytes = new Uint8Array(memory.buffer);
    for (let at = 0; at < PIECE_LENGTH_MAX; at += LEAF_LENGTH) bytes[at] = at >> 14;
    const kernel = createBlake3Kernel(memory, pages * 65_536 - BLAKE3_SCRATCH_LENGTH);
    const inPlace = kernel.hash(0, PIECE_LENGTH_MAX);
    expect(inPlace).toEqual(hasher.hashBytes(bytes.subarray(0, PIECE_LENGTH_MAX)));
    expect(inPlace.outboard.length).toBe(32 * groupCount(PIECE_LENGTH_MAX));
  });
});

describe('the kernel as hasher of piece trees', () => {
  test('makes and checks the same trees and proofs as the plain twin', () => {
    const piece = noise(100_001);
    const { root, outboard } = hashPiece(piece, hasher);
    expect({ root, outboard }).toEqual(hashPiece(piece));
    const range = { offset: 40_000, length: 30_000 };
    const proof = proveRange(outboard, piece.length, range.offset, range.length, hasher);
    expect(proof).toEqual(proveRange(outboard, piece.length, range.offset, range.length));
    const bytes = piece.subarray(2 * GROUP_LENGTH, 5 * GROUP_LENGTH);
    expect(verifyRange(root, piece.length, range, bytes, proof, hasher)).toBe(true);
    const leafProof = proveLeaf(piece.subarray(0, GROUP_LENGTH), outboard, piece.length, 7, hasher);
    const leaf = piece.slice(7 * LEAF_LENGTH, 8 * LEAF_LENGTH);
    expect(verifyLeaf(root, piece.length, 7, leaf, leafProof, hasher)).toBe(true);
    leaf[0]! ^= 1;
    expect(verifyLeaf(root, piece.length, 7, leaf, leafProof, hasher)).toBe(false);
  });
});
