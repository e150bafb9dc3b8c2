// Validators as processes of this machine, in temporary folders: started, asked, killed and started again.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toHex } from '../../src/base/bytes.ts';
import type { NetworkId } from '../../src/base/ids.ts';
import type { NodeAddresses } from '../../src/base/ports.ts';
import { DEFAULT_TIMEOUTS, type TimeoutParams } from '../../src/consensus/types.ts';
import { guardNewKey } from '../../src/node/validator/signer-file.ts';
import { loadOrCreateIdentity } from '../../src/runtime/identity.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import type { WorkerCommand, WorkerConfig, WorkerMessage, WorkerReport } from './validator-worker.ts';

const WORKER = fileURLToPath(new URL('./validator-worker.ts', import.meta.url));
const START_MS = 60_000;

export interface ValidatorsOptions {
  readonly count: number;
  readonly blockLength?: number;
  readonly intervalMs?: number;
  readonly timeouts?: TimeoutParams;
  readonly listenMs?: number;
  readonly hasBulkLane?: boolean;
  /** How many of them say two things: the last ones. */
  readonly equivocators?: number;
}

interface Seat {
  readonly node: string;
  readonly config: WorkerConfig;
  addresses: NodeAddresses;
  child: ChildProcess | undefined;
}

export class ValidatorProcesses {
  readonly #root: string;
  readonly #seats: readonly Seat[];

  private constructor(root: string, seats: readonly Seat[]) {
    this.#root = root;
    this.#seats = seats;
  }

  /** Makes keys and folders, and starts all. */
  static async start(options: ValidatorsOptions): Promise<ValidatorProcesses> {
    const root = await mkdtemp(join(tmpdir(), 'holdfast-validators-'));
    const networkId = systemRandom.bytes(32) as NetworkId;
    const nodes: string[] = [];
    for (let index = 0; index < options.count; index++) {
      const folder = join(root, String(index));
      const { nodeId } = await loadOrCreateIdentity(join(folder, 'identity'));
      await guardNewKey({ folder: join(folder, 'signer'), network: networkId }, nodeId);
      nodes.push(toHex(nodeId));
    }
    const firstLiar = options.count - (options.equivocators ?? 0);
    const seats = nodes.map((node, index): Seat => {
      const config: WorkerConfig = {
        folder: join(root, String(index)),
        networkId: toHex(networkId),
        validators: nodes,
        port: 0,
        blockLength: options.blockLength ?? 0,
        intervalMs: options.intervalMs ?? 0,
        listenMs: options.listenMs ?? 500,
        timeouts: options.timeouts ?? DEFAULT_TIMEOUTS,
        hasBulkLane: options.hasBulkLane ?? false,
        isEquivocator: index >= firstLiar,
      };
      return { node, config, addresses: { control: [], bulk: [] }, child: undefined };
    });
    const processes = new ValidatorProcesses(root, seats);
    try {
      await Promise.all(seats.map((seat) => processes.#spawn(seat)));
      for (const seat of seats) processes.#introduce(seat);
      return processes;
    } catch (error) {
      await processes.stop();
      throw error;
    }
  }

  get count(): number {
    return this.#seats.length;
  }

  folder(index: number): string {
    return this.#seats[index]!.config.folder;
  }

  isRunning(index: number): boolean {
    return this.#seats[index]!.child !== undefined;
  }

  /** Undefined for a process that is not there, or has not begun. */
  async report(index: number): Promise<WorkerReport | undefined> {
    const { child } = this.#seats[index]!;
    if (child === undefined) return undefined;
    const answered = new Promise<WorkerReport | undefined>((resolve) => {
      const settle = (report: WorkerReport | undefined): void => {
        clearTimeout(timer);
        child.off('message', onMessage);
        child.off('exit', onExit);
        resolve(report);
      };
      const onMessage = (message: WorkerMessage): void => {
        if (message.kind === 'report') settle(message.report);
      };
      const onExit = (): void => settle(undefined);
      const timer = setTimeout(onExit, 2000);
      child.on('message', onMessage);
      child.on('exit', onExit);
    });
    send(child, { kind: 'report' });
    return await answered;
  }

  async reports(): Promise<readonly (WorkerReport | undefined)[]> {
    return await Promise.all(this.#seats.map((_, index) => this.report(index)));
  }

  /** As by a power cut of the process: SIGKILL. */
  async kill(index: number): Promise<void> {
    const seat = this.#seats[index]!;
    const { child } = seat;
    if (child === undefined) return;
    seat.child = undefined;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** Starts what was killed again, on its folder and at its address. */
  async restart(index: number): Promise<void> {
    const seat = this.#seats[index]!;
    await this.#spawn(seat);
    this.#introduce(seat);
  }

  /** Lets all end cleanly; returns their exit codes. The folders stay until `remove`. */
  async end(): Promise<readonly (number | null)[]> {
    return await Promise.all(
      this.#seats.map(async (seat) => {
        const { child } = seat;
        if (child === undefined) return null;
        seat.child = undefined;
        const exited = once(child, 'exit');
        send(child, { kind: 'stop' });
        const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
        const [code] = (await exited) as [number | null];
        clearTimeout(late);
        return code;
      }),
    );
  }

  /** Ends whatever still runs and removes the folders. */
  async stop(): Promise<void> {
    await Promise.all(this.#seats.map((_, index) => this.kill(index)));
    await rm(this.#root, { recursive: true, force: true });
  }

  async #spawn(seat: Seat): Promise<void> {
    const port = Number(/tcp\/(\d+)/.exec(seat.addresses.control[0] ?? '')?.[1] ?? 0);
    const path = `${seat.config.folder}/config.json`;
    await writeFile(path, JSON.stringify({ ...seat.config, port }));
    const child = fork(WORKER, [path], { stdio: ['ignore', 2, 2, 'ipc'] });
    seat.child = child;
    child.once('exit', () => {
      if (seat.child === child) seat.child = undefined;
    });
    seat.addresses = await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('a validator did not start')), START_MS);
      child.on('message', (message: WorkerMessage) => {
        if (message.kind === 'failed') reject(new Error(message.reason));
        if (message.kind !== 'listening') return;
        clearTimeout(timer);
        resolve(message.addresses);
      });
      child.once('exit', (code) => reject(new Error(`a validator ended with exit code ${code}`)));
    });
  }

  #introduce(seat: Seat): void {
    const others = this.#seats.filter((other) => other !== seat);
    send(seat.child!, { kind: 'peers', peers: others.map(({ node, addresses }) => [node, addresses]) });
  }
}

function send(child: ChildProcess, command: WorkerCommand): void {
  if (child.connected) child.send(command, () => undefined);
}
