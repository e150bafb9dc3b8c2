// Progress as a person wants to see it: at most ten events a second, a rate over the last seconds, and always a last
// event when a phase ends.

import type { Clock } from '../base/ports.ts';
import type { Phase, ProgressEvent } from './types.ts';

export interface Meter {
  /** `doneBytes` of the object are done in this phase. */
  report(phase: Phase, doneBytes: number): void;
  /** The same, told at once. */
  flush(phase: Phase, doneBytes: number): void;
}

const INTERVAL_MS = 100;
/** The rate forgets what lies further back. */
const WINDOW_MS = 5_000;

export function createMeter(
  clock: Clock,
  totalBytes: number | undefined,
  onProgress: ((event: ProgressEvent) => void) | undefined,
): Meter {
  if (onProgress === undefined) return { report: () => undefined, flush: () => undefined };
  const samples: { readonly atMs: number; readonly doneBytes: number }[] = [];
  let lastMs = Number.NEGATIVE_INFINITY;
  const emit = (phase: Phase, doneBytes: number, nowMs: number): void => {
    lastMs = nowMs;
    samples.push({ atMs: nowMs, doneBytes });
    while (samples.length > 2 && samples[0]!.atMs < nowMs - WINDOW_MS) samples.shift();
    const first = samples[0]!;
    const elapsedMs = nowMs - first.atMs;
    const bytesPerSecond =
      elapsedMs > 0 ? Math.max(0, ((doneBytes - first.doneBytes) * 1000) / elapsedMs) : 0;
    onProgress({ phase, doneBytes, totalBytes, bytesPerSecond });
  };
  return {
    report: (phase, doneBytes) => {
      const nowMs = clock.monotonic();
      if (nowMs - lastMs >= INTERVAL_MS) emit(phase, doneBytes, nowMs);
    },
    flush: (phase, doneBytes) => emit(phase, doneBytes, clock.monotonic()),
  };
}
