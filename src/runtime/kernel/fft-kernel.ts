// Parity of wide codes by an additive fast Fourier transform (Lin, Chung, Han: "Novel polynomial basis with fast Fourier
// transform", FOCS 2014): the same bytes as the matrix gives, with p log p products instead of k (n - k).
//
// The data bytes are values of a polynomial at the points 0 .. p-1, the absent ones zero (see matrix.ts). The inverse transform
// gives its coefficients in the basis X_j = product of s_i over the bits i of j, where s_i vanishes on 0 .. 2^i - 1 and
// is 1 at 2^i. The forward transform at the offsets p, 2p, .. gives the values there, which are the parity. One butterfly
// at level i, of a block that starts at point x, with w = s_i(x):
//
//   forward:  a += w b, b += a        inverse:  b += a, a += w b
//
// Two levels are done in one go, which halves the traffic to memory, on strips that stay in the first-level cache. A
// transform is a program: lists of butterflies, as addresses, that a few small loops in WebAssembly work off.

import { assert } from '../../base/assert.ts';
import { CELL_ALIGNMENT } from '../../base/limits.ts';
import { nibbleTables } from '../../replication/galois.ts';
import {
  type Code,
  doWhile,
  emitModule,
  i16x8,
  i32,
  i8x16,
  type Local,
  type ModuleBuilder,
  v128,
} from './emitter.ts';
import {
  type Direction,
  type PassName,
  type Place,
  type Plan,
  planEncode,
  STEPS_MAX,
  STRIPS_MAX,
  ZERO,
} from './fft-plan.ts';
import type { SimdLevel } from './gf-module.ts';

/** Bytes of each position worked on at a time. */
const STRIP_LENGTH = 512;

const TABLES_LENGTH: number = 256 * 32;
const STRIPS_LENGTH: number = STRIPS_MAX * STRIP_LENGTH;
const STEP_WORDS = 19;

export const FFT_SCRATCH_LENGTH: number = TABLES_LENGTH + STRIPS_LENGTH + STEPS_MAX * STEP_WORDS * 4;

export interface FftKernel {
  /** True when `encode` can do this code, and faster than the matrix. */
  isFaster(k: number, n: number): boolean;
  /** Computes the parity pieces from the k data pieces: n arrays in the kernel's memory. */
  encode(k: number, pieces: readonly Uint8Array[]): void;
}

/** A kernel on `memory`, with FFT_SCRATCH_LENGTH bytes of its own at `scratch`, a multiple of 64. */
export function createFftKernel(
  memory: WebAssembly.Memory,
  scratch: number,
  level: Exclude<SimdLevel, 'none'>,
): FftKernel {
  const strips = scratch + TABLES_LENGTH;
  const program = strips + STRIPS_LENGTH;
  const words = new Uint32Array(memory.buffer, program, STEPS_MAX * STEP_WORDS);
  const plans = new Map<number, Plan>();
  let run: Loops | undefined;

  const planFor = (k: number, n: number): Plan => {
    const key = 256 * k + n;
    let plan = plans.get(key);
    if (!plan) {
      if (plans.size === PLANS_MAX) plans.clear();
      plan = planEncode(k, n);
      plans.set(key, plan);
    }
    return plan;
  };

  /** Writes the steps as addresses; returns which loop works off which part. */
  const load = (plan: Plan, pieces: readonly Uint8Array[], loops: Loops): LoadedPass[] => {
    const addressOf = (place: Place): number =>
      place.kind === 'piece' ? pieces[place.index]!.byteOffset : strips + place.index * STRIP_LENGTH;
    let at = 0;
    const passes = plan.passes.filter(({ steps }) => steps.length > 0);
    return passes.map(({ name, steps }) => {
      const start = program + 4 * at;
      for (const { from, to, factors } of steps) {
        // Addresses in pieces move on from strip to strip, those of strips do not: a mask says which.
        for (const [index, place] of [...from, ...to].entries()) {
          words[at + index] = addressOf(place);
          words[at + 8 + index] = place.kind === 'piece' ? 0xffff_ffff : 0;
        }
        for (const [index, factor] of factors.entries()) words[at + 16 + index] = scratch + 32 * factor;
        at += STEP_WORDS;
      }
      return { loop: loops[name], start, end: program + 4 * at };
    });
  };

  const firstUse = (): Loops => {
    const tables = new Uint8Array(memory.buffer, scratch, TABLES_LENGTH);
    for (let factor = 0; factor < 256; factor++) tables.set(nibbleTables(factor), 32 * factor);
    new Uint8Array(memory.buffer, strips + ZERO.index * STRIP_LENGTH, STRIP_LENGTH).fill(0);
    return compile(memory, level);
  };

  return {
    isFaster: (k, n) => planFor(k, n).isFaster,
    encode(k, pieces) {
      run ??= firstUse();
      const length = pieces[0]!.length;
      assert(length % CELL_ALIGNMENT === 0, 'lengths are multiples of the cell alignment');
      assert(
        pieces.every((piece) => piece.length === length && piece.buffer === memory.buffer),
        'arrays of one length in the memory of the kernel',
      );
      const plan = planFor(k, pieces.length);
      assert(plan.passes.length > 0, 'the transform can do this code');
      const passes = load(plan, pieces, run);
      for (let position = 0; position < length; position += STRIP_LENGTH) {
        const count = Math.min(STRIP_LENGTH, length - position);
        for (const { loop, start, end } of passes) loop(start, end, position, count, NIBBLE_MASK);
      }
    },
  };
}

interface LoadedPass {
  readonly loop: PassFunction;
  readonly start: number;
  readonly end: number;
}

const NIBBLE_MASK = 0x0f;
const PLANS_MAX = 16;

// ---- The loops -------------------------------------------------------------------------------------------------

/** Works off the steps from `program` to `programEnd` on `length` bytes, those of pieces from `position` on. */
type PassFunction = (
  program: number,
  programEnd: number,
  position: number,
  length: number,
  mask: number,
) => void;

type Loops = Readonly<Record<PassName, PassFunction>>;

function compile(memory: WebAssembly.Memory, level: Exclude<SimdLevel, 'none'>): Loops {
  const isShared = memory.buffer instanceof SharedArrayBuffer;
  const maximumPages = memory.buffer.byteLength / 65_536;
  const module = emitModule({ memory: { minimumPages: 1, maximumPages, isShared } });
  for (const radix of [2, 4] as const) {
    for (const direction of ['forward', 'inverse', 'first'] as const)
      emitPass(module, direction, radix, level);
  }
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), { env: { memory } });
  return instance.exports as unknown as Loops;
}

function emitPass(module: ModuleBuilder, direction: Direction, radix: 2 | 4, level: SimdLevel): void {
  module.func(`${direction}${radix}`, ['i32', 'i32', 'i32', 'i32', 'i32'], [], (f, parameters) => {
    const [step, end, position, length, maskBits] = parameters as readonly [
      Local,
      Local,
      Local,
      Local,
      Local,
    ];
    const many = (count: number, type: 'i32' | 'v128'): Local[] =>
      Array.from({ length: count }, () => f.local(type));
    const [from, to, at] = [many(radix, 'i32'), many(radix, 'i32'), f.local('i32')];
    const values = many(radix, 'v128');
    const tables = many(radix === 4 ? 6 : 2, 'v128');
    const mask = f.local('v128');
    const table = f.local('i32');

    const shuffle = (entries: Local, nibbles: Code): Code =>
      level === 'relaxed' ? i8x16.relaxedSwizzle(entries.get, nibbles) : i8x16.swizzle(entries.get, nibbles);
    /** values[target] += factor * values[source] */
    const addProduct = (target: number, source: number, factor: number): Code => {
      const value = values[source]!.get;
      const low = shuffle(tables[2 * factor]!, v128.and(value, mask.get));
      const high = shuffle(
        tables[2 * factor + 1]!,
        v128.and(i16x8.shrUnsigned(value, i32.const(4)), mask.get),
      );
      return values[target]!.set(v128.xor(v128.xor(values[target]!.get, low), high));
    };
    const add = (target: number, source: number): Code =>
      values[target]!.set(v128.xor(values[target]!.get, values[source]!.get));
    const butterfly = (a: number, b: number, factor: number): Code => {
      if (direction === 'forward') return [addProduct(a, b, factor), add(b, a)];
      return direction === 'first' && factor < 2 ? add(b, a) : [add(b, a), addProduct(a, b, factor)];
    };
    const [wide, narrow] =
      radix === 4
        ? [
            [butterfly(0, 2, 0), butterfly(1, 3, 0)],
            [butterfly(0, 1, 1), butterfly(2, 3, 2)],
          ]
        : [[butterfly(0, 1, 0)], []];

    /** Address `slot` of the step: fixed in a strip, at `position` in a piece. */
    const address = (slot: number): Code =>
      i32.add(i32.load(step.get, 4 * slot), i32.and(i32.load(step.get, 4 * (8 + slot)), position.get));
    return [
      mask.set(i8x16.splat(maskBits.get)),
      doWhile(
        [
          from.map((pointer, index) => pointer.set(address(index))),
          to.map((pointer, index) => pointer.set(address(radix + index))),
          tables.map((entries, index) => [
            index % 2 === 0 ? table.set(i32.load(step.get, 4 * (16 + index / 2))) : [],
            entries.set(v128.load(table.get, 16 * (index % 2))),
          ]),
          at.set(i32.const(0)),
          doWhile(
            [
              values.map((value, index) => value.set(v128.load(i32.add(from[index]!.get, at.get)))),
              direction === 'forward' ? [wide, narrow] : [narrow, wide],
              values.map((value, index) => v128.store(i32.add(to[index]!.get, at.get), value.get)),
              at.set(i32.add(at.get, i32.const(16))),
            ],
            i32.lessUnsigned(at.get, length.get),
          ),
          step.set(i32.add(step.get, i32.const(4 * STEP_WORDS))),
        ],
        i32.lessUnsigned(step.get, end.get),
      ),
    ];
  });
}
