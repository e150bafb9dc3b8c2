// Tahoe-LAFS from PyPI in a virtual environment: an introducer, storage nodes and a client gateway on loopback, 3 of 7.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PeerFigures, TransferFigures } from '../store.ts';
import {
  childrenCpuSeconds,
  cpuSecondsOf,
  inTemporaryFolder,
  isOnPath,
  peakMemoryOf,
  run,
} from './processes.ts';

export async function benchTahoe(nodes: number, lengthBytes: number): Promise<PeerFigures | string> {
  return inTemporaryFolder(async (folder) => {
    const tahoe = install(folder);
    if (tahoe === undefined) return 'absent (tahoe-lafs not installable)';
    const running: ChildProcess[] = [];
    try {
      return await measure(tahoe, folder, nodes, lengthBytes, running);
    } finally {
      for (const child of running) child.kill('SIGKILL');
    }
  });
}

function install(folder: string): string | undefined {
  if (isOnPath('tahoe')) return 'tahoe';
  const environment = join(folder, 'venv');
  if (!run('python3', ['-m', 'venv', environment]).isOk) return undefined;
  const installed = run(join(environment, 'bin', 'pip'), ['install', '-q', 'tahoe-lafs', 'setuptools<81']);
  return installed.isOk ? join(environment, 'bin', 'tahoe') : undefined;
}

async function measure(
  tahoe: string,
  folder: string,
  nodes: number,
  lengthBytes: number,
  running: ChildProcess[],
): Promise<PeerFigures | string> {
  const start = (name: string): ChildProcess => {
    const child = spawn(tahoe, ['run', '--allow-stdin-close', join(folder, name)], { stdio: 'ignore' });
    running.push(child);
    return child;
  };
  const port = 20_000 + Math.floor(Number(randomBytes(2).readUInt16LE()) / 2);
  const introducer = [
    'create-introducer',
    '--listen=tcp',
    `--port=tcp:${port}:interface=127.0.0.1`,
    `--location=tcp:127.0.0.1:${port}`,
  ];
  run(tahoe, [...introducer, join(folder, 'introducer')]);
  start('introducer');
  const furlFile = join(folder, 'introducer', 'private', 'introducer.furl');
  if (!(await appears(furlFile))) return 'absent (the introducer did not start)';
  const furl = `--introducer=${readFileSync(furlFile, 'utf8').trim()}`;
  const storage: ChildProcess[] = [];
  for (let index = 1; index <= nodes; index++) {
    const at = port + index;
    const where = [`--port=tcp:${at}:interface=127.0.0.1`, `--location=tcp:127.0.0.1:${at}`];
    run(tahoe, ['create-node', '--webport=none', furl, ...where, join(folder, `node-${index}`)]);
    storage.push(start(`node-${index}`));
  }
  const shares = ['--shares-needed=3', '--shares-happy=7', '--shares-total=7'];
  run(tahoe, [
    'create-client',
    `--webport=tcp:${port + 50}:interface=127.0.0.1`,
    furl,
    ...shares,
    join(folder, 'client'),
  ]);
  storage.push(start('client'));
  if (!(await appears(join(folder, 'client', 'node.url')))) return 'absent (the client did not start)';
  if (!(await takesFiles(tahoe, folder))) return 'absent (the grid did not take a file within two minutes)';
  return transfer(tahoe, folder, lengthBytes, storage);
}

/** Polls with a small file: the client is of use when it has met every storage node. */
async function takesFiles(tahoe: string, folder: string): Promise<boolean> {
  const probe = join(folder, 'probe');
  writeFileSync(probe, randomBytes(1000));
  for (let attempt = 0; attempt < 40; attempt++) {
    if (run(tahoe, ['-d', join(folder, 'client'), 'put', probe]).isOk) return true;
    await sleep(3000);
  }
  return false;
}

function transfer(
  tahoe: string,
  folder: string,
  lengthBytes: number,
  servers: readonly ChildProcess[],
): PeerFigures | string {
  const source = join(folder, 'source');
  writeFileSync(source, randomBytes(lengthBytes));
  const client = ['-d', join(folder, 'client')];
  let capability = '';
  const put = timed(servers, () => {
    const done = run(tahoe, [...client, 'put', source]);
    capability = done.stdout.trim();
    return done.isOk;
  });
  const get = timed(servers, () => run(tahoe, [...client, 'get', capability, join(folder, 'result')]).isOk);
  return put === undefined || get === undefined ? 'failed' : { put, get };
}

/** The client gateway counts as client, with the command; the storage nodes as nodes. */
function timed(servers: readonly ChildProcess[], use: () => boolean): TransferFigures | undefined {
  const pids = servers.map((server) => server.pid!);
  const gateway = pids.at(-1)!;
  const before = {
    nodes: total(pids.slice(0, -1)),
    gateway: cpuSecondsOf(gateway),
    command: childrenCpuSeconds(),
  };
  const started = performance.now();
  if (!use()) return undefined;
  return {
    seconds: (performance.now() - started) / 1000,
    clientCpu: cpuSecondsOf(gateway) - before.gateway + childrenCpuSeconds() - before.command,
    nodesCpu: total(pids.slice(0, -1)) - before.nodes,
    clientPeak: peakMemoryOf(gateway),
    nodePeak: Math.max(...pids.slice(0, -1).map(peakMemoryOf)),
  };
}

const total = (pids: readonly number[]): number => pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);

async function appears(file: string): Promise<boolean> {
  for (let attempt = 0; attempt < 120; attempt++) {
    if (existsSync(file)) return true;
    await sleep(500);
  }
  return false;
}
