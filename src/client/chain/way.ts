// The way from what is trusted to a header that a node showed: one step where enough of those who are trusted signed it, else by headers in
// between. The node that showed it answers for the way; what it gives is bounded in blocks and time, so that a forged header of far away
// costs no more than that.
//
// Invariants: every block of the way is verified by the one before it; a node is asked for no height twice on one way.

import { StoreError } from '../../base/errors.ts';
import { WAY_REQUESTS_MAX, WAY_TIME_MS } from '../../base/limits.ts';
import type { LightBlock } from '../../shards/light-block.ts';
import {
  isExpired,
  type LightProblem,
  type LightRules,
  type Trusted,
  trustedOf,
  verifyLight,
} from './light-checks.ts';
import { TrustExpired, TrustTooFar } from './trust-lost.ts';

/** What may still be spent, on one node's way or on several. */
export interface Allowance {
  requests: number;
}

export interface WayPorts {
  readonly rules: LightRules;
  readonly monotonic: () => number;
  /** Asks the node that showed the target, so long at most. Throws NOT_FOUND when it does not have it. */
  readonly lightAt: (height: number, timeoutMs: number) => Promise<LightBlock>;
  /** What to throw of a block that cannot be right. */
  readonly refusal: (light: LightBlock, problem: LightProblem) => Error;
  /** Of all ways together. */
  readonly allowance: Allowance;
}

export interface Way {
  /** Verified, one after the other; the last is the target unless there is a failure. */
  readonly blocks: readonly LightBlock[];
  /** Why it goes no further with this node, which may be honest all the same. */
  readonly failure?: StoreError;
  /** It has had its share, or cannot lead there at all: others come first from now on. */
  readonly isSpent?: boolean;
}

/** Light blocks that lead from `from` to `target`. Throws what `refusal` gives, ABORTED, and TrustExpired. */
export async function wayTo(ports: WayPorts, from: Trusted, target: LightBlock): Promise<Way> {
  const untilMs = ports.monotonic() + WAY_TIME_MS;
  const blocks: LightBlock[] = [];
  /** The nearest last; what is reached is taken off. */
  const pending = [target];
  let trusted = from;
  /** The node has none of the blocks up to here. */
  let pruned = 0;
  for (let left = WAY_REQUESTS_MAX; ; ) {
    const next = pending.at(-1);
    if (next === undefined) return { blocks };
    if (isExpired(ports.rules, trusted)) throw new TrustExpired(trusted);
    const problem = verifyLight(ports.rules, trusted, next);
    if (problem === undefined) {
      blocks.push(pending.pop()!);
      trusted = trustedOf(next);
      continue;
    }
    if (problem !== 'too-far') throw ports.refusal(next, problem);
    const low = Math.max(trusted.height, pruned);
    const height = middleOf(low, next.header.height);
    if (height <= low) return { blocks, failure: gap(trusted, next), isSpent: true };
    if (ports.allowance.requests === 0) return { blocks, failure: new TrustTooFar(target.header.height) };
    const leftMs = untilMs - ports.monotonic();
    if (left === 0 || leftMs <= 0) return { blocks, failure: tooLong(trusted, target), isSpent: true };
    left--;
    ports.allowance.requests--;
    try {
      pending.push(await ports.lightAt(height, leftMs));
    } catch (error) {
      if (!(error instanceof StoreError) || error.code === 'ABORTED') throw error;
      if (error.code !== 'NOT_FOUND') return { blocks, failure: error, isSpent: error.code === 'TIMEOUT' };
      pruned = height;
    }
  }
}

function middleOf(low: number, high: number): number {
  return low + Math.floor((high - low) / 2);
}

function tooLong({ height }: Trusted, { header }: LightBlock): StoreError {
  return new StoreError(
    'TIMEOUT',
    `the node that showed height ${header.height} has led no further than height ${height}, and others get their turn`,
    { next: 'Run it again to go on from there.' },
  );
}

function gap({ height }: Trusted, { header }: LightBlock): StoreError {
  return new StoreError(
    'UNREACHABLE',
    `the validators have changed between height ${height}, which is trusted, and ${header.height}, the oldest that the nodes asked keep`,
    {
      next: 'Add the address of a node that keeps all blocks to network.json, or ask somebody you trust for the height and id of a recent block, and start with --trust-height and --trust-hash.',
    },
  );
}
