// The Clock port on the machine's own clocks. Monotonic time comes from performance.now, so that a wall clock set
// back or a suspended laptop never makes a wait negative. setTimeout takes at most 2^31 - 1 ms and fires at once
// above it: longer waits are re-armed in steps.

import type { Clock } from '../base/ports.ts';
import { StoreError } from '../base/errors.ts';

/** Longest delay that setTimeout honours: about 24.8 days. */
const STEP_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep,
  timer: (delayMs, run) => arm(delayMs, run, false),
};

/** Keeps the process alive while somebody waits; a `timer` does not. */
function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortError(signal));
      return;
    }
    const cancel = arm(delayMs, finish, true);
    const onAbort = (): void => {
      cancel();
      reject(abortError(signal));
    };
    function finish(): void {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function abortError(signal: AbortSignal | undefined): StoreError {
  return new StoreError('ABORTED', 'wait aborted', { cause: signal?.reason });
}

/** Runs `run` once after `delayMs`; returns the cancel function. A negative or NaN delay counts as 0. */
function arm(delayMs: number, run: () => void, keepsProcess: boolean): () => void {
  const dueMs = performance.now() + (delayMs > 0 ? delayMs : 0);
  let handle: NodeJS.Timeout;
  const step = (): void => {
    const leftMs = dueMs - performance.now();
    const isLast = leftMs <= STEP_MS_MAX;
    handle = setTimeout(isLast ? run : step, isLast ? Math.max(0, leftMs) : STEP_MS_MAX);
    if (!keepsProcess) handle.unref();
  };
  step();
  return () => clearTimeout(handle);
}
