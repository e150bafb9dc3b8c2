// The processes of a campaign: each runs one seed at a time (`worker.ts`). A process that ends before its seed is a violation of that seed, and
// another takes its place.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Tally } from '../tally.ts';
import type { ChainRunResult } from './run.ts';
import type { Order, Report } from './worker.ts';

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));
/** Most of what a run allocates is gone soon: with room for it there is less to collect. */
const NODE_FLAGS = ['--max-semi-space-size=64'];

export class Workers {
  /** Of all of them together, up to the last seed that each has finished. */
  cpuSeconds = 0;
  readonly #idle: ChildProcess[] = [];
  readonly #waiting: ((worker: ChildProcess) => void)[] = [];

  constructor(count: number) {
    for (let i = 0; i < count; i++) this.#idle.push(this.#start());
  }

  /** `isPlain`: the nodes share no work. */
  async run(seed: number, isPlain = false): Promise<ChainRunResult> {
    const worker = await this.#free();
    try {
      const report = await this.#obey(worker, { seed, isPlain });
      this.cpuSeconds += report.cpuSeconds;
      this.#release(worker);
      const tally = new Tally();
      for (const [name, count] of report.happened) tally.add(name, count);
      return { ...report.result, tally };
    } catch (error) {
      this.#release(this.#start());
      return failedRun(seed, String(error));
    }
  }

  end(): void {
    for (const worker of this.#idle) worker.disconnect();
  }

  #start(): ChildProcess {
    return fork(WORKER, { execArgv: [...process.execArgv, ...NODE_FLAGS] });
  }

  #free(): ChildProcess | Promise<ChildProcess> {
    return this.#idle.pop() ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  #release(worker: ChildProcess): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(worker);
    else next(worker);
  }

  #obey(worker: ChildProcess, order: Order): Promise<Report> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => {
        worker.off('message', onMessage);
        reject(new Error(`its process ended with ${code}`));
      };
      const onMessage = (report: Report): void => {
        worker.off('exit', onExit);
        resolve(report);
      };
      worker.once('message', onMessage);
      worker.once('exit', onExit);
      worker.send(order);
    });
  }
}

function failedRun(seed: number, text: string): ChainRunResult {
  return {
    seed,
    digest: '',
    events: 0,
    simulatedMs: 0,
    heights: 0,
    recoveryMs: undefined,
    tally: new Tally(),
    violation: { property: 'crash', text },
  };
}
