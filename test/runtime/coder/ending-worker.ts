// A coding worker of which tests choose the end: it answers a job of 1 byte, throws at one of 2 and exits at one of 3.

import { parentPort } from 'node:worker_threads';
import type { WorkerRequest } from '../../../src/runtime/coder/pool.ts';

parentPort!.on('message', ({ length }: WorkerRequest) => {
  if (length === 2) throw new Error('memory is broken');
  if (length === 3) process.exit(1);
  parentPort!.postMessage({ result: { roots: [] } });
});
