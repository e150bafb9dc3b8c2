// Repair takes a share of the machine, not what is left of it: after each piece of work it rests in proportion to the time that the work took.

import { REPAIR_REST, REPAIR_REST_URGENT } from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';

/** Does `work`, then rests. Whatever becomes of the work, it rests; rejects as soon as `signal` fires meanwhile. */
export async function paced<T>(
  clock: Pick<Clock, 'monotonic' | 'sleep'>,
  isUrgent: boolean,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const begunMs = clock.monotonic();
  try {
    return await work();
  } finally {
    const tookMs = clock.monotonic() - begunMs;
    const restMs = tookMs * (isUrgent ? REPAIR_REST_URGENT : REPAIR_REST);
    if (!signal.aborted && restMs >= 1) await clock.sleep(restMs, signal);
  }
}
