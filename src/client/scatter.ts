// Brings items (the pieces of a segment, the copies of a record) to nodes, all at once, each to its own. A node that
// fails, refuses or stalls is replaced by the next spare while the others go on; where there is no spare, one that failed in
// passing is tried again a few times. The scatter is acknowledged when a quorum of items is confirmed; the rest
// completes behind.
//
// Invariants: at most one item goes to a node, and to an operator unless that is allowed; an item counts only with
// a confirmation that `send` has verified; when `finished` settles nothing is running any more and no memory given to `send` is used.

import { short } from '../base/bytes.ts';
import type { Member } from '../base/epoch.ts';
import { type ErrorCode, StoreError, toStoreError } from '../base/errors.ts';
import type { NodeId, Signature } from '../base/ids.ts';
import { BODY_RATE_MIN_PER_SECOND } from '../base/limits.ts';
import type { Confirmation } from '../replication/confirmation.ts';
import type { Context } from './context.ts';
import { type Health, retryWaitMs, strikesAfter } from './health.ts';
import { abortReason, deferred, type LinkedAbort, linkedAbort } from './tasks.ts';

export interface ScatterPlan {
  /** Target of item i at index i. */
  readonly targets: readonly Member[];
  /** Who takes over, in order. */
  readonly spares: readonly Member[];
  readonly quorum: number;
  readonly allowSameOperator: boolean;
  /** What is scattered, for messages: `segment 3`. */
  readonly what: string;
  readonly health: Health;
  readonly signal: AbortSignal;
  /** Resolves with the node's verified confirmation. Rejects, and uses no memory afterwards, once the signal fires. */
  readonly send: (
    item: number,
    node: NodeId,
    options: { readonly signal: AbortSignal; readonly onBytes: (count: number) => void },
  ) => Promise<Signature>;
  readonly onReplaced?: (item: number, failed: Member, error: StoreError, next: Member) => void;
}

interface Scattered {
  /** Node of item i at the time: confirmed, under way, or where it was last tried. */
  readonly holders: readonly NodeId[];
  readonly confirmations: readonly Confirmation[];
}

/** An item that is nowhere, the node where it was last tried, and why it is not there. */
export interface Missing {
  readonly item: number;
  readonly node: NodeId;
  readonly error: StoreError;
}

interface Finished extends Scattered {
  readonly missing: readonly Missing[];
}

export interface Scatter {
  /** At the quorum. Rejects with NOT_ENOUGH_CONFIRMATIONS or what the signal says. */
  readonly acknowledged: Promise<Scattered>;
  /** When nothing is running any more. Never rejects. */
  readonly finished: Promise<Finished>;
}

interface Item {
  readonly index: number;
  member: Member;
  /** Undefined when the item is confirmed or given up. */
  attempt: Attempt | undefined;
  confirmation: Signature | undefined;
  /** Why it is not confirmed yet. */
  failure: StoreError | undefined;
  isOver: boolean;
}

interface Attempt {
  readonly abort: LinkedAbort;
  lastByteMs: number;
  /** Bytes that left, as far as the lane can tell. */
  sentBytes: number;
}

interface State {
  readonly context: Context;
  readonly plan: ScatterPlan;
  readonly items: readonly Item[];
  readonly spares: Set<Member>;
  readonly startMs: number;
  readonly failures: { readonly member: Member; readonly error: StoreError }[];
  confirmed: number;
  lastConfirmedMs: number;
  quorumMs: number | undefined;
}

/** Failures that only a false node shows. */
const LYING: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['INVALID_SIGNATURE', 'INVALID_ENCODING']);
/** How often transfers are looked at for a stall. */
const WATCH_MS = 250;

export function scatter(context: Context, plan: ScatterPlan): Scatter {
  const state: State = {
    context,
    plan,
    items: plan.targets.map((member, index) => ({
      index,
      member,
      attempt: undefined,
      confirmation: undefined,
      failure: undefined,
      isOver: false,
    })),
    spares: new Set(plan.spares),
    startMs: context.clock.monotonic(),
    failures: [],
    confirmed: 0,
    lastConfirmedMs: 0,
    quorumMs: undefined,
  };
  const acknowledged = deferred<Scattered>();
  const all = linkedAbort(plan.signal);
  const settle = (): void => {
    if (state.confirmed >= plan.quorum) acknowledged.resolve(resultOf(state));
    else if (all.signal.aborted) acknowledged.reject(abortReason(all.signal));
    else if (reachable(state) < plan.quorum) {
      const error = notEnough(state);
      acknowledged.reject(error);
      // Without a quorum the others are not worth their bytes.
      all.abort(error);
    }
  };
  const stopWatching = watchStalls(state);
  const runs = state.items.map((item) => store(state, item, all.signal, settle));
  const finished = Promise.all(runs).then(() => {
    stopWatching();
    settle();
    all.release();
    return { ...resultOf(state), missing: missingOf(state) };
  });
  return { acknowledged: acknowledged.promise, finished };
}

/** Brings one item to one node, whichever it ends up to be. Never rejects. */
async function store(state: State, item: Item, signal: AbortSignal, settle: () => void): Promise<void> {
  const { plan, context } = state;
  const { health } = plan;
  let strikes: number | undefined = 0;
  if (await isReady(state, item, barred(plan, item.member), signal)) {
    while (!signal.aborted) {
      const sinceMs = context.clock.monotonic();
      const error = await attempt(state, item, signal);
      if (error === undefined || signal.aborted) break;
      const { node } = item.member;
      item.failure = error;
      state.failures.push({ member: item.member, error });
      if (LYING.has(error.code)) health.lied(node);
      else health.failed(node, error.code, sinceMs, error.message);
      if (moveToSpare(state, item, error)) {
        strikes = 0;
        continue;
      }
      strikes = strikesAfter(strikes, error.code);
      if (strikes === undefined || !(isNeeded(state, item) || health.retryAtMs(node) !== undefined)) break;
      await pause(context, retryWaitMs(context.timing.retryMs, strikes), signal);
    }
  }
  item.isOver = true;
  settle();
}

/**
 * True when the item has a node to try: its own, a spare, or its own once more after a while when that has failed in
 * passing and there is no spare: nobody else can have the item, and most failures are over in a moment.
 */
async function isReady(state: State, item: Item, error: StoreError, signal: AbortSignal): Promise<boolean> {
  const { plan, context } = state;
  const { node } = item.member;
  if (plan.health.standing(node) === 'good' || moveToSpare(state, item, error)) return true;
  item.failure = error;
  if (plan.health.standing(node) === 'liar') return false;
  const retryAtMs = plan.health.retryAtMs(node);
  if (retryAtMs !== undefined) await pause(context, retryAtMs - context.clock.monotonic(), signal);
  return (
    plan.health.standing(node) === 'good' ||
    plan.health.retryAtMs(node) !== undefined ||
    isNeeded(state, item)
  );
}

function pause({ clock }: Context, waitMs: number, signal: AbortSignal): Promise<void> {
  return clock.sleep(Math.max(0, waitMs), signal).catch(() => undefined);
}

/** One transfer; undefined when it was confirmed. */
async function attempt(state: State, item: Item, signal: AbortSignal): Promise<StoreError | undefined> {
  const { plan, context } = state;
  const abort = linkedAbort(signal);
  const current: Attempt = { abort, lastByteMs: context.clock.monotonic(), sentBytes: 0 };
  item.attempt = current;
  const { member } = item;
  try {
    item.confirmation = await plan.send(item.index, member.node, {
      signal: abort.signal,
      onBytes: (count) => {
        current.sentBytes += count;
        current.lastByteMs = context.clock.monotonic();
      },
    });
    plan.health.succeeded(member.node);
    state.confirmed++;
    state.lastConfirmedMs = context.clock.monotonic() - state.startMs;
    if (state.confirmed === plan.quorum) state.quorumMs = state.lastConfirmedMs;
    return undefined;
  } catch (error) {
    if (abort.signal.aborted) return abortReason(abort.signal);
    return toStoreError(error, 'INTERNAL', `node ${short(member.node)}`);
  } finally {
    item.attempt = undefined;
    abort.release();
  }
}

/** Gives the item to the best spare left; false when there is none that may have it. */
function moveToSpare(state: State, item: Item, error: StoreError): boolean {
  const { plan, items, spares } = state;
  const operators = new Set(
    items.filter((other) => other !== item && !isLost(other)).map((other) => other.member.operator),
  );
  for (const spare of spares) {
    if (plan.health.standing(spare.node) !== 'good') continue;
    if (!plan.allowSameOperator && operators.has(spare.operator)) continue;
    spares.delete(spare);
    const failed = item.member;
    item.member = spare;
    plan.onReplaced?.(item.index, failed, error, spare);
    return true;
  }
  return false;
}

/** Aborts attempts that have not moved for too long, measured by what the others needed. Returns how to stop. */
function watchStalls(state: State): () => void {
  const { clock } = state.context;
  let lookedMs = clock.monotonic();
  let cancel = (): void => undefined;
  const look = (): void => {
    const nowMs = clock.monotonic();
    // Time in which this process did not run is no holder's fault: what came meanwhile is still to be heard.
    const lostMs = Math.max(0, nowMs - lookedMs - 2 * WATCH_MS);
    lookedMs = nowMs;
    for (const item of state.items) {
      if (item.attempt === undefined) continue;
      item.attempt.lastByteMs = Math.min(nowMs, item.attempt.lastByteMs + lostMs);
      const limitMs = patienceMs(state, item.attempt);
      if (nowMs - item.attempt.lastByteMs < limitMs) continue;
      item.attempt.abort.abort(
        new StoreError(
          'TIMEOUT',
          `node ${short(item.member.node)} took no byte and gave no answer for ${Math.round(limitMs)} ms`,
        ),
      );
    }
    cancel = clock.timer(WATCH_MS, look);
  };
  cancel = clock.timer(WATCH_MS, look);
  return () => cancel();
}

/**
 * How long an attempt may stand still. Once others are done patience is short with a holder that takes nothing; but bytes
 * that left may still wait in buffers on the way, and nothing is heard of them until those have drained.
 */
function patienceMs(
  { context, confirmed, quorumMs, lastConfirmedMs }: State,
  { sentBytes }: Attempt,
): number {
  const { stallMs, stallFloorMs } = context.timing;
  if (confirmed === 0) return stallMs;
  const drainMs = (sentBytes / BODY_RATE_MIN_PER_SECOND) * 1000;
  return Math.max(stallFloorMs, 2 * (quorumMs ?? lastConfirmedMs), Math.min(stallMs, drainMs));
}

const isLost = (item: Item): boolean => item.isOver && item.confirmation === undefined;

/** Items confirmed or still under way. */
function reachable(state: State): number {
  return state.items.filter((item) => !isLost(item)).length;
}

/** True when the quorum cannot be had without this item. */
function isNeeded(state: State, item: Item): boolean {
  const others = state.items.filter((other) => other !== item && !isLost(other)).length;
  return others < state.plan.quorum;
}

function resultOf(state: State): Scattered {
  return {
    holders: state.items.map((item) => item.member.node),
    confirmations: state.items
      .filter((item) => item.confirmation !== undefined)
      .map((item) => ({ pieceIndex: item.index, signature: item.confirmation! })),
  };
}

function missingOf({ items, plan }: State): readonly Missing[] {
  // Who ended the scatter knows why items are missing.
  if (plan.signal.aborted) return [];
  return items.filter(isLost).map(({ index, member, failure }) => ({
    item: index,
    node: member.node,
    error: failure ?? barred(plan, member),
  }));
}

function barred({ health }: ScatterPlan, { node }: Member): StoreError {
  const reason = health.reason(node);
  const why = reason === undefined ? '' : `: ${reason}`;
  return new StoreError('UNREACHABLE', `node ${short(node)} failed a moment ago${why}`);
}

function notEnough(state: State): StoreError {
  const { plan, confirmed, items, failures } = state;
  const reasons = failures.slice(-3).map(({ member, error }) => `${short(member.node)}: ${error.message}`);
  const why = reasons.length === 0 ? '' : ` (${reasons.join('; ')})`;
  return new StoreError(
    'NOT_ENOUGH_CONFIRMATIONS',
    `${plan.what}: ${confirmed} of ${items.length} holders stored it, ${plan.quorum} are needed${why}`,
    {
      cause: failures.at(-1)?.error,
      next: 'Look at the nodes with "store status", then put again.',
    },
  );
}
