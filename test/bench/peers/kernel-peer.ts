// Our own kernels as bench peers: the same lines as the other peers, "operation k n length rounds", answered with CPU
// seconds. The argument chooses: relaxed, strict (WebAssembly), twin (TypeScript), copy (memory copy of the sources).

import { createInterface } from 'node:readline';
import { combinationRows, type Matrix, parityRows } from '../../../src/replication/matrix.ts';
import { type Combine, combineBytes } from '../../../src/replication/reed-solomon.ts';
import { createGfKernel } from '../../../src/runtime/kernel/gf-kernel.ts';

const SPACING = 192;
const PIECES_AT = 1 << 20;
const mode = process.argv[2] ?? 'relaxed';
const memory = new WebAssembly.Memory({ initial: 2048, maximum: 2048, shared: true });
const combine = combineOf(mode);

function combineOf(name: string): Combine {
  if (name === 'twin') return combineBytes;
  if (name === 'copy') return copyAll;
  return createGfKernel(memory, 0, name === 'strict' ? 'strict' : 'relaxed');
}

/** Moves every source byte once, into a place of its own. */
function copyAll(_rows: Matrix, sources: readonly Uint8Array[]): void {
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
  const isEncode = operation === 'encode';
  const rows = isEncode ? parityRows(k, n) : combinationRows(k, n, present, lost);
  const sources = isEncode ? pieces.slice(0, k) : present.map((index) => pieces[index]!);
  const targets = isEncode ? pieces.slice(k, n) : lost.map((index) => pieces[n + index]!);
  const start = process.cpuUsage();
  for (let round = 0; round < rounds; round++) combine(rows, sources, targets);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const [operation, ...numbers] = line.split(' ');
  const [k, n, length, rounds] = numbers.map(Number) as [number, number, number, number];
  process.stdout.write(`${run(operation!, k, n, length, rounds)}\n`);
}
