// Takes what a program wants to be done to the chain, in batches: everything that comes while one is under way makes the next. So many
// writes at once cost a few blocks, and none waits for the nonce of another.
//
// Jobs about the same thing are never in one batch: the second is decided when the first has been included. When another program that uses
// the account was faster, a job is decided again on the newer state.

import { StoreError } from '../../base/errors.ts';
import { WRITE_BATCH_MAX, WRITE_TRIES_MAX } from '../../base/limits.ts';
import type { Operations } from '../../shards/transaction.ts';
import { abortReason, deferred, type Deferred, untilAborted } from '../tasks.ts';
import { type Job, type Outcome, runBatch, type WriterPorts, type Written } from './batch.ts';

export interface Writer {
  /**
   * Resolves when it is final. Throws what `decide` throws, UNREACHABLE, ABORTED, EXPIRED, and BUSY when other programs that use the account
   * are always faster. A write that was aborted, or could not be handed in, may still happen.
   */
  write<T>(job: Job<T>, signal?: AbortSignal): Promise<Written<T>>;
}

interface Waiting {
  readonly job: Job<unknown>;
  readonly signal: AbortSignal | undefined;
  readonly result: Deferred<Written<unknown>>;
  tries: number;
}

export function createWriter(ports: WriterPorts, operations: Operations): Writer {
  let queue: Waiting[] = [];
  let isRunning = false;
  /** What is decided on knows of everything that this writer has done. */
  let atLeast = 0;

  const run = async (): Promise<void> => {
    isRunning = true;
    // What is asked for in one go is done in one go.
    await Promise.resolve();
    while (queue.length > 0) {
      const batch = takeBatch();
      if (batch.length > 0) await write(batch);
    }
    isRunning = false;
  };

  const takeBatch = (): readonly Waiting[] => {
    for (const { signal, result } of queue) if (signal?.aborted === true) result.reject(abortReason(signal));
    queue = queue.filter(({ signal }) => signal?.aborted !== true);
    const batch = nextBatch(queue);
    queue = queue.filter((waiting) => !batch.includes(waiting));
    return batch;
  };

  const write = async (batch: readonly Waiting[]): Promise<void> => {
    const abandoned = whenAll(batch.map(({ signal }) => signal));
    const jobs = batch.map(({ job }) => job);
    try {
      const options = { atLeast, signal: abandoned.signal };
      const { outcomes, decidedAt } = await runBatch(ports, operations, jobs, options);
      atLeast = Math.max(atLeast, decidedAt);
      const again = batch.filter((waiting, index) => !settle(waiting, outcomes[index]!));
      // Whoever was faster did it later than what this was decided on.
      if (again.length > 0) atLeast = Math.max(atLeast, decidedAt + 1);
      queue = [...again, ...queue];
    } catch (error) {
      for (const { result } of batch) result.reject(error);
    } finally {
      abandoned.release();
    }
  };

  /** False when it is to be decided again. */
  const settle = (waiting: Waiting, outcome: Outcome): boolean => {
    const { result } = waiting;
    switch (outcome.kind) {
      case 'written':
        atLeast = Math.max(atLeast, outcome.written.height);
        result.resolve(outcome.written);
        return true;
      case 'failed':
        result.reject(outcome.error);
        return true;
      case 'overtaken':
        if (++waiting.tries < WRITE_TRIES_MAX) return false;
        result.reject(crowded());
        return true;
    }
  };

  return {
    write: <T>(job: Job<T>, signal?: AbortSignal): Promise<Written<T>> => {
      const result = deferred<Written<unknown>>();
      queue.push({ job, signal, result, tries: 0 });
      if (!isRunning) void run();
      const written = result.promise as Promise<Written<T>>;
      return signal === undefined ? written : untilAborted(written, signal);
    },
  };
}

/** From the front, as many as fit, of which no two are about the same; what is about something that waits in front waits too. */
function nextBatch(queue: readonly Waiting[]): readonly Waiting[] {
  const taken = new Set<string>();
  const batch: Waiting[] = [];
  for (const waiting of queue) {
    if (batch.length === WRITE_BATCH_MAX) break;
    const { subjects } = waiting.job;
    if (!subjects.some((subject) => taken.has(subject))) batch.push(waiting);
    for (const subject of subjects) taken.add(subject);
  }
  return batch;
}

/** A signal that fires when all of them have: as long as one waits, nonces must leave no gap. */
function whenAll(signals: readonly (AbortSignal | undefined)[]): {
  readonly signal: AbortSignal;
  release(): void;
} {
  const controller = new AbortController();
  const present = signals.filter((signal) => signal !== undefined);
  const look = (): void => {
    if (present.length < signals.length || !present.every(({ aborted }) => aborted)) return;
    controller.abort(abortReason(present.at(-1)!));
  };
  for (const signal of present) signal.addEventListener('abort', look);
  look();
  return {
    signal: controller.signal,
    release: () => {
      for (const signal of present) signal.removeEventListener('abort', look);
    },
  };
}

function crowded(): StoreError {
  return new StoreError('BUSY', 'other programs use the same key all the time and were always faster', {
    next: 'Try again, or let one program at a time write with this key.',
  });
}
