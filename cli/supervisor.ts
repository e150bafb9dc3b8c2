// Keeps several node processes running: starts them, says when all serve, reports a death and starts the dead one
// again after a growing wait, stops all of them within a bound. What it does it says through `onEvent`; it prints
// nothing itself.

import { StoreError } from '../src/base/errors.ts';
import { type Exit, lastWords, type NodeProcess, type ReadyLine, startNodeProcess } from './node-process.ts';

interface SupervisorTiming {
  readonly readyTimeoutMs: number;
  /** From the request to stop until a node is killed. */
  readonly stopTimeoutMs: number;
  /** First wait before a restart; doubles up to `backoffMaxMs`, and starts again after `steadyMs` of service. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  readonly steadyMs: number;
}

const SUPERVISOR_TIMING: SupervisorTiming = {
  readyTimeoutMs: 60_000,
  stopTimeoutMs: 10_000,
  backoffMs: 1_000,
  backoffMaxMs: 30_000,
  steadyMs: 60_000,
};

export type SupervisorEvent =
  | { readonly kind: 'ready'; readonly index: number; readonly pid: number; readonly line: ReadyLine }
  | {
      readonly kind: 'died';
      readonly index: number;
      readonly exit: Exit;
      readonly lastWords: string;
      /** Undefined: it is not started again. */
      readonly restartInMs: number | undefined;
    }
  | { readonly kind: 'failed'; readonly index: number; readonly error: StoreError };

export interface SupervisorOptions {
  readonly folders: readonly string[];
  /** False: a dead node stays dead until `restart`. */
  readonly isRestarting: boolean;
  /** More options of `store node`. */
  readonly nodeOptions?: readonly string[];
  readonly timing?: Partial<SupervisorTiming>;
  readonly onEvent: (event: SupervisorEvent) => void;
}

export interface Supervisor {
  /** Resolves when every node serves. Stops all and throws the first failure otherwise. */
  start(): Promise<readonly ReadyLine[]>;
  /** Process id of node `index`; undefined while it is down. */
  pidOf(index: number): number | undefined;
  /** Kills node `index` at once and resolves when it is gone. */
  kill(index: number): Promise<void>;
  /** Starts node `index`, which is down; resolves when it serves. */
  restart(index: number): Promise<ReadyLine>;
  /** Stops every node, by force where it takes too long. */
  stop(): Promise<void>;
}

interface Place {
  readonly index: number;
  readonly folder: string;
  process: NodeProcess | undefined;
  servingSince: number | undefined;
  backoffMs: number;
  timer: NodeJS.Timeout | undefined;
}

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const timing: SupervisorTiming = { ...SUPERVISOR_TIMING, ...options.timing };
  const places = options.folders.map(
    (folder, index): Place => ({
      index,
      folder,
      process: undefined,
      servingSince: undefined,
      backoffMs: timing.backoffMs,
      timer: undefined,
    }),
  );
  let isStarted = false;
  let isStopping = false;

  /** Starts the process of a place and watches for its end. */
  async function launch(place: Place): Promise<ReadyLine> {
    const started = startNodeProcess(place.folder, timing.readyTimeoutMs, options.nodeOptions);
    place.process = started;
    void started.exited.then((exit) => onExit(place, exit));
    const line = await started.ready;
    place.servingSince = performance.now();
    options.onEvent({ kind: 'ready', index: place.index, pid: started.pid, line });
    return line;
  }

  function onExit(place: Place, exit: Exit): void {
    const servedMs = place.servingSince === undefined ? 0 : performance.now() - place.servingSince;
    place.process = undefined;
    place.servingSince = undefined;
    // A node that never served makes `start` itself fail.
    if (isStopping || (!isStarted && servedMs === 0)) return;
    if (servedMs > timing.steadyMs) place.backoffMs = timing.backoffMs;
    const restartInMs = options.isRestarting ? place.backoffMs : undefined;
    options.onEvent({
      kind: 'died',
      index: place.index,
      exit,
      lastWords: lastWords(place.folder),
      restartInMs,
    });
    if (restartInMs === undefined) return;
    place.backoffMs = Math.min(timing.backoffMaxMs, 2 * place.backoffMs);
    place.timer = setTimeout(() => relaunch(place), restartInMs);
  }

  function relaunch(place: Place): void {
    if (isStopping) return;
    launch(place).catch((error: unknown) => {
      if (isStopping) return;
      options.onEvent({ kind: 'failed', index: place.index, error: error as StoreError });
      // One that runs and does not serve must go before it can be started again.
      place.process?.kill('SIGKILL');
    });
  }

  async function stop(): Promise<void> {
    isStopping = true;
    for (const place of places) clearTimeout(place.timer);
    const running = places.flatMap(({ process }) => (process === undefined ? [] : [process]));
    await Promise.all(running.map((each) => each.stop(timing.stopTimeoutMs)));
  }

  return {
    async start() {
      try {
        const lines = await Promise.all(places.map(launch));
        isStarted = true;
        return lines;
      } catch (error) {
        const wasAsked = isStopping;
        await stop();
        throw wasAsked ? new StoreError('ABORTED', 'interrupted before every node served') : error;
      }
    },
    pidOf: (index) => places[index]?.process?.pid,
    async kill(index) {
      const running = places[index]?.process;
      running?.kill('SIGKILL');
      await running?.exited;
    },
    async restart(index) {
      const place = places[index]!;
      if (place.process !== undefined) throw new StoreError('LOCKED', `node ${place.folder} is running`);
      clearTimeout(place.timer);
      return launch(place);
    },
    stop,
  };
}
