// What one operation has learnt about nodes. A node that failed is barred for a while: it is asked last, so that the next
// segment does not wait for it again. A node that sent wrong bytes or a wrong signature is never asked again.

import { toHex } from '../base/bytes.ts';
import type { NodeId } from '../base/ids.ts';
import type { Clock } from '../base/ports.ts';

type Standing = 'good' | 'barred' | 'liar';

export interface Health {
  standing(node: NodeId): Standing;
  succeeded(node: NodeId): void;
  failed(node: NodeId): void;
  lied(node: NodeId): void;
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
