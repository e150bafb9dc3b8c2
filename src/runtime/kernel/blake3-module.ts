// The WebAssembly of the BLAKE3 kernel. One description of the compression serves two widths: four
// compressions side by side in the lanes of 128-bit vectors (lane i works on input i), and one alone in
// 32-bit integers for what is left over.
//
// Exports that the kernel uses:
//   chunks(source, count, firstChunk, target)   chaining values of `count` whole chunks, 32 bytes each
//   parents(source, count, target, flags)       of `count` pairs of chaining values; target may be source
//   one(source, blocks, lastLength, number, startFlags, endFlags, target)   of one run of 64-byte blocks
// Memory is touched in those places only. Numbers of chunks are below 2^32.

import { CHUNK_END, CHUNK_START, IV, PARENT, SCHEDULE } from '../../replication/blake3.ts';
import {
  type Code,
  call,
  doWhile,
  emitModule,
  type FunctionBuilder,
  type FunctionReference,
  i8x16,
  i32,
  i32x4,
  ifElse,
  type Local,
  type ModuleBuilder,
  type ValueType,
  v128,
} from './emitter.ts';

/** WebAssembly memories have at most this many pages of 64 KiB; the import accepts any maximum. */
const PAGES_MAX = 65_536;
const LANES = 4;
const CHUNK = 1024;
const BLOCK = 64;
const VALUE = 32;

/** What differs between one compression and four side by side. */
interface Width {
  readonly type: ValueType;
  /** The same number in every lane. */
  readonly splat: (value: Code) => Code;
  readonly add: (a: Code, b: Code) => Code;
  readonly xor: (a: Code, b: Code) => Code;
  readonly rotateRight: (word: Local, bits: number) => Code;
}

const SINGLE: Width = {
  type: 'i32',
  splat: (value) => value,
  add: (a, b) => i32.add(a, b),
  xor: (a, b) => i32.xor(a, b),
  rotateRight: (word, bits) => i32.rotateRight(word.get, i32.const(bits)),
};

const FOURFOLD: Width = {
  type: 'v128',
  splat: (value) => i32x4.splat(value),
  add: (a, b) => i32x4.add(a, b),
  xor: (a, b) => v128.xor(a, b),
  // Rotations by whole bytes are one shuffle, the others two shifts.
  rotateRight: (word, bits) =>
    bits % 8 === 0
      ? i8x16.shuffle(word.get, word.get, byteRotation(bits / 8))
      : v128.or(i32x4.shrUnsigned(word.get, i32.const(bits)), i32x4.shl(word.get, i32.const(32 - bits))),
};

/** The module; `isShared` must say whether the memory it is given is shared. */
export function blake3Module(isShared: boolean): Uint8Array<ArrayBuffer> {
  const module = emitModule({ memory: { minimumPages: 1, maximumPages: PAGES_MAX, isShared } });
  const one = emitOne(module);
  const four = emitFour(module);
  emitChunks(module, four, one);
  emitParents(module, four, one);
  return module.bytes();
}

// ---- The compression ---------------------------------------------------------------------------------------

interface Registers {
  readonly width: Width;
  readonly chaining: readonly Local[];
  readonly state: readonly Local[];
  readonly message: readonly Local[];
}

function registers(f: FunctionBuilder, width: Width): Registers {
  const locals = (count: number) => Array.from({ length: count }, () => f.local(width.type));
  return { width, chaining: locals(8), state: locals(16), message: locals(16) };
}

function startChaining({ width, chaining }: Registers): Code {
  return chaining.map((word, index) => word.set(width.splat(i32.const(IV[index]!))));
}

/** chaining := compression of (chaining, message); the counter has one value per lane. */
function compress(of: Registers, counter: Code, blockLength: Code, flags: Code): Code {
  const { width, chaining, state } = of;
  return [
    chaining.map((word, index) => state[index]!.set(word.get)),
    [0, 1, 2, 3].map((index) => state[8 + index]!.set(width.splat(i32.const(IV[index]!)))),
    state[12]!.set(counter),
    state[13]!.set(width.splat(i32.const(0))),
    state[14]!.set(width.splat(blockLength)),
    state[15]!.set(width.splat(flags)),
    SCHEDULE.map((order) => round(of, order)),
    chaining.map((word, index) => word.set(width.xor(state[index]!.get, state[index + 8]!.get))),
  ];
}

/** Columns, then diagonals: the places in the state of a, b, c, d of the eight mixings of a round. */
const MIXINGS: readonly (readonly [number, number, number, number])[] = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
];

/** Straight-line code: with the schedule resolved here, each message word is named where it is used. */
function round(of: Registers, order: readonly number[]): Code {
  return MIXINGS.map((_, mixing) => mix(of, mixing, order[2 * mixing]!, order[2 * mixing + 1]!));
}

function mix({ width, state, message }: Registers, mixing: number, first: number, second: number): Code {
  const { add, xor, rotateRight } = width;
  const [a, b, c, d] = MIXINGS[mixing]!.map((place) => state[place]!) as [Local, Local, Local, Local];
  const half = (word: number, bitsOfD: number, bitsOfB: number): Code => [
    a.set(add(add(a.get, b.get), message[word]!.get)),
    d.set(xor(d.get, a.get)),
    d.set(rotateRight(d, bitsOfD)),
    c.set(add(c.get, d.get)),
    b.set(xor(b.get, c.get)),
    b.set(rotateRight(b, bitsOfB)),
  ];
  return [half(first, 16, 12), half(second, 8, 7)];
}

/** A run of `blocks` compressions from the initial value: a whole chunk, or a single block for a parent. */
function run(of: Registers, f: FunctionBuilder, given: Run): Code {
  const flags = f.local('i32');
  const length = f.local('i32');
  const { blocks } = given;
  return [
    startChaining(of),
    flags.set(given.startFlags.get),
    length.set(i32.const(BLOCK)),
    doWhile(
      [
        given.load,
        ifElse(i32.equal(blocks.get, i32.const(1)), [
          flags.set(i32.or(flags.get, given.endFlags.get)),
          length.set(given.lastLength),
        ]),
        compress(of, given.counter, length.get, flags.get),
        flags.set(i32.const(0)),
        given.pointers.map((pointer) => pointer.set(i32.add(pointer.get, i32.const(BLOCK)))),
      ],
      blocks.tee(i32.sub(blocks.get, i32.const(1))),
    ),
  ];
}

interface Run {
  /** Where the next block of each lane lies; advanced by the run. */
  readonly pointers: readonly Local[];
  /** Reads a block of every lane into the message. */
  readonly load: Code;
  readonly blocks: Local;
  /** Bytes of the last block. */
  readonly lastLength: Code;
  readonly counter: Code;
  readonly startFlags: Local;
  readonly endFlags: Local;
}

// ---- One at a time -----------------------------------------------------------------------------------------

function emitOne(module: ModuleBuilder): FunctionReference {
  return module.func('one', parametersOf(7), [], (f, parameters) => {
    const [source, blocks, lastLength, number, startFlags, endFlags, target] = parameters as Seven;
    const of = registers(f, SINGLE);
    const load = of.message.map((word, index) => word.set(i32.load(source.get, 4 * index)));
    const counter = number.get;
    return [
      run(of, f, {
        pointers: [source],
        load,
        blocks,
        lastLength: lastLength.get,
        counter,
        startFlags,
        endFlags,
      }),
      of.chaining.map((word, index) => i32.store(target.get, word.get, 4 * index)),
    ];
  });
}

type Seven = readonly [Local, Local, Local, Local, Local, Local, Local];

function parametersOf(count: number): ValueType[] {
  return Array.from({ length: count }, () => 'i32' as const);
}

// ---- Four side by side -------------------------------------------------------------------------------------

/** Lane i starts at source + i * stride, with number + (i and numberMask): chunks count on, parents all have 0. */
function emitFour(module: ModuleBuilder): FunctionReference {
  return module.func('four', parametersOf(8), [], (f, parameters) => {
    const [source, stride, blocks, number, numberMask, startFlags, endFlags] = parameters as Seven;
    const target = parameters[7]!;
    const of = registers(f, FOURFOLD);
    const pointers = [source, f.local('i32'), f.local('i32'), f.local('i32')];
    const counter = f.local('v128');
    const numbers = v128.and(v128.const(words([0, 1, 2, 3])), i32x4.splat(numberMask.get));
    return [
      pointers.slice(1).map((pointer, lane) => pointer.set(i32.add(pointers[lane]!.get, stride.get))),
      counter.set(i32x4.add(i32x4.splat(number.get), numbers)),
      run(of, f, {
        pointers,
        load: loadFour(of, pointers),
        blocks,
        lastLength: i32.const(BLOCK),
        counter: counter.get,
        startFlags,
        endFlags,
      }),
      storeFour(of, target),
    ];
  });
}

/** message[w] := word w of the blocks at the four pointers, one a lane. */
function loadFour({ message }: Registers, pointers: readonly Local[]): Code {
  return [0, 4, 8, 12].map((first) => {
    const rows = message.slice(first, first + 4);
    return [rows.map((row, lane) => row.set(v128.load(pointers[lane]!.get, 4 * first))), transpose(rows)];
  });
}

/** Lane i of the chaining values, as 32 bytes, to target + 32 i. */
function storeFour({ chaining }: Registers, target: Local): Code {
  return [0, 4].map((first) => {
    const rows = chaining.slice(first, first + 4);
    return [
      transpose(rows),
      rows.map((row, lane) => v128.store(target.get, row.get, lane * VALUE + 4 * first)),
    ];
  });
}

/** The 4 x 4 words of four vectors: rows become columns. All results are on the stack before a local is set. */
function transpose(rows: readonly Local[]): Code {
  const [a, b, c, d] = rows as readonly [Local, Local, Local, Local];
  const low = (x: Local, y: Local) => i8x16.shuffle(x.get, y.get, lanes([0, 4, 1, 5]));
  const high = (x: Local, y: Local) => i8x16.shuffle(x.get, y.get, lanes([2, 6, 3, 7]));
  const setAll = (values: readonly Code[]): Code => [values, [...rows].reverse().map((row) => row.set([]))];
  const front = (x: Local, y: Local) => i8x16.shuffle(x.get, y.get, lanes([0, 1, 4, 5]));
  const back = (x: Local, y: Local) => i8x16.shuffle(x.get, y.get, lanes([2, 3, 6, 7]));
  return [
    setAll([low(a, b), low(c, d), high(a, b), high(c, d)]),
    setAll([front(a, b), back(a, b), front(c, d), back(c, d)]),
  ];
}

// ---- Many --------------------------------------------------------------------------------------------------

function emitChunks(module: ModuleBuilder, four: FunctionReference, one: FunctionReference): void {
  module.func('chunks', parametersOf(4), [], (_, parameters) => {
    const [source, count, number, target] = parameters as readonly [Local, Local, Local, Local];
    const [start, end] = [i32.const(CHUNK_START), i32.const(CHUNK_END)];
    const [blocks, length] = [i32.const(CHUNK / BLOCK), i32.const(BLOCK)];
    const advance = (by: number): Code => [
      source.set(i32.add(source.get, i32.const(by * CHUNK))),
      number.set(i32.add(number.get, i32.const(by))),
      target.set(i32.add(target.get, i32.const(by * VALUE))),
    ];
    const together = call(
      four,
      source.get,
      i32.const(CHUNK),
      blocks,
      number.get,
      i32.const(-1),
      start,
      end,
      target.get,
    );
    const alone = call(one, source.get, blocks, length, number.get, start, end, target.get);
    return byFours(count, [together, advance(LANES)], [alone, advance(1)]);
  });
}

/**
 * Reads of a step lie at or after everything written before it, so that a level of the tree can replace the
 * one below.
 */
function emitParents(module: ModuleBuilder, four: FunctionReference, one: FunctionReference): void {
  module.func('parents', parametersOf(4), [], (_, parameters) => {
    const [source, count, target, flags] = parameters as readonly [Local, Local, Local, Local];
    const [zero, single, length, start] = [i32.const(0), i32.const(1), i32.const(BLOCK), i32.const(PARENT)];
    const advance = (by: number): Code => [
      source.set(i32.add(source.get, i32.const(by * BLOCK))),
      target.set(i32.add(target.get, i32.const(by * VALUE))),
    ];
    const together = call(four, source.get, length, single, zero, zero, start, flags.get, target.get);
    const alone = call(one, source.get, single, length, zero, start, flags.get, target.get);
    return byFours(count, [together, advance(LANES)], [alone, advance(1)]);
  });
}

/** `four` as often as `count` holds a four, then `one` for each of the rest. */
function byFours(count: Local, four: Code, one: Code): Code {
  const repeat = (step: number, body: Code): Code =>
    ifElse(
      i32.greaterOrEqualUnsigned(count.get, i32.const(step)),
      doWhile(
        [body, count.set(i32.sub(count.get, i32.const(step)))],
        i32.greaterOrEqualUnsigned(count.get, i32.const(step)),
      ),
    );
  return [repeat(LANES, four), repeat(1, one)];
}

// ---- Lane patterns -----------------------------------------------------------------------------------------

/** Byte lanes of four words chosen from the eight of two vectors. */
function lanes(chosen: readonly number[]): number[] {
  return chosen.flatMap((word) => [4 * word, 4 * word + 1, 4 * word + 2, 4 * word + 3]);
}

/** Byte lanes that rotate each word right by `count` bytes. */
function byteRotation(count: number): number[] {
  return Array.from({ length: 16 }, (_, byte) => (byte & 12) | ((byte + count) & 3));
}

/** Little-endian bytes of four small words. */
function words(values: readonly number[]): number[] {
  return values.flatMap((value) => [value, 0, 0, 0]);
}
