import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { decode, encode, rebuild, verify } from '../../src/replication/reed-solomon.ts';
import vectors from '../vectors/reed-solomon.json' with { type: 'json' };

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
