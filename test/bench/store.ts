// Put and get of one large object and of many small ones through seven real node processes, side by side with the same path
// on libp2p's default lane and with other systems that keep files on several nodes.

import { spawnSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { startLocalNetwork, type LocalNetwork } from './local-network.ts';
import type { BenchOptions } from './main.ts';
import { benchKubo } from './peers/kubo.ts';
import { benchTahoe } from './peers/tahoe.ts';
import type { ClientCommand, ClientResult } from './store-client.ts';
import type { BenchTable } from './table.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const NODES = 7;
const CHILD = fileURLToPath(new URL('./store-client.ts', import.meta.url));

/** One direction of one system: seconds, CPU seconds of client and nodes, peak memory. */
export interface TransferFigures {
  readonly seconds: number;
  readonly clientCpu: number;
  readonly nodesCpu: number;
  readonly clientPeak: number;
  readonly nodePeak: number;
}

export interface PeerFigures {
  readonly put: TransferFigures;
  readonly get: TransferFigures;
}

export async function benchStore(options: BenchOptions): Promise<readonly BenchTable[]> {
  const lengthBytes = options.quick ? 128 * MIB : GIB;
  const rows: (string | number)[][] = [];
  const bulk = await benchLane('bulk', lengthBytes);
  const control = await benchLane('control', lengthBytes / 4);
  rows.push(...figureRows('holdfast, bulk lane', bulk, lengthBytes));
  rows.push(...figureRows('holdfast, libp2p default lane', control, lengthBytes / 4));
  for (const [name, measure] of [
    ['Tahoe-LAFS 3 of 7', benchTahoe],
    ['kubo ipfs add / cat', benchKubo],
  ] as const) {
    const peerLength = lengthBytes / 8;
    const figures = await measure(NODES, peerLength);
    rows.push(...(typeof figures === 'string' ? [[name, figures]] : figureRows(name, figures, peerLength)));
  }
  return [
    {
      title: `put and get through ${NODES} local nodes, ${lengthBytes / MIB} MiB (libp2p lane a quarter, peers an eighth)`,
      columns: [
        'system',
        'what',
        'MB/s',
        'client CPU s/GiB',
        'nodes CPU s/GiB',
        'client peak MiB',
        'node peak MiB',
      ],
      rows,
      notes: [
        `total CPU against the libp2p default lane: put ${ratio(bulk.put, lengthBytes, control.put, lengthBytes / 4)} (goal 0.45), get ${ratio(bulk.get, lengthBytes, control.get, lengthBytes / 4)} (goal 0.35)`,
        'a put is measured until all pieces are stored, not only the quorum; the source is made and the result checked in the client',
        'kubo keeps one copy on one node and does not code or encrypt: its row is a floor, not an equal',
      ],
    },
  ];
}

async function benchLane(lane: 'bulk' | 'control', lengthBytes: number): Promise<PeerFigures> {
  const network = await startLocalNetwork(NODES);
  try {
    const block = randomBlock();
    const base = { home: network.home, lane, lengthBytes, count: 1, block } as const;
    const put = measured(network, { ...base, action: 'put', uris: [] });
    const get = measured(network, { ...base, action: 'get', uris: put.result.uris });
    return { put: put.figures, get: get.figures };
  } finally {
    await network.stop();
  }
}

export async function benchSmallObjects(options: BenchOptions): Promise<readonly BenchTable[]> {
  const count = options.quick ? 100 : 1000;
  const lengthBytes = 10 * 1024;
  const network = await startLocalNetwork(NODES);
  try {
    const base = { home: network.home, lane: 'bulk', lengthBytes, count, block: randomBlock() } as const;
    const written = network.writtenBytes();
    const put = measured(network, { ...base, action: 'put', uris: [] });
    const perObject = (network.writtenBytes() - written) / count;
    const get = measured(network, { ...base, action: 'get', uris: put.result.uris });
    const row = (what: string, each: readonly number[]): (string | number)[] => [
      what,
      percentile(each, 50).toFixed(1),
      percentile(each, 99).toFixed(1),
    ];
    return [
      {
        title: `${count} objects of 10 KiB through ${NODES} local nodes, one after the other`,
        columns: ['what', 'p50 ms', 'p99 ms'],
        rows: [row('put, acknowledged by the quorum', put.result.eachMs), row('get', get.result.eachMs)],
        notes: [`bytes written to all disks per object: ${Math.round(perObject)}`],
      },
    ];
  } finally {
    await network.stop();
  }
}

function measured(
  network: LocalNetwork,
  command: ClientCommand,
): { result: ClientResult; figures: TransferFigures } {
  const before = network.cpuSeconds();
  const child = spawnSync(process.execPath, [CHILD], {
    input: JSON.stringify(command),
    maxBuffer: 64 * MIB,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  if (child.status !== 0) throw new Error(`${command.action} over the ${command.lane} lane failed`);
  const result = JSON.parse(child.stdout.toString()) as ClientResult;
  const figures: TransferFigures = {
    seconds: result.wallMs / 1000,
    clientCpu: result.cpuSeconds,
    nodesCpu: network.cpuSeconds() - before,
    clientPeak: result.peakMemoryBytes,
    nodePeak: network.peakMemory(),
  };
  return { result, figures };
}

function figureRows(name: string, figures: PeerFigures, lengthBytes: number): (string | number)[][] {
  return (['put', 'get'] as const).map((what) => {
    const { seconds, clientCpu, nodesCpu, clientPeak, nodePeak } = figures[what];
    const perGib = GIB / lengthBytes;
    return [
      name,
      what,
      (lengthBytes / 1e6 / seconds).toFixed(0),
      (clientCpu * perGib).toFixed(1),
      (nodesCpu * perGib).toFixed(1),
      (clientPeak / MIB).toFixed(0),
      (nodePeak / MIB).toFixed(0),
    ];
  });
}

function ratio(a: TransferFigures, aLength: number, b: TransferFigures, bLength: number): string {
  return ((a.clientCpu + a.nodesCpu) / aLength / ((b.clientCpu + b.nodesCpu) / bLength)).toFixed(2);
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0;
}

function randomBlock(): string {
  return Buffer.from(randomFillSync(new Uint8Array(MIB))).toString('base64');
}
