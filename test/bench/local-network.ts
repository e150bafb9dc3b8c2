// A local network of real node processes for a measurement, and the CPU and memory they use.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const CLI: string = fileURLToPath(new URL('../../bin/store.cjs', import.meta.url));
/** Kernel clock ticks per second: fixed at 100 on Linux for user space. */
const TICKS_PER_SECOND = 100;

export interface LocalNetwork {
  readonly home: string;
  /** Process ids of the nodes. */
  readonly pids: readonly number[];
  /** CPU seconds of all nodes so far. */
  cpuSeconds(): number;
  /** Largest peak resident memory of a node, bytes. */
  peakMemory(): number;
  /** Bytes that all nodes caused to be written to disk so far. */
  writtenBytes(): number;
  stop(): Promise<void>;
}

/** `environment`: of the node processes, beside this one's. */
export async function startLocalNetwork(
  nodes: number,
  environment: NodeJS.ProcessEnv = {},
): Promise<LocalNetwork> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  const home = join(folder, 'home');
  const env = { ...process.env, ...environment, HOLDFAST_HOME: home };
  const args = [CLI, 'up', '--nodes', String(nodes), '--dir', join(folder, 'network'), '--json'];
  const up = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  await firstLine(up);
  const nodeProcesses = descendants(up.pid!).filter((pid) => isNode(pid));
  const stop = async (): Promise<void> => {
    const gone = new Promise((resolve) => up.once('exit', resolve));
    up.kill('SIGINT');
    await gone;
    rmSync(folder, { recursive: true, force: true });
  };
  return {
    home,
    pids: nodeProcesses,
    cpuSeconds: () => sum(nodeProcesses.map(cpuSecondsOf)),
    peakMemory: () =>
      Math.max(...nodeProcesses.map((pid) => 1024 * numberIn(pid, 'status', /VmHWM:\s+(\d+)/))),
    writtenBytes: () => sum(nodeProcesses.map((pid) => numberIn(pid, 'io', /^write_bytes: (\d+)/m))),
    stop,
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
    child.once('exit', (code) => reject(new Error(`store up ended with exit code ${code}`)));
  });
}

function descendants(pid: number): number[] {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => parentOf(candidate) === pid);
  return children.flatMap((child) => [child, ...descendants(child)]);
}

/** Fields of /proc/PID/stat behind the name, which may itself hold spaces. */
function statFields(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
  } catch {
    return [];
  }
}

const parentOf = (pid: number): number => Number(statFields(pid)[1]);

function isNode(pid: number): boolean {
  try {
    return /\bnode\b.*--dir/s.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
  } catch {
    return false;
  }
}

export function cpuSecondsOf(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export function numberIn(pid: number, file: string, pattern: RegExp): number {
  try {
    return Number(pattern.exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
