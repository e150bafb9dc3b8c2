import { readFileSync } from 'node:fs';
import { blake3 } from '@noble/hashes/blake3.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { StoreError } from '../../src/base/errors.ts';
import { GROUP_LENGTH, LEAF_LENGTH, PIECE_LENGTH_MAX } from '../../src/base/limits.ts';
import {
  coveringGroups,
  groupCount,
  hashPiece,
  leafCount,
  proveLeaf,
  proveRange,
  rootFromGroups,
  verifyLeaf,
  verifyRange,
} from '../../src/replication/piece-tree.ts';

const pattern = (length: number) =>
  Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 10)) % 251);
/** Lengths at and around every border of leaf, group and power of two. */
const LENGTHS = [
  0, 1, 1023, 1024, 1025, 3000, 16383, 16384, 16385, 17409, 32768, 32769, 50_000, 81_920, 115_713,
];
const PIECES = LENGTHS.map((length) => {
  const piece = pattern(length);
  return { length, piece, ...hashPiece(piece) };
});

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof StoreError ? error.code : String(error);
  }
  return 'nothing thrown';
}

function groupOf(piece: Uint8Array, leafIndex: number): Uint8Array {
  const from = Math.floor((leafIndex * LEAF_LENGTH) / GROUP_LENGTH) * GROUP_LENGTH;
  return piece.subarray(from, from + GROUP_LENGTH);
}

describe('the root of a piece', () => {
  test('is its standard BLAKE3 digest at every length', () => {
    for (const { piece, root } of PIECES) expect(toHex(root)).toBe(toHex(blake3(piece)));
  });

  test('follows from the outboard tree, which has 32 bytes a group', () => {
    for (const { length, root, outboard } of PIECES) {
      expect(outboard.length).toBe(32 * groupCount(length));
      expect(rootFromGroups(outboard, length)).toEqual(root);
    }
  });

  test('is the whole outboard tree of a piece of one group', () => {
    for (const { root, outboard } of PIECES.filter(({ length }) => length <= GROUP_LENGTH))
      expect(outboard).toEqual(root);
  });

  test('cannot be had from a tree that does not fit the length', () => {
    const { outboard, length } = PIECES.at(-1)!;
    expect(codeOf(() => rootFromGroups(outboard.subarray(32), length))).toBe('DAMAGED');
    expect(codeOf(() => rootFromGroups(outboard, length + GROUP_LENGTH))).toBe('DAMAGED');
    expect(codeOf(() => rootFromGroups(outboard, -1))).toBe('DAMAGED');
    expect(codeOf(() => rootFromGroups(outboard, Number.NaN))).toBe('DAMAGED');
  });
});

describe('a range proof', () => {
  const range = fc
    .constantFrom(...PIECES.filter(({ length }) => length > 0))
    .chain((piece) =>
      fc
        .tuple(fc.nat(piece.length - 1), fc.nat(piece.length - 1))
        .map(([a, b]) => ({ ...piece, range: { offset: Math.min(a, b), length: Math.abs(a - b) + 1 } })),
    );
  const prove = (given: (typeof PIECES)[number], { offset, length }: { offset: number; length: number }) => {
    const covered = coveringGroups(given.length, { offset, length });
    return {
      bytes: given.piece.slice(covered.offset, covered.offset + covered.length),
      proof: proveRange(given.outboard, given.length, offset, length),
    };
  };

  test('convinces whoever knows only root and length', () => {
    fc.assert(
      fc.property(range, (given) => {
        const { bytes, proof } = prove(given, given.range);
        expect(verifyRange(given.root, given.length, given.range, bytes, proof)).toBe(true);
        expect(proof.length).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(groupCount(given.length))));
      }),
      { numRuns: 40 },
    );
  });

  test('is empty for a whole piece, and for the empty piece', () => {
    for (const given of PIECES) {
      const { bytes, proof } = prove(given, { offset: 0, length: given.length });
      expect(proof).toEqual([]);
      expect(verifyRange(given.root, given.length, { offset: 0, length: given.length }, bytes, proof)).toBe(
        true,
      );
    }
  });

  test('fails when any bit of root, bytes or proof is another', () => {
    fc.assert(
      fc.property(
        range,
        fc.nat(),
        fc.nat(7),
        fc.constantFrom('root', 'bytes', 'proof'),
        (given, at, bit, where) => {
          const { bytes, proof } = prove(given, given.range);
          const root = given.root.slice();
          const target =
            where === 'root'
              ? root
              : where === 'bytes' || proof.length === 0
                ? bytes
                : proof[at % proof.length]!;
          const index = at % target.length;
          target[index] = target[index]! ^ (1 << bit);
          expect(verifyRange(root, given.length, given.range, bytes, proof)).toBe(false);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('fails for another place, another length, and with a value too many, too few or swapped', () => {
    const given = PIECES.at(-1)!;
    const asked = { offset: 2 * GROUP_LENGTH, length: GROUP_LENGTH };
    const { bytes, proof } = prove(given, asked);
    const check = (
      range = asked,
      pieceLength = given.length,
      sent = bytes,
      siblings: readonly Uint8Array[] = proof,
    ) => verifyRange(given.root, pieceLength, range, sent, siblings);
    expect(check()).toBe(true);
    expect(check({ offset: 3 * GROUP_LENGTH, length: GROUP_LENGTH })).toBe(false);
    expect(check({ offset: 2 * GROUP_LENGTH, length: GROUP_LENGTH + 1 })).toBe(false);
    expect(check(asked, given.length + GROUP_LENGTH)).toBe(false);
    expect(check(asked, given.length, bytes.subarray(1))).toBe(false);
    expect(check(asked, given.length, bytes, proof.slice(1))).toBe(false);
    expect(check(asked, given.length, bytes, [...proof, proof[0]!])).toBe(false);
    expect(check(asked, given.length, bytes, [...proof].reverse())).toBe(false);
    expect(
      check(
        asked,
        given.length,
        bytes,
        proof.map((value) => value.subarray(1)),
      ),
    ).toBe(false);
  });

  test('is refused without a throw and without work for numbers that make no sense', () => {
    const { root } = PIECES[0]!;
    const odd = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, PIECE_LENGTH_MAX + 1, 1e300];
    const some = new Uint8Array(100);
    for (const value of odd) {
      expect(verifyRange(root, value, { offset: 0, length: 1 }, some, [])).toBe(false);
      expect(verifyRange(root, 100, { offset: value, length: 1 }, some, [])).toBe(false);
      expect(verifyRange(root, 100, { offset: 0, length: value }, some, [])).toBe(false);
      expect(codeOf(() => coveringGroups(100, { offset: value, length: 1 }))).toBe('INVALID_ARGUMENT');
      expect(codeOf(() => proveRange(root, 100, 0, value))).toBe('INVALID_ARGUMENT');
    }
    expect(verifyRange(root, 100, { offset: 0, length: 0 }, some, [])).toBe(false);
  });
});

describe('a leaf proof', () => {
  test('convinces for every leaf of every piece', () => {
    for (const { piece, length, root, outboard } of PIECES.filter(({ length }) => length <= 32_769)) {
      for (let index = 0; index < leafCount(length); index++) {
        const leaf = piece.subarray(index * LEAF_LENGTH, (index + 1) * LEAF_LENGTH);
        const proof = proveLeaf(groupOf(piece, index), outboard, length, index);
        expect(verifyLeaf(root, length, index, leaf, proof)).toBe(true);
        expect(proof.length).toBeLessThanOrEqual(17);
      }
    }
  });

  test('fails when any bit is another, and for every other leaf number', () => {
    const { piece, length, root, outboard } = PIECES.find((given) => given.length === 50_000)!;
    fc.assert(
      fc.property(fc.nat(leafCount(length) - 1), fc.nat(), fc.boolean(), (index, at, inLeaf) => {
        const leaf = piece.slice(index * LEAF_LENGTH, (index + 1) * LEAF_LENGTH);
        const proof = proveLeaf(groupOf(piece, index), outboard, length, index);
        expect(verifyLeaf(root, length, (index + 1 + (at % 48)) % 49, leaf, proof)).toBe(false);
        const target = inLeaf ? leaf : proof[at % proof.length]!;
        target[at % target.length]! ^= 1;
        expect(verifyLeaf(root, length, index, leaf, proof)).toBe(false);
      }),
      { numRuns: 40 },
    );
  });

  test('cannot be made from an inner node: a leaf has its length', () => {
    const { length, root, outboard } = PIECES.find((given) => given.length === 32_768)!;
    expect(verifyLeaf(root, length, 0, outboard, [])).toBe(false);
    expect(verifyLeaf(root, 64, 0, outboard, [])).toBe(false);
  });

  test('is refused without a throw for numbers that make no sense', () => {
    const { root } = PIECES[0]!;
    for (const value of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, PIECE_LENGTH_MAX + 1]) {
      expect(verifyLeaf(root, value, 0, new Uint8Array(10), [])).toBe(false);
      expect(verifyLeaf(root, 10, value, new Uint8Array(10), [])).toBe(false);
    }
  });

  test('is not made by a holder whose group or tree is damaged', () => {
    const { piece, length, outboard } = PIECES.find((given) => given.length === 50_000)!;
    const rotten = groupOf(piece, 20).slice();
    rotten[5]! ^= 4;
    expect(codeOf(() => proveLeaf(rotten, outboard, length, 20))).toBe('DAMAGED');
    expect(codeOf(() => proveLeaf(rotten.subarray(1), outboard, length, 20))).toBe('DAMAGED');
    expect(codeOf(() => proveLeaf(groupOf(piece, 20), outboard.subarray(32), length, 20))).toBe('DAMAGED');
    expect(codeOf(() => proveLeaf(groupOf(piece, 20), outboard, length, 49))).toBe('INVALID_ARGUMENT');
  });
});

describe('formats', () => {
  interface Frozen {
    readonly pieces: readonly { length: number; root: string; outboard: string }[];
    readonly ranges: readonly { length: number; offset: number; count: number; proof: string[] }[];
    readonly leaves: readonly { length: number; index: number; proof: string[] }[];
  }
  const frozen = JSON.parse(
    readFileSync(new URL('../vectors/piece-tree.json', import.meta.url), 'utf8'),
  ) as Frozen;
  const bytes = (length: number) => Uint8Array.from({ length }, (_, index) => index % 251);

  test('of outboard trees and proofs stay as they were frozen', () => {
    for (const { length, root, outboard } of frozen.pieces) {
      expect(hashPiece(bytes(length))).toEqual({ root: fromHex(root), outboard: fromHex(outboard) });
    }
    for (const { length, offset, count, proof } of frozen.ranges) {
      expect(proveRange(hashPiece(bytes(length)).outboard, length, offset, count).map(toHex)).toEqual(proof);
    }
    for (const { length, index, proof } of frozen.leaves) {
      const piece = bytes(length);
      expect(proveLeaf(groupOf(piece, index), hashPiece(piece).outboard, length, index).map(toHex)).toEqual(
        proof,
      );
    }
  });
});
