// What it costs to move bytes and small calls between two processes on one machine: the bulk lane beside raw sockets,
// raw TLS and libp2p's default stack. CPU of both processes counts, because wall time says more about the machine's
// other work. Stacks take turns within a round, and a figure is the median of the rounds.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Cost, Job, StackName } from './lane-worker.ts';
import type { BenchTable } from './table.ts';

const MIB = 1 << 20;
const STACKS: readonly (readonly [StackName, string])[] = [
  ['bulk', 'bulk lane'],
  ['tls', 'node:tls, data events'],
  ['tls-onread', 'node:tls, caller with onread'],
  ['tcp', 'node:net, not secure'],
  ['libp2p', 'libp2p tcp + noise + yamux'],
];

interface Measure {
  readonly title: string;
  /** Total payload for CPU seconds per GB; absent: microseconds per call. */
  readonly bytes?: number;
  readonly job: Job;
}

interface Pair {
  readonly server: ChildProcess;
  readonly client: ChildProcess;
}

/** CPU seconds per GB of both ends, and CPU microseconds per small call, with ratios to raw TLS and to libp2p. */
export async function benchLane(options: { json: boolean; quick: boolean }): Promise<BenchTable> {
  const measures = plan(options.quick);
  const rounds = options.quick ? 1 : 5;
  const pairs = new Map<StackName, Pair>();
  try {
    for (const [stack] of STACKS) pairs.set(stack, await startPair(stack));
    const costs = await measureRounds(pairs, measures, rounds);
    return {
      title: 'Lanes between two processes: CPU of both ends, s per GB or us per call',
      columns: ['stack', ...measures.map((measure) => measure.title)],
      rows: [
        ...STACKS.map(([stack, name]) => [name, ...measures.map((_, at) => figure(costs.get(stack)![at]!))]),
        ...ratios(costs, measures),
      ],
      notes: [
        'get: onread is the fair peer; put: the accepting side has no onread, so both rows of node:tls are.',
        `goals: bulk at most 1.3 x node:tls and at most 0.35 x libp2p; medians of ${rounds} interleaved rounds`,
      ],
    };
  } finally {
    for (const { server, client } of pairs.values()) for (const child of [server, client]) child.kill();
  }
}

function plan(isQuick: boolean): readonly Measure[] {
  const total = (isQuick ? 64 : 256) * MIB;
  const calls = isQuick ? 1000 : 4000;
  const bulk = (kind: 'put' | 'get', mib: number, inFlight: number): Measure => ({
    title: `${kind} ${mib} MiB${inFlight === 1 ? '' : ` x${inFlight}`}`,
    bytes: total,
    job: { kind, length: mib * MIB, count: total / (mib * MIB), inFlight },
  });
  const small = (inFlight: number): Measure => ({
    title: `1 KiB x${inFlight}`,
    job: { kind: 'echo', length: 1024, count: calls, inFlight },
  });
  return [
    bulk('put', 1, 1),
    bulk('put', 4, 1),
    bulk('get', 1, 1),
    bulk('get', 4, 1),
    bulk('put', 1, 8),
    small(1),
    small(32),
  ];
}

async function measureRounds(
  pairs: ReadonlyMap<StackName, Pair>,
  measures: readonly Measure[],
  rounds: number,
): Promise<ReadonlyMap<StackName, readonly number[]>> {
  const samples = new Map(STACKS.map(([stack]) => [stack, measures.map((): number[] => [])]));
  // The first round warms compilers and connections and is not counted.
  for (let round = -1; round < rounds; round++) {
    for (const [index, measure] of measures.entries()) {
      for (const [stack, pair] of pairs) {
        const cost = await measureOnce(pair, measure);
        if (round >= 0) samples.get(stack)![index]!.push(cost);
      }
    }
  }
  return new Map([...samples].map(([stack, lists]) => [stack, lists.map(median)]));
}

async function measureOnce({ server, client }: Pair, { job, bytes }: Measure): Promise<number> {
  const before = await ask(server, 'cpu');
  const caller = await ask(client, job);
  const after = await ask(server, 'cpu');
  const cpuUs = caller.cpuUs + after.cpuUs - before.cpuUs;
  return bytes === undefined ? cpuUs / job.count : cpuUs / 1e6 / (bytes / 1e9);
}

function ratios(
  costs: ReadonlyMap<StackName, readonly number[]>,
  measures: readonly Measure[],
): (string | number)[][] {
  const row = (name: string, stack: StackName): (string | number)[] => {
    return [name, ...measures.map((_, at) => figure(costs.get('bulk')![at]! / costs.get(stack)![at]!))];
  };
  return [
    row('bulk / node:tls', 'tls'),
    row('bulk / node:tls with onread', 'tls-onread'),
    row('bulk / libp2p', 'libp2p'),
  ];
}

async function startPair(stack: StackName): Promise<Pair> {
  const server = startWorker(['serve', stack]);
  const [port] = (await once(server, 'message')) as [number];
  const client = startWorker(['call', stack, String(port)]);
  await once(client, 'message');
  return { server, client };
}

function startWorker(args: readonly string[]): ChildProcess {
  return fork(fileURLToPath(new URL('./lane-worker.ts', import.meta.url)), args, {
    stdio: ['ignore', 2, 2, 'ipc'],
  });
}

async function ask(worker: ChildProcess, what: Job | 'cpu'): Promise<Cost> {
  const answer = once(worker, 'message');
  worker.send(what);
  const [cost] = (await answer) as [Cost];
  return cost;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function figure(value: number): number {
  return Number(value.toPrecision(3));
}
