import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { combineBytes } from '../../src/replication/combine-bytes.ts';
import { multiply } from '../../src/replication/galois.ts';
import type { Matrix } from '../../src/replication/matrix.ts';

function slowCombine(rows: Matrix, sources: readonly Uint8Array[]): Uint8Array[] {
  return rows.map((row) =>
    Uint8Array.from({ length: sources[0]!.length }, (_, at) =>
      row.reduce((sum, factor, column) => sum ^ multiply(factor, sources[column]![at]!), 0),
    ),
  );
}

/** Arrays of x -> 1664525 x + 1013904223 modulo 2^32, its top byte. */
function pseudoRandom(count: number, length: number, seed: number): Uint8Array[] {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  };
  return Array.from({ length: count }, () => Uint8Array.from({ length }, next));
}

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
    const [first, second] = pseudoRandom(2, 40, 3) as [Uint8Array, Uint8Array];
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
      const sources = pseudoRandom(5, length, length);
      const rows = [1, 0, 200, 77, 3].map((factor) => Uint8Array.of(factor, 2, 0, 255, factor ^ 9));
      const targets = rows.map(() => new Uint8Array(length));
      combineBytes(rows, sources, targets);
      expect(targets).toEqual(slowCombine(rows, sources));
    }
  });
});
