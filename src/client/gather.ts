// Brings together enough columns of a segment: the wanted ones, or any k. Holders are asked in order of preference; when
// one fails the next is asked at once, when one is slow a spare is asked besides (a hedge), and when the holders of
// the manifest do not suffice other members are asked what they have. A holder that failed in passing is asked again a
// few times when nobody else is left. A column counts when `fetch` has verified it.
//
// Invariants: one fetch per column at a time, so that two never write to the same memory; nothing is running when
// `gather` settles; a node that sent wrong bytes is not asked again.

import { short, toHex } from '../base/bytes.ts';
import { StoreError, toStoreError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import type { Context } from './context.ts';
import { type Health, retryWaitMs, strikesAfter } from './health.ts';
import { abortReason, type LinkedAbort, linkedAbort } from './tasks.ts';
import type { NoticeEvent } from './types.ts';

export interface Candidate {
  readonly column: number;
  readonly node: NodeId;
}

/** What the reads of one operation have learnt about the line: time per byte of recent fetches. */
export interface LineEstimate {
  msPerByte: number | undefined;
}

export interface GatherPlan {
  readonly segmentIndex: number;
  /** Columns that are enough by themselves; else any k are. */
  readonly wanted: readonly number[];
  readonly k: number;
  /** In order of preference. */
  readonly candidates: readonly Candidate[];
  /** Bytes that a fetch brings, for the estimate. */
  readonly fetchLength: number;
  readonly health: Health;
  readonly line: LineEstimate;
  readonly signal: AbortSignal;
  readonly notice: (event: NoticeEvent) => void;
  /**
   * Resolves when the column's bytes are in place and verified. Throws INTEGRITY for wrong ones. Writes nothing once the signal
   * has fired and the promise is settled.
   */
  readonly fetch: (
    candidate: Candidate,
    options: { readonly signal: AbortSignal; readonly onBytes: (count: number) => void },
  ) => Promise<void>;
  /** Tells `found` what columns other members say they have. Asked once, when the candidates do not suffice. */
  readonly locate: (
    asked: ReadonlySet<string>,
    signal: AbortSignal,
    found: (candidate: Candidate) => void,
  ) => Promise<void>;
}

interface Fetch {
  readonly candidate: Candidate;
  readonly abort: LinkedAbort;
  readonly startMs: number;
  lastByteMs: number;
  isSlow: boolean;
  isDone: boolean;
}

/** A candidate that failed in passing. */
interface Retry {
  readonly candidate: Candidate;
  readonly readyMs: number;
}

interface State {
  readonly context: Context;
  readonly plan: GatherPlan;
  readonly have: Set<number>;
  readonly active: Set<Fetch>;
  readonly failures: Map<string, { readonly node: NodeId; readonly error: StoreError }>;
  queue: Candidate[];
  retries: Retry[];
  /** By candidate: how often it failed, weighed. */
  readonly strikes: Map<string, number>;
  /** Set as soon as a wanted column is late or lost: then any k columns are the goal. */
  isAnyK: boolean;
  location: 'open' | 'asking' | 'done';
  wake: () => void;
}

/** How often the fetches are looked at, when nothing happens. */
const WATCH_MS = 50;

/** The columns in place, ascending: the wanted ones or k of any. Throws NOT_ENOUGH_PIECES, ABORTED. */
export async function gather(context: Context, plan: GatherPlan): Promise<readonly number[]> {
  const state: State = {
    context,
    plan,
    have: new Set(),
    active: new Set(),
    failures: new Map(),
    queue: ordered(plan),
    retries: [],
    strikes: new Map(),
    isAnyK: plan.wanted.some((column) => !hasGoodCandidate(plan, column)),
    location: 'open',
    wake: () => undefined,
  };
  const all = linkedAbort(plan.signal);
  const running = new Set<Promise<void>>();
  const follow = (work: Promise<void>): void => {
    const tracked = work.finally(() => {
      running.delete(tracked);
      state.wake();
    });
    running.add(tracked);
  };
  try {
    while (!isEnough(state)) {
      if (plan.signal.aborted) throw abortReason(plan.signal);
      hedge(state);
      startFetches(state, all.signal, follow);
      if (needsMore(state) && state.location === 'open') follow(askOthers(state, all.signal));
      if (running.size === 0) {
        if (isEnough(state)) break;
        if (!state.retries.some(({ candidate }) => isOfUse(state, candidate))) throw notEnough(state);
      }
      await nextEvent(state, plan.signal);
    }
    return [...state.have].sort((a, b) => a - b);
  } finally {
    all.abort(new StoreError('ABORTED', 'enough pieces are here'));
    await Promise.all(running);
    all.release();
  }
}

/** Nodes that failed lately go to the end, liars out. */
function ordered({ candidates, health }: GatherPlan): Candidate[] {
  const good = candidates.filter(({ node }) => health.standing(node) === 'good');
  const barred = candidates.filter(({ node }) => health.standing(node) === 'barred');
  return [...good, ...barred];
}

function hasGoodCandidate({ candidates, health }: GatherPlan, wanted: number): boolean {
  return candidates.some(({ column, node }) => column === wanted && health.standing(node) === 'good');
}

function isEnough({ have, plan }: State): boolean {
  return have.size >= plan.k || plan.wanted.every((column) => have.has(column));
}

/** Starts as many fetches as are missing, hedges included. */
function startFetches(state: State, signal: AbortSignal, follow: (work: Promise<void>) => void): void {
  while (missing(state) > 0) {
    const candidate = takeCandidate(state);
    if (candidate === undefined) return;
    follow(runFetch(state, candidate, signal));
  }
}

/** Columns to ask for now, beyond those on their way at good speed. */
function missing(state: State): number {
  const { plan, have, active, isAnyK } = state;
  const brisk = [...active].filter((fetch) => !fetch.isSlow).length;
  if (isAnyK) return plan.k - have.size - brisk;
  return plan.wanted.filter((column) => !have.has(column)).length - brisk;
}

function takeCandidate(state: State): Candidate | undefined {
  const at = state.queue.findIndex((candidate) => isOfUse(state, candidate));
  if (at >= 0) return state.queue.splice(at, 1)[0];
  const nowMs = state.context.clock.monotonic();
  const again = state.retries.findIndex(
    ({ candidate, readyMs }) => readyMs <= nowMs && isOfUse(state, candidate),
  );
  return again < 0 ? undefined : state.retries.splice(again, 1)[0]!.candidate;
}

function isOfUse({ plan, have, active, isAnyK }: State, { column, node }: Candidate): boolean {
  return (
    !have.has(column) &&
    ![...active].some((fetch) => fetch.candidate.column === column) &&
    (isAnyK || plan.wanted.includes(column)) &&
    plan.health.standing(node) !== 'liar'
  );
}

/** True when what is on its way and in the queue may not suffice. */
function needsMore(state: State): boolean {
  return missing(state) > 0;
}

async function runFetch(state: State, candidate: Candidate, signal: AbortSignal): Promise<void> {
  const { context, plan, active, have } = state;
  const nowMs = context.clock.monotonic();
  const abort = linkedAbort(signal);
  const fetch: Fetch = { candidate, abort, startMs: nowMs, lastByteMs: nowMs, isSlow: false, isDone: false };
  active.add(fetch);
  try {
    await plan.fetch(candidate, {
      signal: abort.signal,
      onBytes: () => {
        fetch.lastByteMs = context.clock.monotonic();
      },
    });
    have.add(candidate.column);
    plan.health.succeeded(candidate.node);
    learn(plan, context.clock.monotonic() - fetch.startMs);
  } catch (error) {
    if (signal.aborted) return;
    failed(state, fetch, abort.signal.aborted ? abortReason(abort.signal) : error);
  } finally {
    fetch.isDone = true;
    active.delete(fetch);
    abort.release();
  }
}

function failed(state: State, { candidate: { column, node }, startMs }: Fetch, cause: unknown): void {
  const { plan } = state;
  const error = toStoreError(cause, 'INTERNAL', `node ${short(node)}`);
  state.isAnyK = true;
  state.failures.set(toHex(node), { node, error });
  const where = { node: toHex(node), segmentIndex: plan.segmentIndex, pieceIndex: column };
  if (error.code === 'INTEGRITY' || error.code === 'INVALID_ENCODING') {
    plan.health.lied(node);
    const message = `node ${short(node)} sent wrong bytes for piece ${column} of segment ${plan.segmentIndex}`;
    plan.notice({ kind: 'piece-wrong', ...where, message });
  } else if (error.code === 'DAMAGED') {
    const message = `node ${short(node)} says its piece ${column} of segment ${plan.segmentIndex} is damaged`;
    plan.notice({ kind: 'piece-damaged', ...where, message });
  } else if (error.code !== 'NOT_FOUND') {
    plan.health.failed(node, error.code, startMs);
    tryLater(state, { column, node }, error);
  }
}

/** With k living holders every one of them counts: one broken connection must not end the read. */
function tryLater({ context, retries, strikes }: State, candidate: Candidate, { code }: StoreError): void {
  const key = `${toHex(candidate.node)}/${candidate.column}`;
  const sum = strikesAfter(strikes.get(key) ?? 0, code);
  if (sum === undefined) return;
  strikes.set(key, sum);
  const readyMs = context.clock.monotonic() + retryWaitMs(context.timing.retryMs, sum);
  retries.push({ candidate, readyMs });
}

/** Recent fetches count more than old ones. */
function learn({ line, fetchLength }: GatherPlan, elapsedMs: number): void {
  const measured = elapsedMs / Math.max(1, fetchLength);
  line.msPerByte = line.msPerByte === undefined ? measured : 0.75 * line.msPerByte + 0.25 * measured;
}

/** Marks fetches that take longer than the others let expect: a spare is asked besides. Gives up on those that stand still. */
function hedge(state: State): void {
  const { plan, context, active } = state;
  const { hedgeFloorMs, hedgeFirstMs, stallMs } = context.timing;
  const nowMs = context.clock.monotonic();
  const { msPerByte } = plan.line;
  const patienceMs =
    msPerByte === undefined ? hedgeFirstMs : Math.max(hedgeFloorMs, 1.5 * msPerByte * plan.fetchLength);
  for (const fetch of active) {
    const since = msPerByte === undefined ? fetch.lastByteMs : fetch.startMs;
    if (!fetch.isSlow && nowMs - since > patienceMs) {
      fetch.isSlow = true;
      state.isAnyK = true;
      const { node, column } = fetch.candidate;
      plan.notice({
        kind: 'holder-slow',
        node: toHex(node),
        segmentIndex: plan.segmentIndex,
        pieceIndex: column,
        message: `node ${short(node)} is slow with piece ${column} of segment ${plan.segmentIndex}`,
      });
    }
    if (nowMs - fetch.lastByteMs > stallMs) {
      fetch.abort.abort(
        new StoreError('TIMEOUT', `node ${short(fetch.candidate.node)} sent nothing for ${stallMs} ms`),
      );
    }
  }
}

async function askOthers(state: State, signal: AbortSignal): Promise<void> {
  state.location = 'asking';
  state.isAnyK = true;
  const asked = new Set(state.plan.candidates.map(({ node }) => toHex(node)));
  const found = (candidate: Candidate): void => {
    state.queue.push(candidate);
    state.wake();
  };
  await state.plan.locate(asked, signal, found).catch(() => undefined);
  state.location = 'done';
}

/** Resolves when a fetch ended, after a short while, or when the signal fires. */
function nextEvent(state: State, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      cancel();
      signal.removeEventListener('abort', go);
      state.wake = () => undefined;
      resolve();
    };
    const cancel = state.context.clock.timer(WATCH_MS, go);
    signal.addEventListener('abort', go, { once: true });
    state.wake = go;
  });
}

function notEnough({ plan, have, failures }: State): StoreError {
  const silent = [...failures.values()].filter(({ error }) =>
    ['UNREACHABLE', 'TIMEOUT'].includes(error.code),
  );
  const others = [...failures.values()].filter((failure) => !silent.includes(failure));
  const parts = [
    silent.length > 0 ? `no answer from ${silent.map(({ node }) => short(node)).join(', ')}` : '',
    others.length > 0 ? others.map(({ node, error }) => `${short(node)}: ${error.code}`).join(', ') : '',
  ].filter((part) => part !== '');
  const why = parts.length === 0 ? '' : ` (${parts.join('; ')})`;
  return new StoreError(
    'NOT_ENOUGH_PIECES',
    `segment ${plan.segmentIndex}: ${have.size} pieces could be had, ${plan.k} are needed${why}`,
    {
      cause: [...failures.values()].at(-1)?.error,
      next: 'Look at the nodes with "store status"; try again when more of them are reachable.',
    },
  );
}
