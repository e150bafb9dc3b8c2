import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { multiply } from '../../src/replication/galois.ts';
import { combinationRows, invert, type Matrix, parityRows, unitRow } from '../../src/replication/matrix.ts';

const identity = (size: number): Matrix => Array.from({ length: size }, (_, index) => unitRow(size, index));

/** Product of matrices by definition. */
function times(a: Matrix, b: Matrix): Matrix {
  return a.map((row) =>
    Uint8Array.from({ length: b[0]!.length }, (_, column) =>
      row.reduce((sum, factor, index) => sum ^ multiply(factor, b[index]![column]!), 0),
    ),
  );
}

function generator(k: number, n: number): Matrix {
  return [...identity(k), ...parityRows(k, n)];
}

function* subsets(n: number, k: number, from = 0): Generator<number[]> {
  if (k === 0) yield [];
  for (let first = from; first <= n - k; first++) {
    if (k > 0) for (const rest of subsets(n, k - 1, first + 1)) yield [first, ...rest];
  }
}

/** Any code, with a random choice of k of its columns, ascending. */
const codeWithColumns = fc
  .integer({ min: 1, max: 255 })
  .chain((n) => fc.tuple(fc.integer({ min: 1, max: n }), fc.constant(n)))
  .chain(([k, n]) =>
    fc
      .shuffledSubarray(
        Array.from({ length: n }, (_, column) => column),
        { minLength: k, maxLength: k },
      )
      .map((columns) => ({ k, n, columns: columns.sort((a, b) => a - b) })),
  );

describe('parity rows', () => {
  it('start with a row and a column of ones in narrow codes', () => {
    for (let k = 1; k <= 40; k++) {
      for (let n = k + 1; n <= k + 8; n++) {
        const rows = parityRows(k, n);
        expect(rows[0]!.every((factor) => factor === 1)).toBe(true);
        expect(rows.every((row) => row[0] === 1)).toBe(true);
      }
    }
  });

  it('are whole copies when k is 1, in every width', () => {
    for (let n = 1; n <= 255; n++) expect(parityRows(1, n)).toEqual(Array(n - 1).fill(Uint8Array.of(1)));
  });

  it('of wide codes extend polynomials: the values of x^d at the data points give the value at the parity point', () => {
    for (const [k, n, firstPoint] of [
      [10, 30, 16],
      [20, 50, 32],
      [16, 200, 16],
      [100, 250, 100],
    ] as const) {
      // Points k .. firstPoint-1 hold zeros, so only polynomials that vanish there are code words.
      const vanishing = (x: number): number => {
        let value = 1;
        for (let point = k; point < firstPoint; point++) value = multiply(value, x ^ point);
        return value;
      };
      for (let degree = 0; degree < k; degree++) {
        const at = (x: number): number => {
          let value = vanishing(x);
          for (let power = 0; power < degree; power++) value = multiply(value, x);
          return value;
        };
        const data = Array.from({ length: k }, (_, point) => Uint8Array.of(at(point)));
        const parity = times(parityRows(k, n), data).map((row) => row[0]);
        expect(parity).toEqual(Array.from({ length: n - k }, (_, row) => at(firstPoint + row)));
      }
    }
  });

  it('make every k columns of a small code independent', () => {
    for (let n = 1; n <= 10; n++) {
      for (let k = 1; k <= n; k++) {
        const rows = generator(k, n);
        for (const columns of subsets(n, k)) {
          const chosen = columns.map((column) => rows[column]!);
          expect(times(invert(chosen), chosen)).toEqual(identity(k));
        }
      }
    }
  });

  it('make random k columns of every code independent', () => {
    fc.assert(
      fc.property(codeWithColumns, ({ k, n, columns }) => {
        const rows = generator(k, n);
        const chosen = columns.map((column) => rows[column]!);
        expect(times(invert(chosen), chosen)).toEqual(identity(k));
      }),
      { numRuns: 25 },
    );
  });

  it('refuse codes that do not exist', () => {
    for (const [k, n] of [
      [0, 3],
      [4, 3],
      [2, 256],
      [1.5, 3],
    ] as const) {
      expect(() => parityRows(k, n)).toThrow('invariant');
    }
  });
});

describe('combination rows', () => {
  it('express every column by any k present ones', () => {
    fc.assert(
      fc.property(codeWithColumns, ({ k, n, columns }) => {
        const rows = generator(k, n);
        const targets = Array.from({ length: n }, (_, column) => column);
        const combination = combinationRows(k, n, columns, targets);
        expect(
          times(
            combination,
            columns.map((column) => rows[column]!),
          ),
        ).toEqual(rows);
      }),
      { numRuns: 15 },
    );
  });

  it('are plain ones for a lost data piece when its siblings and the first parity piece of a narrow code are there', () => {
    const present = [0, 1, 2, 4, 5, 6, 7, 8, 9, 10];
    expect(combinationRows(10, 14, present, [3])).toEqual([new Uint8Array(10).fill(1)]);
  });

  it('refuse too few, too many, repeated or unknown columns', () => {
    for (const present of [[0], [0, 1, 2], [1, 1], [0, 4], [-1, 0]]) {
      expect(() => combinationRows(2, 4, present, [0])).toThrow('invariant');
    }
  });
});

it('a singular matrix has no inverse', () => {
  expect(() => invert([Uint8Array.of(1, 2), Uint8Array.of(2, 4)])).toThrow('regular');
});
