// A WebAssembly module emitter: the bytes of our SIMD kernels are written at run time from TypeScript, so that there is
// no binary in the repository, no compiler in the build, and a kernel can be specialised for the code it runs.
//
// Code is a nested array of bytes; a builder per instruction takes its operands as code and returns code, so that a
// kernel reads like the formula it computes:
//
//   const module = emitModule({ memory: { minimumPages: 1, maximumPages: 16, isShared: true } });
//   module.func('addTo', ['i32', 'i32'], [], (f, [target, source]) => [
//     v128.store(target.get, i32x4.add(v128.load(target.get), v128.load(source.get))),
//   ]);
//   new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), { env: { memory } });
//
// The emitter does not check types: WebAssembly validation does, when the module is compiled. It knows one memory,
// imported as `env.memory`, and only the instructions that our kernels use.

export type Code = readonly (number | Code)[];
export type ValueType = 'i32' | 'v128';

/** A parameter or local of a function. */
export interface Local {
  readonly get: Code;
  set(value: Code): Code;
  /** Sets and leaves the value on the stack. */
  tee(value: Code): Code;
}

export interface FunctionBuilder {
  local(type: ValueType): Local;
}

/** Handle of a function of this module, for `call`. */
export interface FunctionReference {
  readonly index: number;
}

export interface MemoryImport {
  /** Pages of 64 KiB that the memory must have. */
  readonly minimumPages: number;
  readonly maximumPages: number;
  readonly isShared: boolean;
}

export interface ModuleBuilder {
  /** Adds and exports a function; `body` is called at once and gets one Local per parameter. */
  func(
    name: string,
    parameters: readonly ValueType[],
    results: readonly ValueType[],
    body: (f: FunctionBuilder, parameters: readonly Local[]) => Code,
  ): FunctionReference;
  /** The module, ready for `new WebAssembly.Module`. */
  bytes(): Uint8Array<ArrayBuffer>;
}

/** Starts a module that imports `env.memory`. */
export function emitModule(options: { readonly memory: MemoryImport }): ModuleBuilder {
  const types: Code[] = [];
  const exports: Code[] = [];
  const bodies: Code[] = [];
  return {
    func(name, parameters, results, body) {
      const index = bodies.length;
      types.push([0x60, vector(parameters.map(valueType)), vector(results.map(valueType))]);
      exports.push([text(name), 0x00, unsigned(index)]);
      bodies.push(functionBody(parameters, body));
      return { index };
    },
    bytes() {
      const { minimumPages, maximumPages, isShared } = options.memory;
      const limits = [isShared ? 0x03 : 0x01, unsigned(minimumPages), unsigned(maximumPages)];
      return Uint8Array.from(
        flatten([
          [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
          section(1, vector(types)),
          section(2, vector([[text('env'), text('memory'), 0x02, limits]])),
          section(3, vector(bodies.map((_, index) => unsigned(index)))),
          section(7, vector(exports)),
          section(10, vector(bodies)),
        ]),
      );
    },
  };
}

// ---- Control ---------------------------------------------------------------------------------------------------

/** Runs `body` again as long as `condition`, computed after it, is not zero. */
export function doWhile(body: Code, condition: Code): Code {
  return [0x03, 0x40, body, condition, 0x0d, 0, 0x0b];
}

export function ifElse(condition: Code, then: Code, otherwise: Code = []): Code {
  return [condition, 0x04, 0x40, then, otherwise.length > 0 ? [0x05, otherwise] : [], 0x0b];
}

export function call(target: FunctionReference, ...operands: readonly Code[]): Code {
  return [...operands, 0x10, unsigned(target.index)];
}

// ---- i32 -------------------------------------------------------------------------------------------------------

export interface Int32Instructions {
  const(value: number): Code;
  load(address: Code, offset?: number): Code;
  store(address: Code, value: Code, offset?: number): Code;
  equal(a: Code, b: Code): Code;
  notEqual(a: Code, b: Code): Code;
  lessUnsigned(a: Code, b: Code): Code;
  greaterOrEqualUnsigned(a: Code, b: Code): Code;
  add(a: Code, b: Code): Code;
  sub(a: Code, b: Code): Code;
  and(a: Code, b: Code): Code;
  or(a: Code, b: Code): Code;
  xor(a: Code, b: Code): Code;
  rotateRight(a: Code, b: Code): Code;
}

export const i32: Int32Instructions = {
  const: (value) => [0x41, signed(value)],
  load: (address, offset = 0) => [address, 0x28, 2, unsigned(offset)],
  store: (address, value, offset = 0) => [address, value, 0x36, 2, unsigned(offset)],
  equal: (a, b) => [a, b, 0x46],
  notEqual: (a, b) => [a, b, 0x47],
  lessUnsigned: (a, b) => [a, b, 0x49],
  greaterOrEqualUnsigned: (a, b) => [a, b, 0x4f],
  add: (a, b) => [a, b, 0x6a],
  sub: (a, b) => [a, b, 0x6b],
  and: (a, b) => [a, b, 0x71],
  or: (a, b) => [a, b, 0x72],
  xor: (a, b) => [a, b, 0x73],
  rotateRight: (a, b) => [a, b, 0x78],
};

// ---- v128 ------------------------------------------------------------------------------------------------------

export interface VectorInstructions {
  /** Alignment is a hint only; unaligned addresses are legal. */
  load(address: Code, offset?: number): Code;
  store(address: Code, value: Code, offset?: number): Code;
  /** Sixteen bytes, lane 0 first. V8 may rematerialise it in a loop: pass hot constants as arguments instead. */
  const(bytes: readonly number[]): Code;
  and(a: Code, b: Code): Code;
  or(a: Code, b: Code): Code;
  xor(a: Code, b: Code): Code;
}

export const v128: VectorInstructions = {
  load: (address, offset = 0) => [address, simd(0x00), 4, unsigned(offset)],
  store: (address, value, offset = 0) => [address, value, simd(0x0b), 4, unsigned(offset)],
  const: (bytes) => [simd(0x0c), bytes],
  and: (a, b) => [a, b, simd(0x4e)],
  or: (a, b) => [a, b, simd(0x50)],
  xor: (a, b) => [a, b, simd(0x51)],
};

export interface ByteLaneInstructions {
  splat(a: Code): Code;
  /** Lanes 0..15 choose bytes of `a`, 16..31 bytes of `b`. */
  shuffle(a: Code, b: Code, lanes: readonly number[]): Code;
  /** table[index] per byte; 0 for an index over 15. */
  swizzle(table: Code, index: Code): Code;
  /** The same without the promise for an index over 15: one instruction on x86. Indices must be 0..15. */
  relaxedSwizzle(table: Code, index: Code): Code;
}

export const i8x16: ByteLaneInstructions = {
  splat: (a) => [a, simd(0x0f)],
  shuffle: (a, b, lanes) => [a, b, simd(0x0d), lanes],
  swizzle: (table, index) => [table, index, simd(0x0e)],
  relaxedSwizzle: (table, index) => [table, index, simd(0x100)],
};

export interface LaneInstructions {
  splat(a: Code): Code;
  add(a: Code, b: Code): Code;
  /** Shifts take the bit count as an i32. */
  shl(a: Code, bits: Code): Code;
  shrUnsigned(a: Code, bits: Code): Code;
}

export const i32x4: LaneInstructions = {
  splat: (a) => [a, simd(0x11)],
  add: (a, b) => [a, b, simd(0xae)],
  shl: (a, bits) => [a, bits, simd(0xab)],
  shrUnsigned: (a, bits) => [a, bits, simd(0xad)],
};

export const i16x8: Pick<LaneInstructions, 'shrUnsigned'> = {
  shrUnsigned: (a, bits) => [a, bits, simd(0x8d)],
};

// ---- Encoding --------------------------------------------------------------------------------------------------

function functionBody(
  parameters: readonly ValueType[],
  body: (f: FunctionBuilder, parameters: readonly Local[]) => Code,
): Code {
  const locals: Code[] = [];
  const local = (type: ValueType): Local => {
    locals.push([1, valueType(type)]);
    return localAt(parameters.length + locals.length - 1);
  };
  const code = body(
    { local },
    parameters.map((_, index) => localAt(index)),
  );
  return sized([vector(locals), code, 0x0b]);
}

function localAt(index: number): Local {
  const at = unsigned(index);
  return {
    get: [0x20, at],
    set: (value) => [value, 0x21, at],
    tee: (value) => [value, 0x22, at],
  };
}

function valueType(type: ValueType): number {
  return type === 'i32' ? 0x7f : 0x7b;
}

function simd(opcode: number): Code {
  return [0xfd, unsigned(opcode)];
}

function section(id: number, content: Code): Code {
  return [id, sized(content)];
}

function sized(content: Code): Code {
  const bytes = flatten(content);
  return [unsigned(bytes.length), bytes];
}

function vector(items: Code): Code {
  return [unsigned(items.length), items];
}

function text(value: string): Code {
  return vector(Array.from(value, (letter) => letter.charCodeAt(0)));
}

/** LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return bytes;
}

/** Signed LEB128 of a 32-bit integer. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  while (rest > 0x3f || rest < -0x40) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  bytes.push(rest & 0x7f);
  return bytes;
}

function flatten(code: Code, into: number[] = []): number[] {
  for (const part of code) {
    if (typeof part === 'number') into.push(part);
    else flatten(part, into);
  }
  return into;
}
