// Durable puts of pieces: the piece log against a file per piece, LevelDB and SQLite, each set to be as durable. 16
// writers put random bytes; a put counts when its design says that it survives a power cut. The designs take turns within
// each round, so that a slow minute of the disk hits all of them; the figures are medians of the rounds.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { constants, mkdir, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { Level } from 'level';
import { systemClock } from '../../src/runtime/clock.ts';
import { openPieceLog } from '../../src/runtime/piece-log/log.ts';
import type { BenchTable } from './table.ts';

interface Store {
  put(key: Uint8Array, payload: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

interface Design {
  readonly name: string;
  readonly open: (folder: string) => Promise<Store>;
}

const LOG_NAME = 'piece log';
const FILES_NAME = 'file per piece';

const DESIGNS: readonly Design[] = [
  { name: LOG_NAME, open: openLog },
  { name: FILES_NAME, open: openFilePerPiece },
  { name: 'classic-level, sync', open: openLevel },
  { name: 'node:sqlite, FULL', open: openSqlite },
  { name: 'bare append', open: (folder) => openBareAppend(folder, false) },
  { name: 'bare append, CRC32', open: (folder) => openBareAppend(folder, true) },
];

const WRITERS = 16;
const SETTLE_MS = 200;
const SIZES: readonly (readonly [string, number])[] = [
  ['64 KiB', 65_536],
  ['256 KiB', 262_144],
  ['1 MiB', 1_048_576],
];

interface Run {
  readonly megabytesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuSecondsPerGb: number;
  readonly writeAmplification: number;
}

export async function benchPieceLog(options: { json: boolean; quick: boolean }): Promise<BenchTable> {
  const totalBytes = (options.quick ? 16 : 128) * 1024 * 1024;
  const rounds = options.quick ? 1 : 9;
  const rows: (string | number)[][] = [];
  for (const [sizeName, length] of SIZES) {
    const runs = new Map<string, Run[]>(DESIGNS.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const design of DESIGNS)
        runs.get(design.name)!.push(await measure(design, length, totalBytes / length));
    }
    for (const { name } of DESIGNS)
      rows.push([`${name}, ${sizeName}`, ...figures(runs.get(name)!, runs.get(FILES_NAME)!)]);
  }
  return {
    title: `Durable puts, ${WRITERS} writers, ${totalBytes / 1024 / 1024} MiB per run, median of ${rounds}`,
    columns: [
      'design',
      'MB/s',
      'x file per piece',
      'lowest to highest',
      'p50 ms',
      'p99 ms',
      'CPU s/GB',
      'write amplification',
    ],
    rows,
    notes: [
      'file per piece: temporary file, fdatasync, rename, fsync of the folder; sqlite: WAL, synchronous=FULL, puts grouped.',
      'x file per piece: median of the ratios within each round, then the lowest and the highest of them.',
      'bare append: one writev and one fdatasync for all that waits, no header or index: the limit of any log here; the CRC32 is over the payload.',
      'write amplification: write_bytes of /proc/self/io per payload byte; n/a where the system does not count it.',
      'goals: piece log at least 5 x file per piece at 64 KiB, write amplification at most 1.05.',
    ],
  };
}

function figures(runs: readonly Run[], references: readonly Run[]): (string | number)[] {
  const of = (pick: (run: Run) => number): number => middle(runs.map(pick));
  const ratios = runs
    .map((run, round) => run.megabytesPerSecond / references[round]!.megabytesPerSecond)
    .toSorted((a, b) => a - b);
  const amplification = of((run) => run.writeAmplification);
  return [
    Math.round(of((run) => run.megabytesPerSecond)),
    rounded(middle(ratios), 2),
    `${ratios[0]!.toFixed(1)} to ${ratios.at(-1)!.toFixed(1)}`,
    rounded(
      of((run) => run.p50Ms),
      2,
    ),
    rounded(
      of((run) => run.p99Ms),
      2,
    ),
    rounded(
      of((run) => run.cpuSecondsPerGb),
      2,
    ),
    Number.isNaN(amplification) ? 'n/a' : rounded(amplification, 3),
  ];
}

async function measure(design: Design, length: number, count: number): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
  try {
    const store = await design.open(join(folder, 'store'));
    // Distinct bytes per writer; the first eight make each piece another one.
    const payloads = Array.from({ length: WRITERS }, () => new Uint8Array(randomBytes(length)));
    const latenciesMs: number[] = [];
    let next = 0;
    const write = async (payload: Uint8Array): Promise<void> => {
      for (let n = next++; n < count; n = next++) {
        const key = new Uint8Array(randomBytes(32));
        payload.set(key.subarray(0, 8));
        const startMs = performance.now();
        await store.put(key, payload);
        latenciesMs.push(performance.now() - startMs);
      }
    };
    const [ioBefore, cpuBefore, startMs] = [writtenBytes(), process.cpuUsage(), performance.now()];
    await Promise.all(payloads.map(write));
    const seconds = (performance.now() - startMs) / 1000;
    const cpu = process.cpuUsage(cpuBefore);
    await store.close();
    const total = length * count;
    latenciesMs.sort((a, b) => a - b);
    return {
      megabytesPerSecond: total / 1e6 / seconds,
      p50Ms: latenciesMs[Math.floor(latenciesMs.length / 2)]!,
      p99Ms: latenciesMs[Math.floor(latenciesMs.length * 0.99)]!,
      cpuSecondsPerGb: (cpu.user + cpu.system) / 1e6 / (total / 1e9),
      writeAmplification: (writtenBytes() - ioBefore) / total,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
    await settleDisk();
  }
}

/** What a removal leaves the file system to do (journal, discards) is done before the next design's turn. */
async function settleDisk(): Promise<void> {
  const folder = await open(tmpdir(), constants.O_RDONLY | constants.O_DIRECTORY);
  await folder.sync();
  await folder.close();
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

/**
 * The limit of any log on this disk: what arrived during the last sync is appended with one writev and one fdatasync. No
 * header or index: nothing could be found again.
 */
async function openBareAppend(folder: string, hasChecksum: boolean): Promise<Store> {
  await mkdir(folder);
  const file = await open(join(folder, 'bare'), 'wx');
  let waiting: { readonly payload: Uint8Array; readonly done: () => void }[] = [];
  let isWriting = false;
  const write = async (): Promise<void> => {
    isWriting = true;
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      await file.writev(batch.map(({ payload }) => payload));
      await file.datasync();
      for (const { done } of batch) done();
      // Those who were told put again before the next batch is taken.
      await new Promise((resolve) => setImmediate(resolve));
    }
    isWriting = false;
  };
  return {
    put: (_key, payload) =>
      new Promise((done, failed) => {
        if (hasChecksum) crc32(payload);
        waiting.push({ payload, done });
        if (!isWriting) write().catch(failed);
      }),
    close: () => file.close(),
  };
}

async function openLog(folder: string): Promise<Store> {
  const [network, node] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const options = { folder, network, node, clock: systemClock, quotaBytes: 1e12, reserveBytes: 0 };
  const { log } = await openPieceLog(options);
  const meta = new Uint8Array(200);
  return { put: (key, payload) => log.put({ key, meta, payload }), close: () => log.close() };
}

async function openFilePerPiece(folder: string): Promise<Store> {
  await mkdir(folder);
  const directory = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  const put = async (key: Uint8Array, payload: Uint8Array): Promise<void> => {
    const path = join(folder, Buffer.from(key).toString('hex'));
    const file = await open(`${path}.tmp`, 'wx');
    await file.writev([payload]);
    await file.datasync();
    await file.close();
    await rename(`${path}.tmp`, path);
    await directory.sync();
  };
  return { put, close: () => directory.close() };
}

async function openLevel(folder: string): Promise<Store> {
  const level = new Level<Uint8Array, Uint8Array>(folder, { keyEncoding: 'view', valueEncoding: 'view' });
  await level.open();
  const durable = { sync: true } as object;
  return { put: (key, payload) => level.put(key, payload, durable), close: () => level.close() };
}

/** Puts that arrive in one turn share a transaction, as the log's writers share a sync. */
async function openSqlite(folder: string): Promise<Store> {
  await mkdir(folder);
  const database = new DatabaseSync(join(folder, 'pieces.db'));
  database.exec(
    'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE piece (key BLOB PRIMARY KEY, value BLOB)',
  );
  const insert = database.prepare('INSERT INTO piece VALUES (?, ?)');
  let waiting: { readonly key: Uint8Array; readonly payload: Uint8Array; readonly done: () => void }[] = [];
  const commit = (): void => {
    const batch = waiting;
    waiting = [];
    database.exec('BEGIN');
    for (const { key, payload } of batch) insert.run(key, payload);
    database.exec('COMMIT');
    for (const { done } of batch) done();
  };
  return {
    put: (key, payload) =>
      new Promise((done) => {
        if (waiting.push({ key, payload, done }) === 1) setImmediate(commit);
      }),
    close: async () => database.close(),
  };
}

/** Bytes that this process caused to be written to disks so far; NaN where the system does not tell. */
function writtenBytes(): number {
  try {
    return Number(/^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1] ?? Number.NaN);
  } catch {
    return Number.NaN;
  }
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
