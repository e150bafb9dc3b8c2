// Worker threads that do coding jobs. Each has a seat: a scratch area of the shared memory and at most one worker, started
// when first needed. A worker that ends takes its job with it, typed, and the next job on its seat starts another one.
// Idle workers do not keep the process alive; busy ones do.

import { Worker } from 'node:worker_threads';
import { type ErrorCode, StoreError } from '../../base/errors.ts';
import { closedCoder } from './arena.ts';
import type { Job, JobResult } from './job.ts';

/** The slot's region by its place in the shared memory, and what to do with it. */
export interface WorkerRequest {
  readonly offset: number;
  readonly length: number;
  readonly job: Job;
}

export type WorkerReply =
  | { readonly result: JobResult }
  | {
      readonly error: {
        readonly code: ErrorCode;
        readonly message: string;
        readonly next: string | undefined;
      };
    };

export interface WorkerPool {
  /** Waits for a free worker, then for the job. Throws what the job throws; INTERNAL when the worker ended; CLOSED. */
  run(request: WorkerRequest): Promise<JobResult>;
  /** Ends all workers; jobs under way fail with CLOSED. */
  close(): Promise<void>;
}

export interface WorkerPoolOptions {
  readonly size: number;
  /** Module that a worker runs. */
  readonly script: URL;
  /** `workerData` of the worker in this seat. */
  readonly setup: (seat: number) => unknown;
}

/** Flags of the process that suit its main script, such as --input-type, would keep a worker from starting. */
const WORKER_FLAGS: string[] = process.execArgv.filter((flag) => flag === '--experimental-strip-types');

/** The cipher's outputs are garbage at once; a small nursery collects them early and saves 20 MiB a worker. */
const YOUNG_HEAP_MB = 2;

interface Task {
  readonly request: WorkerRequest;
  readonly resolve: (result: JobResult) => void;
  readonly reject: (error: StoreError) => void;
}

interface Seat {
  readonly index: number;
  worker: Worker | undefined;
  task: Task | undefined;
  /** What the worker threw before it ended. */
  error: unknown;
}

export function createWorkerPool(options: WorkerPoolOptions): WorkerPool {
  const seats: Seat[] = Array.from({ length: options.size }, (_, index) => ({
    index,
    worker: undefined,
    task: undefined,
    error: undefined,
  }));
  const queue: Task[] = [];
  let isClosed = false;

  const startWorker = (seat: Seat): Worker => {
    const worker = new Worker(options.script, {
      workerData: options.setup(seat.index),
      execArgv: WORKER_FLAGS,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_HEAP_MB },
      name: `holdfast-coder-${seat.index}`,
    });
    worker.on('message', (reply: WorkerReply) => finish(seat, reply));
    worker.on('error', (error) => {
      seat.error = error;
    });
    // Only now is the seat's scratch area free for another worker.
    worker.once('exit', () => vacate(seat));
    seat.worker = worker;
    return worker;
  };

  const finish = (seat: Seat, reply: WorkerReply): void => {
    const task = seat.task;
    seat.task = undefined;
    seat.worker?.unref();
    if (task) settle(task, reply);
    dispatch();
  };

  const vacate = (seat: Seat): void => {
    const { task, error } = seat;
    Object.assign(seat, { worker: undefined, task: undefined, error: undefined });
    task?.reject(isClosed ? closedCoder() : endedWorker(error));
    dispatch();
  };

  const dispatch = (): void => {
    while (queue.length > 0 && !isClosed) {
      // A seat with an idle worker first: starting one takes tens of milliseconds.
      const seat =
        seats.find((candidate) => candidate.worker && !candidate.task) ??
        seats.find((candidate) => !candidate.worker);
      if (!seat) return;
      const task = queue.shift()!;
      seat.task = task;
      const worker = seat.worker ?? startWorker(seat);
      worker.ref();
      worker.postMessage(task.request);
    }
  };

  return {
    run(request) {
      if (isClosed) return Promise.reject(closedCoder());
      const { promise, resolve, reject } = Promise.withResolvers<JobResult>();
      queue.push({ request, resolve, reject });
      dispatch();
      return promise;
    },
    async close() {
      isClosed = true;
      for (const task of queue.splice(0)) task.reject(closedCoder());
      await Promise.all(seats.map(async (seat) => seat.worker?.terminate()));
    },
  };
}

function settle(task: Task, reply: WorkerReply): void {
  if ('result' in reply) task.resolve(reply.result);
  else {
    const { code, message, next } = reply.error;
    task.reject(new StoreError(code, message, next === undefined ? {} : { next }));
  }
}

function endedWorker(cause: unknown): StoreError {
  const reason = cause instanceof Error ? cause.message : 'it ended';
  return new StoreError('INTERNAL', `a coding worker stopped in the middle of a job: ${reason}`, {
    next: 'try again; if it repeats, report it',
    cause,
  });
}
