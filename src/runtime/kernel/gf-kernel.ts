// Linear combinations of pieces over GF(2^8) in WebAssembly SIMD: the fast twin of `combineBytes`. Per sixteen source
// bytes and target a product is two byte shuffles in nibble tables and two XORs.
//
// What makes it fast, each point measured:
// - `relaxed_swizzle` is a bare shuffle, the strict one saturates its indices first. Ours are 0..15, so both agree.
// - Four targets by two vectors at a time: eight sums, four nibble vectors, mask and tables fill the registers of x86.
// - The nibble mask comes as an argument: a constant would be made anew inside the loop.
// - Functions are generated for their number of sources and targets, with the sources unrolled when they are few.
// - Rows and columns of ones (see matrix.ts) need no multiplication.
// - Many targets are computed strip by strip, so that sources are read again from the cache and not from memory.
//
// Sources and targets lie in the kernel's memory; lengths are multiples of CELL_ALIGNMENT. A kernel works in scratch
// bytes of that memory, which no other thread may use.

import { assert } from '../../base/assert.ts';
import { CELL_ALIGNMENT, CODE_PIECES_MAX } from '../../base/limits.ts';
import { nibbleTables } from '../../replication/galois.ts';
import type { Matrix } from '../../replication/matrix.ts';
import type { Combine } from '../../replication/reed-solomon.ts';
import {
  type Code,
  doWhile,
  emitModule,
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

/** Coefficients of the largest code: 127 sources, 128 targets. */
const TABLES_MAX: number = 128 * 128;

/** Nibble tables, and addresses of all columns. */
export const GF_SCRATCH_LENGTH: number = TABLES_MAX * 32 + 4 * 2 * (CODE_PIECES_MAX + 1);

/** What this machine can run. */
export function simdLevel(): SimdLevel {
  const memory = { minimumPages: 1, maximumPages: 1, isShared: true };
  for (const level of ['relaxed', 'strict'] as const) {
    const module = emitModule({ memory });
    emitCombine(module, { targets: 1, sources: 1, hasOnesRow: false, hasOnesColumn: false }, level);
    if (WebAssembly.validate(module.bytes())) return level;
  }
  return 'none';
}

/** Combination of arrays in `memory`, with GF_SCRATCH_LENGTH bytes of its own at `scratch`, a multiple of 64. */
export function createGfKernel(
  memory: WebAssembly.Memory,
  scratch: number,
  level: Exclude<SimdLevel, 'none'>,
): Combine {
  const functions = new Map<string, CombineFunction>();
  const pointers = new Uint32Array(memory.buffer, scratch, 2 * (CODE_PIECES_MAX + 1));
  const tables = new Uint8Array(memory.buffer, scratch + pointers.byteLength, TABLES_MAX * 32);
  const targetPointers = scratch + 4 * (CODE_PIECES_MAX + 1);
  let loaded: Matrix | undefined;

  const functionFor = (shape: CombineShape): CombineFunction => {
    const key = JSON.stringify(shape);
    const known = functions.get(key);
    if (known) return known;
    if (functions.size === FUNCTIONS_MAX) functions.clear();
    const made = compile(memory, shape, level);
    functions.set(key, made);
    return made;
  };

  return (rows, sources, targets) => {
    if (rows.length === 0) return;
    const length = targets[0]!.length;
    checkOperands(rows, sources, targets, memory);
    if (length === 0) return;
    if (loaded !== rows) loadTables(tables, rows);
    loaded = rows;
    pointers.set(sources.map((source) => source.byteOffset));
    pointers.set(
      targets.map((target) => target.byteOffset),
      CODE_PIECES_MAX + 1,
    );
    const sourcesEnd = scratch + 4 * sources.length;
    const groups = rowGroups(rows).map(({ first, shape }) => ({
      run: functionFor(shape),
      tables: tables.byteOffset + first * sources.length * 32,
      targets: targetPointers + 4 * first,
    }));
    const strip = groups.length === 1 ? length : stripLength(sources.length);
    for (let start = 0; start < length; start += strip) {
      const end = Math.min(length, start + strip);
      for (const { run, tables, targets } of groups) {
        run(tables, scratch, sourcesEnd, targets, start, end, NIBBLE_MASK);
      }
    }
  };
}

/** What the addresses alone would not tell: a mistake here would be a write to someone else's bytes. */
function checkOperands(
  rows: Matrix,
  sources: readonly Uint8Array[],
  targets: readonly Uint8Array[],
  memory: WebAssembly.Memory,
): void {
  const { length } = targets[0]!;
  const all = [...sources, ...targets];
  const isRegular = rows.every((row) => row.length === sources.length);
  assert(length % CELL_ALIGNMENT === 0, 'lengths are multiples of the cell alignment');
  assert(rows.length === targets.length && isRegular, 'a row per target, a coefficient per source');
  assert(
    rows.length <= CODE_PIECES_MAX && sources.length <= CODE_PIECES_MAX,
    'a code has at most 255 pieces',
  );
  assert(rows.length * sources.length <= TABLES_MAX, 'the tables fit the scratch');
  assert(
    all.every((bytes) => bytes.length === length && bytes.buffer === memory.buffer),
    'arrays of one length in the memory of the kernel',
  );
}

/** Targets computed at a time. */
const ROW_GROUP = 4;
/** More sources than this run in a loop: their code would outgrow the instruction cache. */
const UNROLLED_SOURCES_MAX = 32;
/** Compiled functions kept per kernel; a node meets a handful of codes. */
const FUNCTIONS_MAX = 128;
const NIBBLE_MASK = 0x0f;
/** Source bytes of a strip: with the targets they stay in a second-level cache of 512 KiB. */
const STRIP_BYTES = 160 * 1024;

function stripLength(sources: number): number {
  return Math.max(1024, Math.floor(STRIP_BYTES / sources / 1024) * 1024);
}

interface CombineShape {
  readonly sources: number;
  readonly targets: number;
  /** The first target is the XOR of all sources. */
  readonly hasOnesRow: boolean;
  /** The first source is added to every target as it is. */
  readonly hasOnesColumn: boolean;
}

type CombineFunction = (
  tables: number,
  sources: number,
  sourcesEnd: number,
  targets: number,
  start: number,
  end: number,
  mask: number,
) => void;

function rowGroups(rows: Matrix): { readonly first: number; readonly shape: CombineShape }[] {
  const groups = [];
  for (let first = 0; first < rows.length; first += ROW_GROUP) {
    const group = rows.slice(first, first + ROW_GROUP);
    const sources = group[0]!.length;
    const isUnrolled = sources <= UNROLLED_SOURCES_MAX;
    groups.push({
      first,
      shape: {
        sources: isUnrolled ? sources : 0,
        targets: group.length,
        hasOnesRow: isUnrolled && group[0]!.every((factor) => factor === 1),
        hasOnesColumn: isUnrolled && group.every((row) => row[0] === 1),
      },
    });
  }
  return groups;
}

/** Per group of rows: per source, per row of the group, 32 bytes. */
function loadTables(tables: Uint8Array, rows: Matrix): void {
  let at = 0;
  for (let first = 0; first < rows.length; first += ROW_GROUP) {
    const group = rows.slice(first, first + ROW_GROUP);
    for (let source = 0; source < group[0]!.length; source++) {
      for (const row of group) {
        tables.set(nibbleTables(row[source]!), at);
        at += 32;
      }
    }
  }
}

function compile(
  memory: WebAssembly.Memory,
  shape: CombineShape,
  level: Exclude<SimdLevel, 'none'>,
): CombineFunction {
  const pages = memory.buffer.byteLength / 65_536;
  const isShared = memory.buffer instanceof SharedArrayBuffer;
  const module = emitModule({ memory: { minimumPages: 1, maximumPages: Math.max(pages, 1), isShared } });
  emitCombine(module, shape, level);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), { env: { memory } });
  return instance.exports['combine'] as CombineFunction;
}

// ---- Code generation -------------------------------------------------------------------------------------------

/**
 * combine(tables, sources, sourcesEnd, targets, start, end, mask): computes bytes [start, end) of every target, both
 * multiples of 64. `sources` to `sourcesEnd` and `targets` are tables of addresses.
 */
function emitCombine(module: ModuleBuilder, shape: CombineShape, level: SimdLevel): void {
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
