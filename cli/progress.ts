// The progress line: a pure function from events to text, and a clock that draws it ten times a second.

import type { Phase, ProgressEvent } from '../src/client/types.ts';
import { formatBytes, formatDuration, formatRate } from './format.ts';
import type { Output } from './output.ts';

const DRAW_PERIOD_MS = 100;
const BAR_LENGTH_MAX = 20;

const WORDS: Readonly<Record<Phase, string>> = {
  encode: 'encoding',
  send: 'sending',
  finish: 'finishing',
  chain: 'registering',
  fetch: 'fetching',
  complete: 'completing redundancy',
};

/**
 * One line of at most `columns` characters without control characters, e.g.
 * `sending  ██████░░  45%  54.3 of 120.7 MiB  45.1 MiB/s  1.5s left`. What room is left is the bar's.
 */
export function progressLine(event: ProgressEvent, columns = 80): string {
  const { doneBytes, totalBytes, bytesPerSecond } = event;
  const left = timeLeftMs(event);
  const parts = [
    totalBytes === undefined ? formatBytes(doneBytes) : formatShare(doneBytes, totalBytes),
    ...(bytesPerSecond > 0 ? [formatRate(bytesPerSecond)] : []),
    ...(left === undefined ? [] : [`${formatDuration(left)} left`]),
  ].join('  ');
  const word = WORDS[event.phase];
  if (totalBytes === undefined) return `${word}  ${parts}`.slice(0, columns);
  const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  const room = Math.min(BAR_LENGTH_MAX, columns - word.length - percent.length - parts.length - 6);
  if (room < 4) return `${word}  ${percent}  ${parts}`.slice(0, columns);
  const filled = Math.round(share * room);
  return `${word}  ${'█'.repeat(filled)}${'░'.repeat(room - filled)}  ${percent}  ${parts}`;
}

/** `54.3 of 120.7 MiB`: the unit once where both have the same. */
function formatShare(doneBytes: number, totalBytes: number): string {
  const [done, total] = [formatBytes(doneBytes), formatBytes(totalBytes)];
  const unit = total.split(' ')[1]!;
  return `${done.endsWith(` ${unit}`) ? done.slice(0, -unit.length - 1) : done} of ${total}`;
}

export function timeLeftMs({ doneBytes, totalBytes, bytesPerSecond }: ProgressEvent): number | undefined {
  if (totalBytes === undefined || bytesPerSecond <= 0 || doneBytes >= totalBytes) return undefined;
  return ((totalBytes - doneBytes) / bytesPerSecond) * 1000;
}

export interface Progress {
  update(event: ProgressEvent): void;
  /** Takes the line off the screen until the next event. */
  clear(): void;
  stop(): void;
}

/** Draws the latest event; does nothing where no line may be drawn. */
export function createProgress(output: Output): Progress {
  if (!output.isLive) return { update: () => undefined, clear: () => undefined, stop: () => undefined };
  let latest: ProgressEvent | undefined;
  const draw = (): void => {
    if (latest !== undefined) output.live(progressLine(latest, output.columns));
  };
  const clear = (): void => {
    latest = undefined;
    output.live('');
  };
  const timer = setInterval(draw, DRAW_PERIOD_MS);
  timer.unref();
  return {
    update: (event) => {
      const isFirst = latest === undefined;
      latest = event;
      if (isFirst) draw();
    },
    clear,
    stop: () => {
      clearInterval(timer);
      clear();
    },
  };
}
