// Entry of a coding worker: takes one job at a time and answers it. What a caller may expect to go wrong is answered;
// anything else ends the worker, because its memory can no longer be trusted, and the pool starts another.

import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../base/assert.ts';
import { StoreError } from '../../base/errors.ts';
import type { SimdLevel } from '../kernel/gf-module.ts';
import { createSimdEngine } from './engine.ts';
import { type Job, runJob } from './job.ts';
import type { WorkerReply, WorkerRequest } from './pool.ts';

/** What a worker is told at its start. */
export interface WorkerSetup {
  readonly memory: WebAssembly.Memory;
  /** Its own ENGINE_SCRATCH_LENGTH bytes. */
  readonly scratchAt: number;
  readonly level: Exclude<SimdLevel, 'none'>;
}

const { memory, scratchAt, level } = workerData as WorkerSetup;
const engine = createSimdEngine(memory, scratchAt, level);
assert(parentPort !== null, 'this module is the entry of a worker');
const port = parentPort;

port.on('message', ({ offset, length, job }: WorkerRequest) => {
  port.postMessage(answer(new Uint8Array(memory.buffer, offset, length), job));
});

function answer(region: Uint8Array, job: Job): WorkerReply {
  try {
    return { result: runJob(engine, region, job) };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return { error: { code: error.code, message: error.message, next: error.next } };
  } finally {
    if ('key' in job) job.key?.fill(0);
  }
}
