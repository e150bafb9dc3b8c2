// What one operation has learnt about nodes. A node that failed is barred for a while: it is asked last, so that the next
// segment does not wait for it again; where nobody can replace it, it is tried again soon, until it failed too often. A node that sent wrong bytes or a wrong signature is never asked again.

import { toHex } from '../base/bytes.ts';
import type { ErrorCode } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import type { Clock } from '../base/ports.ts';
import type { Timing } from './context.ts';

type Standing = 'good' | 'barred' | 'liar';

export interface Health {
  standing(node: NodeId): Standing;
  /** When a barred node should be tried again where nobody can replace it; undefined when it failed too often, or for good. */
  retryAtMs(node: NodeId): number | undefined;
  succeeded(node: NodeId): void;
  /** `sinceMs` is when the request began: requests that one broken connection ended are one failure. */
  failed(node: NodeId, code: ErrorCode, sinceMs: number, message?: string): void;
  /** What a node that is barred said or did last, where that is known. */
  reason(node: NodeId): string | undefined;
  lied(node: NodeId): void;
}

interface Bar {
  readonly atMs: number;
  readonly untilMs: number;
  /** Undefined once it failed too often. */
  readonly strikes: number | undefined;
  readonly doublings: number;
  readonly message: string | undefined;
}

/** Failures that may pass by themselves: the same request may succeed at the same node a moment later. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'UNREACHABLE',
  'TIMEOUT',
  'BUSY',
  'CLOSED',
  'PROTOCOL',
]);
/** Of these, the ones that have taken long already. */
const TEDIOUS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['TIMEOUT', 'BUSY']);
/** Requests to one node that may fail in passing one after the other; tedious ones count twice. */
const STRIKES_MAX = 4;

export function isPassing(code: ErrorCode): boolean {
  return PASSING.has(code);
}

/** Strikes of a request after one more failure; undefined when it is not worth another try. */
export function strikesAfter(strikes: number, code: ErrorCode): number | undefined {
  const sum = strikes + (TEDIOUS.has(code) ? 2 : 1);
  return isPassing(code) && sum < STRIKES_MAX ? sum : undefined;
}

/** How long to wait after so many strikes. */
export function retryWaitMs(retryMs: number, strikes: number): number {
  return retryMs * 2 ** Math.max(0, strikes - 1);
}

/** Bars a node for `barMs`; once it has failed too often, twice as long with every further failure, up to eight times. */
export function createHealth(clock: Clock, { barMs, retryMs }: Pick<Timing, 'barMs' | 'retryMs'>): Health {
  const bars = new Map<string, Bar>();
  const liars = new Set<string>();
  return {
    standing: (node) => {
      const key = toHex(node);
      if (liars.has(key)) return 'liar';
      return (bars.get(key)?.untilMs ?? 0) > clock.monotonic() ? 'barred' : 'good';
    },
    retryAtMs: (node) => {
      const { atMs, strikes } = bars.get(toHex(node)) ?? { atMs: 0, strikes: 0 };
      return strikes === undefined ? undefined : atMs + retryWaitMs(retryMs, strikes);
    },
    succeeded: (node) => {
      bars.delete(toHex(node));
    },
    reason: (node) => bars.get(toHex(node))?.message,
    failed: (node, code, sinceMs, message) => {
      const key = toHex(node);
      const last = bars.get(key);
      if (last !== undefined && sinceMs < last.atMs) return;
      const atMs = clock.monotonic();
      const wasLost = last !== undefined && last.strikes === undefined;
      const strikes = wasLost ? undefined : strikesAfter(last?.strikes ?? 0, code);
      const doublings = wasLost ? Math.min(3, last.doublings + 1) : 0;
      bars.set(key, { atMs, untilMs: atMs + barMs * 2 ** doublings, strikes, doublings, message });
    },
    lied: (node) => {
      liars.add(toHex(node));
    },
  };
}
