import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PAIR_TABLES_MAX } from '../../src/base/limits.ts';
import { COMBINE_ROW_WORDS_MIN, combineRow } from '../../src/replication/combine-row.ts';
import { multiply } from '../../src/replication/galois.ts';
import { combineBytes } from '../../src/replication/combine-bytes.ts';

function slowRow(coefficients: Uint8Array, sources: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from({ length: sources[0]!.length }, (_, at) =>
    coefficients.reduce((sum, factor, column) => sum ^ multiply(factor, sources[column]![at]!), 0),
  );
}

function bytesOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 167 + seed * 29) ^ (at >> 8));
}

it('equals the sum of products by definition, whatever the target held', () => {
  const rows = fc.uint8Array({ minLength: 1, maxLength: 9 });
  fc.assert(
    fc.property(rows, fc.nat(1000), (row, seed) => {
      const sources = Array.from(row, (_, column) => bytesOf(64, seed + column));
      const target = new Int32Array(16).fill(-1);
      combineRow(
        row,
        sources.map(({ buffer }) => new Int32Array(buffer)),
        target,
      );
      expect(new Uint8Array(target.buffer)).toEqual(slowRow(row, sources));
    }),
  );
});

it('multiplies every byte with every coefficient, more of them than tables are kept', () => {
  expect(PAIR_TABLES_MAX).toBeLessThan(256);
  const source = Uint8Array.from({ length: 256 }, (_, at) => at);
  for (let coefficient = 0; coefficient < 256; coefficient++) {
    const target = new Int32Array(64);
    combineRow(Uint8Array.of(coefficient), [new Int32Array(source.buffer)], target);
    expect(new Uint8Array(target.buffer)).toEqual(source.map((value) => multiply(coefficient, value)));
  }
});

it('is what long pieces get, for any number of rows, and any place of their bytes', () => {
  const length = 4 * COMBINE_ROW_WORDS_MIN + 12;
  for (const [rowCount, offset] of [
    [1, 0],
    [2, 0],
    [3, 0],
    [5, 0],
    [6, 0],
    [2, 3],
  ] as const) {
    const rows = Array.from({ length: rowCount }, (_, row) => Uint8Array.of(row + 1, 200 - row, 7 * row));
    const sources = [1, 2, 3].map((seed) => bytesOf(length + offset, seed).subarray(offset));
    const targets = rows.map(() => new Uint8Array(length).fill(0xa5));
    combineBytes(rows, sources, targets);
    for (const [row, target] of targets.entries()) {
      expect(Buffer.compare(target, slowRow(rows[row]!, sources))).toBe(0);
    }
  }
});
