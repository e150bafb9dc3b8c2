// The coding kernel beside its peers: Reed-Solomon by CPU time in interleaved rounds, hashing, and whole segment jobs of
// the coder. Every candidate of the first table is a process of its own that answers with CPU seconds, so a busy machine
// slows all of them alike; ratios are medians of the ratios of each round.

import { hash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { blake3 } from '@noble/hashes/blake3.js';
import { hashPiece } from '../../src/replication/piece-tree.ts';
import { segmentShape } from '../../src/replication/segment.ts';
import { createCoder } from '../../src/runtime/coder/coder.ts';
import { createBlake3Hasher } from '../../src/runtime/kernel/blake3-kernel.ts';
import type { BenchOptions } from './main.ts';
import {
  isalCommand,
  kernelCommand,
  klauspostCommand,
  type LinePeer,
  type PeerCommand,
  startPeer,
  zfecCommand,
} from './peers/line-peer.ts';
import type { BenchTable } from './table.ts';

const CODES = [
  [4, 12],
  [10, 14],
  [10, 30],
  [20, 50],
] as const;
const OPERATIONS = ['encode', 'decode', 'rebuild'] as const;
const PIECE_LENGTH = 65_536;

export async function benchKernel(options: BenchOptions): Promise<BenchTable[]> {
  const { rates, cores } = await benchCodes(options);
  return [rates, cores, benchHashes(options), await benchJobs(options)];
}

// ---- Reed-Solomon ----------------------------------------------------------------------------------------------

interface Candidate {
  readonly name: string;
  readonly command: PeerCommand | undefined;
  readonly peer: LinePeer | undefined;
  /** Rounds per question, by operation and code. */
  readonly counts: Map<string, number>;
}

async function candidates(): Promise<Candidate[]> {
  const commands: readonly (readonly [string, PeerCommand | undefined])[] = [
    ['ours', kernelCommand('relaxed')],
    ['ours strict', kernelCommand('strict')],
    ['ours TS', kernelCommand('twin')],
    ['ISA-L', await isalCommand('best')],
    ['ISA-L AVX2', await isalCommand('avx2')],
    ['klauspost', await klauspostCommand('best')],
    ['klauspost AVX2', await klauspostCommand('avx2')],
    ['zfec', await zfecCommand()],
    ['copy', kernelCommand('copy')],
  ];
  return Promise.all(
    commands.map(async ([name, command]) => ({
      name,
      command,
      peer: command && (await startPeer(command)),
      counts: new Map(),
    })),
  );
}

/** Ratio columns: candidate over candidate. */
const RATIOS = [
  ['ours', 'ISA-L'],
  ['ours', 'ISA-L AVX2'],
  ['ours', 'klauspost AVX2'],
  ['ours', 'zfec'],
  ['ours TS', 'zfec'],
] as const;

async function benchCodes(options: BenchOptions): Promise<{ rates: BenchTable; cores: BenchTable }> {
  const all = await candidates();
  const rates: BenchTable = {
    title: 'Reed-Solomon, MB of source data per CPU second, 64 KiB pieces',
    columns: ['code', ...all.map(({ name }) => name), ...RATIOS.map(([a, b]) => `${a}/${b}`)],
    rows: [],
    notes: [
      'ISA-L and klauspost use the widest instructions of the machine (AVX-512, GFNI); the columns AVX2 hold them to 256 bits, ours has 128',
      'decode: min(k, n-k) data pieces lost; rebuild: data piece 0 from pieces 1..k; matrix inversion is inside for klauspost and zfec only',
    ],
  };
  const cores: BenchTable = {
    title: 'Reed-Solomon encode on all cores at once, MB of source data per second of wall time',
    columns: ['code', ...all.filter(({ peer }) => peer).map(({ name }) => name)],
    rows: [],
    notes: [`one process per core, ${availableParallelism()} cores`],
  };
  for (const [k, n] of CODES) {
    for (const operation of OPERATIONS) rates.rows.push(await rateRow(all, operation, k, n, options));
    cores.rows.push(await coresRow(all, k, n, options));
  }
  for (const { peer } of all) peer?.stop();
  return { rates, cores };
}

async function rateRow(
  all: readonly Candidate[],
  operation: string,
  k: number,
  n: number,
  options: BenchOptions,
): Promise<(string | number)[]> {
  const samples = new Map<string, number[]>();
  for (const { peer, counts } of all) {
    if (peer) counts.set(`${operation} ${k} ${n}`, await calibrated(peer, operation, k, n, options));
  }
  for (let round = 0; round < (options.quick ? 3 : 7); round++) {
    for (const { name, peer, counts } of all) {
      if (!peer) continue;
      const count = counts.get(`${operation} ${k} ${n}`)!;
      const seconds = await peer.ask(operation, k, n, PIECE_LENGTH, count);
      samples.set(name, [...(samples.get(name) ?? []), megabytes(k, count) / seconds]);
    }
  }
  const rate = (name: string): number | string =>
    samples.has(name) ? Math.round(median(samples.get(name)!)) : 'absent';
  const ratio = (a: string, b: string): number | string => {
    const [above, below] = [samples.get(a), samples.get(b)];
    if (!above || !below) return '-';
    return median(above.map((value, round) => value / below[round]!)).toFixed(2);
  };
  return [
    `${k} of ${n} ${operation}`,
    ...all.map(({ name }) => rate(name)),
    ...RATIOS.map(([a, b]) => ratio(a, b)),
  ];
}

/** Rounds that take long enough to be timed; the runs on the way warm the candidate up. */
async function calibrated(
  peer: LinePeer,
  operation: string,
  k: number,
  n: number,
  options: BenchOptions,
): Promise<number> {
  const wanted = options.quick ? 0.02 : 0.1;
  for (let count = 4; ; count *= 2) {
    const seconds = await peer.ask(operation, k, n, PIECE_LENGTH, count);
    if (seconds > wanted / 2) return Math.max(1, Math.ceil((count * wanted) / seconds));
  }
}

async function coresRow(
  all: readonly Candidate[],
  k: number,
  n: number,
  options: BenchOptions,
): Promise<(string | number)[]> {
  const row: (string | number)[] = [`${k} of ${n} encode`];
  for (const { command, peer, counts } of all) {
    if (!command || !peer) continue;
    const started = Array.from({ length: availableParallelism() }, () => startPeer(command));
    const peers = (await Promise.all(started)).filter((one) => one !== undefined);
    const count = (options.quick ? 1 : 3) * counts.get(`encode ${k} ${n}`)!;
    const askAll = (): Promise<unknown> =>
      Promise.all(peers.map((one) => one.ask('encode', k, n, PIECE_LENGTH, count)));
    await askAll();
    const start = performance.now();
    await askAll();
    const seconds = (performance.now() - start) / 1000;
    row.push(Math.round((peers.length * megabytes(k, count)) / seconds));
    for (const one of peers) one.stop();
  }
  return row;
}

function megabytes(k: number, count: number): number {
  return (k * PIECE_LENGTH * count) / 1e6;
}

// ---- Hashing ---------------------------------------------------------------------------------------------------

function benchHashes(options: BenchOptions): BenchTable {
  const piece = Uint8Array.from({ length: 1 << 20 }, (_, at) => (at * 31) ^ (at >> 8));
  const hasher = createBlake3Hasher();
  const ways: readonly (readonly [string, (bytes: Uint8Array) => unknown, number])[] = [
    ['BLAKE3 tree, ours (WASM SIMD, copy included)', (bytes) => hasher.hashBytes(bytes), 100],
    ['BLAKE3 tree, ours TS', (bytes) => hashPiece(bytes), 4],
    ['BLAKE3, noble', (bytes) => blake3(bytes), 2],
    ['SHA-256 flat, OpenSSL', (bytes) => hash('sha256', bytes, 'buffer'), 100],
  ];
  const samples = ways.map((): number[] => []);
  for (let round = 0; round < (options.quick ? 3 : 7); round++) {
    for (const [index, [, digest, count]] of ways.entries()) {
      const start = process.cpuUsage();
      for (let i = 0; i < count; i++) digest(piece);
      const { user, system } = process.cpuUsage(start);
      samples[index]!.push((piece.length * count) / (user + system));
    }
  }
  const flat = samples.at(-1)!;
  return {
    title: 'Hashing a piece of 1 MiB, MB per CPU second',
    columns: ['way', 'MB/s', 'of OpenSSL SHA-256'],
    rows: ways.map(([name], index) => [
      name,
      Math.round(median(samples[index]!)),
      median(samples[index]!.map((value, round) => value / flat[round]!)).toFixed(2),
    ]),
    notes: ['the tree has leaves of 1 KiB and gives the outboard in the same pass'],
  };
}

// ---- Jobs of the coder -----------------------------------------------------------------------------------------

async function benchJobs(options: BenchOptions): Promise<BenchTable> {
  const rows: (string | number)[][] = [];
  const codes = [[1, 3], [3, 7], ...CODES] as const;
  for (const [k, n] of codes) rows.push([`${k} of ${n}`, ...(await jobRates(k, n, options))]);
  return {
    title: 'Whole segments of 16 MiB by the coder, MB of plaintext per second of wall time',
    columns: ['code', 'encode, 1 worker', 'encode, 2', 'decode, 1', 'decode, 2'],
    rows,
    notes: [
      'encode: encrypt, code and hash all n pieces; decode: min(k, n-k) data pieces lost, hash k pieces, decode, decrypt',
    ],
  };
}

async function jobRates(k: number, n: number, options: BenchOptions): Promise<number[]> {
  const key = new Uint8Array(32).fill(1);
  const shape = segmentShape({ k, n, plaintextLength: 16 * 1024 * 1024, isEncrypted: true });
  const present = Array.from({ length: k }, (_, index) => index + Math.min(k, n - k));
  const rates: number[][] = [[], []];
  for (const workers of [1, 2]) {
    const coder = createCoder({ workers, maxMemory: 512 * 1024 * 1024 });
    const slots = await Promise.all(Array.from({ length: workers }, () => coder.acquire(shape)));
    const encode = (): Promise<unknown> => Promise.all(slots.map((slot) => slot.encodeInPlace(key)));
    await encode();
    // Decoding puts plaintext in the place of the data pieces it was given: each round finds them as they were.
    const given = slots.map((slot) =>
      present.filter((index) => index < k).map((index) => slot.piece(index).slice()),
    );
    const giveAgain = (): void => {
      for (const [at, slot] of slots.entries())
        for (const [data, piece] of given[at]!.entries()) slot.piece(present[data]!).set(piece);
    };
    const decode = (): Promise<unknown> =>
      Promise.all(
        slots.map(async (slot) => {
          for (const index of present) await slot.hash(index);
          await slot.decodeInPlace(present, key);
        }),
      );
    const nothing = (): void => undefined;
    for (const [way, [job, prepare]] of (
      [
        [decode, giveAgain],
        [encode, nothing],
      ] as const
    ).entries()) {
      await job();
      const seconds: number[] = [];
      for (let round = 0; round < (options.quick ? 2 : 7); round++) {
        prepare();
        const start = performance.now();
        await job();
        seconds.push((performance.now() - start) / 1000);
      }
      rates[1 - way]!.push(Math.round((workers * shape.plaintextLength) / 1e6 / median(seconds)));
    }
    await coder.close();
  }
  return rates.flat();
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}
