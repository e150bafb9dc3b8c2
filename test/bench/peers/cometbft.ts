// CometBFT, when `cometbft` is on the PATH: its own local network with the built-in kvstore application, each validator a process
// at a loopback address of its own. Times come out of its logs, CPU out of /proc, bytes out of its connections' counters.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_TIMEOUTS, type TimeoutParams } from '../../../src/consensus/types.ts';
import { type ConsensusFigures, sleep } from '../consensus-run.ts';
import { cpuSecondsOf, numberIn } from '../local-network.ts';
import { inTemporaryFolder, isOnPath, run } from './processes.ts';

export interface CometbftOptions {
  readonly count: number;
  readonly seconds: number;
  /** Its gossip sleeps so long when it has nothing to send, and so long its connections wait for more before they send. */
  readonly pauseMs: number;
  readonly timeouts: TimeoutParams;
}

const WARM_HEIGHTS = 10;
const START_MS = 60_000;

export interface RunningCometbft {
  readonly children: readonly ChildProcess[];
  readonly homes: readonly string[];
  /** Loopback addresses; RPC is on port 26657 of each. */
  readonly addresses: readonly string[];
}

export async function measureCometbft(options: CometbftOptions): Promise<ConsensusFigures | string> {
  return await startCometbft(options, ({ children, homes }) => measure(children, homes, options.seconds));
}

/** Runs `use` beside a local network that has decided some heights, or says why there is none. */
export async function startCometbft<T>(
  options: Pick<CometbftOptions, 'count' | 'pauseMs'> & Partial<CometbftOptions>,
  use: (running: RunningCometbft) => Promise<T>,
): Promise<T | string> {
  if (!isOnPath('cometbft')) return 'absent (no cometbft on PATH)';
  return await inTemporaryFolder(async (folder) => {
    const flags = ['--populate-persistent-peers', '--starting-ip-address', '127.0.0.1'];
    const made = run('cometbft', ['testnet', '--v', String(options.count), '--o', folder, ...flags], {});
    if (!made.isOk) return 'absent (cometbft testnet failed)';
    const homes = Array.from({ length: options.count }, (_, index) => join(folder, `node${index}`));
    const addresses = homes.map((_, index) => addressOf(index));
    const timeouts = options.timeouts ?? DEFAULT_TIMEOUTS;
    for (const [index, home] of homes.entries()) {
      configure(home, addresses[index]!, { pauseMs: options.pauseMs, timeouts });
    }
    const children = homes.map(startNode);
    try {
      if (!(await hasBegun(homes))) return 'decided nothing';
      return await use({ children, homes, addresses });
    } finally {
      await Promise.all(
        children.map(async (child) => {
          const exited = once(child, 'exit');
          if (child.kill('SIGKILL')) await exited;
        }),
      );
    }
  });
}

const addressOf = (index: number): string => `127.0.0.${index + 1}`;

function configure(
  home: string,
  address: string,
  { timeouts, pauseMs }: Pick<CometbftOptions, 'timeouts' | 'pauseMs'>,
): void {
  const path = join(home, 'config', 'config.toml');
  const { proposeMs, proposeGrowthMs, voteMs, voteGrowthMs } = timeouts;
  const settings: Readonly<Record<string, string>> = {
    timeout_propose: `${proposeMs}ms`,
    timeout_propose_delta: `${proposeGrowthMs}ms`,
    timeout_prevote: `${voteMs}ms`,
    timeout_prevote_delta: `${voteGrowthMs}ms`,
    timeout_precommit: `${voteMs}ms`,
    timeout_precommit_delta: `${voteGrowthMs}ms`,
    timeout_commit: '0s',
    peer_gossip_sleep_duration: `${pauseMs}ms`,
    flush_throttle_timeout: `${pauseMs}ms`,
    proxy_app: 'kvstore',
  };
  let text = readFileSync(path, 'utf8')
    .replace('laddr = "tcp://0.0.0.0:26656"', `laddr = "tcp://${address}:26656"`)
    .replace('laddr = "tcp://127.0.0.1:26657"', `laddr = "tcp://${address}:26657"`);
  for (const [name, value] of Object.entries(settings)) {
    text = text.replace(new RegExp(`^${name} = .*$`, 'm'), `${name} = "${value}"`);
  }
  writeFileSync(path, text);
}

function startNode(home: string): ChildProcess {
  const log = openSync(join(home, 'log'), 'w');
  const child = spawn('cometbft', ['start', '--home', home], { stdio: ['ignore', log, log] });
  closeSync(log);
  return child;
}

async function hasBegun(homes: readonly string[]): Promise<boolean> {
  const deadline = performance.now() + START_MS;
  while (homes.some((home) => decisionsIn(home).length < WARM_HEIGHTS)) {
    if (performance.now() > deadline) return false;
    await sleep(500);
  }
  return true;
}

async function measure(
  children: readonly ChildProcess[],
  homes: readonly string[],
  seconds: number,
): Promise<ConsensusFigures> {
  const cpu = (): number => children.reduce((sum, { pid }) => sum + cpuSecondsOf(pid!), 0);
  const [cpuBefore, bytesBefore] = [cpu(), await bytesSent(homes.length)];
  const from = Date.now();
  await sleep(seconds * 1000);
  const until = Date.now();
  const [cpuAfter, bytesAfter] = [cpu(), await bytesSent(homes.length)];
  const proposals = proposalTimes(homes);
  const decisions = homes.flatMap((home) =>
    decisionsIn(home).filter(({ atMs }) => atMs >= from && atMs < until),
  );
  return {
    heights: decisions.length / homes.length,
    seconds: (until - from) / 1000,
    latenciesMs: decisions.flatMap(({ height, atMs }) => {
      const proposed = proposals.get(height);
      return proposed === undefined ? [] : [atMs - proposed];
    }),
    messages: undefined,
    wireBytes: bytesAfter - bytesBefore,
    cpuMs: (cpuAfter - cpuBefore) * 1000,
    rssBytes: Math.max(...children.map(({ pid }) => 1024 * numberIn(pid!, 'status', /VmHWM:\s+(\d+)/))),
    syncs: [],
    verifications: undefined,
    roundsAboveZero: undefined,
  };
}

interface LoggedAt {
  readonly height: number;
  readonly atMs: number;
}

/** Lines look like `I[2030-01-31|13:48:55.931] Received proposal   module=consensus proposal="Proposal{12/0 ...`. */
function linesOf(home: string, pattern: RegExp): readonly LoggedAt[] {
  const text = readFileSync(join(home, 'log'), 'utf8');
  return [...text.matchAll(pattern)].map(([, date, time, height]) => ({
    height: Number(height),
    atMs: Date.parse(`${date}T${time}Z`),
  }));
}

const decisionsIn = (home: string): readonly LoggedAt[] =>
  linesOf(home, /^I\[([\d-]+)\|([\d:.]+)\] finalizing commit of block\s.*?\bheight=(\d+)/gm);

/** When the first of all had the proposal of a height: its proposer. */
function proposalTimes(homes: readonly string[]): ReadonlyMap<number, number> {
  const times = new Map<number, number>();
  for (const home of homes) {
    const lines = linesOf(home, /^I\[([\d-]+)\|([\d:.]+)\] received proposal\s.*?Proposal\{(\d+)\//gm);
    for (const { height, atMs } of lines) {
      times.set(height, Math.min(atMs, times.get(height) ?? Number.POSITIVE_INFINITY));
    }
  }
  return times;
}

interface NetInfo {
  readonly result: {
    readonly peers: readonly {
      readonly connection_status: { readonly SendMonitor: { readonly Bytes: string } };
    }[];
  };
}

/** By all validators, on all connections. */
async function bytesSent(count: number): Promise<number> {
  let sum = 0;
  for (let index = 0; index < count; index++) {
    const response = await fetch(`http://${addressOf(index)}:26657/net_info`);
    const { result } = (await response.json()) as NetInfo;
    for (const peer of result.peers) sum += Number(peer.connection_status.SendMonitor.Bytes);
  }
  return sum;
}
