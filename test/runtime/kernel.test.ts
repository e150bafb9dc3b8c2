import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { parityRows } from '../../src/replication/matrix.ts';
import { type Combine, combineBytes } from '../../src/replication/combine-bytes.ts';
import { decode, encode } from '../../src/replication/reed-solomon.ts';
import { emitModule, i32 } from '../../src/runtime/kernel/emitter.ts';
import { createFftKernel, FFT_SCRATCH_LENGTH } from '../../src/runtime/kernel/fft-kernel.ts';
import { createGfKernel, GF_SCRATCH_LENGTH, simdLevel } from '../../src/runtime/kernel/gf-kernel.ts';
import vectors from '../vectors/reed-solomon.json' with { type: 'json' };

const GUARD = 192;
const memory = new WebAssembly.Memory({ initial: 512, maximum: 512, shared: true });
const kernels: Readonly<Record<string, Combine>> = {
  relaxed: createGfKernel(memory, 0, 'relaxed'),
  strict: createGfKernel(memory, 1 << 20, 'strict'),
};

/** Arrays in the kernel's memory, with a guard behind each that must stay as it is. */
function arrays(count: number, length: number, seed: number): Uint8Array[] {
  const start = 2 << 20;
  let state = seed;
  const bytes = new Uint8Array(memory.buffer, start, count * (length + GUARD) + 64);
  for (let at = 0; at < bytes.length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return Array.from({ length: count }, (_, index) =>
    bytes.subarray(index * (length + GUARD), index * (length + GUARD) + length),
  );
}

function guards(of: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(
    of.map((array) => new Uint8Array(memory.buffer, array.byteOffset + array.length, GUARD)),
  );
}

const lengths = fc.constantFrom(64, 128, 192, 1024, 4096, 4160, 16_384, 65_536);
const codes = fc.oneof(
  fc.constantFrom(
    [1, 1],
    [1, 9],
    [2, 4],
    [3, 7],
    [4, 10],
    [4, 12],
    [10, 14],
    [10, 30],
    [20, 50],
    [32, 40],
    [33, 41],
  ),
  fc.integer({ min: 1, max: 60 }).chain((k) => fc.tuple(fc.constant(k), fc.integer({ min: k, max: k + 40 }))),
);

describe.each(Object.entries(kernels))('the %s kernel', (_, combine) => {
  it('encodes as its twin does, byte for byte, and writes nothing else', () => {
    fc.assert(
      fc.property(codes, lengths, fc.nat(), (code, length, seed) => {
        const [k, n] = code as [number, number];
        const pieces = arrays(n, length, seed);
        const expected = pieces.map((piece) => Uint8Array.from(piece));
        const before = guards(pieces);
        encode(k, pieces, combine);
        encode(k, expected);
        expect(pieces.every((piece, index) => Buffer.compare(piece, expected[index]!) === 0)).toBe(true);
        expect(Buffer.compare(guards(pieces), before)).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it('decodes every pattern of losses as its twin does', () => {
    fc.assert(
      fc.property(codes, lengths, fc.nat(), (code, length, seed) => {
        const [k, n] = code as [number, number];
        const pieces = arrays(n, length, seed);
        encode(k, pieces, combine);
        const draws = pieces.map((piece) => piece[seed % length]!);
        const present = Array.from({ length: n }, (_, index) => index)
          .sort((a, b) => draws[a]! - draws[b]! || a - b)
          .slice(0, k)
          .sort((a, b) => a - b);
        const whole = pieces.map((piece) => Uint8Array.from(piece));
        for (const [index, piece] of pieces.entries()) if (!present.includes(index)) piece.fill(1);
        decode(k, pieces, present, combine);
        expect(pieces.slice(0, k).every((piece, index) => Buffer.compare(piece, whole[index]!) === 0)).toBe(
          true,
        );
      }),
      { numRuns: 40 },
    );
  });

  it('combines any rows, of zeros and ones too', () => {
    const coefficient = fc.oneof(fc.constantFrom(0, 1), fc.integer({ min: 0, max: 255 }));
    const matrix = fc.integer({ min: 1, max: 40 }).chain((columns) =>
      fc.array(fc.array(coefficient, { minLength: columns, maxLength: columns }), {
        minLength: 1,
        maxLength: 9,
      }),
    );
    fc.assert(
      fc.property(matrix, fc.nat(), (cells, seed) => {
        const rows = cells.map((row) => Uint8Array.from(row));
        const all = arrays(rows.length + rows[0]!.length, 128, seed);
        const [targets, sources] = [all.slice(0, rows.length), all.slice(rows.length)];
        combine(rows, sources, targets);
        const expected = rows.map(() => new Uint8Array(128));
        combineBytes(rows, sources, expected);
        expect(targets.map((target) => toHex(Uint8Array.from(target)))).toEqual(expected.map(toHex));
      }),
      { numRuns: 40 },
    );
  });

  it('works at the limits of a code: 127 of 255, 254 of 255, 1 of 255', () => {
    for (const [k, n] of [
      [127, 255],
      [254, 255],
      [1, 255],
    ] as const) {
      const pieces = arrays(n, 64, n);
      const expected = pieces.map((piece) => Uint8Array.from(piece));
      encode(k, pieces, combine);
      encode(k, expected);
      expect(pieces.every((piece, index) => Buffer.compare(piece, expected[index]!) === 0)).toBe(true);
    }
  });

  it('keeps the frozen vectors', () => {
    for (const { k, n, length, seed, parity } of vectors) {
      // The vectors are shorter than the kernel's grain: the rest of each array is zero.
      const pieces = arrays(n, 64, 0);
      let state = seed;
      for (const piece of pieces) piece.fill(0);
      for (const piece of pieces.slice(0, k)) {
        for (let at = 0; at < length; at++) {
          state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
          piece[at] = state >>> 24;
        }
      }
      encode(k, pieces, combine);
      expect(pieces.slice(k).map((piece) => toHex(piece.slice(0, length)))).toEqual(parity);
    }
  });

  it('refuses lengths that it would cut, and arrays outside its memory', () => {
    const [source, target] = arrays(2, 96, 1) as [Uint8Array, Uint8Array];
    expect(() => combine(parityRows(1, 2), [source], [target])).toThrow('invariant');
    const [left, right] = arrays(2, 64, 1) as [Uint8Array, Uint8Array];
    expect(() => combine(parityRows(1, 2), [left], [new Uint8Array(64)])).toThrow('invariant');
    expect(() => combine(parityRows(1, 2), [left], [right.subarray(32)])).toThrow('invariant');
    expect(() => combine(parityRows(2, 3), [left], [right])).toThrow('invariant');
    expect(() => combine(parityRows(1, 3), [left], [right])).toThrow('invariant');
  });
});

describe.each(['relaxed', 'strict'] as const)('the %s transform', (level) => {
  const transform = createFftKernel(memory, (level === 'relaxed' ? 24 : 25) << 20, level);

  it('encodes wide codes as the matrix does, byte for byte, and writes nothing else', () => {
    const wide = fc
      .tuple(fc.integer({ min: 4, max: 64 }), fc.integer({ min: 9, max: 60 }))
      .filter(([k, parity]) => transform.isFaster(k, k + parity));
    fc.assert(
      fc.property(wide, lengths, fc.nat(), ([k, parity], length, seed) => {
        const pieces = arrays(k + parity, length, seed);
        const expected = pieces.map((piece) => Uint8Array.from(piece));
        const before = guards(pieces);
        transform.encode(k, pieces);
        encode(k, expected);
        expect(pieces.every((piece, index) => Buffer.compare(piece, expected[index]!) === 0)).toBe(true);
        expect(Buffer.compare(guards(pieces), before)).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it('serves the wide codes of the default policy, and the widest ones', () => {
    for (const [k, n] of [
      [10, 30],
      [20, 50],
      [4, 255],
      [8, 255],
      [64, 255],
      [33, 224],
    ] as const) {
      expect(transform.isFaster(k, n)).toBe(true);
      const pieces = arrays(n, 128, n);
      const expected = pieces.map((piece) => Uint8Array.from(piece));
      transform.encode(k, pieces);
      encode(k, expected);
      expect(pieces.every((piece, index) => Buffer.compare(piece, expected[index]!) === 0)).toBe(true);
    }
  });

  it('leaves narrow codes, whole copies and codes that outgrow the field to the matrix', () => {
    for (const [k, n] of [
      [10, 14],
      [1, 20],
      [100, 250],
      [200, 255],
    ] as const) {
      expect(transform.isFaster(k, n)).toBe(false);
      expect(() => transform.encode(k, arrays(n, 64, 0))).toThrow('invariant');
    }
  });
});

describe('kernel generation', () => {
  it('finds the shuffle of this machine', () => {
    expect(['relaxed', 'strict']).toContain(simdLevel());
  });

  it('needs no more scratch than it says for the largest tables', () => {
    expect(GF_SCRATCH_LENGTH).toBeGreaterThanOrEqual(127 * 128 * 32);
    expect(GF_SCRATCH_LENGTH).toBeLessThan(1 << 20);
    expect(FFT_SCRATCH_LENGTH).toBeLessThan(1 << 20);
  });

  it('writes integers as LEB128 of any size', () => {
    for (const value of [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, -8193, 2 ** 31 - 1, -(2 ** 31)]) {
      const module = emitModule({ memory: { minimumPages: 1, maximumPages: 512, isShared: true } });
      module.func('value', [], ['i32'], () => i32.const(value));
      const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), { env: { memory } });
      expect((instance.exports['value'] as () => number)()).toBe(value);
    }
  });
});
