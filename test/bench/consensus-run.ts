// One measurement of validators that run: how many blocks, how late, at what cost.

import type { DecidedBlock } from '../helpers/opaque-application.ts';
import { ValidatorProcesses, type ValidatorsOptions } from '../helpers/validator-processes.ts';
import type { Synced, WorkerReport } from '../helpers/validator-worker.ts';

const SYNCED: readonly Synced[] = ['chain', 'wal', 'new wal', 'folder', 'guard'];
/** Heights that are not counted: connections, compilers and caches get warm. */
const WARM_HEIGHTS = 5;
const WARM_MS_MAX = 180_000;

export interface ConsensusFigures {
  readonly heights: number;
  readonly seconds: number;
  /** From the making of a block to its decision, at every validator. */
  readonly latenciesMs: readonly number[];
  /** Of all validators together. */
  readonly messages: number | undefined;
  readonly wireBytes: number | undefined;
  readonly cpuMs: number;
  /** Largest of all. */
  readonly rssBytes: number;
  /** Flushes of the disk by one validator, by what was flushed, and milliseconds of all of them. */
  readonly syncs: readonly (readonly [string, number, number])[];
  /** Per validator. */
  readonly verifications: number | undefined;
  readonly roundsAboveZero: number | undefined;
}

/** Runs validators for `seconds` after they are warm. */
export async function measureValidators(
  options: ValidatorsOptions,
  seconds: number,
): Promise<ConsensusFigures> {
  const processes = await ValidatorProcesses.start(options);
  try {
    await warmUp(processes);
    return await measureWindow(processes, seconds);
  } finally {
    await processes.stop();
  }
}

/** Until every process has decided some heights. */
export async function warmUp(processes: ValidatorProcesses): Promise<void> {
  const deadline = performance.now() + WARM_MS_MAX;
  for (;;) {
    const reports = await processes.reports();
    if (reports.every((report) => (report?.height ?? 0) >= WARM_HEIGHTS)) return;
    if (performance.now() > deadline) throw new Error('the validators decided nothing');
    await sleep(200);
  }
}

export async function measureWindow(
  processes: ValidatorProcesses,
  seconds: number,
): Promise<ConsensusFigures> {
  const before = present(await processes.reports());
  const began = performance.now();
  await sleep(seconds * 1000);
  const after = present(await processes.reports());
  const elapsed = (performance.now() - began) / 1000;
  const per = (read: (report: WorkerReport) => number): number => difference(before, after, read);
  const count = after.size;
  const decisions = [...after.values()].flatMap((report) => report.decisions as DecidedBlock[]);
  return {
    heights: per((report) => report.height) / count,
    seconds: elapsed,
    latenciesMs: decisions.map(({ latencyMs }) => latencyMs),
    messages: per(messagesOf),
    wireBytes: per((report) => report.wireBytesSent),
    cpuMs: per((report) => report.cpuUs) / 1000,
    rssBytes: Math.max(...[...after.values()].map((report) => report.peakRssBytes)),
    syncs: SYNCED.map((synced) => [
      synced,
      per((report) => report.syncs[synced].count) / count,
      per((report) => report.syncs[synced].totalMs) / count,
    ]),
    verifications: per((report) => report.verifications) / count,
    roundsAboveZero: decisions.filter(({ round }) => round > 0).length / count,
  };
}

/** By index; a process that is not there is left out. */
function present(reports: readonly (WorkerReport | undefined)[]): ReadonlyMap<number, WorkerReport> {
  return new Map(reports.flatMap((report, index) => (report === undefined ? [] : [[index, report]])));
}

function difference(
  before: ReadonlyMap<number, WorkerReport>,
  after: ReadonlyMap<number, WorkerReport>,
  read: (report: WorkerReport) => number,
): number {
  let sum = 0;
  for (const [index, report] of after) {
    const first = before.get(index);
    sum += read(report) - (first === undefined ? 0 : read(first));
  }
  return sum;
}

function messagesOf(report: WorkerReport): number {
  return Object.values(report.status.transport.sentByKind).reduce((sum, count) => sum + count, 0);
}

export const sleep = (delayMs: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, delayMs));
