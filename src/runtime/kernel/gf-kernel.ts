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
import type { Combine } from '../../replication/combine-bytes.ts';
import { emitModule } from './emitter.ts';
import { type CombineFunction, type CombineShape, emitCombine, type SimdLevel } from './gf-module.ts';

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
