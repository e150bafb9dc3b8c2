// The inner loops of linear combination over GF(2^8), as WebAssembly: one function per shape. What makes them fast is
// told in gf-kernel.ts, which calls them.

import {
  type Code,
  doWhile,
  type FunctionBuilder,
  i16x8,
  i32,
  i8x16,
  type Local,
  type ModuleBuilder,
  v128,
  type ValueType,
} from './emitter.ts';

/** Which shuffle the machine has; 'none' means no SIMD at all. */
export type SimdLevel = 'relaxed' | 'strict' | 'none';

export interface CombineShape {
  readonly sources: number;
  readonly targets: number;
  /** The first target is the XOR of all sources. */
  readonly hasOnesRow: boolean;
  /** The first source is added to every target as it is. */
  readonly hasOnesColumn: boolean;
}

export type CombineFunction = (
  tables: number,
  sources: number,
  sourcesEnd: number,
  targets: number,
  start: number,
  end: number,
  mask: number,
) => void;

/**
 * combine(tables, sources, sourcesEnd, targets, start, end, mask): computes bytes [start, end) of every target, both
 * multiples of 64. `sources` to `sourcesEnd` and `targets` are tables of addresses.
 */
export function emitCombine(module: ModuleBuilder, shape: CombineShape, level: SimdLevel): void {
  const parameters: readonly ValueType[] = ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'];
  module.func('combine', parameters, [], (f, locals) => {
    const [tables, sources, sourcesEnd, targets, position, end, maskBits] = locals as Seven<Local>;
    const vectors = shape.targets === 1 ? 4 : 2;
    const many = (count: number): Local[] => Array.from({ length: count }, () => f.local('v128'));
    const registers: Registers = {
      vectors,
      mask: f.local('v128'),
      entry: f.local('v128'),
      address: f.local('i32'),
      low: many(vectors),
      high: many(vectors),
      sums: Array.from({ length: shape.targets }, () => many(vectors)),
      swizzle: (table, index) =>
        level === 'relaxed' ? i8x16.relaxedSwizzle(table, index) : i8x16.swizzle(table, index),
    };
    const addSources =
      shape.sources > 0
        ? unrolledSources(registers, shape, tables, sources, position)
        : loopedSources(registers, f, { tables, sources, sourcesEnd, position });
    const { address, sums } = registers;
    return [
      registers.mask.set(i8x16.splat(maskBits.get)),
      doWhile(
        [
          addSources,
          sums.map((row, index) => [
            address.set(i32.add(i32.load(targets.get, 4 * index), position.get)),
            row.map((sum, v) => v128.store(address.get, sum.get, 16 * v)),
          ]),
          increase(position, 16 * vectors),
        ],
        i32.lessUnsigned(position.get, end.get),
      ),
    ];
  });
}

type Seven<T> = readonly [T, T, T, T, T, T, T];

interface Registers {
  /** Vectors of 16 bytes worked on at a time. */
  readonly vectors: number;
  readonly mask: Local;
  readonly entry: Local;
  readonly address: Local;
  readonly low: readonly Local[];
  readonly high: readonly Local[];
  /** One row of vectors per target. */
  readonly sums: readonly (readonly Local[])[];
  readonly swizzle: (table: Code, index: Code) => Code;
}

function unrolledSources(
  registers: Registers,
  shape: CombineShape,
  tables: Local,
  sources: Local,
  position: Local,
): Code {
  return Array.from({ length: shape.sources }, (_, source) => {
    const isPlain = (target: number): boolean =>
      (shape.hasOnesRow && target === 0) || (shape.hasOnesColumn && source === 0);
    return [
      registers.address.set(i32.add(i32.load(sources.get, 4 * source), position.get)),
      addSource(registers, tables.get, 32 * shape.targets * source, source === 0, isPlain),
    ];
  });
}

function loopedSources(
  registers: Registers,
  f: FunctionBuilder,
  at: {
    readonly tables: Local;
    readonly sources: Local;
    readonly sourcesEnd: Local;
    readonly position: Local;
  },
): Code {
  const [table, source] = [f.local('i32'), f.local('i32')];
  const { sums } = registers;
  const zero = v128.const(Array.from({ length: 16 }, () => 0));
  return [
    sums.map((row) => row.map((sum) => sum.set(zero))),
    table.set(at.tables.get),
    source.set(at.sources.get),
    doWhile(
      [
        registers.address.set(i32.add(i32.load(source.get), at.position.get)),
        addSource(registers, table.get, 0, false, () => false),
        increase(table, 32 * sums.length),
        increase(source, 4),
      ],
      i32.notEqual(source.get, at.sourcesEnd.get),
    ),
  ];
}

/** Adds the source at `registers.address` to all sums; its tables are at `tables + offset`. */
function addSource(
  registers: Registers,
  tables: Code,
  offset: number,
  isFirst: boolean,
  isPlain: (target: number) => boolean,
): Code {
  const { sums, low, high, entry, mask, address, swizzle } = registers;
  const targets = sums.map((_, target) => target);
  const plain = targets.filter(isPlain);
  const multiplied = targets.filter((target) => !isPlain(target));
  const put = (sum: Local, value: Code, isFresh: boolean): Code =>
    sum.set(isFresh ? value : v128.xor(sum.get, value));
  return [
    low.map((vector, v) => [
      vector.set(v128.load(address.get, 16 * v)),
      plain.map((target) => put(sums[target]![v]!, vector.get, isFirst)),
      multiplied.length === 0
        ? []
        : [
            high[v]!.set(v128.and(i16x8.shrUnsigned(vector.get, i32.const(4)), mask.get)),
            vector.set(v128.and(vector.get, mask.get)),
          ],
    ]),
    multiplied.map((target) =>
      [low, high].map((nibbles, half) => [
        entry.set(v128.load(tables, offset + 32 * target + 16 * half)),
        nibbles.map((nibble, v) =>
          put(sums[target]![v]!, swizzle(entry.get, nibble.get), isFirst && half === 0),
        ),
      ]),
    ),
  ];
}

function increase(local: Local, by: number): Code {
  return local.set(i32.add(local.get, i32.const(by)));
}
