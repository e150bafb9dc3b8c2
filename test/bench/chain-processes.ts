// A chain's nodes as processes of this machine, in temporary folders, for a measurement.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toHex } from '../../src/base/bytes.ts';
import type { NetworkId, NodeId } from '../../src/base/ids.ts';
import type { NodeAddresses } from '../../src/base/ports.ts';
import { guardNewKey } from '../../src/node/validator/signer-file.ts';
import { loadOrCreateIdentity } from '../../src/runtime/identity.ts';
import { encodeFounding, type FoundingDocument } from '../../src/shards/founding.ts';
import { benchFounding } from './chain-work.ts';
import type { ChainCommand, ChainReport, ChainWorkerConfig, ChainWorkerMessage } from './chain-worker.ts';
import { sleep } from './consensus-run.ts';

const WORKER = fileURLToPath(new URL('./chain-worker.ts', import.meta.url));
const START_MS = 120_000;
const STOP_MS = 10_000;

export interface ChainProcessesOptions {
  readonly count: number;
  readonly shardBits?: number;
  readonly accounts?: number;
  readonly heartbeatMs?: number;
  /** How many of them say what they committed: the first ones. */
  readonly talkative?: number;
  readonly nodeFlags?: readonly string[];
}

interface Seat {
  readonly node: NodeId;
  readonly config: ChainWorkerConfig;
  child: ChildProcess | undefined;
  addresses: NodeAddresses;
}

export class ChainProcesses {
  readonly founding: FoundingDocument;
  readonly #root: string;
  readonly #seats: readonly Seat[];
  readonly #flags: readonly string[];
  /** Told of every commit of a talkative node. */
  onCommitted: (node: number, height: number, transactions: number) => void = () => {};

  private constructor(
    root: string,
    founding: FoundingDocument,
    seats: readonly Seat[],
    flags: readonly string[],
  ) {
    this.#root = root;
    this.founding = founding;
    this.#seats = seats;
    this.#flags = flags;
  }

  static async start(options: ChainProcessesOptions): Promise<ChainProcesses> {
    const { count, heartbeatMs = 10_000, talkative = count, nodeFlags = [] } = options;
    const root = await mkdtemp(join(tmpdir(), 'holdfast-chain-'));
    const folders = Array.from({ length: count }, (_, index) => join(root, String(index)));
    const nodes: NodeId[] = [];
    for (const folder of folders) nodes.push((await loadOrCreateIdentity(join(folder, 'identity'))).nodeId);
    const founding = benchFounding({ ...options, validators: nodes });
    const network = founding.signed.record.network;
    const file = join(root, 'founding');
    await writeFile(file, encodeFounding(founding));
    for (const [index, folder] of folders.entries()) {
      await guardNewKey({ folder: join(folder, 'signer'), network }, nodes[index]!);
    }
    const seats = folders.map((folder, index): Seat => {
      const isTalkative = index < talkative;
      const config = { folder, founding: file, networkId: toHex(network), heartbeatMs, isTalkative };
      return { node: nodes[index]!, config, child: undefined, addresses: { control: [], bulk: [] } };
    });
    const processes = new ChainProcesses(root, founding, seats, nodeFlags);
    try {
      await Promise.all(seats.map((seat, index) => processes.#spawn(seat, index)));
      for (const seat of seats) processes.#introduce(seat);
      await processes.#validating();
      return processes;
    } catch (error) {
      await processes.stop();
      throw error;
    }
  }

  get network(): NetworkId {
    return this.founding.signed.record.network;
  }

  get nodes(): readonly { readonly node: NodeId; readonly addresses: NodeAddresses }[] {
    return this.#seats;
  }

  get pids(): readonly number[] {
    return this.#seats.map(({ child }) => child!.pid!);
  }

  async reports(): Promise<readonly ChainReport[]> {
    return await Promise.all(this.#seats.map((seat) => report(seat.child!)));
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#seats.map(async ({ child }) => {
        if (child === undefined || child.exitCode !== null) return;
        const exited = once(child, 'exit');
        // Which ends it by itself, so that a profiler can write down what it saw.
        if (child.connected) child.disconnect();
        const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
        await exited;
        clearTimeout(late);
      }),
    );
    await rm(this.#root, { recursive: true, force: true });
  }

  async #validating(): Promise<void> {
    const deadline = performance.now() + START_MS;
    for (;;) {
      const reports = await this.reports();
      if (reports.every(({ role, height }) => role === 'validating' && height > 0)) return;
      if (performance.now() > deadline) throw new Error('the nodes did not become validators');
      await sleep(200);
    }
  }

  async #spawn(seat: Seat, index: number): Promise<void> {
    const path = join(seat.config.folder, 'config.json');
    await writeFile(path, JSON.stringify(seat.config));
    const child = fork(WORKER, [path], {
      stdio: ['ignore', 2, 2, 'ipc'],
      execArgv: [...process.execArgv, ...this.#flags],
    });
    child.setMaxListeners(50);
    seat.child = child;
    seat.addresses = await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('a node did not start')), START_MS);
      child.on('message', (message: ChainWorkerMessage) => {
        if (message.kind === 'failed') process.stderr.write(`node ${index}: ${message.reason}\n`);
        if (message.kind === 'committed') this.onCommitted(index, message.height, message.transactions);
        if (message.kind !== 'listening') return;
        clearTimeout(timer);
        resolve(message.addresses);
      });
      child.once('exit', (code) => reject(new Error(`a node ended with exit code ${code}`)));
    });
  }

  #introduce(seat: Seat): void {
    const others = this.#seats.filter((other) => other !== seat);
    const peers = others.map(({ node, addresses }) => [toHex(node), addresses] as const);
    send(seat.child!, { kind: 'peers', peers });
  }
}

function report(child: ChildProcess): Promise<ChainReport> {
  return new Promise((resolve) => {
    const listener = (message: ChainWorkerMessage): void => {
      if (message.kind !== 'report') return;
      child.off('message', listener);
      clearInterval(again);
      resolve(message.report);
    };
    child.on('message', listener);
    // A node that has not begun does not hear it.
    const again = setInterval(() => send(child, { kind: 'report' }), 5_000);
    send(child, { kind: 'report' });
  });
}

function send(child: ChildProcess, command: ChainCommand): void {
  if (child.connected) child.send(command, () => undefined);
}
