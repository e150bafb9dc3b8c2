// What one operation has learnt about nodes. A node that failed is barred for a while: it is asked last, so that the next
// segment does not wait for it again. A node that sent wrong bytes or a wrong signature is never asked again.

import { toHex } from '../base/bytes.ts';
import type { ErrorCode } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import type { Clock } from '../base/ports.ts';

type Standing = 'good' | 'barred' | 'liar';

export interface Health {
  standing(node: NodeId): Standing;
  succeeded(node: NodeId): void;
  failed(node: NodeId): void;
  lied(node: NodeId): void;
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

/** Bars a node for `barMs`, doubled with every further failure up to eight times. */
export function createHealth(clock: Clock, barMs: number): Health {
  const bars = new Map<string, { readonly untilMs: number; readonly count: number }>();
  const liars = new Set<string>();
  return {
    standing: (node) => {
      const key = toHex(node);
      if (liars.has(key)) return 'liar';
      return (bars.get(key)?.untilMs ?? 0) > clock.monotonic() ? 'barred' : 'good';
    },
    succeeded: (node) => {
      bars.delete(toHex(node));
    },
    failed: (node) => {
      const key = toHex(node);
      const count = Math.min(3, bars.get(key)?.count ?? 0);
      bars.set(key, { untilMs: clock.monotonic() + barMs * 2 ** count, count: count + 1 });
    },
    lied: (node) => {
      liars.add(toHex(node));
    },
  };
}
