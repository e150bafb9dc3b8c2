import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CELL_ALIGNMENT, CELL_LENGTH, TAG_LENGTH } from '../../src/base/limits.ts';
import type { SegmentShape } from '../../src/base/ports.ts';
import {
  type Cell,
  cellAt,
  cellRange,
  runShape,
  segmentShape,
  stripeCount,
} from '../../src/replication/segment.ts';

const shapes = fc
  .record({
    k: fc.integer({ min: 1, max: 24 }),
    parity: fc.integer({ min: 0, max: 24 }),
    plaintextLength: fc.oneof(
      fc.integer({ min: 0, max: 3000 }),
      fc.integer({ min: 0, max: 20 * CELL_LENGTH }),
      fc.integer({ min: -20, max: 20 }).map((delta) => 6 * CELL_LENGTH + delta),
    ),
    isEncrypted: fc.boolean(),
  })
  .map(({ k, parity, plaintextLength, isEncrypted }) =>
    segmentShape({ k, n: k + parity, plaintextLength, isEncrypted }),
  );

function cellsOf(shape: SegmentShape): Cell[] {
  const cells: Cell[] = [];
  for (let stripe = 0; stripe < stripeCount(shape); stripe++) {
    for (let column = 0; column < shape.k; column++) cells.push(cellAt(shape, stripe, column));
  }
  return cells;
}

describe('segment shape', () => {
  it('covers the plaintext with cells, in order, without gap or overlap', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        let covered = 0;
        for (const cell of cellsOf(shape)) {
          expect(cell.plaintextOffset).toBe(covered);
          covered += cell.plaintextLength;
        }
        expect(covered).toBe(shape.plaintextLength);
      }),
    );
  });

  it('covers each piece with the cells of its column, numbered row by row', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const filled = Array.from({ length: shape.k }, () => 0);
        for (const [index, cell] of cellsOf(shape).entries()) {
          expect(cell.index).toBe(index);
          expect(cell.pieceOffset).toBe(filled[cell.column]);
          filled[cell.column]! += cell.cellLength;
        }
        expect(filled).toEqual(filled.map(() => shape.pieceLength));
      }),
    );
  });

  it('has a tail only for what full stripes leave over, as short as alignment allows', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const tag = shape.isEncrypted ? TAG_LENGTH : 0;
        const stripePayload = shape.k * (CELL_LENGTH - tag);
        const rest = shape.plaintextLength - shape.fullStripes * stripePayload;
        expect(shape.fullStripes).toBe(Math.floor(shape.plaintextLength / stripePayload));
        expect(shape.tailCellLength % CELL_ALIGNMENT).toBe(0);
        expect(shape.tailCellLength).toBeLessThanOrEqual(CELL_LENGTH);
        if (rest === 0) {
          expect(shape.tailCellLength).toBe(shape.plaintextLength === 0 ? CELL_ALIGNMENT : 0);
        } else {
          expect((shape.tailCellLength - tag) * shape.k).toBeGreaterThanOrEqual(rest);
          const shorter = shape.tailCellLength - CELL_ALIGNMENT - tag;
          expect(shorter * shape.k).toBeLessThan(rest);
        }
      }),
    );
  });

  it('is what the format says for known lengths', () => {
    const shape = (k: number, plaintextLength: number, isEncrypted: boolean): number[] => {
      const { fullStripes, tailCellLength, pieceLength } = segmentShape({
        k,
        n: k,
        plaintextLength,
        isEncrypted,
      });
      return [fullStripes, tailCellLength, pieceLength];
    };
    expect(shape(3, 0, false)).toEqual([0, 64, 64]);
    expect(shape(3, 0, true)).toEqual([0, 64, 64]);
    expect(shape(3, 1, false)).toEqual([0, 64, 64]);
    expect(shape(3, 192, false)).toEqual([0, 64, 64]);
    expect(shape(3, 193, false)).toEqual([0, 128, 128]);
    expect(shape(3, 145, true)).toEqual([0, 128, 128]);
    expect(shape(2, 131_072, false)).toEqual([1, 0, 65_536]);
    expect(shape(2, 131_040, true)).toEqual([1, 0, 65_536]);
    expect(shape(2, 131_041, true)).toEqual([1, 64, 65_600]);
    expect(shape(10, 16 * 1024 * 1024, true)).toEqual([25, 39_744, 1_678_144]);
  });

  it('refuses a length that is none', () => {
    expect(() => segmentShape({ k: 1, n: 1, plaintextLength: -1, isEncrypted: false })).toThrow('invariant');
    expect(() => segmentShape({ k: 1, n: 1, plaintextLength: 0.5, isEncrypted: false })).toThrow('invariant');
  });
});

describe('a run of stripes', () => {
  it('has the cells of the segment, moved to its own start', () => {
    fc.assert(
      fc.property(shapes, fc.nat(), fc.nat(), (shape, a, b) => {
        const count = stripeCount(shape);
        const [first, last] = [a % count, b % count].sort((x, y) => x - y) as [number, number];
        const run = runShape(shape, first, last);
        const start = cellAt(shape, first, 0);
        const expected = cellsOf(shape).slice(first * shape.k, (last + 1) * shape.k);
        expect(cellsOf(run)).toEqual(
          expected.map((cell) => ({
            ...cell,
            pieceOffset: cell.pieceOffset - start.pieceOffset,
            plaintextOffset: cell.plaintextOffset - start.plaintextOffset,
          })),
        );
      }),
    );
  });

  it('of a run counts stripes from the start of the segment', () => {
    const shape = segmentShape({ k: 2, n: 3, plaintextLength: 9 * CELL_LENGTH + 7, isEncrypted: true });
    expect(runShape(runShape(shape, 1, 4), 2, 3)).toEqual(runShape(shape, 2, 3));
    expect(() => runShape(shape, 2, 1)).toThrow('invariant');
    expect(() => runShape(shape, 0, 5)).toThrow('invariant');
    expect(() => runShape(runShape(shape, 1, 4), 0, 2)).toThrow('invariant');
  });
});

describe('a range of plaintext', () => {
  it('needs exactly the stripes and columns whose cells overlap it', () => {
    fc.assert(
      fc.property(
        shapes.filter((shape) => shape.plaintextLength > 0),
        fc.nat(),
        fc.nat(),
        (shape, a, b) => {
          const offset = a % shape.plaintextLength;
          const length = 1 + (b % (shape.plaintextLength - offset));
          const { run, pieceOffset, skip, columns } = cellRange(shape, offset, length);
          const overlapping = cellsOf(shape).filter(
            (cell) =>
              cell.plaintextLength > 0 &&
              cell.plaintextOffset < offset + length &&
              cell.plaintextOffset + cell.plaintextLength > offset,
          );
          const stripes = overlapping.map((cell) => Math.floor(cell.index / shape.k));
          expect(run).toEqual(runShape(shape, stripes[0]!, stripes.at(-1)!));
          expect(pieceOffset).toBe(overlapping[0]!.pieceOffset);
          expect(skip).toBe(offset - cellAt(shape, stripes[0]!, 0).plaintextOffset);
          expect(skip + length).toBeLessThanOrEqual(run.plaintextLength);
          expect(columns).toEqual([...new Set(overlapping.map((cell) => cell.column))].sort((x, y) => x - y));
        },
      ),
    );
  });

  it('must lie within the plaintext', () => {
    const shape = segmentShape({ k: 2, n: 3, plaintextLength: 100, isEncrypted: false });
    for (const [offset, length] of [
      [-1, 2],
      [0, 0],
      [100, 1],
      [50, 51],
    ] as const) {
      expect(() => cellRange(shape, offset, length)).toThrow('invariant');
    }
  });
});
