// The chain under load: transactions per second and how long until they are final, beside CometBFT with its kvstore; what the ledger alone
// costs, by step, by kind and by number of shards; receipts between shards; memory of an idle node; the state of many objects.
//
// Nodes are processes with ledger, pool, engine, gossip and sync over the real network, database, log and guard on disk; they keep no
// pieces. The client is this process: it hands in over chain-submit what was signed before.

import { benchState } from './chain-state.ts';
import { type CometbftFigures, measureCometbftLoad } from './chain-cometbft.ts';
import { LoadClient, type LoadFigures, percentile } from './chain-load.ts';
import { ChainProcesses } from './chain-processes.ts';
import { type Costs, noCosts, SoloBench } from './chain-solo.ts';
import { type Handed, pairs, SENDERS, Work } from './chain-work.ts';
import { sleep } from './consensus-run.ts';
import type { BenchOptions } from './main.ts';
import type { BenchTable } from './table.ts';

const MIB = 1024 * 1024;
const ENTRIES = 4;
/** Handed in and not final: four blocks of names. */
const WINDOW = 2000;

export async function benchChain(options: BenchOptions): Promise<readonly BenchTable[]> {
  const { quick } = options;
  const tables = [await benchLedger(quick ? 500 : 2000)];
  for (const count of quick ? [4] : [4, 20]) tables.push(await benchLoad(count, quick ? 1000 : 10_000));
  tables.push(await benchShards(quick ? [1, 4] : [1, 2, 4, 16], quick ? 10 : 50));
  tables.push(await benchIdle(quick ? 15 : 60));
  tables.push(await benchState(options));
  return tables;
}

// ---- Load ----------------------------------------------------------------------------------------------------------

const LOAD_COLUMNS: readonly string[] = [
  'load',
  'tx/s',
  'final p50 ms',
  'p95 ms',
  'provable p50 ms',
  'tx/height',
  'CPU ms/tx',
  'KB/tx',
  'RSS MiB',
];

async function benchLoad(count: number, transactions: number): Promise<BenchTable> {
  const rows: (string | number)[][] = [];
  const processes = await ChainProcesses.start({ count, talkative: ENTRIES });
  const ours = new Map<string, LoadFigures>();
  let idle: string;
  try {
    const client = new LoadClient(processes, ENTRIES);
    const work = new Work(processes.network);
    await client.run(work.transfers(SENDERS * 8), WINDOW);
    idle = await benchSingle(client, work, transactions > 1000 ? 50 : 15);
    ours.set('transfers', await client.run(work.transfers(transactions), WINDOW));
    await client.run(work.buckets(), WINDOW);
    ours.set('names', await client.run(work.names(transactions), WINDOW));
    await client.close();
  } finally {
    await processes.stop();
  }
  for (const [kind, lengthBytes] of Object.entries(LENGTHS)) {
    const figures = ours.get(kind)!;
    rows.push(loadRow(`${count}, ${kind} of ${lengthBytes} bytes`, figures));
    for (const pauseMs of [100, 5]) {
      const load = { count, entries: ENTRIES, transactions, lengthBytes, window: WINDOW, pauseMs };
      const theirs = await measureCometbftLoad(load);
      const name = `CometBFT kvstore, ${pauseMs === 100 ? 'as it comes' : 'pauses of 5 ms'}`;
      if (typeof theirs === 'string') rows.push([name, theirs]);
      else rows.push(cometbftRow(name, theirs), loadRatio(figures, theirs));
    }
  }
  return {
    title: `${count} validators on this machine, ${transactions} transactions, ${WINDOW} handed in ahead of what is final`,
    columns: [...LOAD_COLUMNS],
    rows,
    notes: [
      `handed in over the network to ${ENTRIES} nodes, by ${SENDERS} accounts; goals: at least CometBFT with 4, 615 tx/s with 20`,
      'final: from the handing in to the commit at the node that took it; provable: to the commit of the height above',
      'CPU and bytes of calls are of all nodes together; CometBFT checks no signatures here and orders no accounts',
      idle,
    ],
  };
}

/** As long as ours are. */
const LENGTHS = { transfers: 193, names: 1024 } as const;

async function benchSingle(client: LoadClient, work: Work, count: number): Promise<string> {
  const finalMs: number[] = [];
  const provableMs: number[] = [];
  for (let index = 0; index < count; index++) {
    const figures = await client.run([work.transfer(index % ENTRIES, 5)], 1);
    finalMs.push(...figures.finalMs);
    provableMs.push(...figures.provableMs);
  }
  const of = (values: readonly number[]): string =>
    `p50 ${percentile(values, 50).toFixed(0)} ms, p95 ${percentile(values, 95).toFixed(0)} ms`;
  return `one transfer at a time: final ${of(finalMs)}; provable ${of(provableMs)}`;
}

function loadRow(name: string, figures: LoadFigures): (string | number)[] {
  const { transactions, seconds, finalMs, provableMs, heights, cpuMs, wireBytes, rssBytes } = figures;
  return [
    figures.refused === 0 ? name : `${name} (${figures.refused} refused)`,
    (transactions / seconds).toFixed(0),
    percentile(finalMs, 50).toFixed(0),
    percentile(finalMs, 95).toFixed(0),
    percentile(provableMs, 50).toFixed(0),
    (transactions / heights).toFixed(0),
    (cpuMs / transactions).toFixed(2),
    (wireBytes / transactions / 1000).toFixed(1),
    (rssBytes / MIB).toFixed(0),
  ];
}

function cometbftRow(name: string, figures: CometbftFigures): (string | number)[] {
  const { transactions, seconds, finalMs, heights, cpuMs, rssBytes } = figures;
  return [
    name,
    (transactions / seconds).toFixed(0),
    percentile(finalMs, 50).toFixed(0),
    percentile(finalMs, 95).toFixed(0),
    '',
    (transactions / heights).toFixed(0),
    (cpuMs / transactions).toFixed(2),
    '',
    (rssBytes / MIB).toFixed(0),
  ];
}

function loadRatio(ours: LoadFigures, theirs: CometbftFigures): (string | number)[] {
  const rate = ours.transactions / ours.seconds / (theirs.transactions / theirs.seconds);
  const late = (percent: number): string =>
    (percentile(ours.finalMs, percent) / percentile(theirs.finalMs, percent)).toFixed(2);
  const cpu = ours.cpuMs / ours.transactions / (theirs.cpuMs / theirs.transactions);
  const rss = (ours.rssBytes / theirs.rssBytes).toFixed(1);
  return ['  Holdfast / CometBFT', rate.toFixed(2), late(50), late(95), '', '', cpu.toFixed(2), '', rss];
}

// ---- The ledger alone ----------------------------------------------------------------------------------------------

const STEPS = ['admit', 'build', 'judge', 'commit'] as const;

async function benchLedger(transactions: number): Promise<BenchTable> {
  const rows: (string | number)[][] = [];
  for (const shardBits of [0, 1, 2, 4]) {
    for (const kind of shardBits === 0 ? ['transfer', 'name'] : ['transfer', 'cross-shard transfer']) {
      rows.push(await ledgerRow(kind, shardBits, transactions));
    }
  }
  return {
    title: `The ledger alone: one process, databases on disk, ${transactions} transactions at a time`,
    columns: ['transactions', ...STEPS.map((step) => `${step} us`), 'CPU us/tx', 'blocks', 'tx/s'],
    rows,
    notes: [
      'CPU of each step for each transaction; the second of two rounds. admit: decode, signature, account, pool',
      'a proposer builds, every other validator judges; tx/s: of wall time, admission left out',
      'cross-shard: with the blocks that execute the receipts',
    ],
  };
}

async function ledgerRow(
  kind: string,
  shardBits: number,
  transactions: number,
): Promise<(string | number)[]> {
  const accounts = 512;
  const solo = await SoloBench.open({ shardBits, accounts });
  try {
    const ways = pairs(accounts, shardBits, kind === 'cross-shard transfer');
    const work = (): readonly Handed[] =>
      kind === 'name'
        ? solo.work.names(transactions)
        : Array.from({ length: transactions }, (_, index) =>
            solo.work.transfer(...ways[index % ways.length]!),
          );
    if (kind === 'name') await solo.run(solo.work.buckets(), noCosts());
    await solo.run(work(), noCosts());
    const costs = noCosts();
    const blocks = await solo.run(work(), costs);
    return [
      `${kind}, S = ${2 ** shardBits}`,
      ...costCells(costs, transactions),
      blocks,
      rateOf(costs, transactions),
    ];
  } finally {
    await solo.close();
  }
}

function costCells(costs: Costs, count: number): string[] {
  const each = STEPS.map((step) => (1000 * costs[step].cpuMs) / count);
  return [...each, each.reduce((sum, us) => sum + us, 0)].map((us) => us.toFixed(0));
}

function rateOf({ build, judge, commit }: Costs, count: number): string {
  return ((1000 * count) / (build.wallMs + judge.wallMs + commit.wallMs)).toFixed(0);
}

// ---- Shards --------------------------------------------------------------------------------------------------------

async function benchShards(counts: readonly number[], transfers: number): Promise<BenchTable> {
  const rows: (string | number)[][] = [];
  for (const shards of counts) {
    const shardBits = Math.log2(shards);
    const processes = await ChainProcesses.start({ count: 4, shardBits });
    try {
      const client = new LoadClient(processes, ENTRIES);
      const work = new Work(processes.network);
      await client.run(work.transfers(SENDERS), WINDOW);
      for (const isCross of shards === 1 ? [false] : [false, true]) {
        const ways = pairs(SENDERS, shardBits, isCross);
        const finalMs: number[] = [];
        const arrivedMs: number[] = [];
        const later: number[] = [];
        for (let index = 0; index < transfers; index++) {
          const figures = await client.run([work.transfer(...ways[index % ways.length]!)], 1);
          finalMs.push(...figures.finalMs);
          arrivedMs.push(...figures.arrivedMs);
          later.push(...figures.arrivedHeights);
        }
        rows.push([
          `${shards} shard${shards === 1 ? '' : 's'}, ${isCross ? 'to another' : 'within one'}`,
          percentile(finalMs, 50).toFixed(0),
          percentile(finalMs, 95).toFixed(0),
          percentile(isCross ? arrivedMs : finalMs, 50).toFixed(0),
          percentile(isCross ? arrivedMs : finalMs, 95).toFixed(0),
          isCross ? (later.reduce((sum, blocks) => sum + blocks, 0) / later.length).toFixed(2) : '0',
        ]);
      }
      await client.close();
    } finally {
      await processes.stop();
    }
  }
  return {
    title: '4 validators, one transfer at a time, within a shard and to another',
    columns: ['transfer', 'final p50 ms', 'p95 ms', 'arrived p50 ms', 'p95 ms', 'blocks later'],
    rows,
    notes: ['arrived: the receiver has it; to another shard that is the block which executes the receipt'],
  };
}

// ---- Memory --------------------------------------------------------------------------------------------------------

/** What is passed to the nodes, and what it is called. */
const MEMORY_FLAGS: readonly (readonly [string, readonly string[]])[] = [
  ['as it comes', []],
  ['--max-semi-space-size=1', ['--max-semi-space-size=1']],
  ['--optimize-for-size and that', ['--max-semi-space-size=1', '--optimize-for-size']],
];

async function benchIdle(seconds: number): Promise<BenchTable> {
  const rows: (string | number)[][] = [];
  for (const [name, nodeFlags] of MEMORY_FLAGS) {
    const processes = await ChainProcesses.start({ count: 4, nodeFlags, talkative: 0 });
    try {
      const before = await processes.reports();
      await sleep(seconds * 1000);
      const after = await processes.reports();
      const rss = after.map(({ rssBytes }) => rssBytes / MIB);
      const cpu = after.map(({ cpuUs }, index) => (cpuUs - before[index]!.cpuUs) / 10_000 / seconds);
      rows.push([
        name,
        Math.min(...rss).toFixed(0),
        Math.max(...rss).toFixed(0),
        (Math.max(...after.map(({ heapBytes }) => heapBytes)) / MIB).toFixed(0),
        Math.max(...cpu).toFixed(1),
      ]);
    } finally {
      await processes.stop();
    }
  }
  return {
    title: `Idle nodes of a chain, 4 validators, ${seconds} s after their start`,
    columns: ['flags of Node', 'RSS MiB, least', 'most', 'heap MiB', 'CPU %'],
    rows,
    notes: ['without the keeping of pieces, which has caches and a worker of its own; goal under 150 MB'],
  };
}
