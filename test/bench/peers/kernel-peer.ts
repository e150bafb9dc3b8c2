// Our own kernels as bench peers: the same lines as the other peers, "operation k n length rounds", answered with CPU
// seconds. The argument chooses: relaxed, strict (WebAssembly), twin (TypeScript), copy (memory copy of the sources).

import { createInterface } from 'node:readline';
import { combinationRows } from '../../../src/replication/matrix.ts';
import {
  createSimdEngine,
  createTwinEngine,
  ENGINE_SCRATCH_LENGTH,
  type Engine,
} from '../../../src/runtime/coder/engine.ts';

const SPACING = 192;
const PIECES_AT: number = Math.ceil(ENGINE_SCRATCH_LENGTH / 4096) * 4096;
const mode = process.argv[2] ?? 'relaxed';
const memory = new WebAssembly.Memory({ initial: 2048, maximum: 2048, shared: true });
const engine = engineOf(mode);

function engineOf(name: string): Engine {
  if (name === 'twin') return createTwinEngine();
  const simd = createSimdEngine(memory, 0, name === 'strict' ? 'strict' : 'relaxed');
  if (name !== 'copy') return simd;
  return {
    ...simd,
    encode: (k, pieces) => copyAll(pieces.slice(0, k)),
    combine: (_rows, sources) => copyAll(sources),
  };
}

/** Moves every source byte once, into a place of its own. */
function copyAll(sources: readonly Uint8Array[]): void {
  for (const [index, source] of sources.entries()) {
    new Uint8Array(memory.buffer, (64 << 20) + index * (source.length + SPACING), source.length).set(source);
  }
}

function run(operation: string, k: number, n: number, length: number, rounds: number): number {
  const pieces = Array.from(
    { length: n + k },
    (_, index) => new Uint8Array(memory.buffer, PIECES_AT + index * (length + SPACING), length),
  );
  for (const [index, piece] of pieces.entries())
    piece.forEach((_, at) => (piece[at] = (at * 31 + index) ^ (at >> 8)));
  const lostCount = operation === 'decode' ? Math.min(k, n - k) : 1;
  const present = Array.from({ length: k }, (_, index) => index + lostCount);
  const lost = Array.from({ length: lostCount }, (_, index) => index);
  const rows = combinationRows(k, n, present, lost);
  const sources = present.map((index) => pieces[index]!);
  const targets = lost.map((index) => pieces[n + index]!);
  const codeWord = pieces.slice(0, n);
  const start = process.cpuUsage();
  for (let round = 0; round < rounds; round++) {
    if (operation === 'encode') engine.encode(k, codeWord);
    else engine.combine(rows, sources, targets);
  }
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const [operation, ...numbers] = line.split(' ');
  const [k, n, length, rounds] = numbers.map(Number) as [number, number, number, number];
  process.stdout.write(`${run(operation!, k, n, length, rounds)}\n`);
}
