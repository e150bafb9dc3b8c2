// Agreement between real processes on one machine: blocks per second, time from proposal to decision, messages, bytes and CPU per
// height, with a crash and with a liar, and CometBFT's local network with the same time-outs beside it.

import { DEFAULT_TIMEOUTS } from '../../src/consensus/types.ts';
import { ValidatorProcesses, type ValidatorsOptions } from '../helpers/validator-processes.ts';
import { type ConsensusFigures, measureValidators, measureWindow, sleep, warmUp } from './consensus-run.ts';
import type { BenchOptions } from './main.ts';
import { measureCometbft } from './peers/cometbft.ts';
import type { BenchTable } from './table.ts';

const MIB = 1024 * 1024;
const CATCH_UP_MS_MAX = 60_000;

export async function benchConsensus(options: BenchOptions): Promise<readonly BenchTable[]> {
  const seconds = options.quick ? 4 : 10;
  return [
    await benchSizes(options.quick ? [4, 7] : [4, 7, 10, 20], seconds),
    await benchCometbft(options.quick ? [4] : [4, 7], seconds),
    await benchFaults(seconds),
  ];
}

// ---- Sizes -------------------------------------------------------------------------------------------------------

const COLUMNS: readonly string[] = [
  'validators, block',
  'blocks/s',
  'p50 ms',
  'p95 ms',
  'messages/height',
  'KB/height',
  'CPU ms/height',
  'per validator',
  'peak MiB',
];

async function benchSizes(counts: readonly number[], seconds: number): Promise<BenchTable> {
  const rows: (string | number)[][] = [];
  const where: string[] = [];
  for (const count of counts) {
    const figures = await measureValidators({ count }, seconds);
    rows.push(rowOf(`${count}, empty`, count, figures));
    where.push(whereText(count, figures));
  }
  for (const count of counts.slice(0, 3)) {
    const withBlock: ValidatorsOptions = { count, blockLength: MIB };
    rows.push(rowOf(`${count}, 1 MiB`, count, await measureValidators(withBlock, seconds)));
    const overBulk = await measureValidators({ ...withBlock, hasBulkLane: true }, seconds);
    rows.push(rowOf(`${count}, 1 MiB over the bulk lane`, count, overBulk));
  }
  return {
    title: 'Agreement on opaque blocks between local processes, one height after the other without a pause',
    columns: [...COLUMNS],
    rows,
    notes: [
      'p50, p95: from the making of a block to its decision, at every validator; goal p50 under 50 ms with 4 and empty blocks',
      'messages, KB, CPU: of all validators together; every vote, log and block is synced to disk before it counts',
      ...where,
    ],
  };
}

function rowOf(name: string, count: number, figures: ConsensusFigures): (string | number)[] {
  const { heights, seconds, latenciesMs, messages, wireBytes, cpuMs, rssBytes } = figures;
  return [
    name,
    (heights / seconds).toFixed(1),
    percentile(latenciesMs, 50).toFixed(0),
    percentile(latenciesMs, 95).toFixed(0),
    messages === undefined ? '' : (messages / heights).toFixed(0),
    wireBytes === undefined ? '' : (wireBytes / heights / 1000).toFixed(1),
    (cpuMs / heights).toFixed(0),
    (cpuMs / heights / count).toFixed(1),
    (rssBytes / MIB).toFixed(0),
  ];
}

/** Where the time goes. */
function whereText(count: number, { heights, syncs, verifications }: ConsensusFigures): string {
  const each = syncs.map(
    ([what, number, totalMs]) =>
      `${what} ${(number / heights).toFixed(1)} x ${(totalMs / number).toFixed(1)} ms`,
  );
  const checked = ((verifications ?? 0) / heights).toFixed(1);
  return `${count}: a validator verifies ${checked} signatures a height and syncs ${each.join(', ')}`;
}

// ---- CometBFT ----------------------------------------------------------------------------------------------------

async function benchCometbft(counts: readonly number[], seconds: number): Promise<BenchTable> {
  const rows: (string | number)[][] = [];
  for (const count of counts) {
    const ours = await measureValidators({ count }, seconds);
    rows.push(rowOf(`Holdfast, ${count}`, count, ours));
    for (const pauseMs of [100, 5]) {
      const pauses = pauseMs === 100 ? 'as it comes' : `pauses of ${pauseMs} ms`;
      const name = `CometBFT, ${count}, ${pauses}`;
      const theirs = await measureCometbft({ count, seconds, pauseMs, timeouts: DEFAULT_TIMEOUTS });
      if (typeof theirs === 'string') {
        rows.push([name, theirs]);
        continue;
      }
      rows.push(rowOf(name, count, theirs), ratioOf(ours, theirs));
    }
  }
  return {
    title: 'Beside CometBFT with its kvstore application: empty blocks, the same time-outs, no pause',
    columns: [...COLUMNS],
    rows,
    notes: [
      'as it comes, CometBFT pauses 100 ms between rounds of gossip and before it flushes a connection',
      'CometBFT: from the first "received proposal" of a height in any log to each "finalizing commit of block"',
    ],
  };
}

function ratioOf(ours: ConsensusFigures, theirs: ConsensusFigures): (string | number)[] {
  const ratio = (read: (figures: ConsensusFigures) => number): string =>
    (read(ours) / read(theirs)).toFixed(2);
  return [
    '  Holdfast / CometBFT',
    ratio(({ heights, seconds }) => heights / seconds),
    ratio(({ latenciesMs }) => percentile(latenciesMs, 50)),
    ratio(({ latenciesMs }) => percentile(latenciesMs, 95)),
    '',
    ratio(({ heights, wireBytes }) => (wireBytes ?? Number.NaN) / heights),
    ratio(({ heights, cpuMs }) => cpuMs / heights),
    '',
    ratio(({ rssBytes }) => rssBytes),
  ];
}

// ---- Faults ------------------------------------------------------------------------------------------------------

async function benchFaults(seconds: number): Promise<BenchTable> {
  const count = 4;
  const rows: (string | number)[][] = [];
  const processes = await ValidatorProcesses.start({ count });
  let caughtUp: string;
  try {
    await warmUp(processes);
    rows.push(rowOf('all there', count, await measureWindow(processes, seconds)));
    await processes.kill(count - 1);
    rows.push(rowOf('one killed', count - 1, await measureWindow(processes, seconds)));
    caughtUp = await catchUp(processes, count - 1);
    rows.push(rowOf('back again', count, await measureWindow(processes, seconds)));
  } finally {
    await processes.stop();
  }
  rows.push(
    rowOf('one says two things', count, await measureValidators({ count, equivocators: 1 }, seconds)),
  );
  return {
    title: `${count} validators, empty blocks, with faults`,
    columns: ['state', ...COLUMNS.slice(1)],
    rows,
    notes: [
      caughtUp,
      'a height whose proposer is dead or divided takes a time-out: 1.5 s to wait for a proposal',
    ],
  };
}

async function catchUp(processes: ValidatorProcesses, index: number): Promise<string> {
  const missed = (await processes.report(0))?.height ?? 0;
  const behind = performance.now();
  await processes.restart(index);
  const started = performance.now();
  let own = 0;
  for (;;) {
    const [first, back] = [await processes.report(0), await processes.report(index)];
    own = back?.height ?? own;
    if (own > 0 && own >= (first?.height ?? 0) - 1) break;
    if (performance.now() - behind > CATCH_UP_MS_MAX) return 'the killed one did not catch up';
    await sleep(50);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const start = ((started - behind) / 1000).toFixed(1);
  return `killed with SIGKILL and started again: ${start} s until it listens, level with the others (height ${own}, ${missed} when it started) ${seconds} s later`;
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}
