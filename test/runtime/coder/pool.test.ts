import { describe, expect, it } from 'vitest';
import { createWorkerPool, type WorkerRequest } from '../../../src/runtime/coder/pool.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';

const script = new URL('./ending-worker.ts', import.meta.url);
const request = (length: number): WorkerRequest => ({
  offset: 0,
  length,
  job: { kind: 'hash', offset: 0, length },
});

describe('the pool of workers', () => {
  it('fails the job of a worker that ends, typed, and starts another worker for the next', async () => {
    const pool = createWorkerPool({ size: 1, script, setup: () => undefined });
    const jobs = [1, 2, 1, 3, 1].map((length) => pool.run(request(length)));
    const outcomes = await Promise.allSettled(jobs);
    expect(outcomes.map((outcome) => outcome.status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    await expectCodeAsync('INTERNAL', jobs[1]!);
    await expect(jobs[1]).rejects.toThrow('memory is broken');
    await expectCodeAsync('INTERNAL', jobs[3]!);
    await pool.close();
  });

  it('fails jobs, and does not hang, when workers cannot even start', async () => {
    const missing = new URL('./no-such-worker.ts', import.meta.url);
    const pool = createWorkerPool({ size: 2, script: missing, setup: () => undefined });
    await Promise.all([1, 2, 3, 4].map((length) => expectCodeAsync('INTERNAL', pool.run(request(length)))));
    await pool.close();
  });

  it('takes no job after it was closed', async () => {
    const pool = createWorkerPool({ size: 1, script, setup: () => undefined });
    await pool.run(request(1));
    await pool.close();
    await expectCodeAsync('CLOSED', pool.run(request(1)));
  });
});
