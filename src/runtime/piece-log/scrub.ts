// Reads everything again, so that rot is found while the other pieces still can repair it. The background pass goes
// through the index in key order and waits after each record as long as its share of the period, so that a pass ends
// within the period at an even pace. Its position is kept in the index; after time spent stopped it goes faster.

import { StoreError } from '../../base/errors.ts';
import type { Clock, ScrubReport } from '../../base/ports.ts';
import type { Location, LogIndex, ScrubPosition } from './log-index.ts';
import { rowLength } from './usage.ts';

export interface ScrubContext {
  readonly index: LogIndex;
  readonly clock: Clock;
  readonly periodMs: number;
  /** Bytes of all records that rows point to, now. */
  readonly liveBytes: () => number;
  /** Reads the entry; quarantines it when it is damaged. `gone` when it was removed meanwhile. */
  readonly check: (key: Uint8Array) => Promise<'whole' | 'damaged' | 'gone'>;
}

/** A pass aims at this part of the period, so that records put behind its back still meet the period. */
const PACE = 0.9;
/** After a long stop a pass never runs faster than this many times the even pace. */
const HASTE_MAX = 20;
/** Waits shorter than this are saved up. */
const WAIT_MS_MIN = 1000;
/** An empty log is looked at again after this part of the period. */
const IDLE_PARTS = 10;
/** After a refusal the pass goes on after this part of the period. */
const RETRY_PARTS = 1000;

/** Checks every entry now. Throws ABORTED. */
export async function scrubAll(context: ScrubContext, signal?: AbortSignal): Promise<ScrubReport> {
  let entriesChecked = 0;
  let bytesChecked = 0;
  const damaged: Uint8Array[] = [];
  for await (const [key, row] of context.index.rows(new Uint8Array())) {
    if (signal?.aborted === true) throw new StoreError('ABORTED', 'scrub aborted', { cause: signal.reason });
    const verdict = await context.check(key);
    if (verdict === 'gone') continue;
    entriesChecked++;
    bytesChecked += row.payloadLength;
    if (verdict === 'damaged') damaged.push(key);
  }
  return { entriesChecked, bytesChecked, damaged };
}

/** Scrubs for ever; resolves when `signal` fires. What the disk or the index refuses is tried again later. */
export async function scrubInBackground(context: ScrubContext, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await scrubPass(context, signal);
    } catch {
      await pause(context.clock, context.periodMs / RETRY_PARTS, signal);
    }
  }
}

/** From the kept position to the end of the keys, or until `signal` fires. */
async function scrubPass(context: ScrubContext, signal: AbortSignal): Promise<void> {
  const { index, clock } = context;
  let pass = (await index.scrubPosition()) ?? newPass(clock);
  const pace = new Pace(context, pass.startedAtMs);
  let owedMs = 0;
  for (
    let step = await nextRow(index, pass.after);
    step !== undefined;
    step = await nextRow(index, pass.after)
  ) {
    const [key, row] = step;
    owedMs += pace.waitMs(row, pass.bytesDone);
    await context.check(key);
    pass = { ...pass, after: key, bytesDone: pass.bytesDone + rowLength(row) };
    if (owedMs < WAIT_MS_MIN) continue;
    await index.setScrubPosition(pass);
    await pause(clock, owedMs, signal);
    if (signal.aborted) return;
    owedMs = 0;
  }
  await index.setScrubPosition(newPass(clock));
  const isEmpty = pass.bytesDone === 0;
  await pause(clock, isEmpty ? context.periodMs / IDLE_PARTS : Math.max(owedMs, WAIT_MS_MIN), signal);
}

function newPass(clock: Clock): ScrubPosition {
  return { after: new Uint8Array(), startedAtMs: clock.now(), bytesDone: 0 };
}

class Pace {
  readonly #context: ScrubContext;
  readonly #endMs: number;

  constructor(context: ScrubContext, startedAtMs: number) {
    this.#context = context;
    this.#endMs = startedAtMs + context.periodMs * PACE;
  }

  /** How long the record's turn lasts: its share of the time that is left. */
  waitMs(row: Location, bytesDone: number): number {
    const { clock, periodMs, liveBytes } = this.#context;
    const evenMs = (periodMs * PACE * rowLength(row)) / Math.max(rowLength(row), liveBytes());
    const leftBytes = Math.max(rowLength(row), liveBytes() - bytesDone);
    const wantedMs = ((this.#endMs - clock.now()) * rowLength(row)) / leftBytes;
    return Math.min(evenMs * 2, Math.max(evenMs / HASTE_MAX, wantedMs));
  }
}

/** One row at a time: a pass takes days, and an open iterator would hold on to everything deleted since. */
async function nextRow(
  index: LogIndex,
  after: Uint8Array,
): Promise<readonly [Uint8Array, Location] | undefined> {
  for await (const row of index.rows(new Uint8Array(), after.length === 0 ? undefined : after)) return row;
  return undefined;
}

/** Waits on a timer, which does not keep the process alive; returns early when `signal` fires. */
function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.timer(delayMs, done);
    signal.addEventListener('abort', done, { once: true });
  });
}
