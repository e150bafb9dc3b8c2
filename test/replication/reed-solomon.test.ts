import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { multiply } from '../../src/replication/galois.ts';
import type { Matrix } from '../../src/replication/matrix.ts';
import { combineBytes, decode, encode, rebuild, verify } from '../../src/replication/reed-solomon.ts';
import vectors from '../vectors/reed-solomon.json' with { type: 'json' };

function slowCombine(rows: Matrix, sources: readonly Uint8Array[]): Uint8Array[] {
  return rows.map((row) =>
    Uint8Array.from({ length: sources[0]!.length }, (_, at) =>
      row.reduce((sum, factor, column) => sum ^ multiply(factor, sources[column]![at]!), 0),
    ),
  );
}

/** A code word of pseudo-random data: x -> 1664525 x + 1013904223 modulo 2^32, its top byte. */
function codeWord(k: number, n: number, length: number, seed: number): Uint8Array[] {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  };
  const pieces = Array.from({ length: n }, (_, column) =>
    column < k ? Uint8Array.from({ length }, next) : new Uint8Array(length),
  );
  encode(k, pieces);
  return pieces;
}

function withLost(pieces: readonly Uint8Array[], present: readonly number[]): Uint8Array[] {
  return pieces.map((piece, column) =>
    present.includes(column) ? piece.slice() : new Uint8Array(piece.length).fill(0xa5),
  );
}

const codeAndColumns = fc
  .integer({ min: 1, max: 60 })
  .chain((n) => fc.tuple(fc.integer({ min: 1, max: n }), fc.constant(n)))
  .chain(([k, n]) =>
    fc
      .shuffledSubarray(
        Array.from({ length: n }, (_, column) => column),
        { minLength: k, maxLength: k },
      )
      .map((columns) => ({ k, n, columns: columns.sort((a, b) => a - b) })),
  );

describe('combineBytes', () => {
  it('equals the sum of products by definition', () => {
    const bytes = fc.uint8Array({ minLength: 9, maxLength: 9 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 13 }).chain((columns) =>
          fc.tuple(
            fc.array(fc.uint8Array({ minLength: columns, maxLength: columns }), {
              minLength: 1,
              maxLength: 11,
            }),
            fc.array(bytes, { minLength: columns, maxLength: columns }),
          ),
        ),
        ([rows, sources]) => {
          const targets = rows.map(() => new Uint8Array(9).fill(0xff));
          combineBytes(rows, sources, targets);
          expect(targets).toEqual(slowCombine(rows, sources));
        },
      ),
    );
  });

  it('takes arrays that lie anywhere, whether on whole words or not', () => {
    const [first, second] = codeWord(2, 2, 40, 3) as [Uint8Array, Uint8Array];
    const buffer = new Uint8Array(64);
    for (let offset = 0; offset < 8; offset++) {
      for (const length of [1, 4, 7, 8, 12]) {
        const sources = [first.subarray(offset, offset + length), second.subarray(0, length)];
        const rows = [Uint8Array.of(3, 1), Uint8Array.of(0, 9)];
        buffer.fill(0xcc);
        const targets = [buffer.subarray(offset, offset + length), buffer.subarray(40, 40 + length)];
        combineBytes(rows, sources, targets);
        expect(targets.map(toHex)).toEqual(slowCombine(rows, sources).map(toHex));
        const written = 2 * length;
        expect(buffer.filter((byte) => byte === 0xcc).length).toBeGreaterThanOrEqual(64 - written);
      }
    }
  });

  it('treats the end of a strip like its middle', () => {
    for (const length of [1, 4095, 4096, 4097, 8192, 10_000]) {
      const sources = codeWord(5, 5, length, length);
      const rows = [Uint8Array.of(1, 2, 3, 4, 5), Uint8Array.of(0, 255, 0, 1, 7)];
      const targets = rows.map(() => new Uint8Array(length));
      combineBytes(rows, sources, targets);
      expect(targets).toEqual(slowCombine(rows, sources));
    }
  });
});

describe('Reed-Solomon', () => {
  it('decodes and rebuilds from any k pieces of any code', () => {
    fc.assert(
      fc.property(codeAndColumns, fc.nat(), ({ k, n, columns }, seed) => {
        const whole = codeWord(k, n, 64, seed);
        const pieces = withLost(whole, columns);
        decode(k, pieces, columns);
        expect(pieces.slice(0, k)).toEqual(whole.slice(0, k));
        for (let target = 0; target < n; target++) {
          if (columns.includes(target)) continue;
          const rest = withLost(whole, columns);
          rebuild(k, rest, columns, target);
          expect(rest[target]).toEqual(whole[target]);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('accepts code words and sees a single changed bit anywhere', () => {
    fc.assert(
      fc.property(
        fc.constantFrom([1, 2], [2, 4], [3, 7], [4, 12], [10, 14], [10, 30]),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 0, max: 7 }),
        ([k, n], column, at, bit) => {
          const pieces = codeWord(k!, n!, 100, at);
          expect(verify(k!, pieces)).toBe(true);
          pieces[column % n!]![at % 100]! ^= 1 << bit;
          expect(verify(k!, pieces)).toBe(false);
        },
      ),
    );
  });

  it('sees a changed bit in the last byte of long pieces', () => {
    const pieces = codeWord(2, 3, 70_000, 1);
    expect(verify(2, pieces)).toBe(true);
    pieces[1]![69_999]! ^= 1;
    expect(verify(2, pieces)).toBe(false);
  });

  it('keeps its frozen vectors', () => {
    expect(vectors.length).toBeGreaterThan(5);
    for (const { k, n, length, seed, parity } of vectors) {
      expect(codeWord(k, n, length, seed).slice(k).map(toHex)).toEqual(parity);
    }
  });

  it('does not rebuild a piece from itself', () => {
    expect(() => rebuild(1, codeWord(1, 2, 4, 0), [1], 1)).toThrow('invariant');
  });
});
