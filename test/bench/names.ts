// `npm run bench -- names`: how long a put of 10 KiB under a name takes through seven real node processes with a warm client, what of it goes
// where, and what it costs all processes together; and the same from the command line, where each put is a process of its own.

import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLI, cpuSecondsOf, type LocalNetwork, startLocalNetwork } from './local-network.ts';
import type { BenchOptions } from './main.ts';
import type { NamesCommand, NamesResult, TracedPut } from './names-client.ts';
import type { TraceLine } from './names-trace.ts';
import type { BenchTable } from './table.ts';

const NODES = 7;
const LENGTH = 10 * 1024;
const CLIENT = fileURLToPath(new URL('./names-client.ts', import.meta.url));
const TRACE = fileURLToPath(new URL('./names-trace.ts', import.meta.url));

export async function benchNames({ quick }: BenchOptions): Promise<readonly BenchTable[]> {
  const count = quick ? 40 : 200;
  const plain = await withNetwork({}, async (network) => ({
    warm: await warmPuts(network, count),
    single: singlePuts(network, quick ? 5 : 20),
  }));
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-trace-'));
  try {
    const options = `${process.env['NODE_OPTIONS'] ?? ''} --import=${TRACE}`;
    const traced = await withNetwork({ NODE_OPTIONS: options, BENCH_TRACE: folder }, (network) =>
      warmPuts(network, count),
    );
    return [wallTable(plain.warm, plain.single), stepTable(traced.result.puts, readTrace(folder))];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function withNetwork<T>(
  environment: NodeJS.ProcessEnv,
  run: (network: LocalNetwork) => Promise<T>,
): Promise<T> {
  const network = await startLocalNetwork(NODES, environment);
  try {
    return await run(network);
  } finally {
    await network.stop();
  }
}

// ---- Measuring ---------------------------------------------------------------------------------------------------

interface Measured {
  readonly result: NamesResult;
  /** Seconds of each node, while what counts was put. */
  readonly nodeCpu: readonly number[];
}

async function warmPuts(network: LocalNetwork, count: number): Promise<Measured> {
  const command: NamesCommand = {
    home: network.home,
    bucket: `bench${count}`,
    lengthBytes: LENGTH,
    warmUp: count > 100 ? 60 : 15,
    count,
  };
  const child = spawn(process.execPath, [CLIENT], { stdio: ['pipe', 'pipe', 'pipe'] });
  const cpu = (): number[] => network.pids.map(cpuSecondsOf);
  let before = cpu();
  let after = before;
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => {
    const text = chunk.toString();
    if (text.includes('warm')) before = cpu();
    if (text.includes('done')) after = cpu();
    else if (!text.includes('warm')) process.stderr.write(text);
  });
  child.stdin.end(JSON.stringify(command));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`the client ended with ${String(code)}`);
  return {
    result: JSON.parse(output) as NamesResult,
    nodeCpu: after.map((seconds, index) => seconds - before[index]!),
  };
}

function singlePuts({ home }: LocalNetwork, count: number): readonly number[] {
  const env = { ...process.env, HOLDFAST_HOME: home };
  const store = (args: readonly string[], input?: Uint8Array): void => {
    const done = spawnSync(process.execPath, [CLI, ...args], {
      env,
      input,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    if (done.status !== 0) throw new Error(`store ${args.join(' ')} failed`);
  };
  const file = join(home, 'single');
  store(['bucket', 'create', 'single']);
  return Array.from({ length: count }, (_, index) => {
    writeFileSync(file, randomBytes(LENGTH));
    const fromMs = performance.now();
    store(['put', file, `store://single/${index}`]);
    return performance.now() - fromMs;
  });
}

function readTrace(folder: string): readonly (readonly TraceLine[])[] {
  return readdirSync(folder).map((name) =>
    readFileSync(join(folder, name), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as TraceLine),
  );
}

// ---- Tables ------------------------------------------------------------------------------------------------------

function wallTable({ result, nodeCpu }: Measured, single: readonly number[]): BenchTable {
  const { puts, cpuSeconds } = result;
  const wall = puts.map(({ fromMs, toMs }) => toMs - fromMs);
  const perPut = (seconds: number): string => ((1000 * seconds) / puts.length).toFixed(1);
  const nodes = nodeCpu.reduce((total, seconds) => total + seconds, 0);
  const row = (name: string, each: readonly number[], ...cpu: string[]): string[] => [
    name,
    String(each.length),
    percentile(each, 50).toFixed(0),
    percentile(each, 95).toFixed(0),
    ...cpu,
  ];
  return {
    title: `put of ${LENGTH / 1024} KiB under a name, ${NODES} local nodes, one after the other`,
    columns: ['client', 'puts', 'p50 ms', 'p95 ms', 'CPU ms client', 'CPU ms nodes', 'CPU ms all'],
    rows: [
      row('one, warm', wall, perPut(cpuSeconds), perPut(nodes), perPut(nodes + cpuSeconds)),
      row('store put, a process each', single, '', '', ''),
    ],
    notes: ['goal: p50 under 150 ms; CPU is of a put, over all processes'],
  };
}

/** Where the time of a put goes: medians over puts, each step by the process that is the last to end it unless it says otherwise. */
function stepTable(puts: readonly TracedPut[], nodes: readonly (readonly TraceLine[])[]): BenchTable {
  const steps = new Map<string, number[]>();
  const add = (name: string, ms: number | undefined): void => {
    if (ms === undefined || !Number.isFinite(ms)) return;
    steps.set(name, [...(steps.get(name) ?? []), ms]);
  };
  const all = nodes.flat();
  for (const put of puts) {
    const calls = (service: string): readonly TraceLine[] => put.calls.filter(({ what }) => what === service);
    const since = (ms: number): number => ms - put.fromMs;
    const span = (name: string, lines: readonly TraceLine[]): void => {
      if (lines.length === 0) return;
      const from = Math.min(...lines.map(({ fromMs }) => fromMs));
      const to = Math.max(...lines.map(({ toMs }) => toMs));
      add(`${name}: begins`, since(from));
      add(`${name}: ends`, since(to));
    };
    for (const service of [...new Set(put.calls.map(({ what }) => what))].toSorted()) {
      add(`client, ${service}: calls`, calls(service).length);
      span(`client, ${service}`, calls(service));
    }
    add('client: all is stored', since(put.chainMs));
    add('client: put ends', since(put.toMs));
    const during = all.filter(({ fromMs }) => fromMs >= put.fromMs && fromMs <= put.toMs);
    const heights = [...new Set(during.filter(({ what }) => what === 'build').map(({ detail }) => detail))];
    for (const [turn, height] of heights
      .toSorted((a, b) => Number(a) - Number(b))
      .slice(0, 3)
      .entries()) {
      const of = (what: string, detail = height): TraceLine[] =>
        during.filter((line) => line.what === what && line.detail === detail);
      const name = `block ${turn + 1}`;
      span(`${name}, made`, of('build'));
      for (const kind of ['proposal', 'prevote', 'precommit']) {
        span(`${name}, ${kind} sent`, of('broadcast', `${kind} ${height}`));
      }
      span(`${name}, judged`, of('judge'));
      span(`${name}, committed`, of('commit'));
      add(`${name}, first commit`, since(Math.min(...of('commit').map(({ toMs }) => toMs))));
    }
    add('heights begun', heights.length);
  }
  const rows = [...steps].map(([name, values]) => [
    name,
    percentile(values, 50).toFixed(1),
    percentile(values, 95).toFixed(1),
    String(values.length),
  ]);
  return {
    title: 'the same, traced: milliseconds after the put began (calls: their number)',
    columns: ['step', 'p50', 'p95', 'puts'],
    rows: rows.toSorted((a, b) => Number(a[1]) - Number(b[1])),
    notes: [],
  };
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0;
}
