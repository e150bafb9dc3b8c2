// The progress line: a pure function from events to text, and a clock that draws it ten times a second.

import type { Phase, ProgressEvent } from '../src/client/types.ts';
import { formatBytes, formatDuration, formatRate } from './format.ts';
import type { Output } from './output.ts';

const DRAW_PERIOD_MS = 100;
const BAR_LENGTH = 20;

const WORDS: Readonly<Record<Phase, string>> = {
  encode: 'encoding',
  send: 'sending',
  finish: 'finishing',
  fetch: 'fetching',
  complete: 'completing redundancy',
};

/** One line without control characters, e.g. `sending  ██████░░  45%  54.3 of 120.7 MiB  45.1 MiB/s  1.5s left`. */
export function progressLine(event: ProgressEvent): string {
  const { doneBytes, totalBytes, bytesPerSecond } = event;
  const parts = [WORDS[event.phase]];
  if (totalBytes === undefined) {
    parts.push(formatBytes(doneBytes));
  } else {
    const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
    const filled = Math.round(share * BAR_LENGTH);
    parts.push('█'.repeat(filled) + '░'.repeat(BAR_LENGTH - filled));
    parts.push(`${Math.floor(share * 100)}%`.padStart(4));
    parts.push(`${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`);
  }
  if (bytesPerSecond > 0) parts.push(formatRate(bytesPerSecond));
  const left = timeLeftMs(event);
  if (left !== undefined) parts.push(`${formatDuration(left)} left`);
  return parts.join('  ');
}

export function timeLeftMs({ doneBytes, totalBytes, bytesPerSecond }: ProgressEvent): number | undefined {
  if (totalBytes === undefined || bytesPerSecond <= 0 || doneBytes >= totalBytes) return undefined;
  return ((totalBytes - doneBytes) / bytesPerSecond) * 1000;
}

export interface Progress {
  update(event: ProgressEvent): void;
  stop(): void;
}

/** Draws the latest event; does nothing where no line may be drawn. */
export function createProgress(output: Output): Progress {
  if (!output.isLive) return { update: () => undefined, stop: () => undefined };
  let latest: ProgressEvent | undefined;
  const draw = (): void => {
    if (latest !== undefined) output.live(progressLine(latest));
  };
  const timer = setInterval(draw, DRAW_PERIOD_MS);
  timer.unref();
  return {
    update: (event) => {
      const isFirst = latest === undefined;
      latest = event;
      if (isFirst) draw();
    },
    stop: () => {
      clearInterval(timer);
      latest = undefined;
      output.live('');
    },
  };
}
