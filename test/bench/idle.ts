// Memory of nodes that have nothing to do: `npm run bench -- idle`. Seven nodes on one machine, after their start, right after some puts, and when
// they have rested from them.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createStore } from '../../src/client/store.ts';
import { type LocalNetwork, startLocalNetwork } from './local-network.ts';
import type { BenchOptions } from './main.ts';
import type { BenchTable } from './table.ts';

const PUTS = 40;
const PUT_LENGTH = 1024 * 1024;
const MIB = 1024 * 1024;

export async function benchIdle({ quick }: BenchOptions): Promise<readonly BenchTable[]> {
  const nodes = quick ? 4 : 7;
  const network = await startLocalNetwork(nodes);
  try {
    const rows = [['just started', ...figures(network)]];
    await sleep(60_000);
    rows.push(['a minute later', ...figures(network)]);
    const restFrom = network.cpuSeconds();
    await sleep(60_000);
    rows.push(['two minutes later', ...figures(network)]);
    const restCpu = (1000 * (network.cpuSeconds() - restFrom)) / 60 / nodes;
    await putAll(network.home);
    rows.push([`after ${PUTS} puts of 1 MiB`, ...figures(network)]);
    await sleep(90_000);
    rows.push(['90 s later', ...figures(network)]);
    return [
      {
        title: `Resident memory of ${nodes} idle nodes, MiB`,
        columns: ['', 'least', 'median', 'most', 'of it shared with others'],
        rows,
        notes: [
          `CPU of a node at rest: ${restCpu.toFixed(1)} ms/s; largest peak ${mib(network.peakMemory())} MiB`,
        ],
      },
    ];
  } finally {
    await network.stop();
  }
}

async function putAll(home: string): Promise<void> {
  const store = await createStore({ home });
  for (let count = 0; count < PUTS; count++) await store.put(randomBytes(PUT_LENGTH));
  await store.close();
}

const mib = (bytes: number): string => String(Math.round(bytes / MIB));

/** The program's own code is in memory once for all processes, and counted in each. */
function figures({ pids }: LocalNetwork): string[] {
  const resident = pids.map((pid) => residentOf(pid, 'VmRSS')).sort((a, b) => a - b);
  const shared = Math.max(...pids.map((pid) => residentOf(pid, 'RssFile')));
  return [resident[0]!, resident[resident.length >> 1]!, resident.at(-1)!, shared].map(mib);
}

function residentOf(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return 1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
}
